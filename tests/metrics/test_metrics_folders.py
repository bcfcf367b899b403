"""Two folders against each other: leaks, pairs, floor and ceiling, the verdict, the page."""

from __future__ import annotations

import json
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from image_folders import evaluated, folder, scene

from translate.cli import main
from translate.errors import ConfigError, DataError
from translate.imaging.io import read, write
from translate.metrics.folders.leaks import fine_detail, flat_edges, has_blocks, is_grey, leaks
from translate.metrics.folders.verdict import verdict
from translate.metrics.images import Images
from translate.metrics.scores import Score


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Path]:
    draw = np.random.default_rng(0)
    for side in "ab":
        (tmp_path / side / "sub").mkdir(parents=True)
        for name in ("one", "two.v1", "sub/three"):
            write(tmp_path / side / f"{name}.png", draw.integers(0, 256, (20, 16, 3), dtype=np.uint8))
    return tmp_path / "a", tmp_path / "b"


def test_folders_with_equal_names_are_scored_in_pairs(pairs) -> None:
    a, b = pairs
    found = evaluated(a, b)
    scores = {score.metric: score for score in found.scores}
    assert list(scores) == ["l1", "psnr", "ssim", "swd"], "three images are too few for sets"
    names = ("one", "two.v1", "sub/three")
    values = [np.abs(read(a / f"{n}.png").pixels / 255 - read(b / f"{n}.png").pixels / 255).mean() for n in names]
    assert scores["l1"].value == pytest.approx(np.mean(values), abs=1e-6)
    low, high = scores["l1"].interval
    assert low < scores["l1"].value < high
    assert [case.score for case in found.cases] == pytest.approx(sorted(values, reverse=True), abs=1e-6)


def test_folders_with_other_names_are_scored_as_sets(pairs) -> None:
    a, b = pairs
    (b / "one.png").rename(b / "other.png")
    assert [score.metric for score in evaluated(a, b).scores] == ["swd"]
    with pytest.raises(ConfigError, match=r"psnr compares pairs, and 'one' is in .*a alone; use swd"):
        evaluated(a, b, "psnr")
    with pytest.raises(ConfigError, match="no such folder"):
        evaluated(a, b / "none")
    (a.parent / "empty").mkdir()
    with pytest.raises(ConfigError, match="no images"):
        evaluated(a.parent / "empty", b)
    write(a / "one.jpg", np.zeros((20, 16, 3), np.uint8))
    with pytest.raises(DataError, match="have the same name"):
        evaluated(a, b)


def test_equal_sets_are_not_told_apart_and_blurred_ones_are(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(44))
    same = folder(tmp_path / "same", range(100, 144), name="s")
    equal = evaluated(same, real, "c2st-1nn", "mmd")
    assert not equal.leaks and equal.verdict.p > 0.05 and equal.verdict.text.startswith("not distinguishable by")
    blurred = folder(tmp_path / "blurred", range(100, 144), lambda pixels: cv2.blur(pixels, (9, 9)), name="b")
    found = evaluated(blurred, real, "c2st-1nn", "mmd")
    assert found.verdict.p < 0.01 and found.verdict.text.startswith("distinguishable (44 against 44 images, p < 0.0")
    assert [leak.kind for leak in found.leaks] == ["detail"]
    assert "lack the finest details" in found.leaks[0].told and "mend these first" in found.verdict.text


def test_outputs_near_their_own_references_are_no_copies(tmp_path: Path) -> None:
    """Of pairs, the outputs of one half meet the references of the other."""
    real = folder(tmp_path / "real", range(40))
    near = folder(tmp_path / "near", range(40), lambda pixels: np.clip(pixels, 1, 254))
    scores = {score.metric: score.value for score in evaluated(near, real, "c2st-1nn").scores}
    assert 0.2 < scores["c2st-1nn"] < 0.8


@pytest.mark.parametrize(
    ("kind", "change", "suffix"),
    [
        ("format", lambda pixels: pixels, ".jpg"),
        ("size", lambda pixels: pixels[:60], ".png"),
        ("channels", lambda pixels: pixels[..., :1], ".png"),
        ("bits", lambda pixels: pixels.astype(np.uint16) * 257, ".png"),
        ("border", lambda pixels: np.pad(pixels[2:-2, 2:-2], ((2, 2), (2, 2), (0, 0))), ".png"),
        ("border", lambda pixels: np.pad(pixels[:, :-1], ((0, 0), (0, 1), (0, 0))), ".png"),
        ("border", lambda pixels: np.pad(pixels[8:-8], ((8, 8), (0, 0), (0, 0))), ".png"),
        ("alpha", lambda pixels: np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]), ".png"),
        ("grey", lambda pixels: np.repeat(pixels[..., :1], 3, 2), ".png"),
        ("detail", lambda pixels: cv2.resize(cv2.resize(pixels, (16, 16)), (64, 64)), ".png"),
    ],
)
def test_each_leak_is_named(kind: str, change, suffix: str, tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(6))
    other = folder(tmp_path / "other", range(50, 56), change, suffix)
    found = evaluated(other, real, "swd" if kind not in ("channels",) else "c2st-1nn")
    assert kind in {leak.kind for leak in found.leaks}
    assert all("A" in leak.told for leak in found.leaks)


def test_a_border_is_told_edge_by_edge(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(6))
    for name, padding, told in (
        ("one", ((0, 0), (0, 1), (0, 0)), "at the right,"),
        ("bars", ((6, 6), (0, 0), (0, 0)), "at the top and bottom,"),
        ("rim", ((1, 1), (1, 1), (0, 0)), "around them,"),
    ):
        cut = tuple(slice(before, 64 - after) for before, after in padding[:2])
        other = folder(tmp_path / name, range(50, 56), lambda pixels, cut=cut, by=padding: np.pad(pixels[cut], by))
        assert told in next(leak.told for leak in evaluated(other, real, "swd").leaks if leak.kind == "border")


def test_a_property_of_nine_in_ten_is_a_leak(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(20))
    most = folder(tmp_path / "most", range(50, 68), suffix=".jpg")
    for number in (18, 19):
        write(most / f"{number:03d}.png", scene(50 + number))
    found = evaluated(most, real, "swd").leaks
    assert "90% of the images of A are JPEG files, and 0% of those of B" in [leak.told for leak in found]


def test_leaks_keep_no_image_in_memory(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(6))
    alive: list[weakref.ref[torch.Tensor]] = []

    class Counted(Images):
        def __getitem__(self, index):
            image = super().__getitem__(index)
            alive.append(weakref.ref(image))
            assert sum(known() is not None for known in alive) <= 2
            return image

    paths = sorted(real.iterdir())
    assert leaks(paths, paths, Counted(paths), Counted(paths)) == []


def test_kept_images_share_memory_and_keep_their_pixels(tmp_path: Path) -> None:
    """Small arrays that stay between large ones that go would leave gaps."""
    paths = sorted(folder(tmp_path / "real", range(5)).iterdir())
    images = Images(paths)
    first = [images[i].clone() for i in range(5)]
    bases = {id(owner(pixels)) for pixels in images._cache.values()}
    assert len(bases) == 1 and len(images._cache) == 5
    for number, image in enumerate(first):
        assert torch.equal(image, images[number])
        expected = torch.from_numpy(scene(number).transpose(2, 0, 1).astype(np.float32)) / 255
        torch.testing.assert_close(image, expected)


def owner(array: np.ndarray) -> np.ndarray:
    """The array whose memory a view shows."""
    return array if array.base is None else owner(array.base)


def test_a_jpeg_that_was_saved_anew_keeps_its_blocks() -> None:
    picture = scene(1, 128)
    coded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], cv2.IMREAD_COLOR)
    plain, blocks = (torch.from_numpy(p.transpose(2, 0, 1) / np.float32(255)) for p in (picture, coded))
    assert has_blocks(blocks) and not has_blocks(plain)
    assert not any(flat_edges(plain)) and not is_grey(plain) and 0 < fine_detail(plain) < 2


@pytest.mark.parametrize(
    ("p", "told"), [(0.0034, "< 0.004"), (0.001996, "< 0.002"), (0.0099, "< 0.01"), (0.031, "= 0.031")]
)
def test_a_bound_of_a_p_value_lies_above_it(p: float, told: str) -> None:
    assert f"p {told})" in verdict([], [Score("mmd/p", "lower", "", p)], 40, 40).text


def test_few_images_have_no_verdict(pairs) -> None:
    assert "3 against 3 images are too few" in evaluated(*pairs).verdict.text


def test_floor_and_ceiling_stand_beside_the_score(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(12))
    noisy = folder(tmp_path / "noisy", range(12), lambda pixels: (pixels * 0.5).astype(np.uint8))
    inputs = folder(tmp_path / "inputs", range(12), lambda pixels: (pixels * 0.1).astype(np.uint8))
    more = folder(tmp_path / "more", range(200, 212))
    found = evaluated(noisy, real, "l1", "swd", inputs=inputs, real=more)
    l1, swd = found.scores
    assert l1.copy > l1.value > 0 and l1.floor is None
    assert swd.floor < swd.value < swd.copy
    halves = evaluated(noisy, real, "swd").scores[0].floor
    assert halves not in (None, swd.floor), "without further real images, the halves of the references"
    (inputs / "003.png").unlink()
    with pytest.raises(ConfigError, match="--inputs has no image called '003'"):
        evaluated(noisy, real, "l1", inputs=inputs)


def test_the_command_says_it_in_words_in_json_and_on_a_page(tmp_path: Path) -> None:
    real = folder(tmp_path / "real", range(12))
    dark = folder(tmp_path / "dark", range(12), lambda pixels: (pixels * 0.3).astype(np.uint8), ".jpg")
    page = tmp_path / "pages" / "page.html"
    done = CliRunner().invoke(main, ["evaluate", str(dark), str(real), "--html", str(page)])
    assert done.exit_code == 0, done.output
    assert "warning: the images of A are JPEG files, and those of B PNG files" in done.stderr
    assert "real against real" in done.stdout and "worst by l1: " in done.stdout and "distinguishable" in done.stdout
    text = page.read_text("utf-8")
    assert text.count("<img ") == 16 and "http" not in text and "data:image/jpeg;base64," in text
    found = json.loads(CliRunner().invoke(main, ["evaluate", str(dark), str(real), "--json"]).stdout)
    assert found["leaks"][0]["kind"] == "format" and found["verdict"]["p"] is not None
    assert len(found["cases"]) == 12 and found["scores"][0]["interval"]
    for score in found["scores"]:
        if score["protocol"]:  # of what has a row of its own
            ours, true = score["images"]
            assert f"{score['metric']}: {score['protocol']} {ours} images against {true}." in done.stdout
            assert score["metric"] in text and score["interval"]
    assert "swd: values in [0, 1], images of any sizes" in done.stdout
    odd = CliRunner().invoke(main, ["evaluate", str(dark), str(real), "-m", "l1", "--set", "fid.weights=x"])
    assert odd.exit_code == 2 and "--set fid.weights: --metrics does not name fid" in odd.stderr
    lost = CliRunner().invoke(main, ["evaluate", str(dark), str(real), "-m", "fid", "--set", "fid.weights=none.pth"])
    assert "none.pth: there is no such file; it should be weights-inception" in lost.stderr
