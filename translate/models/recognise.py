"""Recognises the network of a checkpoint of pytorch-CycleGAN-and-pix2pix by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError

from translate.errors import DataError
from translate.models.reference_keys import reference_keys
from translate.networks.network import Network
from translate.networks.resnet import ResNet
from translate.networks.unet import UNet

Shapes = Mapping[str, Sequence[int]]

_WRAPPERS = ("module.", "_orig_mod.")
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_DISCRIMINATORS = (("model.0.weight", "model.2.weight"), ("net.0.weight", "net.2.weight"))


@dataclass(frozen=True)
class Recognised:
    """A generator of the reference: `uses` with `options` builds it here.

    `keys` maps every key of our state dict to the file's name of it, None where old files lack it (a batch norm's
    counter). `stale` are the file's statistics of instance norms, which do not enter the result. `told_dropout` is
    False where the file cannot tell whether the network has dropout.
    """

    uses: str
    options: dict[str, Any]
    in_channels: int
    out_channels: int
    keys: Mapping[str, str | None]
    stale: tuple[str, ...]
    told_dropout: bool


def recognise(shapes: Shapes, *, dropout: bool = True) -> Recognised:
    """The network whose tensors have these names and shapes. `dropout` is taken where the file cannot tell (U-Net).

    Prefixes of wrappers (`module.`) are seen through. Errors: DataError saying what does not fit.
    """
    names = unwrapped(shapes)
    plain = {name: tuple(shapes[theirs]) for name, theirs in names.items()}
    guess = _unet(plain, dropout) or _resnet(plain)
    if guess is None:
        raise DataError(_unlike(plain))
    net, told_dropout = guess
    wanted = _table(net)
    other = _table(_build(type(net), {**net.config.model_dump(), "norm": "batch"}, net.in_channels, net.out_channels))
    stale = {n for n in other if n not in wanted and n.rpartition(".")[2] in _STATISTICS and plain.get(n) == other[n]}
    lacking = {n for n in wanted if n not in plain and n.endswith("num_batches_tracked")}
    wrong = [
        f"{n}: {_size(plain.get(n))} in the file, {_size(wanted.get(n))} in a {net.name}"
        for n in sorted({*wanted, *plain} - stale - lacking)
        if wanted.get(n) != plain.get(n)
    ]
    if wrong:
        what = f"it resembles a {net.name} of the reference implementation ({_words(net)})"
        raise DataError(f"{what}, but {len(wrong)} tensors differ, first {'; '.join(wrong[:3])}")
    options = {key: value for key, value in net.config.model_dump().items() if key in _TOLD}
    keys = {ours: None if n in lacking else names[n] for ours, n in reference_keys(net).items()}
    old = tuple(sorted(names[n] for n in stale))
    return Recognised(net.name, options, net.in_channels, net.out_channels, keys, old, told_dropout)


_TOLD = frozenset({"filters", "norm", "blocks", "levels", "dropout"})


def unwrapped(names: Sequence[str] | Shapes) -> dict[str, str]:
    """Names without the prefixes that wrappers such as DataParallel put before all of them -> the names as given."""
    inner = {name: name for name in names}
    while prefix := next((p for p in _WRAPPERS if inner and all(name.startswith(p) for name in inner)), None):
        inner = {name.removeprefix(prefix): theirs for name, theirs in inner.items()}
    return inner


def _unet(shapes: Shapes, dropout: bool) -> tuple[Network[Any], bool] | None:
    first, last = (shapes.get(f"model.model.{n}.weight", ()) for n in (0, 3))
    if len(first) != 4 or len(last) != 4:
        return None
    levels = 1 + sum(bool(re.fullmatch(r"model\.model\.1(\.model\.3)*\.model\.1\.weight", name)) for name in shapes)
    options = {"levels": levels, "filters": first[0], "norm": _norm(shapes), "dropout": dropout}
    return _build(UNet, options, first[1], last[1]), False


def _resnet(shapes: Shapes) -> tuple[Network[Any], bool] | None:
    blocks = sum(bool(re.fullmatch(r"model\.\d+\.conv_block\.1\.weight", name)) for name in shapes)
    first, last = (shapes.get(f"model.{n}.weight", ()) for n in (1, 17 + blocks))
    if not blocks or len(first) != 4 or len(last) != 4:
        return None
    dropout = len(shapes.get("model.10.conv_block.6.weight", ())) == 4  # a dropout layer moves the convolution by one
    options = {"blocks": blocks, "filters": first[0], "norm": _norm(shapes), "dropout": dropout}
    return _build(ResNet, options, first[1], last[0]), True


def _norm(shapes: Shapes) -> str:
    """Batch norms have weights, instance norms none."""
    return (
        "batch" if any(name.endswith(".weight") and len(shape) == 1 for name, shape in shapes.items()) else "instance"
    )


def _build(kind: type[Network[Any]], options: Mapping[str, Any], inputs: int, outputs: int) -> Network[Any]:
    """The network without memory for its weights. Errors: DataError for sizes that no network has."""
    if not (inputs and outputs):
        raise DataError("unknown layout: tensors without channels")
    try:
        config = kind.Config.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"no {kind.name} has {'.'.join(map(str, first['loc']))} {first['input']}") from None
    with torch.device("meta"):
        return kind(config, in_channels=inputs, out_channels=outputs)


def _table(net: Network[Any]) -> dict[str, tuple[int, ...]]:
    """The reference's names and shapes of a network's tensors."""
    state = net.state_dict()
    return {theirs: tuple(state[ours].shape) for ours, theirs in reference_keys(net).items()}


def _unlike(shapes: Shapes) -> str:
    if any(all(len(shapes.get(name, ())) == 4 for name in pair) for pair in _DISCRIMINATORS):
        return "it is a discriminator of the reference implementation, which makes no images; import the generator"
    known = "the U-Nets and ResNets of pytorch-CycleGAN-and-pix2pix"
    return f"unknown layout: its {len(shapes)} tensors ({', '.join(list(shapes)[:3])}, ...) are none of {known}"


def _words(net: Network[Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in net.config.model_dump().items() if key in _TOLD)


def _size(shape: Sequence[int] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape)) or "a number"
