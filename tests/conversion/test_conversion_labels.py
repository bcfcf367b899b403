"""Directions that give labels: the class of each pixel is the largest logit, and it is written as it is."""

import json

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from translate.contracts import DataSpec, Direction
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import ConfigError
from translate.imaging.io import read, write
from translate.imaging.palette import default_palette
from translate.inference.translator import Translator

COLOURS = ((250, 1, 1), (2, 240, 2), (3, 3, 230))


@pytest.fixture
def translator(tiny, make):
    """Its logits are the channels of the image: red is class 0, green 1, blue 2."""

    class Segment(tiny):
        data = "labelled"
        directions = {"segment": Direction(nets=("gen",), output="labels")}

    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 32), ("r", "g", "b"), COLOURS)
    method = Segment(tiny.Config(), spec, {"l1": 1.0})
    return Translator(method, method.networks(None), {})


def picture(height=17, width=23, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_largest_logit_at_the_size_of_the_image(translator):
    """17 x 23 pixels are padded to multiples of four for the network; what was added is cut off the logits."""
    image = picture()
    wanted = image.argmax(2)
    assert np.array_equal(translator(image), wanted) and translator(image).dtype == np.uint8
    made = translator(Pillow.fromarray(image))
    assert made.mode == "P" and np.array_equal(np.asarray(made), wanted)
    assert np.array_equal(np.asarray(made.convert("RGB")), np.array(COLOURS)[wanted])
    logits = translator(torch.from_numpy(image.transpose(2, 0, 1) / np.float32(127.5) - 1))
    assert logits.shape == (3, 17, 23) and np.array_equal(logits.argmax(0).numpy(), wanted)


def test_alpha_and_depth_of_the_image_leave_no_trace(translator):
    deep = np.dstack([picture().astype(np.uint16) * 257, np.full((17, 23), 65535, np.uint16)])
    made = translator(deep)
    assert made.dtype == np.uint8 and np.array_equal(made, picture().argmax(2))


def test_a_folder_becomes_label_maps(translator, tmp_path, told):
    source, output = tmp_path / "in", tmp_path / "out"
    for number, name in enumerate(("a.png", "deep/b.tif", "c.png")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        write(source / name, picture(20 + number, 31, seed=number))
    summary = convert(source, output, translator, console=told)
    assert (summary.done, summary.failed) == (3, 0)
    rows = [json.loads(line) for line in (output / "results.jsonl").read_text().splitlines()]
    assert [row["output"] for row in rows] == ["a.png", "c.png", "deep/b.png"]
    for name, number in (("a", 0), ("deep/b", 1), ("c", 2)):
        with Pillow.open(output / f"{name}.png") as file:
            assert file.mode == "P" and np.array_equal(np.asarray(file), picture(20 + number, 31, number).argmax(2))
    assert np.array_equal(read(output / "a.png").pixels, np.array(COLOURS)[picture(20, 31).argmax(2)])


def test_formats_that_would_change_classes_are_refused(translator, tmp_path, told):
    write(tmp_path / "a.png", picture())
    for output, format in ((tmp_path / "b.jpg", None), (tmp_path / "b.png", "jpg"), (tmp_path / "out", ".webp")):
        with pytest.raises(ConfigError, match="label maps are written as PNG alone"):
            convert(tmp_path / "a.png", output, translator, ConvertOptions(format=format), console=told)
    assert convert(tmp_path / "a.png", tmp_path / "b.PNG", translator, console=told).done == 1
    assert (
        convert(tmp_path / "a.png", tmp_path / "out", translator, ConvertOptions(format="png"), console=told).done == 1
    )
    beside = ["contact.html", "results.jsonl", "results.settings.json"]
    assert sorted(p.name for p in tmp_path.rglob("*.*")) == ["a.png", "a.png", "b.PNG", *beside]


def test_without_a_palette_the_default_one_is_shown(tiny):
    class Segment(tiny):
        data = "labelled"
        directions = {"segment": Direction(nets=("gen",), output="labels")}

    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 32), ("r", "g", "b"))
    method = Segment(tiny.Config(), spec, {"l1": 1.0})
    made = Translator(method, method.networks(None), {})(Pillow.fromarray(picture()))
    assert np.array_equal(np.asarray(made.convert("RGB")), np.array(default_palette(3))[picture().argmax(2)])
