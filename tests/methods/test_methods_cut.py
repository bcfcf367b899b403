"""CUT: its patch loss in closed form, a plain torch loop of it, what its networks are, and what it leaves behind."""

from __future__ import annotations

import copy
import json
import math
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from translate_cut import CUT, FastCUT, mirror, patch_nce, patches, positions
from translate_cut.networks import Heads, HeadsConfig

from translate import ConfigError, DataSpec, run
from translate.networks import count_parameters, features_of
from translate.plugins import Registry
from translate.seeding import derive
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.engine import Engine
from translate.training.length import Length
from translate.training.players import make_players

LAYERS = ["stem.pad", "down.0.conv", "down.1.conv", "blocks.0"]
SMALL = {
    "generator": {"uses": "resnet_blurred", "blocks": 2, "filters": 4},
    "discriminator": {"uses": "patchgan", "filters": 4, "layers": 1},
    "layers": LAYERS,
    "patches": 12,
    "width": 8,
}
TAU = 0.07
Make = Callable[..., Engine]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def game(registry: Registry) -> Make:
    """An engine for CUT on images of 32 x 32, without a dataset."""

    def make(cls: type[CUT], options: Mapping[str, Any] | None = None, **more: Any) -> Engine:
        spec = DataSpec("unpaired", more.get("channels", {"a": 3, "b": 3}), (32, 32))
        config = cls.Config.model_validate({**SMALL, **(options or {})})
        method = cls(config, spec, {**cls.losses, **more.get("weights", {})})
        torch.manual_seed(0)
        nets = build_networks(method, registry)
        train = TrainConfig(method=cls.name)
        players = make_players(cls.name, method.players, nets, train, registry, Length.of(train, 1), fused=False)
        precision = more.get("precision", "fp32")
        return Engine(method, nets, players, device="cpu", precision=precision, seed=7, merge=False)

    return make


def pictures(seed: int, count: int = 1) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {side: torch.rand(count, 3, 32, 32, generator=rng) * 2 - 1 for side in "ab"}


def unit(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(draw, dim=-1)


# ------------------------------------------------------------------------------------------------- the patch loss


def test_the_patch_loss_is_the_cross_entropy_of_equation_3() -> None:
    q, k = unit(2, 5, 3), unit(2, 5, 3, seed=1)
    expected = np.zeros(2)
    for image in range(2):
        for patch in range(5):
            scores = [math.exp(float(q[image, patch] @ k[image, other]) / TAU) for other in range(5)]
            expected[image] += -math.log(scores[patch] / sum(scores)) / 5
    np.testing.assert_allclose(patch_nce(q, k, TAU).numpy(), expected, rtol=1e-5)


def test_the_patch_loss_where_it_is_known() -> None:
    """One direction for all: chance. Orthogonal patches: found (q = k), or taken for one another (k shifted)."""
    eye, count = torch.eye(256)[None], 256
    alike = torch.zeros(1, count, count)
    alike[..., 0] = 1
    assert float(patch_nce(alike, alike, TAU)) == pytest.approx(math.log(count), rel=1e-6)
    assert float(patch_nce(eye, eye, TAU)) == pytest.approx(math.log1p(255 * math.exp(-1 / TAU)), rel=1e-3)
    assert float(patch_nce(eye, eye.roll(1, 1), TAU)) == pytest.approx(math.log(math.exp(1 / TAU) + 255), rel=1e-6)
    assert float(patch_nce(eye, eye, 1.0)) == pytest.approx(math.log(1 + 255 / math.e), rel=1e-6)


def test_only_queries_have_a_gradient_which_is_that_of_softmax() -> None:
    q, k = unit(1, 6, 4).float().requires_grad_(), unit(1, 6, 4, seed=1).float().requires_grad_()
    patch_nce(q, k, TAU).sum().backward()
    probability = (q.detach() @ k.detach().mT / TAU).softmax(2)
    assert k.grad is None
    torch.testing.assert_close(q.grad, (probability @ k.detach() - k.detach()) / (6 * TAU))


def test_logits_keep_their_digits_under_autocast() -> None:
    q, k = unit(1, 64, 32).float(), unit(1, 64, 32, seed=1).float()
    with torch.autocast("cpu", torch.bfloat16):
        found = patch_nce(q, k, TAU)
    assert torch.equal(found, patch_nce(q, k, TAU))


# ------------------------------------------------------------------------------------------------------- positions


def test_positions_are_different_drawn_from_the_step_and_alike_for_query_and_key() -> None:
    features = torch.randn(3, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    draw = [positions(features, 20, torch.Generator().manual_seed(4)) for _ in range(2)]
    assert torch.equal(*draw) and draw[0].shape == (3, 20)
    assert all(len(set(row)) == 20 and min(row) >= 0 and max(row) < 35 for row in draw[0].tolist())
    assert len({tuple(row) for row in draw[0].tolist()}) == 3
    everything = positions(features, 256, torch.Generator())
    assert everything.sort().values.tolist() == [list(range(35))] * 3
    found = patches(features, draw[0])
    for image, row in enumerate(draw[0].tolist()):
        for number, at in enumerate(row):
            assert torch.equal(found[image, number], features[image, :, at // 7, at % 7])


def test_every_position_is_drawn_equally_often() -> None:
    rng, seen = torch.Generator().manual_seed(0), torch.zeros(12)
    for _ in range(600):
        seen[positions(torch.zeros(1, 1, 3, 4), 6, rng)[0]] += 1
    assert (seen / 600 - 0.5).abs().max() < 5 * (0.25 / 600) ** 0.5


def test_positions_follow_a_mirrored_image() -> None:
    features = torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    mirrored = torch.tensor([True, False, False, True]).view(-1, 1, 1, 1)
    at = positions(features, 9, torch.Generator())
    there = patches(torch.where(mirrored, features.flip(3), features), mirror(at, mirrored, 6))
    assert torch.equal(there, patches(features, at))


# -------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("name", ["cut", "cut/fastcut"])
def test_networks_are_those_of_the_paper(registry: Registry, name: str) -> None:
    cls = registry.get("methods", name)
    method = cls(cls.Config(), DataSpec("unpaired", {"a": 3, "b": 3}, (256, 256)), cls.losses)
    with torch.device("meta"):
        nets = build_networks(method, registry)
        found = features_of(nets["gen"], torch.empty(1, 3, 256, 256), method.config.layers)
    counts = {name: count_parameters(net) for name, net in nets.items()}
    assert counts == {"gen": 11_378_179, "heads": 560_384, "disc": 2_764_737}
    sizes = [(3, 262), (128, 256), (256, 128), (256, 64), (256, 64)]
    assert [f.shape for f in found] == [(1, width, side, side) for width, side in sizes]


def test_initial_weights_are_xavier_and_heads_give_vectors_of_length_one() -> None:
    torch.manual_seed(0)
    heads = Heads(HeadsConfig(), widths=[3, 128])
    for layer in (m for m in heads.modules() if isinstance(m, nn.Linear)):
        deviation = 0.02 * (2 / (layer.in_features + layer.out_features)) ** 0.5
        assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.1)
        assert not layer.bias.any()
    with torch.no_grad():
        found = heads([torch.randn(2, 5, 3), torch.randn(2, 5, 128)])
    assert [f.shape for f in found] == [(2, 5, 256)] * 2
    assert all(float((f.norm(dim=2) - 1).abs().max()) < 1e-4 for f in found)


def test_other_generators_name_their_own_layers(game: Make) -> None:
    unet = {"uses": "unet", "levels": 3, "filters": 4, "norm": "instance"}
    engine = game(CUT, {"generator": unet, "layers": ["down.0", "down.1.conv"]}, channels={"a": 1, "b": 1})
    assert [head[0].in_features for head in engine.nets.heads.heads] == [4, 8]
    engine.step([{side: images[:, :1] for side, images in pictures(0).items()}], 0)
    engine.check_finite({})
    with pytest.raises(ConfigError, match=r"network unet has no layer 'down\.0\.cnov'; did you mean 'down\.0\.conv'"):
        game(CUT, {"generator": unet, "layers": ["down.0.cnov"]})
    with pytest.raises(ConfigError, match="side a has 3 channels and b has 1"):
        game(CUT, channels={"a": 3, "b": 1})


# -------------------------------------------------------------------------------------------------------- training


def plain_cut(nets: dict[str, Any], batches: list[dict[str, Tensor]], seed: int, fast: bool) -> list[dict[str, float]]:
    """Five steps as the authors' code makes them: F has an optimizer of its own, features come from calling layers."""
    G, D, Fs = nets["gen"], nets["disc"], nets["heads"]
    optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (D, G, Fs)]
    opt_d, *opt_g = optimizers

    def encode(x: Tensor) -> list[Tensor]:
        padded = G.stem.pad(x)
        first = G.down[0].conv(G.stem.relu(G.stem.norm(G.stem.conv(padded))))
        second = G.down[1].conv(G.down[0].blur(G.down[0].relu(G.down[0].norm(first))))
        third = G.blocks[0](G.down[1].blur(G.down[1].relu(G.down[1].norm(second))))
        return [padded, first, second, third]

    def vectors(maps: list[Tensor], at: list[Tensor]) -> list[Tensor]:
        found = []
        for head, f, p in zip(Fs.heads, maps, at, strict=True):
            column = torch.stack([image.flatten(1)[:, places].T for image, places in zip(f, p, strict=True)])
            found.append(F.normalize(head(column), dim=-1, eps=1e-7))
        return found

    rng, history = torch.Generator(), []
    for index, batch in enumerate(batches):
        rng.manual_seed(derive(seed, "rng", index, 0))
        a, b = batch["a"], batch["b"]
        real = a if fast else torch.cat((a, b))
        flipped = torch.rand(len(real), 1, 1, 1, generator=rng) < (0.5 if fast else 0.0)
        made = G(torch.cat([x.flip(2)[None] if f else x[None] for x, f in zip(real, flipped.flatten(), strict=True)]))
        fake = made[: len(a)]
        opt_d.zero_grad()
        critic = ((D(b) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean()
        (0.5 * critic).backward()
        opt_d.step()
        for optimizer in opt_g:
            optimizer.zero_grad()
        with torch.no_grad():
            keys = encode(real)
        queries = [torch.cat([f.flip(2)[None] if m else f[None] for f, m in zip(q, flipped.flatten(), strict=True)])
                   for q in encode(made)]  # fmt: skip
        at = []
        for key in keys:
            cells = key.shape[2] * key.shape[3]
            at.append(torch.rand(len(key), cells, generator=rng).topk(min(12, cells)).indices)
        depths = []
        for q, k in zip(vectors(queries, at), vectors(keys, at), strict=True):
            logits = q @ k.detach().mT / TAU
            depths.append((logits.logsumexp(2) - logits.diagonal(dim1=1, dim2=2)).mean(1))
        each = torch.stack(depths).mean(0)
        losses = {"nce": each[: len(a)].mean()}
        total = (10.0 if fast else 0.5) * losses["nce"]
        if not fast:
            losses["identity"] = each[len(a) :].mean()
            total = total + 0.5 * losses["identity"]
        losses["adversarial"] = ((D(fake) - 1) ** 2).mean()
        (total + losses["adversarial"]).backward()
        for optimizer in opt_g:
            optimizer.step()
        history.append({name: value.item() for name, value in {"critic": critic, **losses}.items()})
    return history


@pytest.mark.parametrize("cls", [CUT, FastCUT])
def test_five_steps_are_bit_equal_to_a_plain_loop(cls: type[CUT], game: Make) -> None:
    engine = game(cls)
    nets = copy.deepcopy(dict(engine.nets))
    batches = [pictures(index, 2) for index in range(5)]
    for batch, losses in zip(batches, plain_cut(nets, batches, engine.seed, cls is FastCUT), strict=True):
        engine.step([batch], 0)
        meters = engine.read_meters()
        assert {k: meters[k] for k in losses} == losses
        assert ("identity" in meters) == (cls is CUT)
    for name, net in engine.nets.items():
        for (key, mine), (_, theirs) in zip(net.state_dict().items(), nets[name].state_dict().items(), strict=True):
            assert torch.equal(mine, theirs), f"{name}.{key}"


def test_the_patch_loss_alone_moves_encoder_and_heads_in_either_precision(game: Make) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        engine = game(CUT, {"temperature": 1.0}, weights={"adversarial": 0}, precision=precision)
        engine.step([pictures(0, 2)], 0)
        found[precision] = engine.read_meters()
        for net in (engine.nets.gen, engine.nets.heads):
            for key, parameter in net.named_parameters():
                assert parameter.grad is not None and (parameter.ndim == 1 or parameter.grad.norm() > 1e-3), key
    for name in ("nce", "identity", "critic"):
        assert found["bf16"][name] == pytest.approx(found["fp32"][name], rel=0.02)


def test_negatives_of_the_batch_are_more(game: Make) -> None:
    """At the start all patches are alike: chance among 12 of an image, or among 24 of two images of a side."""
    means = {}
    for negatives in ("image", "batch"):
        engine = game(CUT, {"negatives": negatives, "temperature": 100.0})
        engine.step([pictures(0, 2)], 0)
        means[negatives] = engine.read_meters()
    for term in ("nce", "identity"):
        assert means["image"][term] == pytest.approx(math.log(12), abs=0.02)
        assert means["batch"][term] == pytest.approx(math.log(24), abs=0.02)


# ------------------------------------------------------------------------------------------------- the whole stage

PIPELINE = """
version: 1
name: tiny
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: unpaired, size: 32, train: 6, val: 2, test: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: cut/fastcut
      options: OPTIONS
      max_steps: 6
      batch_size: 2
      ema: 0.9
      precision: fp32
      workers: 0
      log_every: 1
"""


def test_a_stopped_training_goes_on_exactly_and_leaves_only_the_generator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.yaml").write_text(PIPELINE.replace("OPTIONS", json.dumps(SMALL)))
    made = []
    for stop in (None, 3):
        folder = tmp_path / str(stop)
        folder.mkdir()
        monkeypatch.chdir(folder)
        if stop:
            with monkeypatch.context() as patch, pytest.raises(SystemExit):
                patch.setattr(Registry, "emit", stop_at(stop))
                run(tmp_path / "tiny.yaml", device="cpu")
        run(tmp_path / "tiny.yaml", device="cpu")
        made.append(folder / "runs" / "tiny" / "train" / "translator" / "model.safetensors")
    whole, stopped = (load_file(path) for path in made)
    assert {key.partition(".")[0] for key in whole} == {"gen"}
    assert whole.keys() == stopped.keys() and all(torch.equal(whole[key], stopped[key]) for key in whole)


def stop_at(step: int) -> Callable[..., None]:
    def emit(self: Registry, event: str, **facts: Any) -> None:
        if event == "step_finished" and facts["step"] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return emit
