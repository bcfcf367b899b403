"""The conformance of a method: what the engine relies on, tried on tiny batches with the real engine."""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from translate.contracts import Config, Method, Route
from translate.errors import TranslateError
from translate.inference.degradation import observed, observes
from translate.inference.directions import multiple_of
from translate.inference.translator import Translator
from translate.models.bundle import write_bundle
from translate.models.load import load
from translate.plugins import Registry
from translate.seeding import derive
from translate.testing.batches import tiny_batch
from translate.testing.component import ComponentChecks
from translate.testing.harness import SEED, Bench, Shelf
from translate.testing.instrumented_engine import WatchedEngine, changes, frozen, state_of
from translate.testing.report import check
from translate.training import checkpoint

FEW_STEPS, MANY_STEPS, PATIENCE = 12, 200, 20.0
"""A game is played until every player has moved twice; at most so many steps, and after a few only for so many seconds
of the processor."""
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

    `options` and `losses` are what a pipeline would say; networks that `options` leaves at their default are made
    small. `size` grows to what the networks need. `registry`: where networks come from, by default all that is
    installed; `resting`: players that never play under these options.

    Errors: AssertionError that names every failed check and what to change.
    """
    MethodChecks(cls, options=options, size=size, losses=losses, registry=registry, resting=resting).demand()


class MethodChecks(ComponentChecks):
    """All checks of a method; those of training are left out where it has no players."""

    kind = "methods"

    def __init__(
        self,
        cls: type[Method[Any]],
        *,
        size: int = 32,
        losses: Mapping[str, float] | None = None,
        registry: Registry | None = None,
        resting: Collection[str] = (),
        **common: Any,
    ) -> None:
        super().__init__(cls, **common)
        self.resting = resting
        self.arguments: dict[str, Any] = {
            "options": self.given,
            "size": size,
            "losses": losses,
            "registry": registry or Registry(),
        }

    def applies(self, name: str) -> bool:
        trains = name in ("play", "stateless", "resume", "bf16")
        return not trains or bool(getattr(self.cls, "players", None))

    def config(self) -> Config:
        return Bench(self.cls, **self.arguments).config()

    @cached_property
    def bench(self) -> Bench:
        bench = Bench(self.cls, **self.arguments)
        bench.fit()
        return bench

    # ----------------------------------------------------------------------------------------- before any step

    @check("builds fresh networks", "options")
    def networks(self) -> Iterator[str]:
        bench = Bench(self.cls, **self.arguments)
        method = bench.method()
        before = state_of(method)
        first, again, other = bench.built(method), bench.built(method), bench.built(method, SEED + 1)
        yield from changes("networks()", before, state_of(method))
        yield from _network_faults(method, first)
        yield from _shared(first, again)
        for name in first:
            one, two = (frozen(dict(nets[name].state_dict())) for nets in (first, again))
            if one != two:
                yield (
                    f"network {name!r} is initialised differently each time under one seed; "
                    "draw its weights from torch's global generator, which the pipeline seeds"
                )
        played = [n for members in self.cls.players.values() for n in members]
        if played and all(frozen(dict(first[n].state_dict())) == frozen(dict(other[n].state_dict())) for n in played):
            yield "networks() builds the same weights under every seed; do not reseed torch in networks()"

    # -------------------------------------------------------------------------------------------- the training

    @cached_property
    def played(self) -> WatchedEngine:
        """A training of a few steps, until every player has moved twice."""
        engine = self.bench.engine(watching=True)
        awaited = [player for name, player in engine.players.items() if name not in self.resting]
        began = time.process_time()
        while engine.index < MANY_STEPS and any(player.done < 2 for player in awaited):
            if engine.index >= FEW_STEPS and time.process_time() - began > PATIENCE:
                break
            self.bench.play(engine, 1)
        return engine

    @property
    def few(self) -> int:
        """Steps for the checks that play again."""
        return min(max(2, self.played.index), FEW_STEPS)

    @check("plays by the rules: losses, gradients, views", "networks")
    def play(self) -> Iterator[str]:
        yield from self.played.summary(self.resting)

    @check("keeps no state of its own", "networks")
    def stateless(self) -> Iterator[str]:
        for name, value in vars(self.bench.method()).items():
            if isinstance(value, nn.Module):
                yield f"self.{name} is a network; return it from networks() and use the one in `nets`"
        if not self.played.faults["game"]:
            yield from self.played.faults["state"]

    @check("resumes exactly", "play")
    def resume(self) -> Iterator[str]:
        before, after = 2, self.few
        whole, restarted = self.bench.engine(), self.bench.engine(seed=SEED + 1)
        with tempfile.TemporaryDirectory() as folder:
            self.bench.play(whole, before)
            saved = checkpoint.save(Path(folder), whole, {}, {})
            self.bench.play(whole, after)
            checkpoint.restore(saved, restarted, {})
            self.bench.play(restarted, after)
        expected = [row for row in whole.values if row[0] >= before]
        for (step, player, loss, was), (*found, now) in zip(expected, restarted.values, strict=False):
            if found != [step, player, loss] or not _equal(was, now):
                told = ", ".join(map(str, found))
                yield (
                    f"loss {loss!r} of player {player} is {was:.6g} at step {step}, and after a restart at step "
                    f"{before} {now:.6g} ({told}); {_HIDDEN}"
                )
                return
        for name, net in whole.nets.items():
            if frozen(dict(net.state_dict())) != frozen(dict(restarted.nets[name].state_dict())):
                yield f"network {name!r} differs after a restart; {_HIDDEN}"

    @check("trains in bf16", "play")
    def bf16(self) -> Iterator[str]:
        engine = self.bench.engine(precision="bf16", watching=True)
        self.bench.play(engine, self.few)
        yield from engine.summary([*engine.players])

    # ------------------------------------------------------------------------------------------------- its use

    @cached_property
    def trained(self) -> tuple[Method[Any], dict[str, nn.Module]]:
        """The method and the networks of its directions after the steps above, if it has any."""
        if self.cls.players and not self.played.faults["game"]:
            method, nets = self.played.method, dict(self.played.nets)
        else:
            method = self.bench.method()
            nets = self.bench.built(method)
        kept = {n for d in method.directions.values() for n in d.nets}
        return method, {n: copy.deepcopy(nets[n]) for n in sorted(kept)}

    @cached_property
    def translator(self) -> Translator:
        method, nets = self.trained
        return Translator(method, copy.deepcopy(nets), {})

    def inputs(self, route: Route, extra: int = 0, count: int = 2) -> dict[str, Tensor]:
        """The inputs of a direction by name; height and width are multiples, and differ. `extra` pixels more each."""
        method = self.translator.method
        multiple = multiple_of(method.directions[route.name], self.translator.nets)
        height = -(-self.bench.size // (multiple * route.scale)) * multiple
        size = (height + extra, height + multiple + extra)
        if observes(self.cls.data):
            size = (size[0] * route.scale, size[1] * route.scale)
            truths = tiny_batch("single", size=size, count=count, seed=SEED)["image"]
            rows = [observed(method, route, truth, SEED, str(n)) for n, truth in enumerate(truths)]
            return {name: torch.stack([row[name] for row in rows]) for name in route.inputs}
        return {
            name: _noise(count, method.spec.channels[side], size, n)
            for n, (name, side) in enumerate(zip(route.inputs, route.sides, strict=True))
        }

    @check("translates in every direction", "networks")
    def directions(self) -> Iterator[str]:
        method, nets = self.translator.method, self.translator.nets
        before = state_of(method)
        if not isinstance(self.cls.directions_with(method.config), Mapping) or {*method.directions} != {
            *self.cls.directions
        }:
            yield "directions_with() returns other names than `directions`; options may change a direction, not add one"
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route)
            given = {key: image.clone() for key, image in inputs.items()}
            with torch.inference_mode():
                output = method.translate(nets, inputs, name)
            yield from self._output_faults(route, inputs, output)
            for key, image in given.items():
                if not torch.equal(image, inputs[key]):
                    yield f"translate() changes inputs[{key!r}] in place in direction {name}; work on a copy"
        yield from changes("translate()", before, state_of(method))

    def _output_faults(self, route: Route, inputs: Mapping[str, Tensor], output: Any) -> Iterator[str]:
        at, spec = f"translate() in direction {route.name}", self.translator.method.spec
        if not isinstance(output, Tensor):
            yield f"{at} returns {type(output).__name__}; it has to return a tensor N x C x H x W"
            return
        count, _, height, width = inputs[route.inputs[0]].shape
        rows, columns = route.tiles
        size = (height * route.scale * rows, width * route.scale * columns)
        channels = {len(spec.classes)} if route.output == "labels" else {1, 3}
        if route.target is not None and route.output != "labels":
            channels = {spec.channels[route.target]}
        shapes = [(count, c, *size) for c in sorted(channels)]
        if tuple(output.shape) not in shapes:
            wanted = " or ".join(map(str, shapes))
            yield (
                f"{at} returns shape {tuple(output.shape)} for inputs of {height} x {width}, not {wanted}; "
                "mend it, or say `scale`, `tiles`, `output` or `multiple` in the Direction"
            )
            return
        if not output.is_floating_point():
            yield f"{at} returns {output.dtype}; images and logits are floats"
        elif not output.isfinite().all():
            yield f"{at} returns values that are not finite"
        elif route.output != "labels":
            low, high = output.min().item(), output.max().item()
            if max(-low, high) > OVERSHOOT:
                yield f"{at} returns values from {low:.3g} to {high:.3g}; images are in [-1, 1]"
            elif low >= 0 and high > 0:
                yield f"{at} returns no value below 0; images are in [-1, 1], not in [0, 1]: return 2 * y - 1"

    @check("takes images of any size", "directions")
    def any_size(self) -> Iterator[str]:
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route, extra=3, count=1)
            height, width = inputs[route.inputs[0]].shape[-2:]
            wanted = tuple(n * route.scale * t for n, t in zip((height, width), route.tiles, strict=True))
            try:
                found = tuple(_used(self.translator, route, inputs).shape[-2:])
            except (RuntimeError, ValueError, TranslateError) as error:
                told = " ".join(str(error).split())[:200]
                yield f"direction {name} fails on {height} x {width} pixels ({told}); {_MULTIPLE}"
                continue
            if found != wanted:
                yield f"direction {name} makes {found} pixels from {height} x {width}, not {wanted}; {_MULTIPLE}"

    @check("translates each image by itself, the same every time", "directions")
    def alone(self) -> Iterator[str]:
        for name, route in self.translator.routes.items():
            inputs = self.inputs(route)
            runs = []
            for seed in (1, 2):
                torch.manual_seed(seed)
                runs.append(_used(self.translator, route, inputs))
            if not torch.equal(*runs):
                yield (
                    f"direction {name} gives another output each time; draw noise from a generator seeded by a "
                    "constant, or switch dropout off (`test_time`)"
                )
                continue
            for n in range(len(runs[0])):
                single = _used(self.translator, route, {k: v[n : n + 1] for k, v in inputs.items()}, str(n))
                if not torch.allclose(single, runs[0][n : n + 1], rtol=1e-3, atol=1e-4):
                    yield (
                        f"direction {name} gives an image another output in a batch than alone; "
                        "take no statistics over the batch in translate() or in its networks"
                    )
                    break

    @check("comes back from a bundle", "directions")
    def bundle(self) -> Iterator[str]:
        method, nets = self.trained
        name = self.bench.name
        shelf = Shelf(self.bench.registry, "methods", name, self.cls)
        with tempfile.TemporaryDirectory() as folder:
            write_bundle(Path(folder), method=method, method_name=name, nets=nets, provider={}, info={})
            loaded = load(Path(folder), "cpu", shelf)
        for direction, route in self.translator.routes.items():
            inputs = self.inputs(route)
            was, now = (_used(translator, route, inputs) for translator in (self.translator, loaded))
            if not torch.equal(was, now):
                yield (
                    f"direction {direction} gives another output once it is saved and loaded; name all its networks "
                    "in the Direction, and keep what they know in parameters and buffers"
                )


_HIDDEN = (
    "state lies in parameters, buffers and `step` alone: no counters in Python, and draws from `step.rng` or torch's "
    "global generator"
)
_MULTIPLE = "declare `multiple` on the network or in the Direction"


def _network_faults(method: Method[Any], nets: Mapping[str, nn.Module]) -> Iterator[str]:
    for player, members in method.players.items():
        for missing in sorted({*members} - {*nets}):
            yield f"player {player} names network {missing!r}, but networks() returns {', '.join(nets)}"
    for name, net in nets.items():
        if not isinstance(net, nn.Module):
            yield f"network {name!r} is a {type(net).__name__}, not a torch.nn.Module"
            continue
        tensors = dict(net.state_dict())
        if wrong := [key for key, t in tensors.items() if t.device.type != "cpu"]:
            yield f"network {name!r} has {wrong[0]} on {tensors[wrong[0]].device}; build it on the CPU"
        if wrong := [key for key, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]:
            yield f"network {name!r} has {wrong[0]} with values that are not finite; initialise it"


def _shared(first: Mapping[str, nn.Module], again: Mapping[str, nn.Module]) -> Iterator[str]:
    old = {t.data_ptr() for net in first.values() for t in net.state_dict().values() if t.numel()}
    for name, net in again.items():
        tensors = [t for t in net.state_dict().values() if t.numel()]
        if net is first.get(name) or any(t.data_ptr() in old for t in tensors):
            yield f"network {name!r} is the same in two calls of networks(); build it anew in each call"


def _noise(count: int, channels: int, size: tuple[int, int], number: int) -> Tensor:
    draw = torch.Generator().manual_seed(derive(SEED, "input", number))
    return torch.rand(count, channels, *size, generator=draw) * 2 - 1


def _equal(was: float, now: float) -> bool:
    return was == now or (math.isnan(was) and math.isnan(now))


def _used(translator: Translator, route: Route, inputs: Mapping[str, Tensor], *keys: str) -> Tensor:
    first, *others = route.inputs
    further: dict[str, Any] = {name: inputs[name] for name in others}
    return translator.translate_tensor(inputs[first], route.name, keys=keys or None, **further)
