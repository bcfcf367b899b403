"""Real pairs of low and high resolution: methods that enlarge train on the photographs that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from translate import Image, Sides
from translate.cli import main
from translate.data.dataset import Dataset
from translate.data.loading.resolution import reduced, repeated
from translate.data.loading.samples import Samples
from translate.data.transforms import HorizontalFlip, RandomCrop
from translate.errors import DataError, StageError
from translate.imaging.io import Image as Picture, read, write
from translate.pipeline import run as translate_run

TINY = {"uses": "srresnet", "blocks": 1, "filters": 4}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(path: str, pixels: np.ndarray[Any, Any]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write(Path(path), Picture(pixels))


def pairs(scale: int, count: int = 6) -> None:
    """Low resolution that no reduction makes: its red is the number of its row, its green that of its column."""
    for number in range(count):
        height, width = 50 + number, 52
        low = np.zeros((height, width, 3), np.uint8)
        low[..., 0], low[..., 1], low[..., 2] = np.arange(height)[:, None], np.arange(width), 40 * number
        save(f"photos/lr/{number}.png", low)
        high = 255 - low.repeat(scale, 0).repeat(scale, 1)
        save(f"photos/hr/{number}.png", high)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def pipeline(scale: int, method: str, **options: Any) -> dict[str, Any]:
    source = {"uses": "pairs", "a": "photos/lr", "b": "photos/hr", "scale": scale, "enlarge": False}
    crop = {"uses": "random-crop", "size": 16 * scale, "multiple": scale}
    train = {
        "method": method,
        "options": {"scale": scale, "generator": TINY, **options},
        "augment": [crop, {"uses": "horizontal-flip", "p": 0.5}],
        "max_steps": 4,
        "batch_size": 2,
        "optimizer": {"uses": "adam", "lr": 1e-2},
        "validate": {"every": {"steps": 2}, "metrics": ["psnr"]},
    }
    return {
        "version": 1,
        "name": "real-pairs",
        "stages": {
            "prepare": {"uses": "preprocess", "with": {"source": source, "split": {"val": 0.34}}},
            "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
            "convert": {"uses": "infer", "needs": {"model": "train", "data": "prepare"}},
            "score": {
                "uses": "evaluate",
                "needs": {"images": "convert", "data": "prepare"},
                "with": {"metrics": ["l1"]},
            },
        },
    }


@pytest.mark.parametrize(
    ("scale", "method", "options"),
    [
        (2, "srresnet", {}),
        (3, "srresnet", {}),
        (4, "srgan", {"discriminator": {"uses": "srgan-critic", "crop": 64, "filters": 4}}),
        (8, "srresnet", {"generator": {"uses": "rrdb", "blocks": 1, "filters": 4, "growth": 2}}),
    ],
)
def test_a_method_that_enlarges_trains_on_them(scale: int, method: str, options: dict[str, Any]) -> None:
    pairs(scale)
    Path("p.yaml").write_text(yaml.safe_dump(pipeline(scale, method, **options)), "utf-8")
    checked = run("check", "p.yaml")
    assert checked.exit_code == 0, checked.output
    result = run("run", "p.yaml")
    assert result.exit_code == 0, result.output
    converted = run("convert", "--model", "p.yaml", "photos/lr/0.png", "large.png")
    assert converted.exit_code == 0, converted.output
    assert read(Path("large.png")).pixels.shape == (50 * scale, 52 * scale, 3)


def prepared(scale: int, **options: Any) -> Dataset:
    source = {"uses": "pairs", "a": "photos/lr", "b": "photos/hr", "scale": scale, "enlarge": False}
    stage = {"uses": "preprocess", "with": {"source": source, **options}}
    return Dataset(translate_run({"version": 1, "name": "p", "stages": {"prepare": stage}}).stages["prepare"])


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("options", [{}, {"tiles": 48}, {"transforms": [{"uses": "modcrop", "multiple": 12}]}])
def test_both_images_of_a_batch_show_the_same_place(scale: int, options: dict[str, Any]) -> None:
    pairs(scale, 3)
    dataset = prepared(scale, **options)
    assert dataset.types["low"] == Image(3, "uint8", ((0.0, 255.0),), scale)
    crop = RandomCrop(RandomCrop.Config(size=(8 * scale, 6 * scale), multiple=scale))
    chain = [crop, HorizontalFlip(HorizontalFlip.Config(p=0.5))]
    assert dataset.batch_size_of(chain) == (8 * scale, 6 * scale)
    samples, places = Samples(dataset, "train", chain, 2, 1), set()
    for step in range(40):
        batch = samples[step].images
        low, high = batch["low"], batch["image"]
        assert low.shape == (2, 3, 8, 6) and high.shape == (2, 3, 8 * scale, 6 * scale)
        assert (high == 255 - low.repeat_interleave(scale, 2).repeat_interleave(scale, 3)).all()
        places |= {tuple(image[:2, 0, 0].tolist()) for image in low}
    rows, columns = zip(*places, strict=True)
    assert len({*rows}) > 10 and len({*columns}) > 10  # the window goes everywhere


def test_what_the_transforms_leave_is_made_small_again() -> None:
    image = np.random.default_rng(0).integers(0, 65536, (5, 7, 3), np.uint16)
    assert repeated(image, 3).shape == (15, 21, 3)
    assert np.array_equal(reduced(repeated(image, 3), 3), image)
    for wrong in (repeated(image, 3)[1:], repeated(image, 3)[1:-2, 1:-2], repeated(image, 2)[:9, :12]):
        with pytest.raises(DataError, match="multiple: 3"):
            reduced(wrong, 3)


def test_a_crop_through_pixels_of_the_low_resolution_is_refused() -> None:
    pairs(4, 2)
    crop = RandomCrop(RandomCrop.Config(size=32))
    samples = Samples(prepared(4), "train", [crop], 1, 0)
    with pytest.raises(DataError, match=r"\d.png: .* crop by `{uses: random-crop, size: ..., multiple: 4}`"):
        for step in range(20):
            samples[step]


def test_images_of_another_factor_are_refused() -> None:
    pairs(2, 2)
    with pytest.raises(
        StageError, match=r"hr/0.png \(104 x 100\) and photos/lr/0.png \(208 x 200, which is 52 x 50 times 4\)"
    ):
        prepared(4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scale": 2}, "srresnet enlarges 2 times, and side 'low' is 4 times smaller"),
        ({"enlarge": True}, "`enlarge: false` beside `scale`"),
        ({"method": "pix2pix"}, "side 'input' is missing"),
        ({"device": True}, "images of side 'low' are 4 times smaller than the others; use `augment` for them"),
    ],
)
def test_check_says_what_does_not_fit(change: dict[str, Any], says: str) -> None:
    pairs(4, 4)
    content = pipeline(4, "srresnet")
    prepare, train = (content["stages"][name]["with"] for name in ("prepare", "train"))
    if "scale" in change:
        train["options"]["scale"] = change["scale"]
    if "enlarge" in change:
        prepare["source"]["enlarge"] = True
    if "method" in change:
        train |= {"method": "pix2pix", "options": {}}
    if "device" in change:
        train["device_augment"] = [{"uses": "kornia/RandomHorizontalFlip"}]
    Path("p.yaml").write_text(yaml.safe_dump(content), "utf-8")
    result = run("check", "p.yaml")
    assert result.exit_code == 2 and says in " ".join(result.output.split()), result.output


def test_validation_and_conversion_take_the_real_images() -> None:
    pairs(2)
    Path("p.yaml").write_text(yaml.safe_dump(pipeline(2, "srresnet")), "utf-8")
    result = run("run", "p.yaml")
    assert result.exit_code == 0, result.output
    (folder,) = (path.parent for path in Path("runs").rglob("results.jsonl"))
    assert not (folder / "inputs").exists()  # nothing had to be made
    outputs = sorted((folder / "images").glob("*.png"))
    assert outputs
    for path in outputs:
        again = run("convert", "--model", "p.yaml", f"photos/lr/{path.name}", path.name)
        assert again.exit_code == 0, again.output
        assert np.array_equal(read(Path(path.name)).pixels, read(path).pixels)


@pytest.mark.parametrize(("scale", "options"), [(2, {"scale": 2}), (3, {"scale": 3}), (4, None), (8, {"scale": 8})])
def test_init_recognises_them(scale: int, options: dict[str, Any] | None) -> None:
    pairs(scale, 4)
    done = run("init", "--method", "srresnet", "photos", "--output", "p.yaml")
    assert done.exit_code == 0, done.output
    stages = yaml.safe_load(Path("p.yaml").read_text("utf-8"))["stages"]
    source = {"uses": "pairs", "a": "photos/lr", "b": "photos/hr", "scale": scale, "enlarge": False}
    assert stages["prepare"]["with"]["source"] == source
    assert stages["prepare"]["with"]["transforms"] == []
    assert stages["train"]["with"].get("options") == options
    assert stages["train"]["with"]["augment"][0] == {"uses": "random-crop", "size": 96, "multiple": scale}
    checked = run("check", "p.yaml")
    assert checked.exit_code == 0, checked.output


def test_init_tells_a_factor_that_no_network_has() -> None:
    pairs(5, 4)
    done = run("init", "--method", "srgan", "photos")
    assert done.exit_code == 2
    assert "images differ 5 times in size, and srgan does not enlarge so" in " ".join(done.output.split())


def test_a_plugin_declares_what_it_takes() -> None:
    data = Sides({"image": Image(), "low": Image(reduced=4)}, (("image", "low"),))
    assert Sides.of("single").mismatch(data) is None
    assert Sides.of(data.to_json()) == data
    equal = Sides({"image": Image(), "low": Image()}, (("image", "low"),))
    assert equal.mismatch(data) == "side 'low' is image 4 times smaller, not image"
    assert data.mismatch(equal) == "side 'low' is image, not image 4 times smaller"
