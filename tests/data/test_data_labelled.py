"""Label maps: read as they are stored, listed with their classes, never interpolated."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_images import picture, saved
from PIL import Image as Pillow
from pydantic import ValidationError

from translate.contracts import IGNORE
from translate.data.generated.city_drawing import PALETTE
from translate.data.generated.maps import GeneratedMaps, GeneratedMapsConfig, make_tile
from translate.data.label_maps.indices import check
from translate.data.sources.card_source import DatasetConfig, DatasetSource
from translate.data.sources.labelled import Labelled, read_classes
from translate.data.transforms import TRANSFORMS
from translate.errors import ConfigError, DataError
from translate.imaging.io import Image, decode, read, write
from translate.imaging.palette import VOID, colourise, default_palette, full_palette

Make = Callable[..., Path]


def labels(height: int = 12, width: int = 16, classes: int = 5, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, classes, (height, width), dtype=np.uint8)


def palette_png(indices: Any, bits: int = 8) -> bytes:
    picture = Pillow.fromarray(indices)
    picture.putpalette([value for i in range(256) for value in (i, 255 - i, 7 * i % 256)])
    out = BytesIO()
    picture.save(out, "PNG", bits=bits)
    return out.getvalue()


def grey_png(rows: list[bytes], width: int, bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits written by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("bits", "classes"), [(1, 2), (2, 4), (4, 16), (8, 256)])
def test_palette_indices_are_read_as_stored(bits: int, classes: int) -> None:
    wanted = labels(classes=classes)
    assert np.array_equal(decode(palette_png(wanted, bits), "x", indices=True).pixels[..., 0], wanted)


def test_grey_values_are_read_as_stored_and_other_images_are_refused(tmp_path: Path) -> None:
    wanted = labels(classes=256)
    assert np.array_equal(decode(saved(wanted, "PNG"), "x", indices=True).pixels[..., 0], wanted)
    refused = {
        "PNG, rgb, 8 bits": saved(picture(), "PNG"),
        "PNG, grey, 16 bits": saved(picture(channels=1, dtype=np.uint16), "PNG"),
        "PNG, grey, 4 bits": grey_png([b"\x01\x23"] * 3, width=4, bits=4),
        "JPEG, grey, 8 bits": saved(wanted, "JPEG"),
    }
    for told, data in refused.items():
        with pytest.raises(DataError, match=rf"map\.png: a label map is a PNG .*, and this is {told}"):
            decode(data, "map.png", indices=True)


def test_label_maps_are_written_with_exact_values_and_their_colours(tmp_path: Path) -> None:
    wanted, colours = labels(classes=3), [(10, 20, 30), (40, 50, 60), (70, 80, 90)]
    wanted[0, 0] = IGNORE
    made = Image(wanted[..., None], palette=full_palette(colours))
    write(tmp_path / "map.png", made)
    with Pillow.open(tmp_path / "map.png") as file:
        assert file.mode == "P" and np.array_equal(np.asarray(file), wanted)
        seen = np.asarray(file.convert("RGB"))
    shown = np.array([colours[v] if v != IGNORE else VOID for v in wanted.ravel()]).reshape(12, 16, 3)
    assert np.array_equal(seen, shown) and np.array_equal(colourise(wanted, colours), shown)
    assert np.array_equal(read(tmp_path / "map.png", indices=True).pixels[..., 0], wanted)
    for suffix in (".jpg", ".tif", ".webp"):
        with pytest.raises(ConfigError, match="label maps are written as PNG alone"):
            write(tmp_path / f"map{suffix}", made)


def test_the_default_colours_are_those_of_pascal_voc() -> None:
    palette = default_palette(256)
    assert palette[:3] == ((0, 0, 0), (128, 0, 0), (0, 128, 0)) and len(set(palette)) == 256
    assert (palette[15], palette[20], palette[255]) == ((192, 128, 128), (0, 64, 128), (224, 224, 192))


def test_values_that_are_no_class_are_named() -> None:
    found = labels(classes=3)
    check(found, 3, "a.png")
    found[0, :2], found[1, 0] = 7, 200
    found[2, 0] = IGNORE
    with pytest.raises(
        DataError, match=r"a\.png: there are 3 classes, 0 to 2, .*holds 7 \(2 pixels\), 200 \(1 pixels\)"
    ):
        check(found, 3, "a.png")


# ---------------------------------------------------------------------------------------------------------- the source


@pytest.fixture
def root(folder_of: Make, tmp_path: Path) -> Path:
    """Two splits of photos and label maps of the values 0 to 3."""
    for split, names in (("train", ["1", "2", "x/3"]), ("val", ["4"])):
        folder_of(f"data/{split}", [f"{name}.jpg" for name in names])
        for number, name in enumerate(names):
            path = tmp_path / "data" / f"{split}annot" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(saved(labels(classes=4, seed=number), "PNG"))
    return tmp_path / "data"


def source(**options: Any) -> Labelled:
    return Labelled(Labelled.Config.model_validate(options))


def test_images_and_label_maps_are_found_by_name(root: Path) -> None:
    found = source(root=str(root), classes=["sky", "road", "car", "void"], ignore=3)
    facts = found.facts()
    assert (facts.kind, facts.splits, facts.pairs) == ("labelled", ("train", "val"), {"train", "val"})
    assert facts.classes == ("sky", "road", "car") and facts.palette == default_palette(3)
    records = list(found.records("train"))
    assert [(r.key, r.side) for r in records[:3]] == [("1", "image"), ("1", "label"), ("2", "image")]
    assert records[0].load().shape == (12, 16, 3)
    stored = labels(classes=4, seed=0)
    assert np.array_equal(records[1].load()[..., 0], np.where(stored == 3, IGNORE, stored))
    assert {path.name for path in found.inputs()} == {"train", "trainannot", "val", "valannot"}


def test_a_void_class_in_the_middle_keeps_its_place(root: Path) -> None:
    found = source(root=str(root), classes=["sky", "void", "road", "car"], ignore=1)
    assert found.facts().classes == ("sky", "void", "road", "car")
    stored = labels(classes=4, seed=0)
    assert np.array_equal(next(r for r in found.records("train") if r.side == "label").load()[..., 0] == 2, stored == 2)


def test_given_folders_limits_and_partners(root: Path) -> None:
    given = {"images": str(root / "train"), "labels": str(root / "trainannot"), "classes": ["a", "b", "c", "d"]}
    test = {"images": str(root / "val"), "labels": str(root / "valannot")}
    found = source(**given, test=test, limit={"train": 1})
    assert found.facts().splits == ("train", "test") and [r.key for r in found.records("train")] == ["1", "1"]
    (root / "trainannot" / "2.png").unlink()
    with pytest.raises(DataError, match="no partner"):
        list(source(**given).records("train"))
    skipping = source(**given, unmatched="skip")
    assert {r.key for r in skipping.records("train")} == {"1", "x/3"} and "left out: 2" in next(iter(skipping.notes()))


def test_class_lists(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("# index name\n0 Sky\n1: Traffic Light\n\n2,Road\n")
    assert read_classes(path) == ("Sky", "Traffic Light", "Road")
    path.write_text("Sky\nRoad\n")
    assert read_classes(path) == ("Sky", "Road")
    assert path in list(source(root=str(root), classes=str(path)).inputs())
    path.write_text("0 Sky\n2 Road\n")
    with pytest.raises(DataError, match=r"classes\.txt:2: class 2 stands where 1 is due"):
        read_classes(path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"classes": ["only"]}, "1 classes; label maps tell 2 to 255 apart"),
        ({"classes": ["a", "b", "a"]}, "two classes of one name: a"),
        ({"classes": ["a", "b"], "palette": [[0, 0, 0]]}, "1 colours in `palette` for 2 classes"),
    ],
)
def test_what_is_wrong_with_classes_is_said(options: dict[str, Any], told: str, root: Path) -> None:
    with pytest.raises(DataError, match=told):
        source(root=str(root), **options).facts()


def test_one_way_to_name_the_folders() -> None:
    for options in ({}, {"root": "a", "images": "b", "labels": "c"}, {"images": "b"}):
        with pytest.raises(ValidationError, match="give either"):
            source(classes=["a", "b"], **options)


# ------------------------------------------------------------------------------------------------------ what else feeds


def test_generated_maps_have_the_class_of_each_colour() -> None:
    config = GeneratedMapsConfig(kind="labelled", size=32, train=2, test=1)
    tiles = list(GeneratedMaps(config, seed=3).records("train"))
    colours = list(GeneratedMaps(config.model_copy(update={"kind": "paired"}), seed=3).records("train"))
    assert [(r.key, r.side) for r in tiles[:2]] == [("00000", "image"), ("00000", "label")]
    assert np.array_equal(tiles[0].load(), colours[0].load())
    assert np.array_equal(np.array(PALETTE)[tiles[1].load()[..., 0]], colours[1].load())
    assert GeneratedMaps(config).facts().pairs == {"train", "test"} and make_tile(1, 32)[0].dtype == np.uint8


GEOMETRY = {
    "resize": {"size": [9, 20]},
    "resize-shorter": {"size": 7},
    "center-crop": {"size": 8},
    "modcrop": {"multiple": 5},
    "random-crop": {"size": 8},
    "random-resized-crop": {"size": [10, 11], "scale": [0.3, 1.0]},
    "horizontal-flip": {"p": 0.5},
    "vertical-flip": {"p": 0.5},
    "rotate-90": {"p": 1.0},
    "colour-jitter": {},
    "thicken-lines": {"sides": ["drawing"]},
}


@pytest.mark.parametrize("name", [t.name for t in TRANSFORMS])
def test_no_transform_makes_up_classes(name: str) -> None:
    """Labels of two far values, which any interpolation would mix, come out as these two alone, and they stay on the
    bright and the dark blocks of an image of the same pattern."""
    transform = next(t for t in TRANSFORMS if t.name == name)
    made = transform(transform.Config.model_validate(GEOMETRY[name]))
    pattern = np.kron(labels(4, 5, classes=2, seed=9), np.ones((6, 6), np.uint8))
    for seed in range(6):
        shot = np.repeat(pattern[..., None] * 250, 3, axis=2).astype(np.uint8)
        done = made({"image": shot, "label": np.where(pattern > 0, 200, 3).astype(np.uint8)}, seed)
        assert set(np.unique(done["label"])) <= {3, 200} and done["label"].shape == done["image"].shape[:2]
        agree = (done["image"][..., 0] > 100) == (done["label"] == 200)
        assert agree.mean() > 0.85, f"{name}, seed {seed}: image and label were not moved alike"


def test_resized_labels_are_the_nearest_ones() -> None:
    resize = next(t for t in TRANSFORMS if t.name == "resize")
    before = labels(12, 16, classes=200)
    images = {"image": np.repeat(before[..., None], 3, axis=2), "label": before}
    after = resize(resize.Config.model_validate({"size": [6, 32]}))(images, 0)["label"]
    assert np.array_equal(after, before[1::2].repeat(2, axis=1))
    third = resize(resize.Config.model_validate({"size": [4, 16]}))(images, 0)["label"]
    assert np.array_equal(third, before[1::3]), "the middle of three rows, as the image's mean of them"


def test_the_card_of_camvid_on_real_files() -> None:
    where = os.environ.get("TRANSLATE_TEST_DATA")
    if not where or not (Path(where) / "camvid").is_dir():
        pytest.skip("real street scenes lie in no folder `camvid` of TRANSLATE_TEST_DATA")
    found = DatasetSource(DatasetConfig(name="camvid", root=Path(where) / "camvid"))
    facts = found.facts()
    assert facts.kind == "labelled" and len(facts.classes) == len(set(facts.palette)) == 11
    for record in found.records("val"):
        if record.side == "label":
            check(record.load(), 11, record.origin)
            assert (record.load() != 11).all()
