"""Options that name networks, or parts of them by the names of their modules: `[gen.down, disc]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from translate.errors import ConfigError
from translate.networks.spectral import add_spectral_norm
from translate.text import suggest


def freeze(nets: Mapping[str, nn.Module], names: Sequence[str]) -> None:
    """Takes the weights of networks, or of parts of them, out of the training.

    Gradients pass through them to others. Batch norms in them keep the statistics that they have, and spectral norms
    their vectors. Errors: ConfigError for a name that no network has.
    """
    for name in names:
        part = part_of(nets, name, "freeze")
        part.requires_grad_(False)
        for module in part.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm | ParametrizationList):
                module.eval()


def bound(nets: Mapping[str, nn.Module], names: Sequence[str]) -> None:
    """Gives the convolutions and linear layers of networks, or of parts of them, a spectral norm.

    Errors: ConfigError for a name that no network has, and for a part without such layers.
    """
    for name in names:
        if not add_spectral_norm(part_of(nets, name, "spectral_norm")):
            raise ConfigError(f"spectral_norm: {name!r} has no convolution and no linear layer")


def part_of(nets: Mapping[str, nn.Module], name: str, option: str) -> nn.Module:
    """The network or the module in it that an option names. Errors: ConfigError with what there is."""
    net, _, path = name.partition(".")
    if net not in nets:
        raise ConfigError(f"{option}: there is no network {net!r}{_instead(net, nets)}")
    part = nets[net]
    for step in filter(None, path.split(".")):
        children = dict(part.named_children())
        if step not in children:
            raise ConfigError(f"{option}: {name!r}: there is no part {step!r}{_instead(step, children)}")
        part = children[step]
    return part


def _instead(name: str, names: Collection[str]) -> str:
    return suggest(name, names) or f"; there are {', '.join(names) or 'none'}"
