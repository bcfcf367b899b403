"""The plan of a graph: which inputs it has, and which are constants in it.

Inputs of a direction become inputs of the graph by their names. Noise becomes one input for each call of `draw`, found
by a pass that notes them. A number among the options becomes an input where the method computes with it as a tensor;
what decides the structure, such as a number of steps, is a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from translate.contracts import Class, DirectionCall, Image, Route, Vector
from translate.contracts.sides import side_in_words
from translate.errors import ConfigError, ContractError
from translate.inference.inputs import value_of
from translate.inference.program import MAIN
from translate.inference.translator import Translator
from translate.models.facts import BundleFacts, ModelDirection
from translate.models.onnx.decisions import DecisionError, place_of, undecided
from translate.models.onnx.draws import GivenDraw, NotedDraw
from translate.models.onnx.facts import ExportedDirection
from translate.models.onnx.noise import recorded_noise
from translate.models.onnx.options import option_inputs, option_tensor
from translate.models.onnx.trial import attempt, axes_of, random_inputs, trial_size, unit_size


@dataclass(frozen=True)
class Plan:
    """A direction that becomes a graph.

    `translator` has no dropout; `call` is the direction with its options. `facts` say what the graph takes and holds;
    `constants` are inputs that it holds, as in a batch of one.
    """

    translator: Translator
    call: DirectionCall
    facts: ExportedDirection
    constants: Mapping[str, Tensor]

    @property
    def route(self) -> Route:
        """The direction with all of its inputs and the options of the call."""
        return self.translator.route(self.call)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs of the graph in their order: those of the direction, noise, options."""
        return (*self.facts.inputs, *(each.name for each in self.facts.numbers))

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of the graph, the main one first."""
        return (MAIN, *self.route.further)

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """The axes of inputs and outputs that are of any length, with their names."""
        axes: dict[str, dict[int, str]] = {}
        for name in self.facts.inputs:
            axes[name] = axes_of(self.route.types.get(name, Image()))
        for noise in self.facts.noise:
            lengths = {axis: each for axis, each in enumerate(noise.shape, 1) if isinstance(each, str)}
            axes[noise.name] = {0: "batch", **lengths}
        axes |= {option.name: {} for option in self.facts.option_inputs}
        for name, form in {MAIN: self.route.output, **self.route.further}.items():
            pictures = form in ("image", "labels") and self.route.main is not None
            axes[name] = {0: "batch", 2: "out_height", 3: "out_width"} if pictures else {0: "batch"}
        return axes

    def example(self, times: tuple[int, int] = (1, 2)) -> tuple[Tensor, ...]:
        """The inputs of the graph for two images of `times` the training's height and width.

        The two differ, so that sizes cannot be taken for one another.
        """
        height, width = unit_size(self.translator, self.call)
        size = self.facts.size or (times[0] * height, times[1] * width)
        inputs = random_inputs(self.translator, self.call, 2, *size)
        draw = NotedDraw(2, size)
        noise = [each.drawn(draw) for each in self.facts.noise]
        numbers = [option_tensor(each, getattr(self.call.options, each.name)) for each in self.facts.option_inputs]
        return (*(inputs[name] for name in self.facts.inputs), *noise, *numbers)

    def run(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The outputs for inputs of the graph, in its order, by the networks of torch."""
        values = dict(zip(self.inputs, tensors, strict=True))
        count = tensors[0].shape[0]
        inputs = {}
        for name in self.route.inputs:
            constant = self.constants.get(name)
            inputs[name] = values[name] if constant is None else constant.expand(count, *constant.shape[1:])
        main = self.route.main
        trained: Any = self.facts.size
        # From nothing, images have the size of the training.
        height, width = inputs[main].shape[-2:] if main else trained
        draw = GivenDraw([values[noise.name] for noise in self.facts.noise], count, (height, width))
        options = {option.name: values[option.name] for option in self.facts.option_inputs}
        outputs = attempt(self.translator, self.call, inputs, draw, options)
        return tuple(outputs[name] for name in self.outputs)


def planned(translator: Translator, call: DirectionCall, fixed_inputs: Mapping[str, Any]) -> Plan:
    """The plan for a direction, whose options are constants where the call sets them.

    `fixed_inputs` are classes and vectors that become constants, in any form that `convert` takes. Errors: ConfigError
    (no such input, a wrong value), ContractError (it cannot be exported; why, and what to do).
    """
    route, plain = translator.route(call), translator.without_dropout()
    constants = _constants(plain, route, fixed_inputs)
    if len(constants) == len(route.inputs) and not route.draws:
        raise ContractError("a graph without inputs has no use: it draws nothing, and takes nothing that is not fixed")
    _check_decisions(plain, call)
    noise = recorded_noise(plain, call)
    options = option_inputs(plain, call, call.options.model_fields_set)
    names = {option.name for option in options}
    structure = {key: value for key, value in call.options.model_dump(mode="json").items() if key not in names}
    bundled: ModelDirection = BundleFacts.from_json(translator.info).directions[call]
    left = [name for name in route.inputs if name not in constants]
    entry = {
        **bundled.to_json(),
        "inputs": left,
        "sides": [route.side_of(name) for name in left],
        "channels": {name: count for name, count in bundled.channels.items() if name in left},
    }
    facts = replace(
        ExportedDirection.from_json(str(call), entry),
        noise=noise,
        option_inputs=options,
        fixed={**structure, **{name: fixed_inputs[name] for name in constants}},
        fixed_inputs=tuple(constants),
        size=None if route.main else translator.method.spec.size,
    )
    return Plan(plain, call, facts, constants)


def _constants(translator: Translator, route: Route, fixed: Mapping[str, Any]) -> dict[str, Tensor]:
    """Inputs that become constants, as in a batch of one. Errors: ConfigError."""
    constants = {}
    for name in fixed:
        if name not in route.inputs:
            raise ConfigError(f"direction {route.name!r} has no input {name!r}; it has {', '.join(route.inputs)}")
        kind = route.types.get(name, Image())
        if not isinstance(kind, Class | Vector):
            raise ConfigError(
                f"input {name!r} of direction {route.name!r} is {side_in_words(kind)}: "
                "only a class and numbers become constants of a file, since they fit images of any size"
            )
        constants[name] = value_of(translator.program, route, name, fixed[name])
    return constants


def _check_decisions(translator: Translator, call: DirectionCall) -> None:
    """Errors: ContractError where the method, or a network, makes a Python value of the values of an image."""
    size = trial_size(translator, call)
    inputs = {name: undecided(each) for name, each in random_inputs(translator, call, 1, *size).items()}
    try:
        with torch.no_grad():
            attempt(translator, call, inputs, NotedDraw(1, size, undecided), {})
    except DecisionError as error:
        raise ContractError(
            f"{place_of(error)} decides by the values of an image, and a graph does the same to all of them; compute "
            "with tensors there (torch.where, a number of steps that is an option)"
        ) from None
