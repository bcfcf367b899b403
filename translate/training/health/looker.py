"""Looks at a game from outside: what its live networks make of a few images that stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Route
from translate.data.exemplars import picture_inputs, unplayed, value_inputs
from translate.inference.degradation import degrades
from translate.inference.inputs import tensors_of
from translate.inference.program import MAIN
from translate.inference.sampling import sample_tensor
from translate.training.validating.validation import Validator

IMAGES = 6
"""Images that are translated at a look."""
REAL = 24
"""Real images that the outputs are compared with."""
DIRECTIONS = 3
"""Directions that are looked at, from the first on."""
MOST = 256
"""Pixels of a side of what is looked at, where the size of training images is not known."""


@dataclass(frozen=True)
class Seen:
    """What one direction made: images C x H x W in [0, 1], or vectors.

    `real` are of the side that the `outputs` imitate, item i that of output i where they are `paired`. `calls` is how
    many calls of networks an output takes. What outputs owe to their `inputs`, which are empty for a direction without
    images, shows in `compared`: the outputs for these inputs, all with the same classes and vectors; and in `alike`:
    these once more, all with the same noise, empty where none is drawn.
    """

    outputs: list[Tensor]
    inputs: list[Tensor]
    compared: list[Tensor]
    alike: list[Tensor]
    real: list[Tensor]
    paired: bool
    calls: int
    picture: bool


@dataclass(frozen=True)
class _Scene:
    """The inputs of one output: a sample's number or the key of the image, pictures N x C x H x W, and values."""

    key: str
    pictures: Mapping[str, Tensor]
    values: Mapping[str, Any]


class Looker:
    """Translates some images of the validator's split, cut to the size of training images, on its networks."""

    def __init__(self, validator: Validator) -> None:
        self.validator = validator
        self._scenes: dict[str, list[_Scene]] = {}
        self._real: dict[str, list[Tensor]] = {}
        height, width = validator.method.spec.size
        self.size = (height or MOST, width or MOST)

    def directions(self) -> list[str]:
        """The directions that are looked at: those whose outputs are images or vectors, of data that has all inputs."""
        names = [name for name in self.validator.translator.routes if self._looks_at(name)]
        return names[:DIRECTIONS]

    def _looks_at(self, direction: str) -> bool:
        validator = self.validator
        route = validator.translator.route(direction)
        fed = degrades(validator.method.data, route) or not unplayed(validator.dataset.types, route)
        return route.output in ("image", "vector") and fed

    def load(self, nets: Mapping[str, nn.Module]) -> None:
        """Takes over the weights of networks as they are on this process."""
        self.validator.load(nets, together=False)

    def see(self, direction: str) -> Seen:
        """The outputs of one direction, and what they are compared with."""
        validator = self.validator
        route = validator.translator.route(direction)
        if direction not in self._scenes:
            self._scenes[direction] = self._prepared(route)
            self._real[direction] = self._targets(route)
        scenes = self._scenes[direction]
        counted = _Calls(validator.translator.program.optimized_nets)
        with torch.no_grad(), counted:
            outputs = [self._output(route, scene) for scene in scenes]
        calls = counted.count // max(1, len(outputs))
        inputs, compared, alike = self._by_inputs(route, scenes, outputs) if route.main else ([], [], [])
        real, paired = self._real[direction], validator.pairs(route)
        return Seen(outputs, inputs, compared, alike, real, paired, calls, route.output == "image")

    def _by_inputs(
        self, route: Route, scenes: list[_Scene], outputs: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """`inputs`, `compared` and `alike` of a direction with images, whose scenes have these outputs."""
        assert route.main is not None
        draws = self.validator.translator.draws(route.name)
        same = _comparable(route.main, scenes, of_one_size=draws)
        with torch.no_grad():
            compared = outputs if same is scenes else [self._output(route, scene) for scene in same]
            alike = [self._output(route, scene, noise="alike") for scene in same] if draws else []
        return [_unit(scene.pictures[route.main], self._classes()) for scene in same], compared, alike

    def _prepared(self, route: Route) -> list[_Scene]:
        validator, scenes = self.validator, []
        for key in validator.keys(route, IMAGES):
            values = value_inputs(validator.dataset, validator.split, route, validator.data_key(route, key))
            given = validator.pictures(route.name, key) if route.main else {}
            pictures = {name: _cut(image, self._reduced(route)) for name, image in given.items()}
            scenes.append(_Scene(key, pictures, values))
        return scenes

    def _targets(self, route: Route) -> list[Tensor]:
        """Real images, those of the same keys where there are pairs."""
        validator, side = self.validator, route.target
        if side is None:
            return []
        keys = (
            validator.keys(route, IMAGES) if validator.pairs(route) else validator.dataset.keys(validator.split, side)
        )
        images = [validator.dataset.tensor(validator.split, side, key) for key in keys[:REAL]]
        return [_unit(_cut(image, self.size), self._classes()) for image in images]

    def _classes(self) -> int:
        return len(self.validator.method.spec.classes)

    def _reduced(self, route: Route) -> tuple[int, int]:
        """The size of inputs whose outputs have that of training images."""
        scale = route.scale if degrades(self.validator.method.data, route) or route.scale > 1 else 1
        return max(1, self.size[0] // scale), max(1, self.size[1] // scale)

    def _output(self, route: Route, scene: _Scene, noise: str | None = None) -> Tensor:
        program = self.validator.translator.program
        if route.main is None:
            output = sample_tensor(program, scene.key, route, scene.values, self.size)
        else:
            first, *others = [image[None] for image in scene.pictures.values()]
            further: dict[str, Any] = dict(zip(picture_inputs(route)[1:], others, strict=True))
            tensors = tensors_of(program, route, first, further | dict(scene.values))
            output = program.outputs(route, [tensors], noise=noise)[0][MAIN]
        return _unit(output[0].float().cpu(), 0)


def _comparable(main: str, scenes: list[_Scene], *, of_one_size: bool) -> list[_Scene]:
    """The scenes as ones that differ in nothing but their pictures: all with the classes and vectors of the first.

    `of_one_size`: also cut to what all have, since the same noise lies elsewhere in images of other sizes.
    """
    values = scenes[0].values if scenes else {}
    heights, widths = ({scene.pictures[main].shape[axis] for scene in scenes} for axis in (-2, -1))
    cuts = of_one_size and (len(heights) > 1 or len(widths) > 1)
    if not cuts and all(scene.values == values for scene in scenes):
        return scenes
    same: list[_Scene] = []
    for scene in scenes:
        pictures = dict(scene.pictures)
        if cuts:
            pictures = {name: _cut(image, (min(heights), min(widths))) for name, image in pictures.items()}
        same.append(_Scene(scene.key, pictures, values))
    return same


def _cut(image: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle of an image, at most of this size; a vector as it is."""
    if image.ndim < 2:
        return image
    height, width = (min(have, want) for have, want in zip(image.shape[-2:], size, strict=True))
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]


class _Calls:
    """Counts the calls of networks while it is open."""

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        self.nets, self.count = nets, 0
        self._hooks: list[Any] = []

    def __enter__(self) -> None:
        self._hooks = [net.register_forward_pre_hook(self._called) for net in self.nets.values()]

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _called(self, net: nn.Module, args: Any) -> None:
        self.count += 1


def _unit(image: Tensor, classes: int) -> Tensor:
    """[-1, 1] to [0, 1]; a map of classes to grey; a vector as it is."""
    if image.ndim == 2:
        return image[None].float() / max(1, classes - 1)
    return image if image.ndim < 2 else image.float().clamp(-1, 1).add(1).div(2)
