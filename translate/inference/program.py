"""A program: a method with its trained networks on a device, as what turns inputs into outputs and never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from translate.contracts import Class, Draw, Frames, Labels, Method, Nets, Route, Side, Vector
from translate.errors import ContractError
from translate.imaging.appearance.handling import DEFAULT, Handling
from translate.inference.directions import channels_of, multiple_of, routes
from translate.inference.draw import MixedDraw, NoDraw, SeededDraw, image_key, seed_of
from translate.inference.fast.image_dropout import drawing_from
from translate.inference.fast_kernels import LOW, optimized, without_dropout
from translate.inference.padding import crop, pad
from translate.networks import prepare_for_inference
from translate.networks.inference import independent
from translate.seeding import derive

MAIN = "output"
"""The name of the main output among several."""


@dataclass(frozen=True, eq=False)
class Program:
    """A `method`, its networks `nets` in float32 and inference mode on `device`, and how they compute.

    `precision` is `fp32`, `bf16` or `fp16`. `seed` decides noise and dropout at inference: each image draws from
    (seed, its values, the number of the sample). A program is not changed: `with_precision` and its kin return new
    ones, which share weights.
    """

    method: Method[Any]
    nets: Nets
    device: torch.device
    precision: str = "fp32"
    seed: int = 0
    handling: Handling = DEFAULT
    """How images are treated on their way into the networks and back."""
    optimize: bool = True
    """False computes with `nets` themselves, through which gradients flow."""
    _draws_otherwise: bool = field(default=False, init=False)
    """True once something else than dropout was seen to draw from torch's generator."""

    @classmethod
    def prepared(
        cls,
        method: Method[Any],
        nets: Mapping[str, nn.Module],
        device: str,
        precision: str = "fp32",
        seed: int = 0,
        handling: Handling = DEFAULT,
    ) -> Self:
        """Moves networks to a device and switches them to inference as the method's `test_time` says."""
        place = torch.device(device)
        ready = {name: prepare_for_inference(net, method.test_time).to(place) for name, net in nets.items()}
        return cls(method, Nets(ready), place, precision, seed, handling)

    def with_precision(self, precision: str) -> Self:
        """The same program in another precision."""
        return replace(self, precision=precision)

    def without_dropout(self) -> Self:
        """The same program with every dropout off, so that an image has one answer."""
        nets = {name: without_dropout(net, self._dropouts()) for name, net in self.nets.items()}
        return replace(self, nets=Nets(nets))

    def with_seed(self, seed: int) -> Self:
        """The same program that draws otherwise."""
        return replace(self, seed=seed)

    def with_handling(self, handling: Handling) -> Self:
        """The same program that treats images otherwise."""
        return replace(self, handling=handling)

    def refreshed(self) -> Self:
        """The same program after the weights of `nets` were changed in place, as a training does between validations:
        `optimized_nets` hold copies of some of them, which are made anew."""
        return replace(self)

    # ------------------------------------------------------------------------------------------------- what it knows

    @cached_property
    def routes(self) -> dict[str, Route]:
        """All directions with their defaults filled in, by name; the first is the default."""
        return routes(self.method)

    @cached_property
    def optimized_nets(self) -> Nets:
        """The networks as the device computes them fastest in this precision; made when they are first needed."""
        return optimized(self.nets, self.device, self.precision) if self.optimize else self.nets

    @cached_property
    def composes(self) -> bool:
        """Whether the method joins outputs and originals at full resolution."""
        return type(self.method).compose is not Method.compose

    @cached_property
    def drops(self) -> bool:
        """Whether dropout stays on."""
        return any(layer.p > 0 for layer in self._dropouts())

    def stochastic(self, route: Route) -> bool:
        """Whether an image has many answers: the direction draws noise, or dropout stays on."""
        return route.draws or self.drops

    @cached_property
    def independent(self) -> bool:
        """Whether the images of a batch have nothing to do with each other, dropout apart."""
        return all(independent(without_dropout(net, self._dropouts())) for net in self.nets.values())

    def joins(self, route: Route) -> bool:
        """Whether images of one size go through the networks in one pass, in which each has the answer that it has
        alone. Where the direction draws noise they do not; dropout draws for each image by itself."""
        if route.draws or self._draws_otherwise:
            return False
        # The float32 kernels of a CPU are others for a batch, down to the last bits, and gain little by it.
        if self.optimize and self.device.type == "cpu" and self.precision == "fp32":
            return False
        own = all(type(layer) is nn.Dropout for layer in self._dropouts() if layer.p > 0)
        return not self.drops or (self.optimize and own)

    def channels(self, route: Route, name: str) -> int:
        """The number of channels that the networks take of an input."""
        return channels_of(self.method.spec, route, name)

    def multiple(self, route: Route) -> int:
        """The number of pixels that height and width of inputs have to be a multiple of."""
        return multiple_of(self.method.directions[route.name], self.nets)

    def _dropouts(self) -> list[_DropoutNd]:
        """The dropout layers that stay on at inference."""
        layers: list[_DropoutNd] = []
        for net in self.nets.values():
            layers += [layer for layer in net.modules() if isinstance(layer, _DropoutNd) and layer.training]
        return layers

    # -------------------------------------------------------------------------------------------------- what it does

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which the networks compute in this precision."""
        low = LOW.get(self.precision)
        return torch.autocast(self.device.type, low) if low else nullcontext()

    def whole(self, route: Route, inputs: Mapping[str, Tensor], sample: int = 0) -> Tensor:
        """The output for inputs of one size, as `outputs` takes them, N of each, in one pass."""
        count = range(len(next(iter(inputs.values()))))
        each = [{name: values[n : n + 1] for name, values in inputs.items()} for n in count]
        return torch.cat([outputs[MAIN] for outputs in self.outputs(route, each, sample)])

    @torch.inference_mode()
    def outputs(
        self, route: Route, each: Sequence[Mapping[str, Tensor]], sample: int = 0, *, noise: str | None = None
    ) -> list[dict[str, Tensor]]:
        """The outputs of each image by name, the main one under `output`, by one pass of all of them.

        The inputs of an image are as in a batch of one, with the channels that the networks take; images are of one
        padded size. `sample` numbers the answers to an image where it has many. `noise`: all images get the noise of
        this key, instead of each its own.
        """
        return self.differentiable_outputs(route, each, sample, noise=noise)

    def differentiable_outputs(
        self,
        route: Route,
        each: Sequence[Mapping[str, Tensor]],
        sample: int = 0,
        *,
        seeded: bool = True,
        noise: str | None = None,
    ) -> list[dict[str, Tensor]]:
        """The same with gradients, where `optimize` is off. Without `seeded`, dropout draws as it does in a training:
        from torch's generator, for the whole batch."""
        multiple, main = self.multiple(route), route.main
        assert main is not None, "a direction without images is sampled"
        padded = {
            name: torch.cat([_padded(inputs[name], route.types[name], multiple) for inputs in each])
            for name in route.inputs
        }
        drawing = route.draws or self.drops
        keys = [image_key(inputs[main]) if noise is None else noise for inputs in each] if drawing else []
        size = (padded[main].shape[-2], padded[main].shape[-1])
        seeds = [seed_of(self.seed, key, sample) for key in keys]
        try:
            results = self._translated(route, padded, seeds, len(each), size, seeded=seeded)
        except _DrawsOtherwise:
            object.__setattr__(self, "_draws_otherwise", True)
            return [self.differentiable_outputs(route, [inputs], sample, noise=noise)[0] for inputs in each]
        outputs = []
        for n, inputs in enumerate(each):
            original = inputs[main]
            of_image = {
                name: self._cropped(route, name, values[n : n + 1], original) for name, values in results.items()
            }
            if self.composes:
                of_image[MAIN] = self.method.compose(of_image[MAIN], original, route.call)
            outputs.append(of_image)
        return outputs

    @torch.inference_mode()
    def sampled(
        self, route: Route, inputs: Mapping[str, Tensor], keys: Sequence[str], size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The outputs of a direction without images, by name: one for each key, which decides its noise.

        `inputs` are classes and vectors, one of each for a key. `size` is (height, width) before any `scale`.
        """
        return self._translated(route, inputs, [seed_of(self.seed, key, 0) for key in keys], len(keys), size)

    @torch.inference_mode()
    def mixed(
        self,
        route: Route,
        inputs: Mapping[str, Tensor],
        parts: Sequence[tuple[str, float]],
        size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """The outputs of one image whose noise is a mixture of that of samples: their keys with weights."""
        seeds = [(seed_of(self.seed, key, 0), weight) for key, weight in parts]
        draw = MixedDraw([seeds], size, self.device)
        return self._translated(route, inputs, [seeds[0][0]], 1, size, draw)

    def _translated(
        self,
        route: Route,
        inputs: Mapping[str, Tensor],
        seeds: Sequence[int],
        count: int,
        size: tuple[int, int],
        draw: Draw | None = None,
        *,
        seeded: bool = True,
    ) -> dict[str, Tensor]:
        """What the method returns, by name, in float32; `draw` replaces the noise of the seeds."""
        if draw is None:
            draw = SeededDraw(seeds, size, self.device) if route.draws else NoDraw(route.name, count, size)
        with self.autocast(), self._seeded(seeds) if seeded else nullcontext():
            result = self.method.translate(self.optimized_nets, inputs, route.call, draw)
        named = {MAIN: result} if isinstance(result, Tensor) else dict(result)
        if set(named) != {MAIN, *route.further}:
            wanted = ", ".join([MAIN, *route.further])
            raise ContractError(f"direction {route.name!r} returns {', '.join(named)}, and its outputs are {wanted}")
        return {name: values.float() for name, values in named.items()}

    def _cropped(self, route: Route, name: str, output: Tensor, original: Tensor) -> Tensor:
        """An output without the padding of its input; classes and vectors have none."""
        form = route.output if name == MAIN else route.further[name]
        if form not in ("image", "labels"):
            return output
        size = (original.shape[-2] * route.scale, original.shape[-1] * route.scale)
        return crop(output, size, route.tiles if name == MAIN else (1, 1))

    @contextmanager
    def _seeded(self, seeds: Sequence[int]) -> Iterator[None]:
        """Dropout has no generator argument: the global one is lent for one image and put back.

        Of several images each dropout has its own generators. Errors: _DrawsOtherwise where something else draws then.
        """
        if not self.drops:
            yield
            return
        gpu = [self.device] if self.device.type in ("cuda", "xpu") else []
        own = [derive(seed, "dropout") for seed in seeds]
        with torch.random.fork_rng(gpu, device_type=self.device.type if gpu else "cuda"), drawing_from(own):
            torch.manual_seed(own[0])
            before = self._generator_states()
            yield
            if len(own) > 1 and self._generator_states() != before:
                raise _DrawsOtherwise

    def _generator_states(self) -> list[bytes]:
        """The states of torch's generators, of the CPU and of the device."""
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        if self.device.type == "xpu":
            states.append(torch.xpu.get_rng_state(self.device))
        return [state.numpy().tobytes() for state in states]


class _DrawsOtherwise(Exception):  # noqa: N818 (a reason to go image by image, which no user sees)
    """Something else than dropout draws from torch's generator, which then is not that of one image."""


def _padded(values: Tensor, kind: Side, multiple: int) -> Tensor:
    """An image, a label map or frames in a size that networks take; a class or a vector as it is."""
    if isinstance(kind, Class | Vector):
        return values
    if isinstance(kind, Labels):
        return pad(values[:, None], multiple)[:, 0]
    if isinstance(kind, Frames):
        each = pad(values.flatten(0, 1), multiple)
        return each.view(*values.shape[:2], *each.shape[1:])
    return pad(values, multiple)
