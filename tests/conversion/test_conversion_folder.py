"""Converting folders: one row for every input, names and trees kept, nothing overwritten, one bad file ends nothing."""

import hashlib
import json
import os
import threading

import numpy as np
import pytest
from PIL import Image as Pillow

from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import ConfigError
from translate.imaging.io import read, write
from translate.threads import ordered_map

DRAW = np.random.default_rng(3)


def picture(height=8, width=6, channels=3, dtype=np.uint8):
    return DRAW.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)


def rows(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def tree(tmp_path):
    """input/ with one of everything."""
    root = tmp_path / "input"
    for folder in ("", "sub/deeper", "Überblick/北", ".hidden", "empty"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write(root / "grey.png", picture(channels=1))
    write(root / "wide.png", picture(dtype=np.uint16))
    write(root / "alpha.png", picture(channels=4))
    write(root / "sub/deeper/photo.JPG", picture(40, 31))
    write(root / "sub/lossless.tif", picture(dtype=np.uint16))
    write(root / "Überblick/北/ß and space.webp", picture(16, 16))
    for size in (1, 2, 17, 70):
        write(root / f"sub/size{size}.png", picture(size, 71 - size))
    turned = Pillow.fromarray(picture(4, 9))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(root / "turned.png", exif=exif)
    (root / "broken.png").write_bytes((root / "grey.png").read_bytes()[:-20])
    (root / "notes.txt").write_text("no image")
    write(root / ".hidden/unseen.png", picture())
    return root


def test_a_tree_of_everything(tree, tmp_path, make, told):
    out = tmp_path / "out"
    summary = convert(tree, out, make(), console=told)
    found = {row["input"]: row for row in rows(out)}
    images = {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()}
    images -= {"notes.txt", ".hidden/unseen.png"}
    assert set(found) == images and len(rows(out)) == len(images)
    assert (summary.done, summary.failed, summary.skipped) == (len(images) - 1, 1, 0)
    assert summary.ignored == 2 and summary.journal == out / "results.jsonl"
    assert found["broken.png"]["status"] == "failed" and found["broken.png"]["reason"].startswith("truncated PNG")
    assert found["broken.png"]["output"] is None and not (out / "broken.png").exists()
    assert "broken.png" in told._errors.getvalue()
    for name in images - {"broken.png"}:
        row, made, given = found[name], read(out / name), read(tree / name)
        assert row["status"] == "done" and row["output"] == name and row["reason"] is None
        assert row["sha256"] == hashlib.sha256((out / name).read_bytes()).hexdigest() and row["seconds"] >= 0
        assert made.pixels.shape == (*given.pixels.shape[:2], 3) and made.bits == given.bits
        assert (made.alpha is None) == (given.alpha is None)
        if name.endswith((".png", ".tif")):
            assert np.array_equal(made.pixels, np.broadcast_to(given.pixels, made.pixels.shape))
    assert read(out / "turned.png").pixels.shape == (9, 4, 3)
    assert not list(out.rglob("*.tmp")) and not list(out.rglob(".*"))


def test_colour_profiles_are_kept(tmp_path, make, told):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "in").mkdir()
    Pillow.fromarray(picture()).save(tmp_path / "in/a.png", icc_profile=profile)
    convert(tmp_path / "in", tmp_path / "out", make(), console=told)
    assert read(tmp_path / "out/a.png").icc == profile


def test_what_exists_is_skipped_until_told_otherwise(tree, tmp_path, make, told):
    out = tmp_path / "out"
    convert(tree, out, make(), console=told)
    (out / "grey.png").write_bytes(b"mine")
    (out / "alpha.png").unlink()
    again = convert(tree, out, make(), console=told)
    assert (again.done - again.kept, again.failed) == (1, 1) and (out / "grey.png").read_bytes() == b"mine"
    assert {r["status"] for r in rows(out) if r["input"] == "grey.png"} == {"skipped"}
    last = convert(tree, out, make(), ConvertOptions(overwrite=True), console=told)
    assert last.skipped == 0 and read(out / "grey.png").pixels.shape[2] == 3


def test_another_format_for_all(tree, tmp_path, make, told):
    convert(tree, tmp_path / "out", make(), ConvertOptions(format="png"), console=told)
    assert {p.suffix for p in (tmp_path / "out").rglob("*") if p.is_file()} == {".png", ".jsonl", ".json", ".html"}
    with pytest.raises(ConfigError, match=r"no image format is written for '\.xyz'"):
        convert(tree, tmp_path / "other", make(), ConvertOptions(format="xyz"), console=told)
    assert not (tmp_path / "other").exists()


def test_inputs_are_never_in_the_way(tmp_path, make, told):
    root = tmp_path / "in"
    root.mkdir()
    write(root / "a.png", picture())
    before = (root / "a.png").read_bytes()
    for out in (root, root / "out"):
        with pytest.raises(ConfigError, match="must not lie inside"):
            convert(root, out, make(), console=told)
    with pytest.raises(ConfigError, match="overwrite the input"):
        convert(root / "a.png", root / "a.png", make(), ConvertOptions(overwrite=True), console=told)
    with pytest.raises(ConfigError, match="overwrite the input"):
        convert(root / "a.png", root, make(), ConvertOptions(overwrite=True), console=told)
    (root / "in").mkdir()
    write(root / "in/a.png", picture())
    summary = convert(root, tmp_path, make(), ConvertOptions(overwrite=True), console=told)
    assert (summary.done, summary.failed) == (1, 1) and "would lie in the input folder" in summary.failures[0][1]
    assert (root / "a.png").read_bytes() == before and (tmp_path / "a.png").exists()


def test_one_image_to_a_file_or_into_a_folder(tmp_path, make, told):
    image = picture()
    write(tmp_path / "a.gif.png", image)
    source = tmp_path / "a.gif.png"
    assert convert(source, tmp_path / "x/b.tif", make(), console=told).done == 1
    assert np.array_equal(read(tmp_path / "x/b.tif").pixels, image)
    assert convert(source, tmp_path / "y", make(), console=told).done == 1
    assert (tmp_path / "y/a.gif.png").exists() and len(rows(tmp_path / "y")) == 1
    assert not (tmp_path / "x/results.jsonl").exists()
    assert convert(source, tmp_path / "x/b.tif", make(), console=told).skipped == 1
    with pytest.raises(ConfigError, match="no such file or folder"):
        convert(tmp_path / "none.png", tmp_path / "z", make(), console=told)


def test_an_output_of_one_image_that_cannot_be_meant(tmp_path, make, told):
    write(tmp_path / "a.png", picture())
    with pytest.raises(ConfigError, match=r"b\.gif: no image format is written for '\.gif'; use one of \.png"):
        convert(tmp_path / "a.png", tmp_path / "b.gif", make(), console=told)
    with pytest.raises(ConfigError, match=r"b\.jpg: its suffix and the format '\.png' differ; give one of them"):
        convert(tmp_path / "a.png", tmp_path / "b.jpg", make(), ConvertOptions(format="png"), console=told)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert convert(tmp_path / "a.png", tmp_path / "b.png", make(), ConvertOptions(format="png"), console=told).done == 1


def test_nothing_to_do_is_said(tmp_path, make, told):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/readme.md").write_text("")
    with pytest.raises(ConfigError, match=r"no images .* among 1 other files"):
        convert(tmp_path / "in", tmp_path / "out", make(), console=told)
    (tmp_path / "file").write_text("")
    write(tmp_path / "in/a.png", picture())
    with pytest.raises(ConfigError, match="need a folder as OUTPUT"):
        convert(tmp_path / "in", tmp_path / "file", make(), console=told)
    with pytest.raises(ConfigError, match="further inputs"):
        convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(others={"hat": picture()}), console=told)
    with pytest.raises(ConfigError, match="no direction 'back'"):
        convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(direction="back"), console=told)
    assert not (tmp_path / "out").exists()


def test_a_network_that_fails_on_one_image_fails_that_one_alone(tmp_path, make, told, tiny):
    class Picky(tiny):
        def translate(self, nets, inputs, direction, draw):
            if inputs["image"].shape[-1] > 16:
                raise IndexError("too wide")
            return nets.gen(inputs["image"])

    (tmp_path / "in").mkdir()
    for number in range(30):
        write(tmp_path / f"in/{number:02}.png", picture(8, 40 if number % 2 else 8))
    summary = convert(tmp_path / "in", tmp_path / "out", make(Picky), console=told)
    assert (summary.done, summary.failed) == (15, 15)
    assert summary.failures[0] == ("01.png", "IndexError: too wide")
    assert [row["input"] for row in rows(tmp_path / "out")] == [f"{n:02}.png" for n in range(30)]
    assert "5 more images failed" in told._errors.getvalue()


def test_a_folder_that_cannot_be_read_is_a_row(tree, tmp_path, make, told, monkeypatch):
    real = os.scandir

    def scandir(path):
        if getattr(path, "name", None) == "empty":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    summary = convert(tree, tmp_path / "out", make(), console=told)
    assert ("empty", "the folder cannot be read: Permission denied") in summary.failures


def test_work_ahead_is_bounded_and_in_order():
    from concurrent.futures import ThreadPoolExecutor

    started, lock = [], threading.Lock()

    def double(n):
        with lock:
            started.append(n)
        return 2 * n

    with ThreadPoolExecutor(3) as pool:
        results = ordered_map(pool, double, range(100), 4)
        assert next(results) == 0 and len(started) <= 6
        assert list(results) == list(range(2, 200, 2))
