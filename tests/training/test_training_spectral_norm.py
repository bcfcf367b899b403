"""Spectral norm of any network of any player: the norm itself, and how checkpoints, models and exports have it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from duel import Shop, Train, facts, stop_at
from safetensors.torch import load_file
from torch import Tensor, nn

from translate.errors import ConfigError
from translate.models.bundle import read_bundle
from translate.models.load import load
from translate.networks.spectral import ORIGINAL, add_as_in, add_spectral_norm, remove_spectral_norm, state_for
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig
from translate.training.saving import checkpoint
from translate.training.weights.parts import bound, freeze

CYCLEGAN: dict[str, Any] = {
    "method": "cyclegan",
    "options": {
        "generator": {"uses": "resnet", "blocks": 1, "filters": 2},
        "discriminator": {"uses": "patchgan", "filters": 2, "layers": 1},
    },
    "batch_size": 2,
}
NORMED = {**CYCLEGAN, "spectral_norm": ["D_a", "G_ab.up", "D_b.first", "G_ba"], "max_steps": 12}


def largest(weight: Tensor, transposed: bool = False) -> float:
    """The largest singular value of a layer's matrix: outputs by all that goes into one."""
    matrix = weight.transpose(0, 1) if transposed else weight
    return float(torch.linalg.matrix_norm(matrix.detach().flatten(1).double(), 2))


def layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 64, 2))


def tensors(context: Any, step: int) -> dict[str, Tensor]:
    return load_file(context.folder / "checkpoints" / checkpoint.name_of(step) / "tensors.safetensors")


def test_the_largest_singular_value_of_every_layer_is_one() -> None:
    net = layers()
    assert add_spectral_norm(net) == 3 and add_spectral_norm(net) == 3, "a second time changes nothing"
    images = torch.randn(2, 3, 8, 8)
    for _ in range(100):
        net(images)
    assert largest(net[0].weight) == pytest.approx(1, rel=1e-4)
    assert largest(net[1].weight, transposed=True) == pytest.approx(1, rel=1e-4)
    assert largest(net[3].weight) == pytest.approx(1, rel=1e-4)


def test_states_with_and_without_the_norm_become_each_other() -> None:
    plain, normed = layers(), layers()
    add_spectral_norm(normed)
    optimizer = torch.optim.SGD(normed.parameters(), 0.1)
    images = torch.randn(2, 3, 8, 8)
    for _ in range(3):
        optimizer.zero_grad()
        normed(images).square().mean().backward()
        optimizer.step()
    normed.eval()
    state = normed.state_dict()
    assert state_for(normed, state) == state
    plain.load_state_dict(state_for(plain, state))
    assert torch.equal(plain(images), normed(images))
    other = layers()
    add_spectral_norm(other)
    with torch.no_grad():
        for weight in plain.parameters():
            weight.mul_(3)  # the norm takes factors out again
    other.load_state_dict(state_for(other, plain.state_dict()))
    other.eval()
    for name, layer in plain.named_modules():
        if hasattr(layer, "weight"):
            transposed = isinstance(layer, nn.ConvTranspose2d)
            size = largest(layer.weight, transposed)
            ours = other.get_submodule(name).weight
            assert torch.allclose(ours, layer.weight / size, rtol=2e-2, atol=1e-6)
    single, normed_single = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    add_spectral_norm(normed_single)
    single.load_state_dict(state_for(single, normed_single.state_dict()))
    assert torch.equal(single(images), normed_single.eval()(images))


def test_the_norm_is_taken_off_where_it_was_put_on() -> None:
    normed, net = layers(), layers()
    add_spectral_norm(normed[0])
    before = torch.random.get_rng_state()
    added = add_as_in(net, normed.state_dict())
    assert added == ["0"] and torch.equal(before, torch.random.get_rng_state())
    net.load_state_dict(normed.state_dict())
    remove_spectral_norm(net, added)
    assert net.state_dict().keys() == layers().state_dict().keys()
    assert torch.equal(net[0].weight, normed.eval()[0].weight) and torch.equal(net[1].weight, normed[1].weight)


def test_a_training_holds_the_networks_and_parts_that_are_named(train: Train) -> None:
    context, _ = train(**NORMED)
    keys = {key.removesuffix("." + ORIGINAL) for key in tensors(context, 12) if key.endswith(ORIGINAL)}
    wholes = {key.split("/")[1] for key in keys if key.startswith("net/")}
    assert wholes == {"D_a", "D_b", "G_ab", "G_ba"}
    assert {key for key in keys if "D_b" in key} == {"net/D_b/first.conv"}
    assert all(key.startswith("net/G_ab/up.") for key in keys if "G_ab" in key)
    assert len([key for key in keys if "net/D_a" in key]) == 3, "all convolutions of the critic"


@pytest.mark.parametrize("weights", [None, "last"])
def test_a_model_has_plain_weights_of_norm_one(train: Train, weights: Any) -> None:
    context, _ = train(**NORMED)
    stored = read_bundle(context.folder / "translator")
    before = torch.random.get_rng_state()
    model = load(context.folder, "cpu", Registry(), weights=weights)
    assert torch.equal(before, torch.random.get_rng_state()), "loading draws nothing"
    net, sizes = model.program.nets["G_ba"], []
    assert not any("parametrizations" in key for key in net.state_dict())
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            state = stored.state("G_ba")
            original = state[f"{name}.{ORIGINAL}"]
            transposed = isinstance(layer, nn.ConvTranspose2d)
            matrix = (original.transpose(0, 1) if transposed else original).flatten(1)
            u, v = (state[f"{name}.parametrizations.weight.0._{vector}"] for vector in "uv")
            assert torch.allclose(layer.weight, original / (u @ matrix @ v), rtol=1e-5)
            sizes.append(largest(layer.weight, transposed))
    assert sizes == pytest.approx([1] * len(sizes), rel=0.05) and len(sizes) > 4


def test_a_model_is_exported_with_these_weights(train: Train, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    from translate.models.onnx.export import export_onnx

    context, _ = train(**NORMED)
    export_onnx(context.folder, tmp_path / "onnx")
    images = (torch.rand((3, 16, 16), generator=torch.Generator().manual_seed(0)) * 255).byte().permute(1, 2, 0).numpy()
    ours = load(context.folder, "cpu", Registry())(images, "b_to_a")
    theirs = load(tmp_path / "onnx" / "b_to_a.onnx", "cpu", Registry())(images)
    assert abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("step", [3, 6])
def test_a_training_with_the_norm_goes_on_exactly(train: Train, step: int) -> None:
    options = {**NORMED, "max_steps": 8, "ema": 0.9, "accumulate": 2, "batch_size": 1}
    whole, _ = train("whole", **options)
    with pytest.raises(SystemExit):
        train(emit=stop_at(step), **options)
    rest, _ = train(**options)
    ours, theirs = tensors(whole, 8), tensors(rest, 8)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert facts(whole)["files"] == facts(rest)["files"]


def test_a_training_starts_from_a_model_with_or_without_the_norm(train: Train) -> None:
    still = {"optimizer": {"lr": 1e-9}, "batch_size": 1}
    plain, _ = train("plain", **{**CYCLEGAN, "max_steps": 2, **still})
    normed, _ = train("normed", **{**NORMED, "max_steps": 4, **still})
    images = torch.rand((1, 3, 16, 16)) * 2 - 1
    first = load(normed.folder, "cpu", Registry())
    second, _ = train("second", init=str(normed.folder), **{**CYCLEGAN, "max_steps": 1, **still})
    ours, theirs = (model.translate_tensor(images, "b_to_a") for model in (load(second.folder, "cpu"), first))
    assert torch.allclose(ours, theirs, atol=1e-4)
    third, _ = train("third", init=str(plain.folder), **{**NORMED, "max_steps": 1, **still})
    before, after = (read_bundle(context.folder / "translator").state("G_ba") for context in (plain, third))
    assert torch.allclose(after[f"stem.conv.{ORIGINAL}"], before["stem.conv.weight"], atol=1e-6)


def test_frozen_layers_keep_their_vectors() -> None:
    nets = {"gen": layers()}
    bound(nets, ["gen"])
    nets["gen"].train()
    freeze(nets, ["gen.0"])
    before = copy.deepcopy(nets["gen"].state_dict())
    nets["gen"](torch.randn(2, 3, 8, 8))
    moved = {key for key, value in nets["gen"].state_dict().items() if not torch.equal(value, before[key])}
    assert {key.partition(".")[0] for key in moved} == {"1", "3"}


def test_names_that_are_not_there_and_parts_without_layers_are_told(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"spectral_norm: 'gen.2' has no convolution and no linear layer"):
        bound({"gen": layers()}, ["gen.2"])
    with pytest.raises(ConfigError, match=r"spectral_norm: 'gen.7': there is no part '7'"):
        bound({"gen": layers()}, ["gen.7"])
    config = TrainConfig.model_validate({"method": "duel", "spectral_norm": ["disk"]})
    (problem,) = TrainStage(config, Shop([]), 5).check({"data": data.facts})
    assert problem.path == ("with", "spectral_norm", 0) and "did you mean 'disc'" in problem.message
