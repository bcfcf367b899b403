"""What `translate init` finds out by itself: sizes, pairs by names, masks, deep images, scenes; and the profiles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from translate.cli import main
from translate.pipeline import yamlfile

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    return tmp_path


def photo(height: int = 64, width: int = 64) -> Any:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def save(path: str, array: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    (array if isinstance(array, Pillow.Image) else Pillow.fromarray(array)).save(path)


def made(method: str, folder: str = "photos") -> dict[str, Any]:
    """The pipeline that `init` writes, which `check` has accepted."""
    done = CliRunner().invoke(main, ["init", "--method", method, folder, "--json"])
    assert done.exit_code == 0, done.output
    file = Path(json.loads(done.stdout)["file"])
    pipeline: dict[str, Any] = yamlfile.read(file).plain()
    file.rename("made.yaml")
    return pipeline


def of(pipeline: dict[str, Any], stage: str) -> dict[str, Any]:
    options: dict[str, Any] = pipeline["stages"][stage]["with"]
    return options


@pytest.mark.parametrize(
    ("method", "side", "crop", "network"),
    [
        ("cyclegan", 255, 252, None),
        ("cyclegan", 120, 120, None),
        ("cut", 203, 200, None),
        ("cyclegan", 90, 88, None),
        ("pix2pix", 255, 224, {"uses": "unet", "levels": 5}),
        ("pix2pix", 256, 256, None),
        ("pix2pix", 200, 192, "unet_64"),
        ("bicyclegan", 130, 128, {"uses": "bicyclegan/unet", "levels": 7}),
    ],
)
def test_the_largest_square_that_images_hold_and_networks_take(method: str, side: int, crop: int, network: Any) -> None:
    for folder in "AB":
        save(f"photos/{folder}/1.png", photo(side, side + 9))
        save(f"photos/{folder}/2.png", photo(side + 20, side))
    pipeline = made(method)
    assert of(pipeline, "train")["augment"][0] == {"uses": "random-crop", "size": crop}
    assert of(pipeline, "prepare")["transforms"] == []
    assert of(pipeline, "train").get("options", {}).get("generator") == network


def test_thirty_photos_of_two_kinds() -> None:
    for number in range(15):
        save(f"photos/horses/{number}.jpg", photo())
        save(f"photos/zebras/z{number}.jpg", photo())
    pipeline = made("cyclegan")
    assert of(pipeline, "prepare")["split"] == {"val": 0.25}
    assert of(pipeline, "train")["validate"]["metrics"] == ["swd"] and "score" in pipeline["stages"]
    hour = pipeline["profiles"]["hour"]["stages"]["train"]["with"]
    quick = pipeline["profiles"]["quick"]["stages"]["train"]["with"]
    training = 15 - 4
    assert 32 < quick["epochs"] * training + 16 < hour["epochs"] * training < of(pipeline, "train")["epochs"] * training
    assert of(pipeline, "train")["epochs"] * training >= 11_900
    text = Path("made.yaml").read_text()
    assert "# a_to_b: from horses to zebras" in text and "--profile hour" in text


def test_two_kinds_in_one_folder_by_their_names() -> None:
    for number in range(5):
        save(f"photos/cat_{number}.png", photo())
        save(f"photos/dog_{number}.png", photo())
    assert of(made("cyclegan"), "prepare")["source"] == {"uses": "folders", "a": "photos/cat_*", "b": "photos/dog_*"}


@pytest.mark.parametrize(
    ("names", "a", "b"),
    [
        (("{}_A.png", "{}_B.png"), "photos/*_A", "photos/*_B"),
        (("{}_input.jpg", "{}_target.png"), "photos/*_input", "photos/*_target"),
        (("lr/{}x4.png", "hr/{}.png"), "photos/lr/*x4", "photos/hr"),
        (("noisy-{}.png", "clean-{}.png"), "photos/noisy-*", "photos/clean-*"),
        (("train/{}.hazy.png", "train/{}.clear.png"), "photos/train/*.hazy", "photos/train/*.clear"),
    ],
)
def test_pairs_by_their_names(names: Sequence[str], a: str, b: str) -> None:
    for number in range(4):
        for name in names:
            save("photos/" + name.format(f"p{number}"), photo())
    assert of(made("pix2pix"), "prepare")["source"] == {"uses": "pairs", "a": a, "b": b}


def test_real_pairs_of_low_and_high_resolution() -> None:
    for number in range(4):
        save(f"photos/lr/{number}x4.png", photo(20 + number, 25))
        save(f"photos/hr/{number}.png", photo(4 * (20 + number), 100))
    pipeline = made("pix2pix")
    expected = {"uses": "pairs", "a": "photos/lr/*x4", "b": "photos/hr", "scale": 4}
    assert of(pipeline, "prepare")["source"] == expected
    assert of(pipeline, "train")["augment"][0] == {"uses": "random-crop", "size": 64}


def test_cats_and_dogs_are_no_pairs() -> None:
    for number in range(4):
        save(f"photos/cat_{number}.png", photo())
        save(f"photos/dog_{number}.png", photo())
    assert CliRunner().invoke(main, ["init", "--method", "pix2pix", "photos"]).exit_code == 2


def mask(number: int = 0) -> Any:
    y, x = np.mgrid[:64, :64]
    return ((x - 20 - 6 * number) ** 2 + (y - 32) ** 2 < 200).astype(np.uint8)


MASKS: dict[str, tuple[str, Callable[[Any], Any], dict[str, Any]]] = {
    "0 and 255": (".png", lambda m: m * 255, {"values": [0, 255]}),
    "0 and 128": (".png", lambda m: m * 128, {"values": [0, 128]}),
    "1 bit": (".png", lambda m: Pillow.fromarray(m * 255).convert("1"), {"values": [0, 1]}),
    "colours": (
        ".png",
        lambda m: np.array([(0, 0, 0), (220, 20, 60)], np.uint8)[m],
        {"palette": [[0, 0, 0], [220, 20, 60]]},
    ),
    "grey with alpha": (".png", lambda m: Pillow.fromarray(np.dstack([m, m * 0 + 255]), "LA"), {"alpha": "drop"}),
    "alpha": (
        ".png",
        lambda m: Pillow.fromarray(np.dstack([m * 0 + 9] * 3 + [m * 255]), "RGBA"),
        {"alpha": "mask", "values": [0, 255]},
    ),
    "JPEG": (".jpg", lambda m: m * 255, {"values": [0, 255], "tolerance": 127}),
    "TIFF": (".tif", lambda m: m, {}),
    "16 bits": (".png", lambda m: m.astype(np.uint16), {}),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("names", ["images/{}.jpg masks/{}", "scan{}.jpg scan{}_mask"])
def test_masks_are_written_with_how_they_are_read(kind: str, names: str) -> None:
    suffix, make, options = MASKS[kind]
    image, label = names.split()
    for number in range(4):
        save("photos/" + image.format(number), photo())
        save("photos/" + label.format(number) + suffix, make(mask(number)))
    source = of(made("segmentation"), "prepare")["source"]
    assert source["classes"] == ["class-0", "class-1"]
    assert {
        key: value for key, value in source.items() if key in ("values", "palette", "alpha", "tolerance")
    } == options


@pytest.mark.parametrize(
    ("low", "high", "options"),
    [
        (0, 4000, {"white": 4095}),
        (29_000, 31_000, {"normalise": {side: {"percentiles": [0.1, 99.9]} for side in ("input", "target")}}),
        (0, 65_535, {}),
    ],
)
def test_deep_images_get_their_white_or_their_range(low: int, high: int, options: dict[str, Any]) -> None:
    y, x = np.mgrid[:80, :80]
    ramp = (low + (high - low) * (np.sin(x / 7) * np.cos(y / 9) + 1) / 2).astype(np.uint16)
    for number in range(3):
        save(f"photos/A/{number}.png", np.roll(ramp, number))
        save(f"photos/B/{number}.png", np.roll(ramp, 9 * number))
    prepare = of(made("pix2pix"), "prepare")
    assert {key: value for key, value in prepare.items() if key in ("white", "normalise")} == options


def test_scenes_are_cut_into_tiles_and_photographs_are_not() -> None:
    for number in range(2):
        save(f"scenes/A/{number}.tif", np.full((1300, 2000, 3), number, np.uint8))
        save(f"scenes/B/{number}.tif", np.full((1300, 2000, 3), number, np.uint8))
        save(f"photos/A/{number}.jpg", np.full((1300, 2000, 3), number, np.uint8))
        save(f"photos/B/{number}.jpg", np.full((1300, 2000, 3), number, np.uint8))
    prepare = of(made("cyclegan", "scenes"), "prepare")
    assert (prepare["tiles"], prepare["transforms"]) == (512, [])
    prepare = of(made("cyclegan"), "prepare")
    assert "tiles" not in prepare and prepare["transforms"] == [{"uses": "resize-shorter", "size": 286}]
