"""Images from nothing: each depends on the seed and its number alone, and a folder of them goes on where it stopped."""

import io
import json
import math
import os

import numpy as np
import pytest
import torch
from torch import nn

from translate import Class, DataSpec, Direction, Image, Sides
from translate.console import PlainConsole
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.conversion.samples.folder import sample_folder
from translate.conversion.samples.sheets import SampleOptions, arithmetic_sheet, interpolation_sheet, terms
from translate.errors import ConfigError
from translate.imaging.io import read, write
from translate.inference.draw import MixedDraw, SeededDraw
from translate.inference.translator import Translator

SIDES = Sides({"image": Image(), "kind": Class(("cat", "dog", "owl"))}, together=[("image", "kind")])


@pytest.fixture
def model(tiny):
    class Painter(tiny):
        data = SIDES
        directions = {
            "new": Direction(nets=("gen",), inputs=("kind",), draws=True),
            "convert": Direction(nets=("gen",)),
        }

        def translate(self, nets, inputs, direction, draw):
            if direction == "convert":
                return inputs["image"]
            colour = draw.normal(3).view(-1, 3, 1, 1) / 4 + inputs["kind"].view(-1, 1, 1, 1) / 5
            return colour.tanh().expand(-1, 3, *draw.size)

    return Translator(Painter(Painter.Config(), DataSpec(SIDES, {"image": 3}, (8, 12)), {}), {"gen": nn.Identity()}, {})


def console():
    return PlainConsole(io.StringIO(), io.StringIO())


def test_a_folder_of_samples_has_rows_a_sheet_and_goes_on(model, tmp_path):
    options = SampleOptions("new", size=(6, 5))
    rows = sample_folder(model, tmp_path / "out", range(5), options, console=console())
    assert [row["inputs"]["kind"] for row in rows] == ["cat", "dog", "owl", "cat", "dog"]
    assert [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()] == rows
    images = [read(tmp_path / "out" / row["output"]).pixels for row in rows]
    assert {image.shape for image in images} == {(6, 5, 3)} and len({image.tobytes() for image in images}) == 5
    assert np.array_equal(images[3], model.sample(4, "new", size=(6, 5))[3])
    assert read(tmp_path / "out/contact.png").pixels.shape == (6, 5 * 5 + 4 * 4, 3)

    (tmp_path / "out/000001.png").unlink()
    kept = (tmp_path / "out/000002.png").stat().st_mtime_ns
    again = sample_folder(model, tmp_path / "out", range(7), options, console=console())
    assert again[:5] == rows and (tmp_path / "out/000002.png").stat().st_mtime_ns == kept
    sample_folder(model, tmp_path / "out", range(20, 22), options, console=console())
    numbers = [json.loads(line)["number"] for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    assert numbers == [*range(7), 20, 21]
    with pytest.raises(ConfigError, match="holds samples that were made otherwise"):
        sample_folder(model.with_seed(4), tmp_path / "out", range(5), options, console=console())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/mine.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="holds other files"):
        sample_folder(model, tmp_path / "photos", range(5), options, console=console())
    with pytest.raises(ConfigError, match="converts 'image'"):
        sample_folder(model, tmp_path / "none", range(2), SampleOptions("convert"), console=console())


def test_interpolation_starts_at_one_sample_and_ends_at_the_next(model):
    sheet = interpolation_sheet(model, 2, 5, SampleOptions("new", {"kind": "dog"}))
    assert sheet.shape == (8 * 2 + 4, 12 * 5 + 4 * 4, 3)
    samples = model.sample(4, "new", kind="dog")
    assert np.array_equal(sheet[:8, :12], samples[0]) and np.array_equal(sheet[:8, -12:], samples[1])
    assert np.array_equal(sheet[-8:, :12], samples[2]) and np.array_equal(sheet[-8:, -12:], samples[3])


def test_arithmetic_shows_its_terms_and_the_result(model):
    sheet = arithmetic_sheet(model, "1,2 - 3 + 4", SampleOptions("new", {"kind": "cat"}))
    assert sheet.shape == (8 * 4 + 4 * 3, 12 * 3 + 4 * 2, 3)
    samples = model.sample(5, "new", kind="cat")
    assert np.array_equal(sheet[:8, :12], samples[1]) and np.array_equal(sheet[24:32, :12], samples[4])
    assert terms("-1,2+3") == [(-1, [1, 2]), (1, [3])]
    for wrong in ("a-b", "1--2", "1,", ""):
        with pytest.raises(ConfigError, match="write numbers of samples"):
            terms(wrong)


def test_mixed_noise_is_noise():
    device, halves = torch.device("cpu"), [(n, math.sqrt(0.5)) for n in (1, 2)]
    normal = MixedDraw([halves], (1, 1), device).normal(20000)
    one, two = (SeededDraw([n], (1, 1), device).normal(20000) for n in (1, 2))
    assert torch.allclose(normal, (one + two) * math.sqrt(0.5), atol=1e-6) and abs(float(normal.var()) - 1) < 0.05
    uniform = MixedDraw([[(1, 1.0), (2, -1.0), (3, 1.0)]], (1, 1), device).uniform(20000, low=-1)
    assert abs(float(uniform.mean())) < 0.03 and abs(float(uniform.var()) - 1 / 3) < 0.02
    first = MixedDraw([[(1, 1.0)]], (1, 1), device).uniform(50)
    assert torch.allclose(first, SeededDraw([1], (1, 1), device).uniform(50), atol=1e-5)
    heavier = MixedDraw([[(1, 0.1), (2, 0.9)]], (1, 1), device).integers(9, 50)
    assert torch.equal(heavier, SeededDraw([2], (1, 1), device).integers(9, 50))


@pytest.mark.parametrize("name", ["contact.png", "results.jsonl"])
def test_files_of_the_users_that_are_called_as_ours_stay(name, model, tmp_path):
    (tmp_path / name).write_text("mine")
    options = SampleOptions("new", size=(6, 5), overwrite=True)
    with pytest.raises(ConfigError, match=f"{name}: is there, and no samples were made here"):
        sample_folder(model, tmp_path, range(2), options, console=console())
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "mine"


def test_a_folder_gets_all_outputs_of_a_direction(tiny, tmp_path):
    """Pictures as files beside each other, classes and numbers in the rows; a second command finds all of it done."""

    class Seer(tiny):
        data = SIDES
        directions = {
            "all": Direction(nets=("gen",), further={"half": "image", "kind": "class", "mean": "vector"}),
            "classify": Direction(nets=("gen",), output="class", target="kind"),
        }

        def translate(self, nets, inputs, direction, draw):
            x = inputs["image"]
            kind = torch.eye(3)[(x.mean((1, 2, 3)) > 0).long() * 2]
            if direction == "classify":
                return kind
            return {"output": x, "half": x / 2, "kind": kind, "mean": x.mean((2, 3))}

    spec = DataSpec(SIDES, {"image": 3}, (8, 12))
    seer = Translator(Seer(Seer.Config(), spec, {}), {"gen": nn.Identity()}, {})
    (tmp_path / "in").mkdir()
    for name, level in (("dark", 10), ("bright", 250)):
        write(tmp_path / f"in/{name}.png", np.full((5, 4, 3), level, np.uint8))
    options = ConvertOptions(direction="all")
    summary = convert(tmp_path / "in", tmp_path / "out", seer, options, console=console())
    rows = {row["input"]: row for row in map(json.loads, (tmp_path / "out/results.jsonl").read_text().splitlines())}
    assert summary.done == 2 and rows["dark.png"]["output"] == ["dark.png", "dark.half.png"]
    assert rows["dark.png"]["values"]["kind"] == "cat" and rows["bright.png"]["values"]["kind"] == "owl"
    assert rows["bright.png"]["values"]["mean"] == pytest.approx([250 / 127.5 - 1] * 3)
    assert abs(int(read(tmp_path / "out/bright.half.png").pixels.max()) - 189) <= 1
    assert convert(tmp_path / "in", tmp_path / "out", seer, options, console=console()).kept == 2

    options = ConvertOptions(direction="classify")
    assert convert(tmp_path / "in", tmp_path / "classes", seer, options, console=console()).done == 2
    text = (tmp_path / "classes/results.jsonl").read_text()
    rows = {row["input"]: row for row in map(json.loads, text.splitlines())}
    assert rows["bright.png"]["values"] == {"output": "owl"} and rows["bright.png"]["output"] is None
    assert not list((tmp_path / "classes").glob("*.png"))
    assert convert(tmp_path / "in", tmp_path / "classes", seer, options, console=console()).kept == 2
    write(tmp_path / "in/dark.png", np.full((5, 4, 3), 250, np.uint8))
    os.utime(tmp_path / "in/dark.png", (1.5e9, 1.5e9))  # another picture, of long ago
    assert convert(tmp_path / "in", tmp_path / "classes", seer, options, console=console()).kept == 1
    assert '"owl"' in (tmp_path / "classes/results.jsonl").read_text().splitlines()[1]
