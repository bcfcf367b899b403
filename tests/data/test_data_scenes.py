"""Scenes are cut into the tiles that decoding them whole gives, bit by bit, and no more than a band is in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from translate.console import PlainConsole
from translate.contracts import Image, Labels, Record, Sides, SourceFacts
from translate.data.label_maps.options import LabelOptions
from translate.data.prepare import Job, write_images
from translate.data.scenes import files
from translate.data.scenes.files import ImageFile, LabelFile
from translate.errors import DataError
from translate.imaging.appearance.handling import Handling, preparing
from translate.imaging.colour.spaces import profile_of

Array = np.ndarray[Any, Any]
HEIGHT, WIDTH, TILE = 203, 150, 48


def smooth(channels: int, dtype: str = "uint8") -> Array:
    """An image whose values differ in all rows and columns."""
    rng = np.random.default_rng(3)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    values = rng.random((HEIGHT, WIDTH, channels)) * top
    return values.astype(dtype)


def packed(path: Path, array: Array, **options: Any) -> Path:
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    tifffile.imwrite(path, np.moveaxis(flat, 2, 0) if options.get("planarconfig") == "separate" else flat, **options)
    return path


RGB: dict[str, Any] = {"photometric": "rgb"}
GREY: dict[str, Any] = {"photometric": "minisblack"}
TILED: dict[str, Any] = {"tile": (32, 16)}
FORMS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "tiles": (3, "uint8", RGB | TILED),
    "tiles, deflated, predictor": (3, "uint8", RGB | TILED | {"compression": "zlib", "predictor": True}),
    "tiles, LZW": (1, "uint8", GREY | TILED | {"compression": "lzw"}),
    "tiles, Zstandard": (3, "uint16", RGB | TILED | {"compression": "zstd"}),
    "tiles, JPEG": (3, "uint8", RGB | TILED | {"compression": "jpeg"}),
    "tiles, JPEG 2000": (3, "uint8", RGB | TILED | {"compression": "jpeg2000"}),
    "tiles, big-endian, BigTIFF": (3, "uint16", RGB | TILED | {"byteorder": ">", "bigtiff": True}),
    "tiles, plane by plane": (5, "uint16", GREY | TILED | {"planarconfig": "separate", "compression": "zlib"}),
    "tiles, bands": (6, "float32", GREY | TILED | {"planarconfig": "contig", "compression": "zlib"}),
    "one strip": (3, "uint8", RGB | {"rowsperstrip": HEIGHT}),
    "one strip of each plane": (3, "uint16", RGB | {"rowsperstrip": HEIGHT, "planarconfig": "separate"}),
    "strips": (3, "uint16", RGB | {"rowsperstrip": 7}),
    "strips, deflated": (1, "float32", GREY | {"rowsperstrip": 10, "compression": "zlib"}),
    "strips, PackBits": (1, "uint8", GREY | {"rowsperstrip": 10, "compression": "packbits"}),
    "0 is white": (1, "uint8", {"photometric": "miniswhite"} | TILED),
    "alpha": (4, "uint8", RGB | TILED | {"extrasamples": ["unassalpha"], "compression": "zlib"}),
    "associated alpha": (4, "uint16", RGB | TILED | {"extrasamples": ["assocalpha"]}),
    "grey with alpha": (2, "uint8", GREY | TILED | {"extrasamples": ["unassalpha"], "planarconfig": "contig"}),
    "profile": (3, "uint8", RGB | TILED | {"iccprofile": profile_of("display-p3"), "compression": "zlib"}),
    "profile, 16 bits": (3, "uint16", RGB | TILED | {"iccprofile": profile_of("display-p3")}),
    "profile, floats": (3, "float32", RGB | TILED | {"iccprofile": profile_of("display-p3")}),
    "integers with signs": (1, "int16", GREY | TILED),
    "uint32": (1, "uint32", GREY | TILED),
    "no data": (1, "uint16", GREY | TILED | {"extratags": [(42113, "s", 0, "7", True)]}),
    "white": (3, "uint16", RGB | TILED | {"extratags": [(281, "H", 3, (65000,) * 3, True)]}),
    "description": (1, "uint8", GREY | TILED | {"description": "a scene, 203 x 150", "resolution": (30, 30)}),
}


@pytest.fixture(autouse=True)
def _all_are_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SCENE", 0)


def bands(path: Path, load: ImageFile | LabelFile | None = None) -> Iterator[Array]:
    """The rows of a scene, each with some of the rows before."""
    scene = (load or ImageFile(path)).scene()
    assert scene is not None
    assert scene.size == (HEIGHT, WIDTH)
    for first in range(0, HEIGHT - 40, 37):
        yield scene.rows(first, min(first + 40, HEIGHT))
    yield scene.rows(HEIGHT - 13, HEIGHT)
    scene.close()


def same(path: Path, whole: Array, load: ImageFile | LabelFile | None = None) -> None:
    for number, band in enumerate(bands(path, load)):
        first = number * 37
        expected = whole[-13:] if first >= HEIGHT - 40 else whole[first : first + 40]
        assert band.dtype == whole.dtype and type(band) is type(whole)
        assert np.array_equal(band, expected), number


@pytest.mark.parametrize("form", FORMS)
def test_bands_of_a_tiff_are_those_of_the_whole(form: str, tmp_path: Path) -> None:
    channels, dtype, options = FORMS[form]
    array = smooth(channels, dtype) if dtype != "uint32" else smooth(channels, "uint16").astype("uint32")
    path = packed(tmp_path / "scene.tif", array, **options)
    same(path, ImageFile(path)())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float32", "bool", "int16"])
def test_bands_of_an_array_are_those_of_the_whole(channels: int, fortran: bool, dtype: str, tmp_path: Path) -> None:
    array = smooth(channels, "uint8").astype(dtype) if dtype != "bool" else smooth(channels) > 99
    array = array[..., 0] if channels == 1 else array
    path = tmp_path / "scene.npy"
    np.save(path, np.asfortranarray(array) if fortran else array)
    same(path, ImageFile(path)())


@pytest.mark.parametrize("largest", [4000, 4095, 60000])
def test_a_white_that_a_file_states_counts_where_no_value_of_the_whole_is_beyond(largest: int, tmp_path: Path) -> None:
    array = (smooth(1, "uint16") % 4000).astype(np.uint16)
    array[-3, 5] = largest
    white = {"extratags": [(281, "H", 1, 4095, True)]}
    path = packed(tmp_path / "scene.tif", array, **GREY, **TILED, **white)
    same(path, ImageFile(path)())
    with preparing(Handling(white=5000)):
        same(path, ImageFile(path)())


@pytest.mark.parametrize("largest", [0.5, 1.5])
def test_floats_are_colours_where_all_values_of_the_whole_are(largest: float, tmp_path: Path) -> None:
    array = smooth(3, "float32")
    array[-3, 5] = largest
    path = packed(tmp_path / "scene.tif", array, **RGB, **TILED, iccprofile=profile_of("display-p3"))
    assert (ImageFile(path)()[0] == array[0]).all() == (largest > 1)
    same(path, ImageFile(path)())


@pytest.mark.parametrize(
    ("options", "factor"),
    [({}, 1), ({"values": [0, 100, 200]}, 100), ({"ignore": 2, "classes": 2}, 1), ({"values": [0, 100, 255]}, 127.6)],
)
def test_bands_of_a_label_map(options: dict[str, Any], factor: float, tmp_path: Path) -> None:
    stored = (np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH, 1)) * factor).astype(np.uint8)
    if factor > 127:
        options, stored = {**options, "tolerance": 30}, stored - np.uint8(1) * (stored > 0)
    path = packed(tmp_path / "labels.tif", stored, **GREY, **TILED, compression="zlib")
    classes = options.pop("classes", 3)
    load = LabelFile(path, LabelOptions.model_validate(options), classes)
    whole = load()
    assert {*np.unique(whole)} <= {0, 1, 2, 255} and len(np.unique(whole)) == 3
    same(path, whole, load)


def palette_of(path: Path) -> LabelFile:
    colours = [[10, 0, 0], [0, 200, 0], [0, 0, 90]]
    return LabelFile(path, LabelOptions.model_validate({"palette": colours}), 3)


def test_bands_of_a_label_map_in_colour(tmp_path: Path) -> None:
    stored = np.array(palette_of(tmp_path).options.palette, np.uint8)[
        np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH))
    ]
    path = packed(tmp_path / "labels.tif", stored, **RGB, **TILED, compression="lzw")
    same(path, palette_of(path)(), palette_of(path))


def job(tmp_path: Path, image: Path, labels: Path) -> tuple[Job, SourceFacts]:
    classes = ("a", "b", "c")
    facts = SourceFacts(Sides({"image": Image(), "label": Labels(classes)}, together=(("image", "label"),)), ("train",))
    records = {
        "image": Record("s", "image", str(image), ImageFile(image)),
        "label": Record("s", "label", str(labels), LabelFile(labels, LabelOptions(), 3)),
    }
    return Job("train", "s", records), facts


def prepared(folder: Path, job: Job, facts: SourceFacts) -> dict[str, Any]:
    written = write_images(folder, [job], facts, [], seed=0, workers=1, console=PlainConsole(), tile=TILE)
    return {"/".join(place): value for place, value in written.items()}


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_tiles_are_those_of_the_whole(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = packed(tmp_path / "scene.tif", smooth(4), **RGB, **TILED, extrasamples=["unassalpha"], compression="zlib")
    classes = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
    labels = tmp_path / f"labels{suffix}"
    if suffix == ".tif":
        packed(labels, classes, **GREY, **TILED)
    else:
        Pillow.fromarray(classes).save(labels)
    by_band = prepared(tmp_path / "bands", *job(tmp_path, image, labels))
    monkeypatch.setattr(files, "SCENE", 1 << 40)
    whole = prepared(tmp_path / "whole", *job(tmp_path, image, labels))
    assert by_band == whole and len(whole) == 2 * 5 * 4 and whole["train/image/s/00000-00000"].alpha
    paths = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*.png"))
    assert len(paths) == len(whole)
    for path in paths:
        assert (tmp_path / "bands" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes(), path
    for name, written in whole.items():
        if "/label/" in name:
            assert np.array_equal(written.counts, by_band[name].counts)


def test_low_and_high_resolution_are_read_whole(tmp_path: Path) -> None:
    high, low = smooth(3)[:202], smooth(3)[:101, :75]
    sides = Sides({"image": Image(), "low": Image(reduced=2)}, (("image", "low"),))
    records = {}
    for side, array in (("image", high), ("low", low)):
        path = packed(tmp_path / f"{side}.tif", array, **RGB, **TILED)
        records[side] = Record("s", side, str(path), ImageFile(path))
    written = prepared(tmp_path / "out", Job("train", "s", records), SourceFacts(sides, ("train",)))
    assert len(written) == 2 * 5 * 4
    for place in written:
        _, side, _, corner = place.split("/")
        top, left = (int(number) // (1 + (side == "low")) for number in corner.split("-"))
        tile, array = (24, low) if side == "low" else (TILE, high)
        pixels = np.asarray(Pillow.open(tmp_path / f"out/{place}.png"))
        assert np.array_equal(pixels, array[top : top + tile, left : left + tile]), place


def test_scenes_of_two_sizes_are_no_pair(tmp_path: Path) -> None:
    image = packed(tmp_path / "scene.tif", smooth(3), **RGB, **TILED)
    labels = packed(tmp_path / "labels.tif", np.zeros((100, 80), np.uint8), **GREY, **TILED)
    with pytest.raises(DataError, match=r"two sizes: .*scene.tif \(150 x 203\) and .*labels.tif \(80 x 100\)"):
        prepared(tmp_path / "out", *job(tmp_path, image, labels))


def test_a_look_at_a_scene_decodes_a_band_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "scene.tif", smooth(1), **GREY, **TILED)
    monkeypatch.setattr(ImageFile, "__call__", lambda self: pytest.fail("decoded whole"))
    monkeypatch.setattr(files, "BAND", 32)
    array, is_whole = files.glance(Record("s", "image", str(path), ImageFile(path)))
    assert not is_whole and np.array_equal(array, tifffile.imread(path)[85:117, :, None])


def test_a_damaged_tile_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    image = packed(tmp_path / "scene.tif", smooth(3), **RGB, **TILED, compression="zlib")
    with tifffile.TiffFile(image) as file:
        start = file.pages[0].dataoffsets[40]
    data = bytearray(image.read_bytes())
    data[start + 9 : start + 99] = bytes(90)
    image.write_bytes(data)
    labels = packed(tmp_path / "labels.tif", np.zeros((HEIGHT, WIDTH), np.uint8), **GREY, **TILED)
    with pytest.raises(DataError, match=r"scene.tif: damaged or truncated TIFF"):
        prepared(tmp_path / "out", *job(tmp_path, image, labels))


def large(path: Path, side: int) -> Path:
    """A tiled TIFF of `side` squared pixels, all of whose tiles are alike."""
    tile = np.zeros((1008, 1008), np.uint8)
    tile[:100] = np.random.default_rng(0).integers(0, 256, (100, 1008))
    across, packed_tile = -(-side // 1008), zlib.compress(tile.tobytes())
    form: dict[str, Any] = {"shape": (side, side), "dtype": "uint8", "tile": tile.shape, "compression": "zlib"}
    tifffile.imwrite(path, (packed_tile for _ in range(across * across)), **form)
    return path


def test_a_scene_of_more_pixels_than_are_ever_decoded_is_prepared(tmp_path: Path) -> None:
    side = 16400  # squared it is more than 2 ** 28
    image = large(tmp_path / "scene.tif", side)
    with pytest.raises(DataError, match="more than the limit"):
        ImageFile(image)()
    scene = ImageFile(image).scene()
    assert scene is not None and scene.size == ImageFile(image).size() == (side, side)
    band = scene.rows(12000, 12512)
    scene.close()
    rows = np.arange(12000, 12512) % 1008
    assert band.shape == (512, side, 1) and band[rows >= 100].max() == 0 < band[rows < 100].max()


def test_a_bomb_is_refused_that_could_be_read_by_bands(tmp_path: Path) -> None:
    side = 20 * 1008
    path = tmp_path / "bomb.tif"
    empty = zlib.compress(bytes(1008 * 1008))
    form: dict[str, Any] = {"shape": (side, side), "dtype": "uint8", "tile": (1008, 1008), "compression": "zlib"}
    tifffile.imwrite(path, (empty for _ in range(400)), **form)
    assert ImageFile(path).scene() is None
    with pytest.raises(DataError, match=r"more than the limit|bomb"):
        ImageFile(path)()
