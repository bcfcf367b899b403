"""The conformance of a method: what the engine relies on, tried on tiny batches with the real engine."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Class, Draw, Labels, Method, Route, Vector
from translate.errors import TranslateError
from translate.inference.degradation import degraded_inputs, degrades
from translate.inference.directions import channels_of, multiple_of
from translate.inference.draw import NoDraw, SeededDraw
from translate.inference.program import MAIN
from translate.inference.random_input import random_input
from translate.inference.translator import Translator
from translate.models.bundle import write_bundle
from translate.models.load import load
from translate.plugins import Registry
from translate.seeding import derive
from translate.testing.batches import NUMBERS, tiny_batch
from translate.testing.game import GameChecks
from translate.testing.harness import SEED, RegistryWithOverride
from translate.testing.instrumented_engine import changes, state_of
from translate.testing.report import check

COUNT = 2
"""Images of a call."""

OVERSHOOT = 4.0
"""A last layer without tanh may leave [-1, 1] a little before it is trained; the engine clips what it writes."""


def assert_method_conforms(
    cls: type[Method[Any]],
    *,
    options: Mapping[str, Any] | None = None,
    size: int = 32,
    losses: Mapping[str, float] | None = None,
    registry: Registry | None = None,
    resting: Collection[str] = (),
) -> None:
    """Plays the method on generated batches of size x size pixels and checks what the contract asks of it.

    `options` and `losses` are what a pipeline would say; for what `options` leaves out the class says what is `small`,
    and networks that are still at their default are made small. `size` grows to what the networks need. `registry`:
    where networks come from, by default all that is installed; `resting`: players that never play under these options,
    without options those of the class.

    Errors: AssertionError that names every failed check and what to change.
    """
    MethodChecks(cls, options=options, size=size, losses=losses, registry=registry, resting=resting).demand()


class MethodChecks(GameChecks):
    """All checks of a method: those of its game, then those of the trained networks in use."""

    @cached_property
    def trained(self) -> tuple[Method[Any], dict[str, nn.Module]]:
        """The method and the networks of its directions after the steps above, if it has any."""
        if self.cls.players and not self.played.faults["game"]:
            method, nets = self.played.method, dict(self.played.nets)
        else:
            method = self.harness.method()
            nets = self.harness.built(method)
        used = {n for d in method.directions.values() for n in d.nets}
        return method, {n: copy.deepcopy(nets[n]) for n in sorted(used)}

    @cached_property
    def translator(self) -> Translator:
        method, nets = self.trained
        return Translator(method, copy.deepcopy(nets), {})

    def inputs(self, route: Route, extra: int = 0, count: int = 2) -> dict[str, Tensor]:
        """The inputs of a direction by name; height and width are multiples, and differ. `extra` pixels more each."""
        method = self.translator.method
        multiple = multiple_of(method.directions[route.name], self.translator.nets)
        height = -(-self.harness.size // (multiple * route.scale)) * multiple
        size = (height + extra, height + multiple + extra)
        if degrades(self.cls.data, route):
            size = (size[0] * route.scale, size[1] * route.scale)
            targets = tiny_batch("single", size=size, count=count, seed=SEED)["image"]
            rows = [degraded_inputs(method, route, target, SEED, str(n)) for n, target in enumerate(targets)]
            inputs = {}
            for name in route.inputs:
                inputs[name] = torch.stack([row[name] for row in rows])
            return inputs
        inputs = {}
        for n, name in enumerate(route.inputs):
            draw = torch.Generator().manual_seed(derive(SEED, "input", n))
            channels = channels_of(method.spec, route, name)
            inputs[name] = random_input(route.types[name], channels, count, size, draw, numbers=NUMBERS)
        return inputs

    def draw(self, route: Route, inputs: Mapping[str, Tensor]) -> Draw:
        """The noise of a call; none for a direction that says it draws none."""
        main = inputs[route.main] if route.main else None
        size = self.translator.method.spec.size if main is None else (main.shape[-2], main.shape[-1])
        count = self._count(route, inputs)
        if not route.draws:
            return NoDraw(route.name, count, size)
        return SeededDraw([derive(SEED, n) for n in range(count)], size, torch.device("cpu"))

    @check("translates in every direction", "networks")
    def directions(self) -> Iterator[str]:
        method, nets = self.translator.method, self.translator.nets
        before = state_of(method)
        with_spec = self.cls.directions_with(method.config, method.spec)
        if not isinstance(with_spec, Mapping) or not {*self.cls.directions} <= {*with_spec}:
            yield "directions_with() leaves out one of `directions`; it may change them and add further ones"
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route)
            copies = {key: image.clone() for key, image in inputs.items()}
            with torch.inference_mode():
                output = method.translate(nets, inputs, route.call, self.draw(route, inputs))
            yield from self._output_faults(route, inputs, output)
            for key, image in copies.items():
                if not torch.equal(image, inputs[key]):
                    yield f"translate() changes inputs[{key!r}] in place in direction {name}; work on a copy"
        yield from changes("translate()", before, state_of(method))

    def _output_faults(self, route: Route, inputs: Mapping[str, Tensor], outputs: Any) -> Iterator[str]:
        """Everything that is wrong with what translate() returns, further outputs among it."""
        at = f"translate() in direction {route.name}"
        forms = {MAIN: route.output, **route.further}
        if route.further and not (isinstance(outputs, Mapping) and {*outputs} == {*forms}):
            yield f"{at} has further outputs; it has to return a mapping of {', '.join(forms)} to tensors"
            return
        for name, form in forms.items():
            output = outputs[name] if route.further else outputs
            where = f"{at} gives as {name!r}" if route.further else f"{at} returns"
            if not isinstance(output, Tensor):
                yield f"{where} {type(output).__name__}; it has to return a tensor"
            elif (shapes := self._shapes(route, name, inputs)) and tuple(output.shape) not in shapes:
                listed = " or ".join(map(str, shapes))
                height, width = self._size(route, inputs)
                yield (
                    f"{where} shape {tuple(output.shape)} for inputs of {height} x {width}, not {listed}; "
                    "mend it, or say `scale`, `tiles`, `output` or `multiple` in the Direction"
                )
            elif form in ("class", "vector") and (output.ndim != 2 or len(output) != self._count(route, inputs)):
                yield (
                    f"{where} shape {tuple(output.shape)} for {self._count(route, inputs)} images; a class is logits "
                    "N x classes, a vector N x n"
                )
            else:
                yield from _value_faults(where, form, output)

    def _count(self, route: Route, inputs: Mapping[str, Tensor]) -> int:
        """The number of images of a call."""
        return len(inputs[route.inputs[0]]) if route.inputs else COUNT

    def _size(self, route: Route, inputs: Mapping[str, Tensor]) -> tuple[int, int]:
        """(height, width) of the images of a call, or of those that it is to make."""
        if route.main is None:
            return self.translator.method.spec.size
        return inputs[route.main].shape[-2], inputs[route.main].shape[-1]

    def _shapes(self, route: Route, name: str, inputs: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
        """The shapes that an output may have; empty where any number of classes or numbers will do."""
        spec, form = self.translator.method.spec, route.output if name == MAIN else route.further[name]
        count = self._count(route, inputs)
        target = spec.sides.get(route.target or "") if name == MAIN else None
        if form in ("class", "vector"):
            if isinstance(target, Class):
                return [(count, len(target.names))]
            return [(count, target.size)] if isinstance(target, Vector) and target.size else []
        height, width = self._size(route, inputs)
        rows, columns = route.tiles if name == MAIN else (1, 1)
        size = (height * route.scale * rows, width * route.scale * columns)
        if form == "labels":
            classes = target.classes if isinstance(target, Labels) and target.classes else spec.classes
            return [(count, len(classes), *size)]
        channels = {spec.channels[route.target]} if target is not None and route.target else {1, 3}
        return [(count, c, *size) for c in sorted(channels)]

    @check("takes images of any size", "directions")
    def any_size(self) -> Iterator[str]:
        for name, route in self.translator.routes.items():
            if route.main is None:
                continue
            inputs = self.inputs(route, extra=3, count=1)
            height, width = self._size(route, inputs)
            right = tuple(n * route.scale * t for n, t in zip((height, width), route.tiles, strict=True))
            try:
                outputs = _used(self.translator, route, inputs)
            except (RuntimeError, ValueError, TranslateError) as error:
                cause = " ".join(str(error).split())[:200]
                yield f"direction {name} fails on {height} x {width} pixels ({cause}); {_MULTIPLE}"
                continue
            # Outputs are cropped to the right size, or fail there; `compose` may change the main one after that.
            size = tuple(outputs[MAIN].shape[-2:])
            if route.output in ("image", "labels") and size != right:
                yield f"direction {name} makes {size} pixels from {height} x {width}, not {right}; {_MULTIPLE}"

    @check("translates each image by itself, the same every time", "directions")
    def alone(self) -> Iterator[str]:
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route)
            runs = []
            for seed in (1, 2):
                torch.manual_seed(seed)
                runs.append(_used(self.translator, route, inputs))
            if what := _differing(*runs):
                yield (
                    f"direction {name} gives another {what} each time; draw all noise from the argument `draw`, and "
                    "say `draws=True` in the Direction"
                )
                continue
            yield from self._coupling_faults(route, inputs, runs[0])

    def _coupling_faults(
        self, route: Route, inputs: Mapping[str, Tensor], together: Mapping[str, Tensor]
    ) -> Iterator[str]:
        """An image alone, and behind another one, has the outputs that it has in the batch."""
        backwards = list(reversed(range(self._count(route, inputs))))
        singles = [[n] for n in sorted(backwards)]
        for order in (*singles, backwards):
            outputs = _used(self.translator, route, {k: v[order] for k, v in inputs.items()}, order)
            what = _differing(outputs, {k: v[order] for k, v in together.items()}, exact=False)
            if not what:
                continue
            if route.draws:
                yield (
                    f"direction {route.name} draws other noise for an image in a batch than alone; give image n row n "
                    "of what `draw` gives, and take no statistics over the batch"
                )
            else:
                yield (
                    f"direction {route.name} gives an image another {what} in a batch than alone; "
                    "take no statistics over the batch in translate() or in its networks"
                )
            return

    @check("draws noise from `draw` alone", "directions")
    def noise(self) -> Iterator[str]:
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route)
            before = torch.get_rng_state()
            outputs = _used(self.translator, route, inputs)
            if not torch.equal(before, torch.get_rng_state()):
                yield (
                    f"direction {name} draws from or reseeds torch's global generator; draw all noise from the "
                    "argument `draw`"
                )
            if not route.draws:
                continue
            reseeded = _used(self.translator.with_seed(SEED), route, inputs)
            another = _used(self.translator, route, inputs, sample=1)
            if any(_an_image_stays(outputs, others) for others in (reseeded, another)):
                yield (
                    f"direction {name} says `draws=True` but gives an image the same output under another seed or for "
                    "another sample; let outputs depend on the argument `draw`, or leave `draws` away"
                )

    @check("comes back from a bundle", "directions")
    def bundle(self) -> Iterator[str]:
        method, nets = self.trained
        name = self.harness.name
        registry = RegistryWithOverride(self.harness.registry, "methods", name, self.cls)
        with tempfile.TemporaryDirectory() as folder:
            write_bundle(Path(folder), method=method, method_name=name, nets=nets, provider={}, info={})
            loaded = load(Path(folder), "cpu", registry)
        for direction, route in self.translator.routes.items():
            inputs = self.inputs(route)
            was, now = (_used(translator, route, inputs) for translator in (self.translator, loaded))
            if what := _differing(was, now):
                yield (
                    f"direction {direction} gives another {what} once it is saved and loaded; name all its networks "
                    "in the Direction, and keep what they know in parameters and buffers"
                )


_MULTIPLE = "declare `multiple` on the network or in the Direction"


def _value_faults(where: str, form: str, output: Tensor) -> Iterator[str]:
    """Values that an output of this form may not have."""
    if not output.is_floating_point():
        yield f"{where} {output.dtype}; images and logits are floats"
    elif not output.isfinite().all():
        yield f"{where} values that are not finite"
    elif form == "image":
        low, high = output.min().item(), output.max().item()
        if max(-low, high) > OVERSHOOT:
            yield f"{where} values from {low:.3g} to {high:.3g}; images are in [-1, 1]"
        elif low >= 0 and high > 0:
            yield f"{where} no value below 0; images are in [-1, 1], not in [0, 1]: return 2 * y - 1"


def _used(
    translator: Translator,
    route: Route,
    inputs: Mapping[str, Tensor],
    places: Sequence[int] = range(COUNT),
    sample: int = 0,
) -> dict[str, Tensor]:
    """All outputs for inputs of N by name, as the translator makes them; without images those at these places of the
    batch. `sample` numbers the answers."""
    program = translator.program
    if route.main is None:
        keys = [str(sample * COUNT + place) for place in places]
        return program.sampled(route, inputs, keys, translator.method.spec.size)
    # The translator takes some images one by one; the contract speaks of batches all the same.
    rows = [{name: values[n : n + 1] for name, values in inputs.items()} for n in range(len(inputs[route.main]))]
    batches = [[row] for row in rows] if program.drops else [rows]  # dropout is seeded for one image at a time
    images = [image for batch in batches for image in program.outputs(route, batch, sample)]
    return {name: torch.cat([image[name] for image in images]) for name in (MAIN, *route.further)}


def _differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor], *, exact: bool = True) -> str:
    """The first output that differs as a sentence calls it, `output` or `output 'depth'`; empty where all are equal."""
    same = torch.equal if exact else _close
    for name, values in one.items():
        if not same(values, other[name]):
            return "output" if name == MAIN else f"output {name!r}"
    return ""


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def _an_image_stays(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether some image has the same outputs, all of them; a further one may well be free of noise."""
    count = len(one[MAIN])
    return any(all(torch.equal(values[n], other[name][n]) for name, values in one.items()) for n in range(count))
