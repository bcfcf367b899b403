"""One direction of a trained model as a plain `nn.Module`, for code that knows nothing of this package."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from translate.contracts import Nets, Route
from translate.errors import ConfigError
from translate.inference.directions import check_inputs
from translate.inference.inputs import tensors_of
from translate.inference.program import MAIN, Program


class DirectionModule(nn.Module):
    """Images N x C x H x W in [-1, 1] of any size to what a direction makes of them, with gradients.

    It has copies of the networks that the direction uses, under `nets`. What a translator does around them it does as
    well: images are padded by reflection and outputs cropped, grey and colour are converted to what the networks take,
    and noise depends on (seed, values of the image). `.eval()`, in which it starts, is the state in which the
    translator converts, where dropout stays on if the method keeps it on; `.train()` is torch's usual one.
    """

    def __init__(self, program: Program, route: Route) -> None:
        super().__init__()
        self.nets = nn.ModuleDict({name: copy.deepcopy(program.nets[name]) for name in route.nets})
        self.method, self.route, self.seed = program.method, route, program.seed
        # Modes of single layers: dropout that stays on among layers that are in evaluation mode.
        self._modes = {name: layer.training for name, layer in self.nets.named_modules()}
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Torch's training mode, or that in which the translator converts."""
        super().train(mode)
        if not mode:
            for name, layer in self.nets.named_modules():
                layer.training = self._modes.get(name, False)
        return self

    def forward(self, image: Tensor, **others: Any) -> Tensor | Mapping[str, Tensor]:
        """The output for the main input and the direction's further inputs by name.

        `image` is N x C x H x W in [-1, 1] (label maps: long N x H x W), others likewise, or classes (long N, or a
        name) and vectors (N x n). Returns N x C x H x W, logits of classes for a direction that gives labels, or a
        mapping of all outputs by name where there are several. It lies on the device of the weights, in their type.
        Errors: ConfigError (not a batch, wrong further inputs).
        """
        check_inputs(self.route, others)
        if image.ndim < 3 or (image.is_floating_point() and image.ndim < 4):
            raise ConfigError(f"a batch is N x C x H x W of float in [-1, 1], not of shape {tuple(image.shape)}")
        like = next(self.nets.parameters(), image)
        program = Program(self.method, Nets(dict(self.nets.items())), like.device, seed=self.seed, optimize=False)
        inputs = {}
        for name, values in tensors_of(program, self.route, image, others).items():
            inputs[name] = values.to(like.dtype) if values.is_floating_point() else values
        count = len(inputs[self.route.main or self.route.inputs[0]])
        each = [{name: values[n : n + 1] for name, values in inputs.items()} for n in range(count)]
        # Where dropout stays on, the noise of each image is its own.
        alone = program.drops and not self.training
        groups = [[one] for one in each] if alone else [each]
        results: list[dict[str, Tensor]] = []
        for group in groups:
            results += program.differentiable_outputs(self.route, group, seeded=not self.training)
        joined = {name: torch.cat([result[name] for result in results]).to(like.dtype) for name in results[0]}
        return joined if self.route.further else joined[MAIN]

    def extra_repr(self) -> str:
        """The direction and what it makes of what."""
        inputs = ", ".join(self.route.inputs)
        return f"{self.method.name or type(self.method).__name__} {self.route.name}: {inputs} -> {self.route.output}"
