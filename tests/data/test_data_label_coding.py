"""Label maps of every kind that annotation tools write: read by what the options say, and refused without."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from pydantic import ValidationError

from translate.contracts import IGNORE
from translate.data.label_maps.counts import check_counts, counted, remarks
from translate.data.label_maps.options import LabelOptions
from translate.data.label_maps.reading import decode_labels
from translate.data.sources.labelled import Labelled
from translate.errors import DataError
from translate.pipeline import check, run
from translate.pipeline.location import PipelineError

WANTED = (np.random.default_rng(5).integers(0, 8, (12, 16)) // 7).astype(np.uint8)
"""Two classes, the second of them rare."""


def bytes_of(image: Pillow.Image, form: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def tiff(array: Any) -> bytes:
    out = BytesIO()
    tifffile.imwrite(out, array)
    return out.getvalue()


def coloured(colours: list[tuple[int, int, int]]) -> Any:
    return np.array(colours, np.uint8)[WANTED]


GREY = Pillow.fromarray(WANTED * 255)
ALPHA = np.full_like(WANTED, 255)
KINDS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "1 bit": (bytes_of(GREY.convert("1")), {"values": [0, 1]}, "1 bit"),
    "1 bit, told as 0 and 255": (bytes_of(GREY.convert("1")), {"values": [0, 255]}, "1 bit"),
    "1 bit, by a palette": (bytes_of(GREY.convert("1")), {"palette": [[0, 0, 0], [255, 255, 255]]}, "1 bit"),
    "RGB of 0 and 255": (bytes_of(GREY.convert("RGB")), {"values": [0, 255]}, "in colour"),
    "RGB of 0 and 1": (bytes_of(Pillow.fromarray(WANTED).convert("RGB")), {"by": "index"}, "in colour"),
    "colours": (
        bytes_of(Pillow.fromarray(coloured([(200, 0, 0), (0, 90, 7)]))),
        {"palette": [[200, 0, 0], [0, 90, 7]]},
        "in colour",
    ),
    "grey with alpha": (
        bytes_of(Pillow.fromarray(np.dstack([WANTED, ALPHA]), "LA")),
        {"alpha": "drop"},
        "transparency",
    ),
    "alpha that is the mask": (
        bytes_of(Pillow.fromarray(np.dstack([ALPHA, ALPHA, ALPHA, WANTED * 255]), "RGBA")),
        {"alpha": "mask", "values": [0, 255]},
        "transparency",
    ),
    "RGBA": (
        bytes_of(Pillow.fromarray(WANTED).convert("RGBA")),
        {"alpha": "drop", "values": [0, 1]},
        "transparency",
    ),
    "JPEG": (bytes_of(GREY, "JPEG", quality=90), {"values": [0, 255], "tolerance": 127}, "JPEG"),
    "JPEG in colour": (
        bytes_of(Pillow.fromarray(coloured([(0, 0, 0), (250, 250, 250)])), "JPEG", quality=90),
        {"palette": [[0, 0, 0], [250, 250, 250]], "tolerance": 120},
        "in colour",
    ),
    "other values": (bytes_of(Pillow.fromarray(WANTED * 37 + 3)), {"values": [3, 40]}, "40|3"),
    "signed": (tiff(WANTED.astype(np.int16) * 300), {"values": [0, 300]}, "300"),
}
READ_AS_THEY_ARE = {
    "PNG": bytes_of(Pillow.fromarray(WANTED)),
    "TIFF": tiff(WANTED),
    "PNG of 16 bits": bytes_of(Pillow.fromarray(WANTED.astype(np.uint16))),
    "TIFF of 16 bits": tiff(WANTED.astype(np.uint16)),
    "TIFF of signed 16 bits": tiff(WANTED.astype(np.int16)),
    "TIFF of floats": tiff(WANTED.astype(np.float32)),
    "BMP": bytes_of(Pillow.fromarray(WANTED), "BMP"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_says_how_a_label_map_is_read(kind: str) -> None:
    data, options, _ = KINDS[kind]
    read = decode_labels(data, "m", LabelOptions(**options), 2)
    assert read.dtype == np.uint8 and np.array_equal(read[..., 0], WANTED)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_option_it_is_refused_or_out_of_range(kind: str) -> None:
    data, _, told = KINDS[kind]
    if kind == "other values":  # the indices of a map that may have as many classes: what prepares it counts them
        assert decode_labels(data, "m", LabelOptions(), 2).max() == 40
        return
    with pytest.raises(DataError, match=rf"^mask\.x: .*{told}"):
        decode_labels(data, "mask.x", LabelOptions(), 2)


@pytest.mark.parametrize("kind", READ_AS_THEY_ARE)
def test_lossless_grey_values_are_indices(kind: str) -> None:
    assert np.array_equal(decode_labels(READ_AS_THEY_ARE[kind], "m", LabelOptions(), 2)[..., 0], WANTED)


def test_pixels_of_no_class() -> None:
    marked = WANTED * 255
    marked[0] = 128
    wanted = WANTED.copy()
    wanted[0] = IGNORE
    by_value = LabelOptions(values=(0, 255), ignore=128)
    assert np.array_equal(decode_labels(bytes_of(Pillow.fromarray(marked)), "m", by_value, 2)[..., 0], wanted)
    colours = np.array([(0, 0, 0), (9, 9, 200), (1, 2, 3)], np.uint8)[np.where(wanted == IGNORE, 2, wanted)]
    by_colour = LabelOptions(palette=((0, 0, 0), (9, 9, 200)), ignore=(1, 2, 3))
    assert np.array_equal(decode_labels(bytes_of(Pillow.fromarray(colours)), "m", by_colour, 2)[..., 0], wanted)
    transparent = np.dstack([WANTED, np.where(wanted == IGNORE, 0, 255).astype(np.uint8)])
    by_alpha = LabelOptions(alpha="no-class")
    data = bytes_of(Pillow.fromarray(transparent, "LA"))
    assert np.array_equal(decode_labels(data, "m", by_alpha, 2)[..., 0], wanted)


def test_what_no_class_has_is_named_with_its_pixels() -> None:
    marked = coloured([(0, 0, 0), (9, 9, 200)])
    marked[2, 3:6] = (77, 88, 99)
    palette = ((0, 0, 0), (9, 9, 200))
    with pytest.raises(DataError, match=r"\[77, 88, 99\] \(3 pixels\)"):
        decode_labels(bytes_of(Pillow.fromarray(marked)), "m", LabelOptions(palette=palette), 2)
    grey = WANTED * 255
    grey[1, :2] = 17
    with pytest.raises(DataError, match=r"holds 17 \(2 pixels\)"):
        decode_labels(bytes_of(Pillow.fromarray(grey)), "m", LabelOptions(values=(0, 255)), 2)


def test_a_palette_that_contradicts_the_values_is_not_guessed_about() -> None:
    # The file shows its value 1 in the colour of class 0.
    image = Pillow.fromarray(WANTED)
    image.putpalette([9, 9, 200, 0, 0, 0])
    data, palette = bytes_of(image), ((0, 0, 0), (9, 9, 200))
    with pytest.raises(DataError, match="by: colour"):
        decode_labels(data, "m", LabelOptions(palette=palette), 2)
    assert np.array_equal(decode_labels(data, "m", LabelOptions(palette=palette, by="index"), 2)[..., 0], WANTED)
    assert np.array_equal(decode_labels(data, "m", LabelOptions(palette=palette, by="colour"), 2)[..., 0], 1 - WANTED)
    # White of a grey mask may be no class, or the class that is white.
    with pytest.raises(DataError, match="by: colour"):
        decode_labels(bytes_of(GREY), "m", LabelOptions(palette=((0, 0, 0), (255, 255, 255))), 2)
    white = LabelOptions(palette=((0, 0, 0), (255, 255, 255)), by="colour")
    assert np.array_equal(decode_labels(bytes_of(GREY), "m", white, 2)[..., 0], WANTED)


@pytest.mark.parametrize(
    "options",
    [{"values": [1, 1]}, {"values": [0, 5], "ignore": 5}, {"by": "colour"}, {"by": "colour", "values": [1, 2]}],
)
def test_options_that_contradict_themselves(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabelOptions(**options)


def test_values_are_one_for_each_class(tmp_path: Path) -> None:
    source = Labelled(Labelled.Config(images=tmp_path, labels=tmp_path, classes=("a", "b", "c"), values=(0, 255)))
    with pytest.raises(DataError, match="2 `values` for 3 classes"):
        source.facts()


def counts(**pixels: int) -> Any:
    total = np.zeros(256, np.int64)
    for value, count in pixels.items():
        total[int(value[1:])] = count
    return total


def test_one_class_beside_255_is_refused() -> None:
    with pytest.raises(DataError, match=r"'background' \(0\), and 14% .*values: \[0, 255\]"):
        check_counts(counts(v0=86, v255=14), ("background", "crack"), "m")
    check_counts(counts(v0=86, v1=1, v255=14), ("background", "crack"), "m")
    assert counted(WANTED[..., None])[:2].tolist() == [(WANTED == 0).sum(), (WANTED == 1).sum()]


def test_label_maps_of_one_class_are_refused_where_there_should_be_several() -> None:
    for only, name in enumerate(("background", "crack")):
        with pytest.raises(DataError, match=rf"every pixel in m is '{name}' \({only}\).*nothing to learn.*`values`"):
            check_counts(counts(**{f"v{only}": 86}), ("background", "crack"), "m")
    check_counts(counts(v0=86, v1=1), ("background", "crack"), "m")
    check_counts(counts(v0=86), ("anything",), "m")
    check_counts(counts(), ("background", "crack"), "m")


@pytest.mark.parametrize(("crack", "patience"), [(None, 60.0), (37, 60.0), (None, 0.0)])
def test_check_looks_until_a_second_class_occurs(
    crack: int | None,
    patience: float,
    masks: Callable[[list[Any]], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = [np.zeros((8, 8), np.uint8) for _ in range(40)]
    if crack is not None:
        of[crack][0, 0] = 1
    monkeypatch.chdir(masks(of))
    monkeypatch.setattr("translate.data.first_look.PATIENCE", patience)
    Path("a.yaml").write_text(PIPELINE.format(source=SOURCES["labelled"]))
    if crack is None and patience:
        with pytest.raises(PipelineError, match=r"every pixel in the label maps of train is 'background' \(0\)"):
            check(Path("a.yaml"))
        return
    notes = " ".join(map(str, check(Path("a.yaml"))))
    assert ("of 40 label maps were looked at: every pixel in them is 'background' (0)" in notes) == (crack is None)


def test_absent_classes_and_ignored_pixels_are_said() -> None:
    said = list(remarks(counts(v0=30, v1=10, v255=60), ("sky", "road", "tree"), "train"))
    assert said[0] == "class 'tree' (2) occurs in no label map of train, and is never learned"
    assert said[1].startswith("60% of the pixels in label maps of train belong to no class")
    assert not list(remarks(counts(v0=30, v1=10, v255=40), ("sky", "road"), "train"))
    assert list(remarks(counts(v1=10), ("a", "b", "c"), "train")) == [
        "2 classes occur in no label map of train, and are never learned: 'a' (0), 'c' (2)"
    ]


PIPELINE = """version: 1
name: a
stages:
  prepare:
    uses: preprocess
    with: {{source: {source}}}
"""


@pytest.fixture
def masks(tmp_path: Path) -> Callable[[list[Any]], Path]:
    """Makes images `i` and their masks `m`."""

    def make(of: list[Any]) -> Path:
        for number, mask in enumerate(of):
            for folder, array in (("i", np.dstack([mask] * 3)), ("m", mask)):
                (tmp_path / folder).mkdir(exist_ok=True)
                Pillow.fromarray(array).save(tmp_path / folder / f"{number}.png")
        return tmp_path

    return make


SOURCES = {
    "labelled": "{uses: labelled, images: i, labels: m, classes: [background, crack]}",
    "table": "{uses: table, path: t.csv, columns: {image: i, label: {column: m, type: labels, "
    "names: [ground, crack]}}}",
    "archive": "{uses: labelled, images: z.zip/i, labels: z.zip/m, classes: [background, crack]}",
    "webdataset": "{uses: webdataset, shards: s.tar, columns: {image: jpg, label: {column: png, type: labels, "
    "names: [ground, crack]}}}",
    "huggingface": "{uses: huggingface, root: h, columns: {image: file_name, label: {column: mask_file_name, "
    "type: labels, names: [ground, crack]}}}",
}


@pytest.mark.parametrize("source", SOURCES)
def test_masks_of_0_and_255_are_refused_from_every_source_and_read_with_values(
    source: str, masks: Callable[[list[Any]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = masks([np.roll(WANTED, shift) * 255 for shift in range(4)])
    monkeypatch.chdir(folder)
    (folder / "t.csv").write_text("i,m\n" + "".join(f"i/{n}.png,m/{n}.png\n" for n in range(4)))
    with zipfile.ZipFile("z.zip", "w") as archive, tarfile.open("s.tar", "w") as shards:
        for file in sorted(folder.glob("[im]/*.png")):
            archive.write(file, file.relative_to(folder))
            shards.add(file, f"{file.stem}.{'png' if file.parent.name == 'm' else 'jpg'}")
    shutil.copytree("i", "h/i")
    shutil.copytree("m", "h/m")
    (folder / "h/metadata.csv").write_text(
        "file_name,mask_file_name\n" + "".join(f"i/{n}.png,m/{n}.png\n" for n in range(4))
    )
    text = PIPELINE.format(source=SOURCES[source])
    Path("a.yaml").write_text(text)
    with pytest.raises(PipelineError, match=r"values: \[0, 255\]"):
        check(Path("a.yaml"))
    stated = text.replace("crack]", "crack], values: [0, 255]")
    assert stated != text
    Path("b.yaml").write_text(stated)
    assert not check(Path("b.yaml"))
    run(Path("b.yaml"))
    (prepared,) = folder.glob("runs/**/train/label")
    read = [np.asarray(Pillow.open(file)) for file in sorted(prepared.rglob("*.png"))]
    assert all(np.array_equal(each, np.roll(WANTED, shift)) for shift, each in enumerate(read)) and len(read) == 4
