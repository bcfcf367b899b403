"""Draws `docs/pictures/architecture.svg`: the floors of `translate`, from the package itself.

    python docs/tools/architecture.py            writes the picture
    python docs/tools/architecture.py --check    ends with 1 if the picture is not up to date

The floors are the layers of the import rules in pyproject.toml, from top to bottom; what stands on one floor does
not know its neighbours. The sentence of a room is the first one of its docstring, and below it stand its files.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"
WIDTH, MARGIN, GAP, PAD = 900, 2, 10, 12
LINE = 17  # the height of a line of text
SANS = "ui-sans-serif, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', Consolas, monospace"
SANS_WIDTH, MONO_WIDTH = 6.9, 7.3  # of a letter, on average and with room to spare
BESIDE = 3  # rooms on one line; a floor with more of them has several lines
STYLE = f"""
  text {{ font-family: {SANS}; font-size: 13px; fill: #24292f; }}
  .name {{ font-family: {MONO}; font-size: 15px; font-weight: 600; }}
  .file, .folder {{ white-space: pre; }}
  .file {{ font-family: {MONO}; font-size: 12px; fill: #57606a; }}
  .folder {{ font-family: {MONO}; font-size: 12px; fill: #3f51b5; }}
  .side {{ fill: #57606a; }}
"""
COLOURS = ("#eef1fb", "#eaf4ef", "#fdf3e7", "#f7edf6", "#eef6f8", "#f6f6ee")


@dataclass(frozen=True)
class Room:
    """A package or a module of a floor: its name, what it is for, its files by folder ("" is the room itself)."""

    name: str
    sentence: str
    files: dict[str, list[str]]


def floors() -> list[list[Room]]:
    """The layers of the import rules from top to bottom."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (rule["layers"] for rule in rules if rule["type"] == "layers")
    names = [layer.replace("|", " ").split() for layer in layers if layer != "__main__"]
    return [[room(name) for name in floor] for floor in names]


def room(name: str) -> Room:
    folder = ROOT / "translate" / name
    if not folder.is_dir():
        return Room(name, first_sentence(folder.with_suffix(".py")), {})
    files: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*.py")):
        inside = file.parent.relative_to(folder).as_posix().removeprefix(".")
        if not inside.startswith("templates"):  # those of `translate plugins new` are text, not code
            files.setdefault(inside, [])
            if file.stem != "__init__":
                files[inside].append(file.stem)
    return Room(name, first_sentence(folder / "__init__.py"), files)


def first_sentence(file: Path) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].replace("`", "").split())
    sentence = re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0].rstrip(".:")
    # "Plugins: discovery by metadata, ...": one word before the colon is the name of the room, which stands above.
    words = re.sub(r"^\w+: ", "", sentence)
    return words[0].upper() + words[1:] if words != sentence else sentence


def plugins() -> Room:
    names = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "__init__.py").is_file())
    return Room(
        "plugins/", "One package for each method. They import names from translate alone, as yours would", {"": names}
    )


class Drawing:
    """Text and boxes, from top to bottom."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.bottom = MARGIN

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        mark = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{mark}>{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, colour: str, dashed: bool = False) -> None:
        line = ' stroke-dasharray="5 4"' if dashed else ""
        shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"'
        self.parts.append(f'<rect {shape} fill="{colour}" stroke="#c4c9d4"{line}/>')

    def floor(self, rooms: list[Room], colour: str, dashed: bool = False) -> None:
        """Rooms beside each other, as high as the highest."""
        width = (WIDTH - 2 * MARGIN - GAP * (len(rooms) - 1)) / len(rooms)
        texts = [list(lines(each, width - 2 * PAD)) for each in rooms]
        height = max(len(each) for each in texts) * LINE + 2 * PAD
        for index, each in enumerate(texts):
            x = MARGIN + index * (width + GAP)
            self.box(x, self.bottom, width, height, colour, dashed)
            for number, (kind, words) in enumerate(each):
                self.text(x + PAD, self.bottom + PAD + LINE * number + 12, words, kind)
        self.bottom += height + GAP

    def svg(self, title: str) -> str:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.bottom:g}" role="img">'
        page = f'<rect width="{WIDTH}" height="{self.bottom:g}" fill="#ffffff"/>'
        return "\n".join(
            [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", page, *self.parts, "</svg>\n"]
        )


def lines(each: Room, width: float) -> Iterator[tuple[str, str]]:
    """The lines of a room, each with its kind: name, sentence, files."""
    yield "name", each.name
    for line in textwrap.wrap(each.sentence, int(width / SANS_WIDTH)):
        yield "", line
    for folder, names in each.files.items():
        words = [f"{folder}/:", *names] if folder else names
        for line in textwrap.wrap(" ".join(words), int(width / MONO_WIDTH), break_on_hyphens=False):
            yield "folder" if folder else "file", line


def draw() -> str:
    drawing = Drawing()
    drawing.text(
        MARGIN,
        drawing.bottom + 14,
        "Imports go down only. What stands side by side does not know its neighbour.",
        "side",
    )
    drawing.bottom += 30
    for index, rooms in enumerate(floors()):
        rows = -(-len(rooms) // BESIDE)
        each = -(-len(rooms) // rows)
        for start in range(0, len(rooms), each):
            drawing.floor(rooms[start : start + each], COLOURS[index % len(COLOURS)])
    drawing.bottom += GAP
    drawing.floor([plugins()], "#ffffff", dashed=True)
    return drawing.svg("The rooms of translate, by floor")


def main() -> None:
    picture = draw()
    if "--check" not in sys.argv[1:]:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(picture, "utf-8", newline="\n")
    elif not PICTURE.is_file() or PICTURE.read_text("utf-8") != picture:
        sys.exit(f"{PICTURE.relative_to(ROOT)} is not up to date: run python docs/tools/architecture.py")


if __name__ == "__main__":
    main()
