"""The methods of the plugin: networks of the stated shape, losses that reach their players, nearest colours."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from translate_segmentation import Adversarial, Colours, Segmentation
from translate_segmentation.networks import LinkNet, Residual, Shrunk, UNet, UNetConfig, shrunk

from translate import IGNORE, ConfigError, DataSpec, Nets, Step
from translate.data.sources.card_source import DatasetConfig, DatasetSource
from translate.data.transforms import TRANSFORMS
from translate.inference.translator import Translator
from translate.plugins import Registry

PALETTE = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255))
SMALL = {"network": {"uses": "segmentation/unet", "filters": 4, "levels": 2}}
CRITIC = {"discriminator": {"uses": "patchgan", "filters": 4, "layers": 1}}
BALANCED = {"class_weights": "median-frequency", "balance": 0.5, "dice_classes": "present"}
KINDS = {
    "segmentation": (Segmentation, SMALL),
    "shrunk": (Segmentation, {**SMALL, "shrink": 2, "class_weights": "median-frequency"}),
    "balanced": (Segmentation, {**SMALL, **BALANCED}),
    "weighted": (Segmentation, {**SMALL, "class_weights": [1, 2, 3, 4]}),
    "adversarial": (Adversarial, {**SMALL, **CRITIC, "shrink": 2}),
    "basic": (Adversarial, {**SMALL, **CRITIC, "truth": "basic"}),
    "small": (Adversarial, {**SMALL, **CRITIC, "shrink": 2, "loss_size": "network"}),
    "colours": (Colours, {"generator": {"uses": "unet", "levels": 3, "filters": 4}, **CRITIC, "shrink": 2}),
}


@pytest.fixture(scope="module")
def registry():
    return Registry()


def make(registry, kind, options, palette=PALETTE):
    spec = DataSpec("labelled", {"image": 3, "label": 1}, (32, 48), ("a", "b", "c", "d"), palette)
    method = kind(kind.Config.model_validate(options), spec, dict(kind.losses))
    torch.manual_seed(0)
    return method, Nets(method.networks(registry.build))


def batch():
    draw = torch.Generator().manual_seed(1)
    label = torch.randint(0, 4, (2, 32, 48), generator=draw)
    label[0, :5] = IGNORE
    return {"image": torch.rand(2, 3, 32, 48, generator=draw) * 2 - 1, "label": label}


@pytest.mark.parametrize("name", list(KINDS))
def test_every_loss_reaches_its_player_and_no_other(name, registry):
    kind, options = KINDS[name]
    method, nets = make(registry, kind, options)
    seen = set()
    for update in method.step(nets, batch(), Step(0, 0, {}, torch.Generator())):
        mine = [p for net in kind.players[update.player] for p in nets[net].parameters()]
        for loss, value in update.losses.items():
            assert value.ndim == 0 and value.dtype == torch.float32 and torch.isfinite(value), loss
            grads = torch.autograd.grad(value, mine, retain_graph=True, allow_unused=True)
            assert all(g is not None for g in grads) and any(g.abs().max() > 0 for g in grads), loss
            seen.add(loss)
        if update.player == "D":
            others = [p for n, net in nets.items() if n != "disc" for p in net.parameters()]
            total = sum(update.losses.values())
            assert all(g is None for g in torch.autograd.grad(total, others, retain_graph=True, allow_unused=True))
    assert seen == set(kind.losses)


@pytest.mark.parametrize("name", list(KINDS))
def test_any_size_gives_logits_of_that_size(name, registry):
    method, nets = make(registry, *KINDS[name])
    translator = Translator(method, {n: nets[n] for n in method.directions["segment"].nets}, {})
    assert translator(np.zeros((33, 41, 3), np.uint8)).shape == (33, 41)
    assert translator.translate_tensor(torch.zeros(2, 3, 33, 41)).shape == (2, 4, 33, 41)


def test_the_unet_has_the_layers_of_the_paper():
    """Figure 1 with 8 in place of 64 filters, channels capped at 8 times as many: its convolutions counted by hand."""
    net = UNet(UNetConfig(filters=8, norm="none"), in_channels=3, out_channels=5)
    widths = [8, 16, 32, 64, 64]
    wanted = 0
    for before, after in zip([3, *widths], widths, strict=False):
        wanted += 9 * before * after + after + 9 * after * after + after
    for low, high in zip(widths[::-1], widths[-2::-1], strict=False):
        wanted += 4 * low * high + high + (9 * 2 * high * high + high) + (9 * high * high + high)
    wanted += widths[0] * 5 + 5
    assert sum(p.numel() for p in net.parameters()) == wanted
    assert net.multiple == 16 and net(torch.zeros(1, 3, 32, 48)).shape == (1, 5, 32, 48)
    with pytest.raises(ConfigError, match="a height and width that 16 divides, not 24 x 32"):
        net(torch.zeros(1, 3, 24, 32))


def test_the_linknet_has_shortcuts_down_and_one_convolution_per_level_up():
    net = LinkNet(UNetConfig(filters=8, norm="none"), in_channels=3, out_channels=5)
    widths = [8, 16, 32, 64, 64]
    wanted = 0
    for before, after in zip([3, *widths], widths, strict=False):
        wanted += 9 * before * after + after + 9 * after * after + after
    wanted += 8 * 16 + 16 * 32 + 32 * 64  # shortcuts, where the channels change
    for low, high in zip(widths[::-1], widths[-2::-1], strict=False):
        wanted += low * high + high + 9 * high * high + high
    assert sum(p.numel() for p in net.parameters()) == wanted + widths[0] * 5 + 5
    assert net.multiple == 16 and net(torch.zeros(1, 3, 32, 48)).shape == (1, 5, 32, 48)
    with pytest.raises(ConfigError, match="a height and width that 16 divides, not 24 x 32"):
        net(torch.zeros(1, 3, 24, 32))


def test_a_linknet_adds_its_skips():
    """A convolution on the way up that passes on what it gets shows the sum of the skip and of what is below."""
    net = LinkNet(UNetConfig(filters=2, levels=1, norm="none"), in_channels=3, out_channels=2)
    x = torch.rand(1, 3, 4, 6)
    with torch.no_grad():
        nn.init.dirac_(net.up[0][1].weight)
        net.head.weight.copy_(torch.eye(2).view(2, 2, 1, 1))
        skip = net.first(x)
        below = net.narrow[0](net.down[0](F.max_pool2d(skip, 2)))
        assert torch.allclose(net(x), F.relu(skip + below.repeat_interleave(2, 2).repeat_interleave(2, 3)), atol=1e-6)


def test_a_shortcut_goes_around_both_convolutions():
    block, x = Residual(3, 3, "batch"), torch.randn(2, 3, 4, 4)
    nn.init.zeros_(block.body[-1].weight)  # the last norm: the body then gives zeros
    assert torch.equal(block(x), F.relu(x))


def test_losses_at_the_size_of_the_network_are_those_of_its_own_logits(registry):
    """They equal the losses of shrunk labels and images, which the same network sees without shrinking."""
    method, nets = make(registry, Segmentation, {**SMALL, "shrink": 2, "loss_size": "network"})
    plain, _ = make(registry, Segmentation, SMALL)
    given = batch()
    (small,) = method.step(nets, given, Step(0, 0, {}, torch.Generator()))
    reduced = {name: shrunk(value, 2) for name, value in given.items()}
    (same,) = plain.step(Nets({"seg": nets.seg.net}), reduced, Step(0, 0, {}, torch.Generator()))
    assert small.views["output"].shape == (2, 4, 16, 24)
    for name, value in same.losses.items():
        assert float(small.losses[name].detach()) == pytest.approx(float(value.detach()), rel=1e-5), name


def test_balanced_weights_are_powers_of_the_median_frequency(registry):
    method, nets = make(registry, Segmentation, KINDS["balanced"][1])
    y = torch.tensor([[[0, 0, 0, 0, 1, 2, 3]]])
    assert method.balanced(nets, y).tolist() == pytest.approx([0.5, 1, 1, 1]), "the roots of 1/4, 1, 1, 1"


def test_a_shrunk_network_sees_means_and_labels_their_middles():
    x, y = torch.rand(1, 3, 6, 9), torch.arange(54).view(1, 6, 9)
    seen = Shrunk(nn.Identity(), 3)
    assert torch.allclose(seen(x)[0, :, 1, 2], x[0, :, 3:6, 6:9].mean((1, 2))) and seen.multiple == 3
    assert shrunk(y, 3).tolist() == [[[10, 13, 16], [37, 40, 43]]] and torch.equal(shrunk(y, 1), y)


def test_logits_are_interpolated_and_colours_are_not(registry):
    method, _ = make(registry, Segmentation, SMALL)
    small, x = torch.rand(1, 4, 4, 5), torch.zeros(1, 3, 8, 10)
    assert torch.equal(method.full(small, x), F.interpolate(small, (8, 10), mode="bilinear"))
    assert torch.equal(method.full(small, small), small)


def test_painted_colours_become_the_nearest_class(registry):
    """A generator that paints given colours at half the size: each 2 x 2 block gets the class of the nearest one."""
    method, _ = make(registry, Colours, KINDS["colours"][1])
    painted = torch.randint(0, 256, (1, 3, 4, 6), generator=torch.Generator().manual_seed(5)).float()
    nets = Nets({"gen": lambda x: painted / 127.5 - 1})
    found = method.translate(nets, {"image": torch.zeros(1, 3, 8, 12)}, "segment", None).argmax(1)
    distance = (painted[0, None] - torch.tensor(PALETTE, dtype=torch.float32)[:, :, None, None]).square().sum(1)
    assert torch.equal(found[0], distance.argmin(0).repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_perfect_colours_have_no_l1_whatever_stands_in_the_void(registry):
    method, nets = make(registry, Colours, KINDS["colours"][1])
    given = batch()
    small = shrunk(given["label"], 2)
    right = (torch.tensor(PALETTE).float() / 127.5 - 1)[small.clamp(max=3)].movedim(-1, 1)
    right = torch.where((small == IGNORE)[:, None], 0.77, right)
    (_, update) = method.step(Nets({**nets, "gen": lambda x: right}), given, Step(0, 0, {}, torch.Generator()))
    assert float(update.losses["l1"]) == pytest.approx(0, abs=1e-6)


def test_options_that_do_not_fit_the_data_are_refused(registry):
    with pytest.raises(ConfigError, match="2 class_weights for 4 classes"):
        make(registry, Segmentation, {**SMALL, "class_weights": [1, 2]})
    with pytest.raises(ConfigError, match="one colour per class"):
        make(registry, Colours, {}, palette=())


def test_a_few_steps_on_real_street_scenes(registry):
    where = os.environ.get("TRANSLATE_TEST_DATA")
    if not where or not (Path(where) / "camvid").is_dir():
        pytest.skip("real street scenes lie in no folder `camvid` of TRANSLATE_TEST_DATA")
    source = DatasetSource(DatasetConfig(name="camvid", root=Path(where) / "camvid", limit={"train": 2}))
    facts, crop = source.facts(), next(t for t in TRANSFORMS if t.name == "center-crop")
    pairs: dict[str, dict[str, np.ndarray]] = {}
    for record in source.records("train"):
        array = record.load()
        pairs.setdefault(record.key, {})[record.side] = array[..., 0] if record.side == "label" else array
    cut = [crop(crop.Config(size=(176, 240)))(pair, 0) for pair in pairs.values()]
    spec = DataSpec("labelled", {"image": 3, "label": 1}, (176, 240), facts.classes, facts.palette)
    images = torch.stack([torch.from_numpy(c["image"]).permute(2, 0, 1) / 127.5 - 1 for c in cut])
    given = {"image": images, "label": torch.stack([torch.from_numpy(c["label"]).long() for c in cut])}
    torch.manual_seed(0)
    method = Segmentation(Segmentation.Config.model_validate({**SMALL, "shrink": 2}), spec, dict(Segmentation.losses))
    nets = Nets(method.networks(registry.build))
    optimizer = torch.optim.Adam(nets.seg.parameters(), 1e-2)
    course = []
    for index in range(8):
        (update,) = method.step(nets, given, Step(index, 0, {}, torch.Generator()))
        total = sum(update.losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        course.append(total.item())
    assert course[-1] < 0.85 * course[0]
