"""The base of all networks: their options, initial weights and presets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, create_model
from torch import Tensor, nn

from translate.contracts import C, Config, Configured
from translate.contracts.options import WITHOUT_SOURCE
from translate.errors import ConfigError, ContractError
from translate.networks.layouts.layout import Layout
from translate.networks.spectral import add_spectral_norm
from translate.networks.upsample import channels_alike, repeated
from translate.text import suggest

Norm = Literal["batch", "instance", "none"]
Init = Literal["normal", "xavier", "kaiming", "orthogonal"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class NetworkConfig(Config):
    """Options that every built-in network has. A network of a plugin may build on them."""

    filters: Count = 64
    """Channels after the first convolution; deeper layers have multiples of it. 64 in the papers, less to try
    things."""
    norm: Norm = "instance"
    """The norm behind convolutions: `batch` (over all images of a batch, learned scale and shift), `instance` (each
    image by itself, neither), or `none`."""
    spectral: bool = False
    """Divides every weight by its largest singular value, so that a critic cannot change fast (Miyato et al. 2018)."""
    init: Init = "normal"
    """How initial weights are drawn: `normal` with deviation `gain`; `xavier` and `orthogonal`, times `gain`;
    `kaiming`, which keeps the variance through ReLUs and does not read `gain`."""
    gain: Positive = 0.02
    """The standard deviation of `normal` weights, the factor of `xavier` and `orthogonal` ones. 0.02 in the papers."""


class Network(Configured[C], nn.Module):
    """A network that pipelines can name. A subclass builds its layers in `__init__` and ends it with `initialise`.

    `multiple`: height and width of its input must be multiples of this. `batch_independent = False`, on the network
    or on any of its layers, says that an output depends on the other images of the batch (minibatch statistics).
    `layouts`: the names that other programs give to its tensors, for `translate models import` and `export`.
    """

    multiple: int = 1
    batch_independent: ClassVar[bool] = True
    layouts: ClassVar[Sequence[Layout]] = ()

    def __init__(self, config: C, *, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.config = config
        self.in_channels = in_channels
        self.out_channels = out_channels

    @classmethod
    def preset(cls, name: str, **defaults: Any) -> type[Self]:
        """The same network under another name with other option defaults: `ResNet.preset("resnet_6", blocks=6)`."""
        fields = cls.Config.model_fields
        for option in defaults:
            if option not in fields:
                near = suggest(option, fields)
                raise ContractError(f"network {name}: {cls.__name__} has no option {option!r}{near}")
        changed: dict[str, Any] = {}
        for option, value in defaults.items():
            field = fields[option]
            words = Field(description=field.description)
            changed[option] = (Annotated[(field.annotation, *field.metadata, words)], value)
        config = create_model(
            f"{name}_Config",
            __base__=cls.Config,
            __module__=cls.__module__,
            __cls_kwargs__=WITHOUT_SOURCE,
            **changed,
        )
        stated = ", ".join(f"{option} {value}" for option, value in defaults.items())
        body = {"name": name, "Config": config, "__doc__": f"`{cls.name}` with {stated}.", "__module__": cls.__module__}
        return type(name, (cls,), body)

    def example(self, images: Tensor) -> tuple[Any, ...]:
        """The arguments of a call for images N x in_channels x H x W, with which the conformance kit tries the network.

        A network with further inputs, such as a code or a time, makes them up here. Default: the images alone.
        """
        return (images,)

    def initialise(self, init: Init = "normal", gain: float = 0.02, spectral: bool = False) -> None:
        """Fresh weights; then, if `spectral`, every weight is divided by its largest singular value.

        Convolutions and linear layers: `normal` N(0, gain), `xavier` and `orthogonal` scaled by gain, `kaiming`
        (fan in, no gain). Biases 0. Affine norms: N(1, gain) and 0. The four channels that a pixel-shuffle of
        `doubling` makes one of get the same weights (ICNR, Aitken et al. 2017). The spectral norm takes one power
        iteration per forward pass in training (Miyato et al. 2018).
        """
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                _draw(layer, init, gain)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d) and layer.affine:
                nn.init.normal_(layer.weight, 1.0, gain)
                nn.init.zeros_(layer.bias)
        if spectral:
            add_spectral_norm(self)

    def expect(self, images: Tensor, *, smallest: int = 1, multiple: int = 1, advice: str) -> None:
        """Raises ConfigError where the images are too small for the network or no multiple of its strides."""
        height, width = images.shape[-2:]
        who = self.name or type(self).__name__
        if min(height, width) < smallest:
            raise ConfigError(
                f"{who} needs images of at least {smallest} x {smallest} pixels, not {height} x {width}; {advice}"
            )
        if height % multiple or width % multiple:
            raise ConfigError(
                f"{who} needs a height and width that {multiple} divides, not {height} x {width}; {advice}"
            )


def _draw(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, init: Init, gain: float) -> None:
    alike = channels_alike(layer)
    if alike == 1:
        _fill(layer.weight, init, gain)
        return
    # Drawn as the smaller kernel that it is, whose shape `xavier` and `orthogonal` go by.
    first = torch.empty_like(layer.weight[::alike])
    _fill(first, init, gain)
    with torch.no_grad():
        layer.weight.copy_(repeated(first, alike))


def _fill(weight: Tensor, init: Init, gain: float) -> None:
    if init == "normal":
        nn.init.normal_(weight, 0.0, gain)
    elif init == "xavier":
        nn.init.xavier_normal_(weight, gain)
    elif init == "kaiming":
        nn.init.kaiming_normal_(weight)
    else:
        nn.init.orthogonal_(weight, gain)
