"""Transforms of albumentations and augmentations of kornia by their own names, with their own options."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_images import picture

from translate.console import PlainConsole
from translate.contracts import IGNORE, DeviceTransform, DeviceTransformUse, Transform, TransformUse
from translate.data.dataset import Dataset
from translate.data.loading.loader import Loader
from translate.data.loading.samples import Samples, augmented
from translate.errors import ConfigError, DataError
from translate.pipeline import plan, run
from translate.pipeline.location import PipelineError
from translate.plugins import Registry

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the libraries warn of some of their own

SIZE = {"height": 20, "width": 24}
NEEDED: dict[str, dict[str, Any]] = {
    "CenterCrop": SIZE,
    "Crop": {"x_max": 20, "y_max": 20},
    "CropAndPad": {"px": 3},
    "CropNonEmptyMaskIfExists": SIZE,
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 5},
    "LongestMaxSize": {"max_size": 32},
    "RandomCrop": SIZE,
    "RandomResizedCrop": {"size": [20, 24]},
    "RandomSizedCrop": {"size": [20, 24], "min_max_height": [10, 20]},
    "Resize": SIZE,
    "SmallestMaxSize": {"max_size": 32},
}
"""Options without which a transform of albumentations cannot be made."""
KORNIA: dict[str, dict[str, Any]] = {
    "CenterCrop": {"size": [24, 24]},
    "LongestMaxSize": {"max_size": 24},
    "PadTo": {"size": [60, 60]},
    "RandomAffine": {"degrees": 20},
    "RandomCrop": {"size": [24, 24]},
    "RandomElasticTransform": {"kernel_size": [15, 15], "sigma": [4, 4], "alpha": [20, 20]},
    "RandomFisheye": {"center_x": [-0.3, 0.3], "center_y": [-0.3, 0.3], "gamma": [0.9, 1.1]},
    "RandomGaussianBlur": {"kernel_size": 3, "sigma": [0.5, 1.0]},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 35, "direction": 0.5},
    "RandomResizedCrop": {"size": [24, 24]},
    "RandomRotation": {"degrees": 30},
    "RandomRotation90": {"times": [0, 3]},
    "RandomShear": {"shear": 10},
    "RandomTranslate": {"translate_x": [0.1, 0.2]},
    "Resize": {"size": [24, 24]},
    "SmallestMaxSize": {"max_size": 24},
}
UNLABELLED = {"RandomFisheye", "RandomThinPlateSpline"}
"""Those of kornia that have no way for masks."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = Registry([])
    registry.load_libraries()
    return registry


def made(registry: Registry, name: str, **options: Any) -> Transform[Any]:
    transform: Transform[Any] = registry.build(TransformUse(uses=f"albumentations/{name}", options=options))
    return transform


def on_device(registry: Registry, name: str, **options: Any) -> DeviceTransform[Any]:
    transform: DeviceTransform[Any] = registry.build(DeviceTransformUse(uses=f"kornia/{name}", options=options))
    return transform


def names(registry: Registry, kind: Any, library: str) -> list[str]:
    return [name.partition("/")[2] for name in registry.names(kind) if name.startswith(f"{library}/")]


def labels() -> np.ndarray[Any, Any]:
    """Two classes with a gap between them, so that a blend of them would show."""
    return np.kron(np.arange(48).reshape(6, 8) % 2 * 3, np.ones((8, 8))).astype(np.uint8)


# ----------------------------------------------------------------------------------------------------- albumentations


def test_every_transform_of_albumentations_keeps_the_promises(registry: Registry) -> None:
    """Equal images stay equal, labels are those that there were, types stay, and the seed alone decides."""
    found = names(registry, "transforms", "albumentations")
    assert len(found) > 90
    faults = []
    for name in found:
        kind = registry.get("transforms", f"albumentations/{name}")
        always = {"p": 1} if "p" in kind.Config.model_fields else {}
        transform = made(registry, name, **NEEDED.get(name, {}), **always)
        for dtype in (np.uint8, np.uint16):
            image = picture(48, 64, 3, dtype)
            images = {"input": image, "target": image.copy(), "classes": labels()}
            once, again = transform(dict(images), 3), transform(dict(images), 3)
            good = {
                "repeats": all(np.array_equal(once[side], again[side]) for side in images),
                "sides": np.array_equal(once["input"], once["target"]),
                "type": once["input"].dtype == dtype and once["classes"].dtype == np.uint8,
                "size": once["classes"].shape == once["input"].shape[:2],
                "labels": {*np.unique(once["classes"])} <= {0, 3, IGNORE},
                "promise": transform.size((48, 64)) in (None, once["input"].shape[:2]),
                "untouched": np.array_equal(images["input"], image),
            }
            faults += [f"{name} {dtype.__name__}: {what}" for what, right in good.items() if not right]
    assert not faults


def test_a_geometry_is_the_library_s_own(registry: Registry) -> None:
    """The same class, made for one call with that seed."""
    import albumentations

    image, seed = picture(48, 64), 11
    options = {"rotate": (-30.0, 30.0), "scale": (0.8, 1.2), "p": 1.0}
    compose = albumentations.Compose([albumentations.Affine(**options, fill_mask=IGNORE)], seed=seed)
    expected = compose(image=image, mask=labels())
    done = made(registry, "Affine", **options)({"a": image, "b": labels()}, seed)
    assert np.array_equal(done["a"], expected["image"]) and np.array_equal(done["b"], expected["mask"])


def test_pixels_from_outside_are_no_class(registry: Registry) -> None:
    inside = {"image": picture(48, 64), "label": np.full((48, 64), 2, np.uint8)}
    turned = made(registry, "Rotate", limit=[45, 45], p=1)(inside, 0)["label"]
    assert {*np.unique(turned)} == {2, IGNORE}
    filled = made(registry, "Rotate", limit=[45, 45], fill_mask=0, p=1)(inside, 0)["label"]
    assert {*np.unique(filled)} == {0, 2}


def test_colours_change_the_sides_that_are_named_and_no_labels(registry: Registry) -> None:
    images = {"input": picture(), "target": picture(), "label": labels()[:24, :32]}
    frames = {"clip.0": picture(), "clip.1": picture()}
    noisy = made(registry, "GaussNoise", p=1, sides=["clip"])({**images, **frames}, 5)
    assert not np.array_equal(noisy["clip.1"], frames["clip.1"]) and np.array_equal(noisy["clip.0"], noisy["clip.1"])
    assert np.array_equal(noisy["input"], images["input"])
    done = made(registry, "GaussNoise", p=1, sides=["input"])(images, 5)
    assert not np.array_equal(done["input"], images["input"])
    assert np.array_equal(done["target"], images["target"]) and np.array_equal(done["label"], images["label"])


def test_sides_of_other_channels_share_the_geometry(registry: Registry) -> None:
    image = picture(48, 64)
    images = {"rgb": image, "grey": image[..., :1], "six": np.dstack([image, image])}
    done = made(registry, "Affine", rotate=[-30, 30], p=1)(images, 4)
    assert np.array_equal(done["rgb"][..., :1], done["grey"])
    assert np.array_equal(done["rgb"], done["six"][..., 3:])
    noisy = made(registry, "GaussNoise", p=1)({"rgb": image, "grey": image[..., :1]}, 4)
    assert noisy["grey"].shape == (48, 64, 1)


def test_only_labels_move_as_well(registry: Registry) -> None:
    done = made(registry, "HorizontalFlip", p=1)({"label": labels()}, 0)
    assert np.array_equal(done["label"], labels()[:, ::-1])


def test_threads_and_processes_draw_the_same(registry: Registry) -> None:
    transform = made(registry, "ElasticTransform", p=0.7)
    images = {"image": picture(48, 64)}
    expected = [transform(dict(images), seed)["image"] for seed in range(12)]
    again = pickle.loads(pickle.dumps(transform))  # as a worker process gets it where none is forked
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(lambda seed: transform(dict(images), seed)["image"], range(12)))
    for seed, image in enumerate(expected):
        assert np.array_equal(image, threads[seed])
        assert np.array_equal(image, again(dict(images), seed)["image"])


@pytest.mark.parametrize(
    ("name", "options", "random"),
    [
        ("ToGray", {"p": 1}, False),
        ("ToGray", {"p": 0.5}, True),
        ("ToGray", {"p": 0}, False),
        ("CenterCrop", {"height": 300, "width": 300}, False),
        ("RandomCrop", {"height": 300, "width": 300}, True),
        ("LongestMaxSize", {"max_size": 64}, False),
        ("LongestMaxSize", {"max_size": [32, 64]}, True),
        ("CLAHE", {"p": 1}, True),
        ("CLAHE", {"p": 1, "clip_limit": [4, 4]}, False),
        ("RandomRotate90", {"p": 1}, True),
    ],
)
def test_whether_it_draws_depends_on_its_options(
    registry: Registry, name: str, options: dict[str, Any], random: bool
) -> None:
    assert made(registry, name, **options).random is random


def test_floats_beyond_one_have_no_known_colours(registry: Registry) -> None:
    floats = np.linspace(-2, 5, 300, dtype=np.float32).reshape(10, 10, 3)
    with pytest.raises(DataError, match="GaussNoise takes floats from 0 to 1, and side image goes from -2 to 5"):
        made(registry, "GaussNoise", p=1)({"image": floats}, 0)
    moved = made(registry, "HorizontalFlip", p=1)({"image": floats}, 0)["image"]
    assert np.array_equal(moved, floats[:, ::-1]), "a geometry takes any"


def test_what_the_library_cannot_take_is_a_data_error(registry: Registry) -> None:
    with pytest.raises(DataError, match=r"ISONoise cannot take image \(24, 32, 1\) uint8: .*3-channel"):
        made(registry, "ISONoise", p=1)({"image": picture(channels=1)}, 0)


# ------------------------------------------------------------------------------------------------------------- kornia


def batch() -> dict[str, torch.Tensor]:
    images = torch.rand((2, 3, 48, 48), generator=torch.Generator().manual_seed(0)) * 2 - 1
    classes = torch.from_numpy(labels()[:, :48].astype(np.int64)).expand(2, 48, 48).contiguous()
    return {"input": images, "target": images.clone(), "map": classes, "clip": torch.stack([images, images], 1)}


def test_every_augmentation_of_kornia_keeps_the_promises(registry: Registry) -> None:
    found = names(registry, "device_transforms", "kornia")
    assert len(found) > 50
    faults = []
    for name in found:
        kind = registry.get("device_transforms", f"kornia/{name}")
        always = {"p": 1} if "p" in kind.Config.model_fields else {}
        transform = on_device(registry, name, **KORNIA.get(name, {}), **always)
        given = batch()
        if name in UNLABELLED:
            with pytest.raises(DataError, match=f"kornia/{name} cannot move label maps"):
                transform(given, 3)
            del given["map"]
        torch.manual_seed(0)
        once = transform(given, 3)
        torch.manual_seed(1)
        state = torch.get_rng_state()
        again = transform(given, 3)
        good = {
            "repeats": all(torch.equal(once[side], again[side]) for side in given),
            "sides": torch.equal(once["input"], once["target"]) and torch.equal(once["clip"][:, 1], once["input"]),
            "range": once["input"].dtype == torch.float32 and once["input"].abs().max() <= 1,
            "promise": transform.size((48, 48)) == tuple(once["input"].shape[2:]),
            "global state": torch.equal(state, torch.get_rng_state()),
        }
        if "map" in once:
            good["labels"] = {*once["map"].unique().tolist()} <= {0, 3, IGNORE}
            good["labels' size"] = once["map"].shape[1:] == once["input"].shape[2:]
        faults += [f"{name}: {what}" for what, right in good.items() if not right]
    assert not faults


def test_images_and_labels_of_kornia_share_the_geometry(registry: Registry) -> None:
    """An image of which each pixel is black or white as the label says, moved without interpolation."""
    classes = batch()["map"]
    images = (classes.float() / 3 * 2 - 1)[:, None].expand(-1, 3, -1, -1)
    for name in ("RandomAffine", "RandomRotation", "RandomPerspective", "RandomElasticTransform", "RandomCrop"):
        transform = on_device(registry, name, **KORNIA.get(name, {}), p=1, resample="nearest")
        done = transform({"image": images, "label": classes}, 9)
        inside = done["label"] != IGNORE
        expected = (done["label"].float() / 3 * 2 - 1)[:, None].expand(-1, 3, -1, -1)
        agree = (done["image"] == expected)[:, 0][inside].float().mean()
        assert agree > 0.99, name
        assert not torch.equal(done["label"], classes)


def test_pixels_from_outside_are_no_class_on_the_device(registry: Registry) -> None:
    classes = torch.zeros((1, 48, 48), dtype=torch.long)
    done = on_device(registry, "RandomRotation", degrees=[45, 45], p=1)({"label": classes}, 0)["label"]
    assert {*done.unique().tolist()} == {0, IGNORE}


def test_groups_of_sides_draw_apart(registry: Registry) -> None:
    transform = on_device(registry, "RandomRotation", degrees=40, p=1)
    images = batch()["input"]
    apart = augmented({"a": images, "b": images}, [["a"], ["b"]], [transform], 5)
    joined = augmented({"a": images, "b": images}, [["a", "b"]], [transform], 5)
    assert torch.equal(joined["a"], joined["b"]) and not torch.equal(apart["a"], apart["b"])
    assert torch.equal(apart["a"], joined["a"])


# ---------------------------------------------------------------------------------------------------------- pipelines

PIPELINE = """\
version: 1
name: libraries
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with:
      source: {uses: generated-maps, kind: paired, size: 24, train: 6, val: 2, test: 0}
      transforms: [{uses: albumentations/Equalize, p: 1}]
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, layers: 1, filters: 4}
      augment:
        - {uses: albumentations/Affine, rotate: [-10, 10], p: 1}
        - {uses: albumentations/GaussNoise, sides: [input]}
      device_augment: [{uses: kornia/RandomAffine, degrees: 10}, {uses: kornia/RandomCrop, size: [16, 16]}]
      max_steps: 6
      workers: 0
      checkpoint: {steps: 3}
      validate: {every: 100}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        Path("libraries.yaml").write_text(text)
        return Path("libraries.yaml")

    return write


def test_a_training_with_both_resumes_bit_equal(write: Callable[[str], Path]) -> None:
    from safetensors.torch import load_file

    whole = run(write(PIPELINE), device="cpu", console=PlainConsole()).folder / "train" / "checkpoints"
    expected = load_file(whole / "000000006" / "tensors.safetensors")
    again = PIPELINE.replace("name: libraries", "name: again")
    run(write(again.replace("max_steps: 6", "max_steps: 3")), device="cpu", console=PlainConsole())
    file = write(again.replace("workers: 0", "workers: 2"))
    folder = run(file, device="cpu", console=PlainConsole(), continue_="train").folder
    tensors = load_file(folder / "train" / "checkpoints" / "000000006" / "tensors.safetensors")
    assert all(torch.equal(tensors[key], expected[key]) for key in expected if not key.startswith("meter/"))
    import json

    recipe = json.loads((folder / "train" / "MANIFEST.json").read_text())["recipe"]
    assert recipe["providers"]["transforms/albumentations/Affine"]["version"].startswith("2.0.")
    assert recipe["providers"]["device_transforms/kornia/RandomAffine"]["distribution"] == "kornia"
    manifest = json.loads((folder / "train" / "MANIFEST.json").read_text())
    assert {*manifest["code"]} == {"translate_pix2pix"}, "the libraries go by their versions"


def test_workers_change_nothing(write: Callable[[str], Path], registry: Registry) -> None:
    folder = run(write(PIPELINE), device="cpu", console=PlainConsole(), until="prepare").folder / "prepare"
    chain = [made(registry, "ElasticTransform", p=0.8), made(registry, "ColorJitter", p=0.8)]
    batches = {}
    for workers, start in ((0, 0), (2, 0), (0, 2)):
        loader = Loader(Samples(Dataset(folder), "train", copy.deepcopy(chain), 2, 5), workers, start)
        stream = iter(loader)
        batches[workers, start] = [next(stream) for _ in range(4 - start)]
        loader.close()
    for other in (batches[2, 0], [*batches[0, 0][:2], *batches[0, 2]]):
        for one, two in zip(batches[0, 0], other, strict=True):
            assert all(torch.equal(one.images[side], two.images[side]) for side in one.images)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Equalize, p: 1",
            "Equalize",
            "transforms.0: `albumentations/Equalize` draws at random; put it",
        ),
        ("rotate: [-10", "rotat: [-10", "train.with.augment.0.rotat: unknown key; did you mean 'rotate'"),
        ("rotate: [-10, 10]", "rotate: much", "train.with.augment.0.rotate: must be"),
        ("GaussNoise, s", "GausNoise, s", "augment.1.uses: .*no transform 'GausNoise'; did you mean 'GaussNoise'"),
        ("GaussNoise, s", "GaussNoise, std_range: [0.5, 0.1], s", "train.with.augment.1: .*std_range"),
        ("albumentations/Affine, rotate: [-10, 10], p: 1", "albumentations/Normalize", "it changes the type of"),
        ("degrees: 10", "degree: 10", "train.with.device_augment.0.degree.*: unknown key; did you mean 'degrees'"),
        ("kornia/RandomAffine", "kornia/RandomAfine", "no device transform 'RandomAfine'; did you mean 'RandomAffine'"),
        ("kornia/RandomAffine", "konia/RandomAffine", "there is no plugin 'konia'; did you mean 'kornia'"),
        ("size: [16, 16]", "size: [16, 16], resample: up", "train.with.device_augment.1"),
    ],
)
def test_mistakes_have_their_place(write: Callable[[str], Path], old: str, new: str, message: str) -> None:
    assert old in PIPELINE
    with pytest.raises(PipelineError, match=message):
        plan(write(PIPELINE.replace(old, new)))


def test_neither_is_imported_where_none_is_named() -> None:
    code = (
        "import sys; from translate.plugins import Registry; from translate.contracts import TransformUse\n"
        "registry = Registry(); registry.load_all(); registry.names('transforms')\n"
        "registry.build(TransformUse(uses='resize', options={'size': 8}))\n"
        "print([name for name in ('albumentations', 'kornia') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_of_libraries_that_are_not_there(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="kornia/RandomMosaic has no place in a pipeline: it mixes images"):
        registry.get("device_transforms", "kornia/RandomMosaic")
