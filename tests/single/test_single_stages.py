"""From targets to inputs, outputs and scores: what the network saw is what the baseline is scored on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from translate import ContractError
from translate.contracts import Artifact, StageContext
from translate.data.dataset import Dataset
from translate.distributed.world import World
from translate.imaging.io import read
from translate.inference.degradation import degraded_inputs
from translate.inference.directions import describe, routes
from translate.networks import bicubic
from translate.plugins import Registry
from translate.stages.evaluate import EvaluateConfig, EvaluateStage
from translate.stages.infer import InferConfig, InferStage
from translate.stages.preprocess import PreprocessConfig, PreprocessStage
from translate.training.config import ValidateConfig
from translate.training.validating.validation import Validator

Images = Mapping[str, np.ndarray[Any, Any]]
Context = Callable[..., StageContext]


def tensor(image: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float()


def halved(image: np.ndarray[Any, Any]) -> Tensor:
    """3 x H/2 x W/2, 0 to 255, as a file holds it."""
    return bicubic(tensor(image)[None], 0.5)[0].round().clamp(0, 255)


def infer(folder: Path, context: Context, registry: Registry, direction: str, **inputs: Artifact) -> Artifact:
    stage = InferStage(InferConfig(direction=direction), registry, 7)
    assert not list(stage.check({name: artifact.facts for name, artifact in inputs.items()}))
    where = context(folder, **inputs)
    return Artifact("images", where.folder, stage.run(where))


def test_directions_of_one_side(method: Any) -> None:
    found = describe(type(method))
    assert (found["enlarge"]["sides"], found["enlarge"]["target"], found["enlarge"]["scale"]) == (["image"], "image", 2)
    assert (found["fill"]["sides"], found["fill"]["target"]) == (["image", "image"], "image")


def test_every_split_of_such_data_has_pairs(registry: Registry) -> None:
    source = {"uses": "generated-maps", "kind": "single", "size": 16, "train": 2, "val": 2, "test": 0}
    promise = PreprocessStage(PreprocessConfig(source=source), registry).promise({})
    assert (promise["kind"], promise["pairs"], promise["classes"]) == ("single", ["train", "val"], [])


def test_inputs_are_written_as_the_network_saw_them(
    tmp_path: Path, context: Context, registry: Registry, data: Artifact, model: Artifact, targets: Images
) -> None:
    images = infer(tmp_path / "out", context, registry, "enlarge", data=data, model=model)
    assert images.facts["pairs"] and images.facts["target_side"] == "image"
    for key, image in targets.items():
        small = halved(image)
        assert torch.equal(tensor(read(images.path / "inputs" / f"{key}.png").pixels), small)
        made = tensor(read(images.path / "images" / f"{key}.png").pixels)
        assert torch.equal(made, small.repeat_interleave(2, 1).repeat_interleave(2, 2))
    sheet = read(images.path / "contact.png").pixels
    assert sheet.shape[1] == 3 * 6 * 24 + 2 * 4  # the input is shown in the size of the output, all six times as large


def test_copying_the_input_is_scored_on_what_was_seen(
    tmp_path: Path, context: Context, registry: Registry, data: Artifact, model: Artifact, targets: Images
) -> None:
    images = infer(tmp_path / "out", context, registry, "enlarge", data=data, model=model)
    stage = EvaluateStage(EvaluateConfig(metrics=["psnr"]), registry, 7)
    assert not list(stage.check({"images": images.facts, "data": data.facts}))
    where = context(tmp_path / "scores", images=images, data=data)
    stage.run(where)
    (score,) = json.loads((where.folder / "scores.json").read_text())["scores"]

    def psnr(of: Callable[[Tensor], Tensor]) -> float:
        errors = [(of(halved(image)) - tensor(image)).square().mean().item() for image in targets.values()]
        return sum(10 * math.log10(255**2 / error) for error in errors) / len(errors)

    enlarged = psnr(lambda small: bicubic(small[None], 2)[0].round().clamp(0, 255))
    repeated = psnr(lambda small: small.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert score["copy"] == pytest.approx(enlarged, abs=1e-4)
    assert score["score"] == pytest.approx(repeated, abs=1e-4)


def test_further_inputs_are_made_too(
    tmp_path: Path, context: Context, registry: Registry, data: Artifact, model: Artifact, targets: Images
) -> None:
    images = infer(tmp_path / "out", context, registry, "fill", data=data, model=model)
    for key, image in targets.items():
        mask = read(images.path / "others/mask" / f"{key}.png").pixels[..., 0] > 127
        assert 0.3 < mask.mean() < 0.7
        seen = read(images.path / "inputs" / f"{key}.png").pixels
        assert (seen[mask] == 128).all() and (seen[~mask] == image[~mask]).all()
        made = read(images.path / "images" / f"{key}.png").pixels
        assert (made[mask] == 255).all() and (made[~mask] == image[~mask]).all()
    again = infer(tmp_path / "again", context, registry, "fill", data=data, model=model)
    for path in (images.path / "others/mask").rglob("*.png"):
        assert path.read_bytes() == (again.path / path.relative_to(images.path)).read_bytes()


def test_degradation_depends_on_seed_and_key_alone(method: Any) -> None:
    route, image = routes(method)["fill"], torch.rand(3, 8, 8) * 2 - 1
    first = degraded_inputs(method, route, image, 3, "a")
    torch.rand(5)
    assert torch.equal(first["mask"], degraded_inputs(method, route, image, 3, "a")["mask"])
    assert not torch.equal(first["mask"], degraded_inputs(method, route, image, 3, "b")["mask"])
    assert not torch.equal(first["mask"], degraded_inputs(method, route, image, 4, "a")["mask"])
    steps = (first["image"] + 1) * 127.5
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)


def test_wrong_inputs_break_the_contract(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    image, kind = torch.zeros(3, 8, 8), type(method)
    monkeypatch.setattr(kind, "degrade", lambda self, target, direction, rng: target)
    with pytest.raises(
        ContractError, match=r"input 'image' of 8 x 8 pixels from an image of 8 x 8, which is not times 2"
    ):
        degraded_inputs(method, routes(method)["enlarge"], image, 0, "a")
    with pytest.raises(
        ContractError, match=r"degrade\(\) makes image for direction fill, whose inputs are image, mask"
    ):
        degraded_inputs(method, routes(method)["fill"], image, 0, "a")


def test_validation_compares_with_the_target(method: Any, data: Artifact, targets: Images) -> None:
    class Engine:
        def __init__(self) -> None:
            self.method, self.nets, self.device, self.precision, self.seed = (
                method,
                method.networks(None),
                "cpu",
                "fp32",
                7,
            )
            self.world = World()

    validator = Validator(Engine(), Dataset(data.path), "test", ValidateConfig(samples=2), [])  # type: ignore[arg-type]
    outputs, real = validator.translate("enlarge")
    for output, reference, image in zip(outputs, real, targets.values(), strict=True):
        torch.testing.assert_close(reference * 255, tensor(image))
        expected = halved(image).repeat_interleave(2, 1).repeat_interleave(2, 2)
        torch.testing.assert_close(output * 255, expected)
    grid = validator.grid("enlarge")
    assert grid.shape == (2 * 20 + 4, 3 * 24 + 8, 3)
    small = halved(targets["deep/one"]).permute(1, 2, 0).numpy().astype(np.uint8)
    assert np.array_equal(grid[:20, :24], small.repeat(2, 0).repeat(2, 1))
    assert validator.grid("fill").shape == (2 * 20 + 4, 4 * 24 + 3 * 4, 3)
