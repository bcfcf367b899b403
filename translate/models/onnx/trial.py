"""Trying a direction before it is exported: random inputs of every type, and a pass of the method with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.contracts import Class, DirectionCall, Draw, Frames, Image, Labels, Side, Vector
from translate.inference.padding import padded_size
from translate.inference.program import MAIN
from translate.inference.random_input import random_input
from translate.inference.translator import Translator
from translate.models.facts import BundleFacts
from translate.models.onnx.draws import NotedDraw
from translate.seeding import derive

LARGEST = 256
"""The longest side of the images that an exporter sees: smaller where the training's is."""


def unit_size(translator: Translator, direction: str) -> tuple[int, int]:
    """A height and a width that the networks take as they are: at most about `LARGEST`, else the training's."""
    multiple = BundleFacts.from_json(translator.info).directions[direction].multiple
    height, width = (-(-min(n, LARGEST) // multiple) * multiple for n in translator.method.spec.size)
    return height, width


def trial_size(translator: Translator, call: DirectionCall) -> tuple[int, int]:
    """The smallest size of images that a direction takes, or else `unit_size`; what it makes from nothing has its own.

    The method is tried at this size several times before it is exported.
    """
    if translator.route(call).main is None:
        return translator.method.spec.size
    multiple = BundleFacts.from_json(translator.info).directions[call].multiple
    side, _ = padded_size((1, 1), multiple)
    try:
        with torch.no_grad():
            attempt(translator, call, random_inputs(translator, call, 1, side, side), NotedDraw(1, (side, side)), {})
    except Exception:  # networks may take no images that are so small
        return unit_size(translator, call)
    return side, side


def random_inputs(translator: Translator, direction: str, count: int, height: int, width: int) -> dict[str, Tensor]:
    """All inputs of a direction by name: noise in [-1, 1] in the place of images, any classes, any numbers."""
    route = translator.route(direction)
    rng = torch.Generator().manual_seed(derive(0, "export", direction, count, height, width))
    classes = max(1, len(translator.method.spec.classes))
    inputs = {}
    for name in route.inputs:
        kind = route.types.get(name, Image())
        channels = translator.program.channels(route, name)
        inputs[name] = random_input(kind, channels, count, (height, width), rng, classes=classes)
    return inputs


def axes_of(kind: Side) -> dict[int, str]:
    """The axes of an input that are of any length, with their names."""
    if isinstance(kind, Class | Vector):
        return {0: "batch"}
    rows = {Labels: 1, Frames: 3}.get(type(kind), 2)
    return {0: "batch", rows: "height", rows + 1: "width"}


def attempt(
    translator: Translator, call: DirectionCall, inputs: Mapping[str, Tensor], draw: Draw, options: Mapping[str, Any]
) -> dict[str, Tensor]:
    """All outputs of the method by name for images of a padded size; `options` replace those of the call, unchecked."""
    chosen = DirectionCall(translator.route(call).call, call.options.model_copy(update=dict(options)))
    result = translator.method.translate(translator.nets, inputs, chosen, draw)
    outputs: dict[str, Tensor] = {MAIN: result} if isinstance(result, Tensor) else dict(result)
    main = translator.route(call).main
    if main is not None:
        outputs[MAIN] = translator.method.compose(outputs[MAIN].float(), inputs[main], chosen)
    return {name: outputs[name].float() for name in (MAIN, *translator.route(call).further)}
