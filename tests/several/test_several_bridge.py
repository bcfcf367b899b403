"""The bridge as a method: its network's parts against formulas, its training step, its student."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import translate_bridge
from torch import Tensor, nn
from torch.nn import functional as F
from translate_bridge import Bridge, Distilled
from translate_bridge.networks import Attention, Block, TimeUNet, waves

from translate import ConfigError, DataSpec, Nets, Step
from translate.testing.batches import tiny_batch
from translate.training.init_weights import named_networks, pairing


def shake(net: nn.Module) -> nn.Module:
    """Weights that are not 0."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) * (0.3 if p.ndim == 1 else p[0].numel() ** -0.5))
    return net


def images(*shape: int, seed: int = 2) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def unet(**options: Any) -> TimeUNet:
    config = TimeUNet.Config(**{"filters": 8, "levels": 2, "blocks": 1, **options})
    return TimeUNet(config, in_channels=6, out_channels=3)


def test_the_network_returns_its_images_before_it_learned_anything() -> None:
    """The guess of x_0 is then nearly 0 everywhere, whatever the noise."""
    x = images(2, 3, 16, 16)
    assert torch.allclose(unet()(x, torch.tensor([0.2, 0.9]), images(2, 3, 16, 16, seed=3)), x, atol=0.05)


def test_a_share_of_the_images_goes_around_the_layers() -> None:
    """The share depends on the time and the channel alone."""
    net, x, y, t = unet(), images(2, 3, 8, 8), images(2, 3, 8, 8, seed=3), torch.tensor([0.2, 0.9])
    nn.init.normal_(net.share.weight, 0, 0.1)
    nn.init.zeros_(net.last.weight)
    share = net.share(net.time(waves(t, 16)))
    assert torch.allclose(net(x, t, y), share[..., None, None] * x)


@pytest.mark.parametrize(("options", "multiple"), [({}, 4), ({"patch": 2}, 8), ({"blocks": 2, "attention": False}, 4)])
def test_the_network_sees_image_time_and_condition(options: dict[str, Any], multiple: int) -> None:
    net = shake(unet(**options)).double()
    assert net.multiple == multiple
    x, y, t = images(2, 3, 8, 16).double(), images(2, 3, 8, 16, seed=3).double(), torch.tensor([0.2, 0.9]).double()
    output = net(x, t, y)
    assert output.shape == x.shape
    for changed in (net(x + 0.1, t, y), net(x, t + 0.05, y), net(x, t, y + 0.1)):
        assert not torch.allclose(output, changed, atol=1e-4)
    assert torch.allclose(net(x[1:], t[1:], y[1:]), output[1:])  # no statistics over the batch


def test_a_block_is_its_formula() -> None:
    block, x, told = shake(Block(8, 12, 5)), images(2, 8, 6, 6), images(2, 5)

    def normed(h: Tensor, norm: nn.GroupNorm) -> Tensor:
        groups = h.reshape(2, norm.num_groups, -1)
        h = ((groups - groups.mean(2, keepdim=True)) / (groups.var(2, keepdim=True, correction=0) + 1e-5).sqrt()).view(
            h.shape
        )
        return h * norm.weight[:, None, None] + norm.bias[:, None, None]

    h = F.conv2d(F.silu(normed(x, block.norm1)), block.first.weight, block.first.bias, padding=1)
    both = told @ block.modulate.weight.T + block.modulate.bias
    h = normed(h, block.norm2) * (1 + both[:, :12, None, None]) + both[:, 12:, None, None]
    h = F.conv2d(F.silu(h), block.second.weight, block.second.bias, padding=1)
    assert torch.allclose(block(x, told), h + F.conv2d(x, block.skip.weight, block.skip.bias), atol=1e-5)


def test_attention_is_a_softmax_over_all_places() -> None:
    layer, x = shake(Attention(4)), images(1, 4, 2, 3)
    q, k, v = layer.ask(layer.norm(x)).reshape(3, 4, 6)
    weights = (q.T @ k / 2).softmax(1)  # the root of 4 channels
    assert torch.allclose(layer(x), x + layer.out((weights @ v.T).T.reshape(1, 4, 2, 3)), atol=1e-5)


def test_the_time_is_told_by_waves_of_many_lengths() -> None:
    told = waves(torch.tensor([0.0, 0.25]), 6)
    assert told[0].tolist() == [0, 0, 0, 1, 1, 1]
    rates = [1, 10_000 ** (-1 / 3), 10_000 ** (-2 / 3)]
    expected = torch.tensor([[250 * r for r in rates]])
    assert torch.allclose(told[1], torch.cat((expected.sin(), expected.cos()), 1)[0], atol=1e-3)


class Knowing(nn.Module):
    """Answers x_t - x_0 for a target that it knows, and keeps what it is called with."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target, self.calls = target, list[tuple[Tensor, Tensor]]()

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        self.calls.append((x_t, t))
        return x_t - self.target


class Draw:
    """Noise by a generator, as the engine hands it over."""

    def __init__(self, count: int) -> None:
        self.count, self.rng, self.calls = count, torch.Generator().manual_seed(4), 0

    def normal(self, *shape: int) -> Tensor:
        self.calls += 1
        return torch.randn(self.count, *shape, generator=self.rng)


def method(cls: type[Any] = Bridge, *, grey: bool = False, **options: Any) -> Any:
    spec = DataSpec("paired", {"input": 1 if grey else 3, "target": 3}, (8, 8))
    return cls(cls.Config(**options), spec, dict(cls.losses))


def a_step(index: int = 0) -> Step:
    return Step(index, 0, {"G": index}, torch.Generator().manual_seed(index))


def test_a_network_that_knows_the_target_has_no_loss() -> None:
    batch = tiny_batch("paired", size=8, count=16)
    net = Knowing(batch["target"])
    for distance in ("l1", "l2"):
        (update,) = method(distance=distance).step(Nets({"net": net}), batch, a_step())
        assert float(update.losses["bridge"]) == 0
        assert torch.allclose(update.views["output"], batch["target"], atol=1e-6)
    times = torch.cat([t for _, t in net.calls])
    assert float(times.min()) > 0 and float(times.max()) <= 1 and times.unique().numel() > 8


def test_the_loss_is_the_squared_distance_of_guess_and_truth() -> None:
    batch = tiny_batch("paired", size=8, count=4)
    net = Knowing(batch["target"] + 0.5)
    (update,) = method().step(Nets({"net": net}), batch, a_step())
    assert float(update.losses["bridge"]) == pytest.approx(0.25, rel=1e-5)


def test_a_conversion_takes_the_steps_that_it_is_told() -> None:
    y, target = images(2, 3, 8, 8), images(2, 3, 8, 8, seed=5)
    for told, own, expected in ((None, 6, 6), (3, 6, 3), (1, 6, 1)):
        net, draw = Knowing(target), Draw(2)
        direction = SimpleNamespace(options=translate_bridge.BridgeOptions(steps=told))
        output = method(steps=own).translate(Nets({"net": net}), {"image": y}, direction, draw)
        assert torch.allclose(output, target, atol=1e-6)
        assert len(net.calls) == expected and draw.calls == expected - 1
        assert torch.equal(net.calls[0][0], y)


def test_a_grey_input_is_the_end_of_a_bridge_of_colours() -> None:
    y = images(1, 1, 8, 8)
    assert torch.equal(method(grey=True).start(y), y.expand(1, 3, 8, 8))


def test_guesses_stay_in_the_range_of_images() -> None:
    y = images(1, 3, 8, 8)
    net = Knowing(torch.full_like(y, 7.0))
    direction = SimpleNamespace(options=translate_bridge.BridgeOptions())
    assert torch.equal(method().translate(Nets({"net": net}), {"image": y}, direction, Draw(1)), torch.ones_like(y))


def test_a_student_with_the_teacher_s_results_has_no_loss() -> None:
    batch = tiny_batch("paired", size=8, count=2)
    teacher, student = Knowing(batch["target"]), Knowing(batch["target"])
    game = method(Distilled, steps=5)
    (update,) = game.step(Nets({"net": student, "teacher": teacher}), batch, a_step())
    assert float(update.losses["distance"]) == pytest.approx(0, abs=1e-12)
    assert (len(teacher.calls), len(student.calls)) == (5, 1)
    # The student stands where the teacher's first step leads, but for the share of x_0, which it does not know.
    teacher_at, time = teacher.calls[1]
    student_at, student_time = student.calls[0]
    assert torch.allclose(time, student_time) and float(time[0]) == pytest.approx(0.8)
    moved = 0.2 * (batch["target"] - batch["input"])
    assert torch.allclose(teacher_at - moved, student_at, atol=1e-5)


def test_a_student_answers_in_one_call() -> None:
    y, target = images(2, 3, 8, 8), images(2, 3, 8, 8, seed=5)
    net, draw = Knowing(target), Draw(2)
    output = method(Distilled).translate(Nets({"net": net}), {"image": y}, "a_to_b", draw)
    assert torch.allclose(output, target, atol=1e-6) and (len(net.calls), draw.calls) == (1, 1)


def test_the_teacher_gets_no_gradient() -> None:
    batch = tiny_batch("paired", size=8)
    nets = {name: shake(unet(levels=1)) for name in ("net", "teacher")}
    (update,) = method(Distilled, steps=2).step(Nets(nets), batch, a_step())
    update.losses["distance"].backward()
    assert all(p.grad is None for p in nets["teacher"].parameters())
    assert any(p.grad is not None and p.grad.any() for p in nets["net"].parameters())


def test_student_and_teacher_start_from_one_bundle() -> None:
    named, both = named_networks(Distilled), {"net": "net", "teacher": "net"}
    assert pairing(named, Distilled.directions, ("net",), both) == both
    with pytest.raises(ConfigError, match="the method has no network 'teecher'; did you mean 'teacher'"):
        pairing(named, Distilled.directions, ("net",), {"teecher": "net"})
