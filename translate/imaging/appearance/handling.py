"""Options for what images hold beside colours as the networks take them: alpha, white point, colour space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from translate.errors import ConfigError
from translate.imaging.colour.spaces import Colour, check_colour

Alpha = Literal["over-white", "channel", "ignore"]

Keeping = Literal["keep", "none"]


@dataclass(frozen=True)
class Handling:
    """How images are treated on their way into the networks and back.

    `alpha`: `over-white` shows the networks an image on white paper, and takes the paper out of their output again;
    `channel` translates alpha as well, as one more channel where the network takes one more, else as a grey picture of
    its own; `ignore` shows them the colours as they are stored. Alpha itself stays as it is, but for `channel`.

    `white`: the value that is white in integer images of more than 8 bits and in floats, such as 4095 for counts of 12
    bits; None takes what the file says, and without that the largest value of the type (floats: 1).

    `colour`: the space of the colours that networks see, such as `srgb` or `display-p3`. Images of other spaces, by
    their profile or what stands for one, are turned into it on the way in, and back on the way out; images that say
    nothing are sRGB. `as-is` takes the numbers as they are. None is what the model was trained with, else `srgb`.

    `metadata`: `keep` gives outputs what files say beside pixels, as far as it is true of them; `none` gives them
    nothing, no profile either: their colours are then in the space of the networks.
    """

    alpha: Alpha = "over-white"
    white: float | None = None
    colour: Colour | None = None
    metadata: Keeping = "keep"

    def __post_init__(self) -> None:
        """Errors: ConfigError."""
        if self.alpha not in get_args(Alpha):
            raise ConfigError(f"alpha is one of {', '.join(get_args(Alpha))}, not {self.alpha!r}")
        if self.metadata not in get_args(Keeping):
            raise ConfigError(f"metadata is keep or none, not {self.metadata!r}")
        if not check_colour(self.colour):
            raise ConfigError(f"colour is one of {', '.join(get_args(Colour))}, not {self.colour!r}")
        if self.white is not None and not self.white > 0:
            raise ConfigError(f"white is a value above 0, such as 4095 for counts of 12 bits, not {self.white:g}")

    def changed(self, **fields: Any) -> Handling:
        """The same with other values of some fields. Errors: ConfigError for what is none."""
        if wrong := [name for name in fields if name not in vars(self)]:
            raise ConfigError(f"images are treated by {', '.join(vars(self))}, and not by {wrong[0]!r}")
        return replace(self, **fields)

    def filled(self, remembered: Mapping[str, Any]) -> Handling:
        """The same with what a model remembers of its training images, where nothing is said."""
        own = vars(self)
        return replace(self, **{name: value for name, value in remembered.items() if own.get(name, value) is None})


DEFAULT = Handling()

_PREPARING: ContextVar[Handling] = ContextVar("preparing", default=DEFAULT)


@contextmanager
def preparing(handling: Handling) -> Iterator[None]:
    """Within it images of data are read as `handling` says, also by threads of `ordered_map`."""
    token = _PREPARING.set(handling)
    try:
        yield
    finally:
        _PREPARING.reset(token)


def of_data() -> Handling:
    """How images of data are read here; see `preparing`."""
    return _PREPARING.get()
