"""`translate init`: folders as people have them become pipelines that run, or a message about what they suit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.console import PlainConsole
from translate.imaging.io import read, write
from translate.pipeline import run, yamlfile

COUNT = 4


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def fill(folder: str, size: tuple[int, int], channels: int = 3, most: int = 255, names: str = "{}.png") -> None:
    """Random pictures of (width, height)."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(folder))
    for number in range(COUNT):
        pixels = rng.integers(0, most, (size[1], size[0], channels), dtype=np.uint8, endpoint=True)
        write(Path(folder) / names.format(number), pixels)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    return tmp_path


def made(method: str, folder: str = "photos") -> dict[str, Any]:
    """The pipeline that `init` writes, which `check` has accepted."""
    done = cli("init", "--method", method, folder, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = yamlfile.read(Path(json.loads(done.stdout)["file"])).plain()
    return found


def source(pipeline: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pipeline["stages"]["prepare"]["with"]["source"]
    return found


def options(pipeline: Mapping[str, Any], stage: str = "train") -> dict[str, Any]:
    found: dict[str, Any] = pipeline["stages"][stage]["with"]
    return found


# ------------------------------------------------------------------------------------------------------------ layouts


def test_side_by_side_pairs(work: Path) -> None:
    for split in ("train", "val"):
        fill(f"photos/{split}", (600, 300))
    pipeline = made("pix2pix")
    assert source(pipeline) == {"uses": "side-by-side", "root": "photos"}
    assert options(pipeline, "prepare")["transforms"] == [{"uses": "resize-shorter", "size": 286}]
    assert options(pipeline)["augment"][0] == {"uses": "random-crop", "size": 256}
    assert "options" not in options(pipeline), "the default U-Net is that of 256 pixels"
    assert options(pipeline)["validate"]["metrics"] == ["l1", "ssim"]
    assert set(pipeline["stages"]) == {"prepare", "train", "convert", "score"}


def test_pairs_in_two_folders_of_small_grey_and_colour_images_without_splits(work: Path) -> None:
    fill("photos/target", (140, 130))
    fill("photos/input", (140, 130), channels=1)
    pipeline = made("pix2pix")
    assert source(pipeline) == {"uses": "pairs", "a": "photos/input", "b": "photos/target"}
    assert options(pipeline)["options"] == {"generator": "unet_128"}
    assert options(pipeline, "prepare")["transforms"] == [], "130 pixels are about what crops of 128 need"
    assert options(pipeline, "prepare")["split"] == {"val": 0.25}, "one of four is held out, to be scored"
    assert options(pipeline)["validate"]["metrics"] == ["l1", "ssim"] and "score" in pipeline["stages"]
    text = Path("photos_pix2pix.yaml").read_text()
    assert "# input  photos/input: 4 images of 140 x 130 pixels, grey\n" in text
    assert "# target photos/target: 4 images of 140 x 130 pixels, colour\n" in text


@pytest.mark.parametrize("layout", ["trainA trainB testA testB", "train/A train/B test/A test/B"])
def test_unpaired_folders_as_they_are_published(layout: str, work: Path) -> None:
    for number, folder in enumerate(layout.split()):
        fill(f"photos/{folder}", (300, 400), names=f"{number}-{{}}.jpg")
    a, b, test_a, test_b = (f"photos/{folder}" for folder in layout.split())
    pipeline = made("cyclegan")
    assert source(pipeline) == {"uses": "folders", "a": a, "b": b, "test": {"a": test_a, "b": test_b}}
    assert options(pipeline)["epochs"] == 3000, "12,000 steps"
    assert pipeline["profiles"]["quick"]["stages"]["prepare"]["with"]["source"] == {"limit": {"train": 16, "test": 4}}


def test_sides_first_and_splits_by_other_names(work: Path) -> None:
    for side in ("horses", "zebras"):
        for split in ("training", "validation"):
            fill(f"photos/{side}/{split}", (64, 64))
    assert source(made("cut")) == {
        "uses": "folders",
        "a": "photos/horses/training",
        "b": "photos/zebras/training",
        "val": {"a": "photos/horses/validation", "b": "photos/zebras/validation"},
    }


def test_one_folder_of_tiny_images_is_enlarged(work: Path) -> None:
    fill("photos", (50, 40))
    pipeline = made("colorization")
    assert source(pipeline) == {"uses": "single", "root": "photos"}
    assert options(pipeline, "prepare")["transforms"] == [{"uses": "resize-shorter", "size": 64}]
    assert options(pipeline)["options"] == {"generator": "unet_64"}


def test_a_method_that_enlarges_keeps_the_size(work: Path) -> None:
    fill("photos/train", (200, 150))
    pipeline = made("srresnet")
    assert options(pipeline, "prepare")["transforms"] == [{"uses": "modcrop", "multiple": 4}]
    assert options(pipeline)["augment"][0] == {"uses": "random-crop", "size": 96}
    fill("small", (90, 90))
    done = cli("init", "--method", "srresnet", "small")
    assert done.exit_code == 2
    assert "small: srresnet trains on crops of 96 pixels, and the least side is 90" in done.stderr


def test_label_maps_with_the_classes_that_occur(work: Path) -> None:
    for split in ("train", "val"):
        fill(f"photos/{split}", (96, 80))
        fill(f"photos/{split}annot", (96, 80), channels=1, most=3)
    pipeline = made("segmentation")
    assert source(pipeline) == {
        "uses": "labelled",
        "images": "photos/train",
        "labels": "photos/trainannot",
        "val": {"images": "photos/val", "labels": "photos/valannot"},
        "classes": ["class-0", "class-1", "class-2", "class-3"],
    }
    (work / "photos" / "classes.txt").write_text("road\nsky\ntree\ncar\n")
    Path("photos_segmentation.yaml").unlink()
    assert source(made("segmentation"))["classes"] == "photos/classes.txt"


def test_attribute_by_its_name(work: Path) -> None:
    fill("photos/no glasses", (64, 64))
    fill("photos/glasses", (64, 64), channels=1)
    found = source(made("genegan"))
    assert (found["with"], found["without"], found["colour"]) == ("photos/glasses", "photos/no glasses", True)


# ----------------------------------------------------------------------------------------------------------- refusals


def refused(method: str, folder: str = "photos") -> str:
    done = cli("init", "--method", method, folder)
    assert done.exit_code != 0
    assert not list(Path().glob("*.yaml"))
    return done.stderr


def test_folder_that_does_not_suit_says_what_it_suits(work: Path) -> None:
    fill("photos", (64, 48))
    text = refused("cyclegan")
    assert "cyclegan trains on unpaired data, and photos holds one set of images: two folders are wanted" in text
    fitting = text.partition("it suits single data: ")[2].strip().split(", ")
    assert {"colorization", "inpainting", "srgan", "srresnet"} <= set(fitting) and "cyclegan" not in fitting
    fill("two/a", (64, 64), names="cat{}.png")
    fill("two/b", (64, 64), names="dog{}.png")
    text = refused("pix2pix", "two")
    assert "only 0 names of train are the same on both sides (two/a, two/b)" in text
    assert "unpaired and attribute data: cut, cut/fastcut, cyclegan, discogan, genegan" in text
    assert "one set of pictures is wanted, to make inputs from; name its folder (two/a)" in refused(
        "colorization", "two"
    )


def test_pairs_of_two_sizes(work: Path) -> None:
    fill("photos/a", (64, 64))
    fill("photos/b", (32, 32))
    text = refused("pix2pix")
    assert "the two images of a pair need one size, and 0 is 64 x 64 in photos/a, 32 x 32 in photos/b" in text


def test_masks_of_0_and_255_are_read_by_values_and_grey_pictures_are_no_label_maps(work: Path) -> None:
    fill("photos/images", (32, 32))
    fill("photos/masks", (32, 32), channels=1, most=1)
    for path in Path("photos/masks").iterdir():
        write(path, read(path).array * 255)
    assert source(made("segmentation"))["values"] == [0, 255]
    Path("photos_segmentation.yaml").unlink()
    fill("photos/masks", (32, 32), channels=1)
    assert "one of the two has to hold label maps: images of a few values or colours" in refused("segmentation")


@pytest.mark.parametrize(
    ("method", "folder", "says"),
    [
        ("pix2pxi", ".", "there is no method 'pix2pxi'; did you mean 'pix2pix'?"),
        ("pix2pix", "nowhere", "nowhere: no such folder"),
        ("pix2pix", "empty", "empty: no images; it holds nothing"),
        ("single-network", "empty", "single-network is for inference alone"),
    ],
)
def test_what_cannot_be(method: str, folder: str, says: str, work: Path) -> None:
    (work / "empty").mkdir()
    assert says in refused(method, folder)


def test_nothing_is_overwritten(work: Path) -> None:
    fill("photos", (64, 64))
    (work / "mine.yaml").write_text("precious")
    done = cli("init", "--method", "colorization", "photos", "--output", "mine.yaml")
    assert done.exit_code == 2
    assert "mine.yaml exists already" in done.stderr
    assert (work / "mine.yaml").read_text() == "precious"


# --------------------------------------------------------------------------------------------------------------- runs


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pix2pix", "cut", "segmentation", "inpainting"])
def test_it_runs(method: str, work: Path) -> None:
    if method == "inpainting":
        fill("photos/train", (80, 70))
        fill("photos/val", (80, 70))
    else:
        for split in ("train", "val"):
            fill(f"photos/{split}/a", (80, 70), channels=1 if method == "pix2pix" else 3)
            fill(f"photos/{split}/b_labels", (80, 70), channels=1 if method == "segmentation" else 3, most=2)
    made(method)
    steps = ["stages.train.with.max_steps=2", "stages.train.with.workers=0", "tracking=none"]
    result = run(f"photos_{method}.yaml", "quick", steps, device="cpu", console=PlainConsole())
    assert len(list((result.stages["convert"] / "images").glob("*.png"))) == COUNT
    assert json.loads((result.stages["score"] / "scores.json").read_text())
