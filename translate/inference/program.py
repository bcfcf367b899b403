"""A program: a method with its trained networks on a device, as what turns inputs into outputs and never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from translate.contracts import Method, Nets, Route
from translate.inference.directions import multiple_of, routes
from translate.inference.fast_kernels import LOW, optimized, without_dropout
from translate.inference.padding import crop, pad
from translate.networks import prepare_for_inference
from translate.networks.inference import independent
from translate.seeding import derive


@dataclass(frozen=True, eq=False)
class Program:
    """A `method`, its networks `nets` in float32 and inference mode on `device`, and how they compute.

    `precision` is `fp32`, `bf16` or `fp16`. `seed` decides dropout where it stays on at inference: each image draws
    from (seed, its key). A program is not changed: `with_precision` and its kin return new ones, which share weights.
    """

    method: Method[Any]
    nets: Nets
    device: torch.device
    precision: str = "fp32"
    seed: int = 0

    @classmethod
    def prepared(
        cls, method: Method[Any], nets: Mapping[str, nn.Module], device: str, precision: str = "fp32", seed: int = 0
    ) -> Self:
        """Moves networks to a device and switches them to inference as the method's `test_time` says."""
        place = torch.device(device)
        ready = {name: prepare_for_inference(net, method.test_time).to(place) for name, net in nets.items()}
        return cls(method, Nets(ready), place, precision, seed)

    def with_precision(self, precision: str) -> Self:
        """The same program in another precision."""
        return replace(self, precision=precision)

    def without_dropout(self) -> Self:
        """The same program with every dropout off, so that an image has one answer."""
        nets = {name: without_dropout(net, self._dropouts()) for name, net in self.nets.items()}
        return replace(self, nets=Nets(nets))

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
        return optimized(self.nets, self.device, self.precision)

    @cached_property
    def composes(self) -> bool:
        """Whether the method joins outputs and originals at full resolution."""
        return type(self.method).compose is not Method.compose

    @cached_property
    def stochastic(self) -> bool:
        """Whether dropout stays on, so that an image has many answers."""
        return any(layer.p > 0 for layer in self._dropouts())

    @cached_property
    def independent(self) -> bool:
        """Whether the images of a batch have nothing to do with each other."""
        return all(map(independent, self.nets.values()))

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

    def whole(self, route: Route, inputs: Mapping[str, Tensor], key: str) -> Tensor:
        """The output for inputs N x C x H x W of one size, with the channels that the networks take, in one pass."""
        count = range(len(inputs[route.inputs[0]]))
        each = [{name: image[n : n + 1] for name, image in inputs.items()} for n in count]
        return torch.cat(self.together(route, each, key))

    @torch.inference_mode()
    def together(self, route: Route, each: Sequence[Mapping[str, Tensor]], key: str = "") -> list[Tensor]:
        """The output of each image, whose inputs are 1 x C x H x W, by one pass of all of them, of one padded size."""
        multiple = self.multiple(route)
        padded = {name: torch.cat([pad(inputs[name], multiple) for inputs in each]) for name in route.inputs}
        with self.autocast(), self._seeded(key):
            sheets = self.method.translate(self.optimized_nets, padded, route.name).float()
        outputs = []
        for inputs, sheet in zip(each, torch.split(sheets, 1), strict=True):
            original = inputs[route.inputs[0]]
            output = crop(sheet, (original.shape[-2] * route.scale, original.shape[-1] * route.scale), route.tiles)
            outputs.append(self.method.compose(output, original, route.name) if self.composes else output)
        return outputs

    @contextmanager
    def _seeded(self, key: str) -> Iterator[None]:
        """Dropout has no generator argument: the global one is lent for one image and put back."""
        if not self.stochastic:
            yield
            return
        gpu = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpu):
            torch.manual_seed(derive(self.seed, "dropout", key))
            yield
