"""Layers, shapes and counts against tables written out here and, where it is at hand, the reference's own list."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from translate.errors import ConfigError
from translate.networks import Network, count_parameters, translate_networks

NETWORKS = {network.name: network for network in translate_networks()}
Table = list[tuple[str, list[int]]]


def make(name: str, inputs: int = 3, outputs: int = 3, **options: object) -> Network:
    with torch.device("meta"):  # shapes only: 54 million weights need no values here
        return NETWORKS[name](NETWORKS[name].Config(**options), in_channels=inputs, out_channels=outputs)


def conv(name: str, out: int, into: int, k: int, bias: bool, transposed: bool = False) -> Table:
    shape = [into, out, k, k] if transposed else [out, into, k, k]
    return [(f"{name}.weight", shape), *([(f"{name}.bias", [out])] if bias else [])]


def batch_norm(name: str, channels: int, norm: str) -> Table:
    if norm != "batch":
        return []
    vectors = [(f"{name}.{part}", [channels]) for part in ("weight", "bias", "running_mean", "running_var")]
    return [*vectors, (f"{name}.num_batches_tracked", [])]


def unet_table(levels: int, norm: str) -> Table:
    bias, channels = norm != "batch", [64, 128, 256, *[512] * (levels - 3)]
    prefixes = ["model.model", *(f"model.model.1{'.model.3' * n}.model" for n in range(levels - 1))]
    table = conv("model.model.0", 64, 3, 4, bias)
    for n in range(1, levels):
        table += conv(f"{prefixes[n]}.1", channels[n], channels[n - 1], 4, bias)
        table += batch_norm(f"{prefixes[n]}.2", channels[n], norm) if n < levels - 1 else []
    for n in reversed(range(1, levels)):
        last = n == levels - 1
        into = channels[n] * (1 if last else 2)
        table += conv(f"{prefixes[n]}.{3 if last else 5}", channels[n - 1], into, 4, bias, transposed=True)
        table += batch_norm(f"{prefixes[n]}.{4 if last else 6}", channels[n - 1], norm)
    return table + conv("model.model.3", 3, 128, 4, True, transposed=True)


def resnet_table(blocks: int, norm: str, dropout: bool) -> Table:
    bias, table = norm != "batch", []
    for n, (out, into, k) in {1: (64, 3, 7), 4: (128, 64, 3), 7: (256, 128, 3)}.items():
        table += conv(f"model.{n}", out, into, k, bias) + batch_norm(f"model.{n + 1}", out, norm)
    for n in range(10, 10 + blocks):
        for m in (1, 6 if dropout else 5):
            table += conv(f"model.{n}.conv_block.{m}", 256, 256, 3, bias)
            table += batch_norm(f"model.{n}.conv_block.{m + 1}", 256, norm)
    for n, out, into in ((10 + blocks, 128, 256), (13 + blocks, 64, 128)):
        table += conv(f"model.{n}", out, into, 3, bias, transposed=True) + batch_norm(f"model.{n + 1}", out, norm)
    return table + conv(f"model.{17 + blocks}", 3, 64, 7, True)


def patchgan_table(inputs: int, norm: str) -> Table:
    bias, table = norm != "batch", conv("model.0", 64, inputs, 4, True)
    for n, (out, into) in {2: (128, 64), 5: (256, 128), 8: (512, 256)}.items():
        table += conv(f"model.{n}", out, into, 4, bias) + batch_norm(f"model.{n + 1}", out, norm)
    return table + conv("model.11", 1, 512, 4, True)


def pixel_table(inputs: int, norm: str) -> Table:
    bias = norm != "batch"
    middle = conv("net.2", 128, 64, 1, bias) + batch_norm("net.3", 128, norm)
    return conv("net.0", 64, inputs, 1, True) + middle + conv("net.5", 1, 128, 1, bias)


def listed(net: Network) -> Table:
    state, keys = net.state_dict(), net.layouts[0].keys(net)
    assert list(keys) == list(state)
    return [(theirs, list(state[ours].shape)) for ours, theirs in keys.items()]


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_layers_in_order(norm: str) -> None:
    for levels in (6, 7, 8, 9):
        assert listed(make(f"unet_{2**levels}", norm=norm)) == unet_table(levels, norm)
    for blocks in (6, 9):
        for dropout in (False, True):
            assert listed(make(f"resnet_{blocks}", norm=norm, dropout=dropout)) == resnet_table(blocks, norm, dropout)
    for inputs in (3, 6):
        assert listed(make("patchgan", inputs, 1, norm=norm)) == patchgan_table(inputs, norm)
        assert listed(make("pixel", inputs, 1, norm=norm)) == pixel_table(inputs, norm)


def test_layers_of_the_reference() -> None:
    root = os.environ.get("TRANSLATE_TEST_DATA")
    path = Path(root or "") / "../specs/reference_state_dicts.json"
    if not root or not path.is_file():
        pytest.skip("the reference's list of state dicts is not beside TRANSLATE_TEST_DATA")
    entries = json.loads(path.read_text())["networks"]
    for name, entry in entries.items():
        kind, norm, variant = name.split("/")
        if kind.startswith("D_"):
            net = make("pixel" if "pixel" in kind else "patchgan", int(variant[2:]), 1, norm=norm)
        else:
            net = make(kind.removesuffix("blocks"), norm=norm, dropout=variant == "dropout")
        assert listed(net) == list(entries[entry.get("same_as", name)]["keys"].items()), name
        assert count_parameters(net) == entry["total_params"], name


COUNTS = [
    ("unet_256", 3, 3, 54_413_955, 54_409_603),
    ("unet_256", 1, 2, 54_409_858, None),
    ("unet_128", 3, 3, 41_828_995, 41_825_667),
    ("resnet_9", 3, 3, 11_383_427, 11_378_179),
    ("resnet_6", 3, 3, 7_841_411, 7_837_699),
    ("patchgan", 3, 1, 2_765_633, 2_764_737),
    ("patchgan", 6, 1, 2_768_705, 2_767_809),
    ("pixel", 3, 1, 8_832, 8_705),
    ("pixel", 6, 1, 9_024, 8_897),
]


@pytest.mark.parametrize(("name", "inputs", "outputs", "batch", "instance"), COUNTS)
def test_parameters_as_published(name: str, inputs: int, outputs: int, batch: int, instance: int | None) -> None:
    assert count_parameters(make(name, inputs, outputs, norm="batch")) == batch
    if instance is not None:
        assert count_parameters(make(name, inputs, outputs, norm="instance")) == instance


def test_parameters_of_deeper_patchgans() -> None:
    counts = [139_585, 666_433, 2_768_705, 6_964_033, 11_159_361, 15_354_689]
    made = [count_parameters(make("patchgan", 6, 1, norm="batch", layers=n)) for n in range(1, 7)]
    assert made == counts


def test_frozen_parameters_do_not_count() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    assert count_parameters(net) == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("unet_64", {"upsample": "nearest"}),
        ("unet_64", {"attention": True}),
        ("patchgan", {"spectral": True}),
        ("resnet", {"upsample": "pixel-shuffle"}),
        ("resnet_blurred", {"upsample": "transposed"}),
    ],
)
def test_no_reference_keys_where_the_layers_differ(name: str, options: dict[str, object]) -> None:
    net = NETWORKS[name](NETWORKS[name].Config(filters=2, **options), in_channels=3, out_channels=1)
    with pytest.raises(ConfigError, match=r"reference|CUT"):
        net.layouts[0].keys(net)
