"""A translator describes itself at a prompt and in a notebook, and gives its directions as modules of torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from translate.contracts import Class, Frames, Labels, Method, Route, Side, Vector
from translate.errors import ConfigError
from translate.inference.directions import with_options
from translate.inference.interactive.module import DirectionModule
from translate.inference.model_html import model_html
from translate.inference.program import Program


class _Described(Protocol):
    """What is asked of a translator here."""

    program: Program
    info: Mapping[str, Any]

    def route(self, direction: str | None = None) -> Route:
        """A direction with its defaults filled in."""


class Described:
    """The part of a translator that speaks of it: `repr`, what notebooks show, `folder`, and `module`."""

    @property
    def folder(self: _Described) -> Path | None:
        """The folder that it was loaded from; None for one that was not loaded."""
        return Path(self.info["folder"]) if "folder" in self.info else None

    def module(self: _Described, direction: str | None = None, **options: Any) -> DirectionModule:
        """A direction, by default the first, as a plain `nn.Module` with copies of the networks.

            net = nn.Sequential(translate.load("runs/maps-cyclegan/train").module("a_to_b"), classifier).to("cuda")

        It takes images N x C x H x W in [-1, 1] of any size, and further inputs by name; gradients flow through it,
        `.to()`, `.eval()`, `.parameters()` and `.state_dict()` are those of any module. `options` are the direction's.
        Errors: ConfigError (no such direction or option, a direction without images, an exported model).
        """
        route = self.route(direction)
        if options:
            route = with_options(route, self.program.method.directions[route.name], options)
        if route.main is None:
            raise ConfigError(f"direction {route.name!r} takes no image: `sample` makes images from nothing")
        if not route.nets:
            raise ConfigError("an exported model has no networks of torch: load the bundle that it was exported from")
        return DirectionModule(self.program, route)

    def __repr__(self: _Described) -> str:
        method, program = self.program.method, self.program
        lines = [f"Translator of {_name(method)} on {program.device} in {program.precision}"]
        lines += [f"  {in_words(method, route)}" for route in program.routes.values()]
        return "\n".join(lines)

    def _repr_html_(self: _Described) -> str:
        """What a notebook shows."""
        method, program = self.program.method, self.program
        directions = [in_words(method, route) for route in program.routes.values()]
        computes = f"on {program.device} in {program.precision}"
        return model_html(_name(method), self.info, directions, program.nets, computes)


def in_words(method: Method[Any], route: Route) -> str:
    """A direction with its inputs, outputs, and options with their defaults: `b_to_a: image -> image; options n=2`."""
    options = _options(method, route)
    return f"{route.name}: {_inputs(route)} -> {_outputs(route)}{f'; options {options}' if options else ''}"


def _name(method: Method[Any]) -> str:
    return method.name or type(method).__name__


def _inputs(route: Route) -> str:
    """`image`, or `image, domain (class: hat, no-hat)`: inputs with the types of those that are no images."""
    words = [f"{name}{_type(route.types.get(name))}" for name in route.inputs]
    return ", ".join(words) or "nothing"


def _type(kind: Side | None) -> str:
    """` (class: hat, no-hat)`; nothing for an image."""
    if isinstance(kind, Class):
        return f" (class: {', '.join(kind.names)})" if kind.names else " (class)"
    if isinstance(kind, Vector):
        return f" ({kind.size} numbers)" if kind.size else " (numbers)"
    if isinstance(kind, Frames):
        return f" ({kind.count} images)"
    return " (label map)" if isinstance(kind, Labels) else ""


def _outputs(route: Route) -> str:
    """`image`, `image of 4 times the size`, or `image, depth (image)`."""
    main = route.output if route.scale == 1 else f"{route.output} of {route.scale} times the size"
    further = [f"{name} ({form})" for name, form in route.further.items()]
    return ", ".join([f"{main} with noise" if route.draws else main, *further])


def _options(method: Method[Any], route: Route) -> str:
    """`steps=50, guidance=1.0`: the options of a direction with their defaults."""
    options = method.directions[route.name].options()
    return ", ".join(f"{name}={getattr(options, name)!r}" for name in type(options).model_fields)
