"""Recognises the network of another program's checkpoint by the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from translate.errors import ConfigError, DataError, PluginError
from translate.models.foreign import spandrel_network
from translate.models.foreign.spandrel_network import SpandrelNetwork
from translate.networks import Guess, Layout, Network, Shapes
from translate.plugins import Registry

_COUNTER = "num_batches_tracked"


class ResemblanceError(DataError):
    """A network that is nearly one of those that are known: `differences` tensors are others."""

    def __init__(self, message: str, differences: int) -> None:
        super().__init__(message)
        self.differences = differences


@dataclass(frozen=True)
class Recognised:
    """A network of another program: `uses` with `options` builds it here.

    `keys` maps every key of our state dict to the file's name of it, None where old files lack it (a batch norm's
    counter). `strays` are the file's tensors which do not enter the result. `assumed` are the options that the file
    does not tell. `spandrel` is the network itself where that library knows it, and nobody here. `zeros` are shapes of
    tensors that are 0 here, such as biases that the program's convolutions do not have.
    """

    uses: str
    options: dict[str, Any]
    in_channels: int
    out_channels: int
    layout: Layout
    keys: Mapping[str, str | None]
    strays: tuple[str, ...]
    assumed: tuple[str, ...]
    spandrel: SpandrelNetwork | None = None
    zeros: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def in_words(self) -> str:
        """The network, its options and its channels."""
        if not self.layout.generates:
            return f"a discriminator ({self.uses})"
        return f"{self.uses} ({_options(self.options)}), {self.in_channels} to {self.out_channels} channels"


def recognise(shapes: Shapes, registry: Registry | None = None, **told: Any) -> Recognised:
    """The network whose tensors have these names and shapes. `told` are options that are taken where no file tells.

    What all names begin with is seen through: `module.`, `netG.`, `generator.`, and `_orig_mod.` anywhere. Networks of
    the engine go first, then those of plugins. Errors: DataError saying what does not fit.
    """
    names = without_prefix(shapes)
    plain = {name: tuple(shapes[theirs]) for name, theirs in names.items()}
    resemblances: list[DataError] = []
    for uses, kind in _networks(registry or Registry()):
        for layout in vars(kind).get("layouts", ()):
            guess = layout.guess(plain)
            if guess is None:
                continue
            try:
                return _compared(uses, kind, layout, guess, plain, names, told)
            except DataError as error:
                resemblances.append(error)
    if resemblances:
        raise min(resemblances, key=lambda error: getattr(error, "differences", 0))
    raise DataError(
        f"unknown layout: its {len(plain)} tensors ({', '.join(list(names.values())[:3])}, ...) are none of the "
        "U-Nets and ResNets of pytorch-CycleGAN-and-pix2pix, of CUT, of ESRGAN, nor of an installed plugin"
        + ("" if spandrel_network.is_installed() else f"; spandrel knows forty more kinds: {spandrel_network.ADVICE}")
    )


class _OfSpandrel(Layout):
    """The library's own names and values, which it sees through by itself."""

    name = program = "spandrel"
    takes = gives = "unit"

    def guess(self, shapes: Shapes) -> Guess | None:
        return None

    def keys(self, net: Any) -> dict[str, str]:
        raise ConfigError("networks of spandrel have no names here")


def recognise_by_spandrel(tensors: Mapping[str, Tensor]) -> Recognised | None:
    """The network as the library spandrel sees it; None where it is not installed, or does not know it.

    Errors: DataError for a network that cannot be used here.
    """
    if not spandrel_network.is_installed():
        return None
    net = spandrel_network.find_network(tensors)
    if net is None:
        return None
    spandrel_network.check_rebuilt(net)
    options = {"architecture": net.architecture, "scale": net.scale}
    return Recognised("spandrel", options, net.in_channels, net.out_channels, _OfSpandrel(), {}, (), (), net)


def without_prefix(names: Iterable[str]) -> dict[str, str]:
    """The names without the parts that all of them begin with -> the names as given; `_orig_mod.` goes anywhere."""
    inner = {name.replace("_orig_mod.", ""): name for name in names}
    while len({name.partition(".")[0] for name in inner}) == 1 and all("." in name for name in inner):
        inner = {name.partition(".")[2]: theirs for name, theirs in inner.items()}
    return inner


def _networks(registry: Registry) -> Iterator[tuple[str, type[Network[Any]]]]:
    """The networks of the engine, then those of all plugins, by the names that pipelines use."""
    seen: set[str] = set()
    for everything in (False, True):
        names = registry.names("networks", everything=everything) if everything else registry.names("networks")
        for name in names:
            if name in seen:
                continue
            seen.add(name)
            try:
                yield name, registry.get("networks", name)
            except (ConfigError, PluginError):  # a plugin that cannot be loaded has no say here
                continue


def _compared(
    uses: str,
    kind: type[Network[Any]],
    layout: Layout,
    guess: Guess,
    plain: Mapping[str, tuple[int, ...]],
    names: Mapping[str, str],
    told: Mapping[str, Any],
) -> Recognised:
    """The guessed network, if all keys agree. Errors: DataError."""
    options = {name: guess.options[name] for name in kind.Config.model_fields if name in guess.options}
    options |= {key: told[key] for key in guess.assumed if told.get(key) is not None}
    net = _build(uses, kind, options, guess.in_channels, guess.out_channels)
    try:
        keys = layout.keys(net)
    except ConfigError as error:
        raise DataError(str(error)) from None
    shapes = {theirs: tuple(net.state_dict()[ours].shape) for ours, theirs in keys.items()}
    shapes |= {name: tuple(value.shape) for name, value in layout.constants(net).items()}
    stripped = without_prefix(shapes)
    wanted = {name: shapes[theirs] for name, theirs in stripped.items()}
    prefix = next(theirs.removesuffix(name) for name, theirs in stripped.items())
    other = {name.removeprefix(prefix): tuple(shape) for name, shape in layout.strays(net).items()}
    strays = {name for name in other if name not in wanted and plain.get(name) == other[name]}
    lacking = {name for name in wanted if name not in plain and name.endswith(_COUNTER)}
    wrong = [
        f"{names.get(n, prefix + n)}: {_size(plain.get(n))} in the file, {_size(wanted.get(n))} in a {net.name}"
        for n in sorted({*wanted, *plain} - strays - lacking)
        if wanted.get(n) != plain.get(n)
    ]
    if wrong:
        what = f"it resembles a {net.name} of {layout.program} ({_options(options)})"
        raise ResemblanceError(f"{what}, but {len(wrong)} tensors differ, first {'; '.join(wrong[:3])}", len(wrong))
    given = {theirs: name for name, theirs in stripped.items()}
    found = {ours: None if given[theirs] in lacking else names[given[theirs]] for ours, theirs in keys.items()}
    dropped = tuple(sorted(names[name] for name in strays))
    channels = guess.in_channels, guess.out_channels
    zeros = {name: tuple(net.state_dict()[name].shape) for name in layout.zeros(net)}
    return Recognised(uses, options, *channels, layout, found, dropped, guess.assumed, zeros=zeros)


def _build(uses: str, kind: type[Network[Any]], options: Mapping[str, Any], inputs: int, outputs: int) -> Network[Any]:
    """The network without memory for its weights. Errors: DataError for sizes that no network has."""
    if not (inputs and outputs):
        raise DataError("unknown layout: tensors without channels")
    try:
        config = kind.Config.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"no {uses} has {'.'.join(map(str, first['loc']))} {first['input']}") from None
    with torch.device("meta"):
        return kind(config, in_channels=inputs, out_channels=outputs)


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {str(value).lower()}" for key, value in options.items())


def _size(shape: Sequence[int] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape)) or "a number"
