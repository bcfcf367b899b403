"""Noise as inputs of a graph: which draws a direction makes, and of which shape for images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch

from translate.contracts import DirectionCall
from translate.errors import ContractError
from translate.inference.translator import Translator
from translate.models.onnx.draws import NotedDraw, Size
from translate.models.onnx.facts import Length, NoiseInput, part_of
from translate.models.onnx.trial import attempt, random_inputs, trial_size


def recorded_noise(translator: Translator, call: DirectionCall) -> tuple[NoiseInput, ...]:
    """What a direction draws, in the order of its calls, for images of any size.

    Found by passes over images of three sizes: an axis is always as long, or a part of the height or the width. Errors:
    ContractError where it is neither, or where the number of draws changes.
    """
    route = translator.route(call)
    if not route.draws:
        return ()
    height, width = trial_size(translator, call)
    sizes = [(height, width), (2 * height, width), (2 * height, 2 * width)]
    if route.main is None:
        sizes = [(height, width)]
    passes = []
    for size in sizes:
        draw = NotedDraw(1, size)
        with torch.no_grad():
            attempt(translator, call, random_inputs(translator, call, 1, *size), draw, {})
        passes.append(draw.calls)
    counts = [len(calls) for calls in passes]
    if len(set(counts)) > 1:
        raise ContractError(f"it draws noise {counts[0]} times at one size of image and {counts[-1]} times at another")
    taken = {*route.inputs, *type(call.options).model_fields}
    names = _names(counts[0], taken)
    noise = []
    for name, calls in zip(names, zip(*passes, strict=True), strict=True):
        distribution, _, low, high = calls[0]
        lengths = zip(*(shape for _, shape, *_ in calls), strict=True)
        noise.append(NoiseInput(name, distribution, tuple(_length(name, each, sizes) for each in lengths), low, high))
    return tuple(noise)


def _names(count: int, taken: set[str]) -> list[str]:
    """`noise`, or `noise_0`, `noise_1` and so on, where no input or option is called so."""
    stem = "noise"
    while any(name == stem or name.startswith(f"{stem}_") for name in taken):
        stem = f"drawn_{stem}"
    return [stem] if count == 1 else [f"{stem}_{n}" for n in range(count)]


def _length(name: str, lengths: Sequence[int], sizes: Sequence[Size]) -> Length:
    """The rule of an axis that is so long at these sizes. Errors: ContractError where there is none that is known."""
    if len(set(lengths)) == 1:
        return int(lengths[0])
    height, width = (Fraction(int(lengths[0]), side) for side in sizes[0])
    if list(lengths) == [size[0] * height for size in sizes]:
        return part_of("height", height)
    if list(lengths) == [size[1] * width for size in sizes]:
        return part_of("width", width)
    raise ContractError(
        f"an axis of its {name} is {', '.join(map(str, lengths))} long for images of "
        f"{', '.join(f'{h} x {w}' for h, w in sizes)}, which is neither a constant nor a part of their height or width"
    )
