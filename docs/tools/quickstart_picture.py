"""Draws `docs/pictures/quickstart.png` from what the quick start made.

    make run && .venv/bin/python docs/tools/quickstart_picture.py [RUN [PICTURE]]

RUN is `runs/maps-cyclegan@quick` by default. The picture is one row: the first test tiles, each as aerial photo, output
and true map. Nothing is chosen by its looks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PICTURE = Path(__file__).parents[1] / "pictures" / "quickstart.png"
SHOWN, SIDE, GAP, SPACE, LABEL = 3, 128, 4, 28, 22
LABELS = ("photo", "ours", "true map")


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/maps-cyclegan@quick")
    outputs = sorted((run / "convert" / "images").glob("*.png"))[:SHOWN]
    photos, maps = (run / "prepare" / "test" / side for side in ("a", "b"))
    triples = [(photos / output.name, output, maps / output.name) for output in outputs]
    picture = Path(sys.argv[2]) if len(sys.argv) > 2 else PICTURE
    # A palette halves the file, and these tiles have few colours.
    draw(triples).quantize(128, dither=Image.Dither.NONE).save(picture, optimize=True)


def draw(triples: list[tuple[Path, Path, Path]]) -> Image.Image:
    """The triples beside each other, under their labels."""
    group = 3 * SIDE + 2 * GAP
    picture = Image.new("RGB", (SHOWN * group + (SHOWN - 1) * SPACE, SIDE + LABEL), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for index, triple in enumerate(triples):
        for place, (file, label) in enumerate(zip(triple, LABELS, strict=True)):
            x = index * (group + SPACE) + place * (SIDE + GAP)
            tile = Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            picture.paste(tile, (x, LABEL))
            pen.text((x + SIDE / 2, LABEL / 2), label, "#57606a", font, anchor="mm")
    return picture


if __name__ == "__main__":
    main()
