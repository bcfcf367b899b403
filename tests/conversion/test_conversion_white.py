"""Counts of 12 bits in a folder: a note, the option, and what a model remembers of its training images."""

import json

import numpy as np
import pytest

from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import ConfigError
from translate.imaging.appearance.handling import DEFAULT, Handling, preparing
from translate.imaging.io import Image, read, read_samples, write

COUNTS = np.random.default_rng(0).integers(0, 4001, (16, 12, 3)).astype(np.uint16)
COUNTS[0, 0] = 4000


def test_small_values_are_told_unless_white_is_stated(make, tmp_path, told):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/a.png", COUNTS)
    convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(), console=told)
    said = told._stream.getvalue() + told._errors.getvalue()
    assert "the first image of 16 bits reaches 4,000 of 65,535" in said and "--white 4095" in said
    told._errors.truncate(0)
    model = make(handling=Handling(white=4095))
    convert(tmp_path / "in", tmp_path / "again", model, ConvertOptions(), console=told)
    assert "--white" not in told._errors.getvalue()
    assert np.array_equal(read(tmp_path / "again/a.png").pixels, COUNTS)
    assert json.loads((tmp_path / "again/results.settings.json").read_text())["white"] == 4095
    with pytest.raises(ConfigError, match=r"converted otherwise \(white 4095, now null\)"):
        convert(tmp_path / "in", tmp_path / "again", make(), ConvertOptions(), console=told)
    assert "white" not in json.loads((tmp_path / "out/results.settings.json").read_text())


def test_images_of_data_span_the_whole_range(tmp_path):
    write(tmp_path / "a.png", COUNTS)
    write(tmp_path / "b.png", (COUNTS // 16).astype(np.uint8))
    assert np.array_equal(read_samples(tmp_path / "a.png"), COUNTS)
    with preparing(Handling(white=4095)):
        wide = read_samples(tmp_path / "a.png")
        assert wide.dtype == np.uint16 and np.abs(wide - COUNTS * (65535 / 4095)).max() <= 0.5
        assert np.array_equal(read_samples(tmp_path / "b.png"), COUNTS // 16)
    assert np.array_equal(read_samples(tmp_path / "a.png"), COUNTS)


def test_a_model_remembers_and_a_call_overrules():
    assert DEFAULT.filled({"white": 4095.0}) == Handling(white=4095.0)
    assert Handling("ignore", 1023).filled({"white": 4095.0}) == Handling("ignore", 1023)
    assert DEFAULT.filled({"of a later version": 1}) == DEFAULT


def test_the_option_of_data_reaches_the_model(make):
    counts = Image(COUNTS)
    output = make(handling=DEFAULT.filled({"white": 4095})).translate_image(counts)
    assert output.ranges == ((0, 4095),) and np.array_equal(output.pixels, COUNTS)
