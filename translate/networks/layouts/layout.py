"""Layouts: how other programs name the tensors of a network, by which their files are recognised and written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

Shapes = Mapping[str, Sequence[int]]
"""The shapes of tensors by name."""


@dataclass(frozen=True)
class Guess:
    """The network that a file seems to hold: the `options` that build it here, and its channels.

    `assumed` are those of the options that no file tells, with the default of the program that wrote it.
    """

    options: Mapping[str, Any]
    in_channels: int
    out_channels: int
    assumed: tuple[str, ...] = ()


class Layout(ABC):
    """The names that another program gives to the tensors of a network, whose layers are the same as here.

    A network class lists the layouts that it has in `layouts`. `translate models import` asks each to `guess` from the
    names and shapes in a file, builds the network, and compares all `keys`; `translate models export --format pth`
    writes them.
    """

    name: ClassVar[str]
    """The name in `--set layout=NAME`, such as `real-esrgan`."""
    program: ClassVar[str]
    """The program that has these names, for people."""
    takes: ClassVar[Literal["signed", "unit"]] = "signed"
    """The values of the program's input images: in [-1, 1], `signed`, or in [0, 1], `unit`."""
    gives: ClassVar[Literal["signed", "unit"]] = "signed"
    """Those of what the network, with the program's tensors, makes of them."""
    eval_switch: ClassVar[str] = ""
    """What is added to the advice for batch norms with running averages, such as ` --eval`."""
    generates: ClassVar[bool] = True
    """False for a network that makes no images, such as a discriminator."""

    @abstractmethod
    def guess(self, shapes: Shapes) -> Guess | None:
        """The network whose tensors have these names and shapes; None where they are of another kind.

        The names have lost the parts that all of them begin with: `model.1.weight` is `1.weight`. A guess need not be
        right: the keys are compared afterwards.
        """

    @abstractmethod
    def keys(self, net: Any) -> dict[str, str]:
        """The keys of a network's state dict here -> the program's, in its order. The shapes are equal.

        Errors: ConfigError where the program has no such network.
        """

    def constants(self, net: Any) -> dict[str, Tensor]:
        """Further tensors of the program's file, that no training changes. Default: none."""
        return {}

    def zeros(self, net: Any) -> tuple[str, ...]:
        """Keys of a network here that the program's has no counterpart of, and that are 0 in it. Default: none."""
        return ()

    def strays(self, net: Any) -> Shapes:
        """Tensors that older files have beside the keys, and that do not enter the result. Default: none."""
        return {}

    def outer(self, net: Any) -> tuple[str, str]:
        """The keys here, without `.weight`, of the first and the last convolution, which an export changes where the
        program's images are in [0, 1] and those of the training were in [-1, 1]. Default: none, which refuses it."""
        return "", ""

    def content(self, state: Mapping[str, Tensor]) -> Any:
        """What `torch.save` writes for the program to load. Default: the state dict."""
        return dict(state)

    def advice(self, net: Any) -> str:
        """How the program is told which network the file holds, in words; empty by default."""
        return ""


@dataclass
class Slots:
    """Gives the leaf layers of a network their names in another program, in the order in which both have them.

    `convolutions` are pairs of names: of a convolution and of the norm behind it. `filters` are names of fixed
    filters, such as the blurs of antialiased networks.
    """

    convolutions: Sequence[tuple[str, str]]
    filters: Sequence[str] = field(default_factory=tuple)

    def keys(self, net: nn.Module) -> dict[str, str]:
        """The keys of the network's state dict -> theirs."""
        convolutions, filters = iter(self.convolutions), iter(self.filters)
        keys: dict[str, str] = {}
        conv = norm = ""
        for name, layer in net.named_modules():
            tensors = layer.state_dict() if not list(layer.children()) else {}
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                conv, norm = next(convolutions)
            theirs = norm if isinstance(layer, nn.BatchNorm2d) else conv
            if "filt" in tensors:
                theirs = next(filters)
            keys |= {f"{name}.{tensor}": f"{theirs}.{tensor}" for tensor in tensors}
        return keys
