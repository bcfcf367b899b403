"""White and colour space from the data to the model, and back in a conversion, by the real commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import warm

from translate.data.dataset import Dataset
from translate.errors import ConfigError
from translate.imaging.appearance.handling import Handling
from translate.imaging.colour.spaces import profile_of
from translate.imaging.io import Image, read, write
from translate.models.load import load

PIPELINE = """
version: 1
name: look
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with:
      source: {{uses: pairs, a: data/a, b: data/b}}
      split: {{test: 0.25}}
      {look}
  train:
    uses: train
    needs: {{data: prepare}}
    with:
      method: pix2pix
      options:
        generator: {{uses: unet, levels: 3, filters: 4}}
        discriminator: {{uses: patchgan, filters: 4, layers: 1}}
      batch_size: 2
      epochs: 1
      max_steps: 1
      precision: fp32
  convert:
    uses: infer
    needs: {{model: train}}
    with: {{input: data/a, metadata: none}}
"""


def run(folder: Path, look: str) -> Path:
    """Runs the pipeline; the folder of its stages."""
    (folder / "look.yaml").write_text(PIPELINE.format(look=look))
    done = warm.translate(folder, "run", "look.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs/look"


@pytest.mark.parametrize(("look", "white"), [("white: 4095", 4095.0), ("", None)])
def test_counts_of_12_bits(tmp_path: Path, look: str, white: float | None) -> None:
    counts = np.random.default_rng(0).integers(0, 4096, (4, 16, 16, 3)).astype(np.uint16)
    for side in "ab":
        for number, each in enumerate(counts):
            (tmp_path / "data" / side).mkdir(parents=True, exist_ok=True)
            write(tmp_path / "data" / side / f"{number}.png", each)
    runs = run(tmp_path, look)
    prepare = next(path for path in runs.iterdir() if path.is_dir() and path.name.startswith("prepare"))
    dataset = Dataset(prepare)
    split = "train" if "0" in dataset.keys("train", "input") else "test"
    stored = dataset.array(split, "input", "0").astype(float)
    assert np.abs(stored - counts[0] * (65535 / white if white else 1)).max() <= 0.5
    model = load(runs / "train")
    assert model.program.handling == Handling(white=white)
    with pytest.raises(ConfigError, match="images are treated by alpha, white, colour, metadata, and not by 'whit'"):
        load(runs / "train", whit=100)
    assert load(runs / "train", white=100).program.handling.white == 100


def test_a_space_of_its_own(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    for side in "ab":
        for number, each in enumerate(pixels):
            (tmp_path / "data" / side).mkdir(parents=True, exist_ok=True)
            write(tmp_path / "data" / side / f"{number}.png", Image(each, icc=profile_of("display-p3")))
    runs = run(tmp_path, "colour: display-p3")
    prepare = next(path for path in runs.iterdir() if path.is_dir() and path.name.startswith("prepare"))
    dataset = Dataset(prepare)
    split = "train" if "0" in dataset.keys("train", "input") else "test"
    assert np.array_equal(dataset.array(split, "input", "0"), pixels[0])
    model = load(runs / "train")
    assert model.program.handling.colour == "display-p3"
    image = read(tmp_path / "data/a/0.png")
    seen = model.translate_image(image)
    plain = model.translate_image(Image(image.pixels), None)
    # The numbers are those of the networks' space; without a profile they would be sRGB.
    numbers = load(runs / "train", colour="as-is").translate_image(Image(image.pixels))
    assert np.array_equal(seen.pixels, numbers.pixels) and not np.array_equal(plain.pixels, numbers.pixels)
