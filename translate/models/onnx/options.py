"""Options of a direction in a graph: a number that the method computes with is an input, all else is a constant."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field, create_model
from pydantic_core import PydanticCustomError
from torch import Tensor

from translate.contracts import Config, DirectionCall
from translate.contracts.options import WITHOUT_SOURCE
from translate.inference.translator import Translator
from translate.models.onnx.decisions import Undecided, undecided
from translate.models.onnx.draws import NotedDraw
from translate.models.onnx.facts import ExportedDirection, OptionInput
from translate.models.onnx.trial import attempt, random_inputs, trial_size

KEPT = ("description", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
"""The words of JSON schema that a file keeps of an option."""
ENDS = {
    "minimum": "ge",
    "exclusiveMinimum": "gt",
    "maximum": "le",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
"""Pydantic's words for them."""


def option_inputs(translator: Translator, call: DirectionCall, fixed: set[str]) -> tuple[OptionInput, ...]:
    """The options of a call that become inputs of its graph: numbers that stay tensors all the way to an output.

    `fixed` are options that the file is to hold as constants.
    """
    inputs = []
    properties = type(call.options).model_json_schema()["properties"] if type(call.options).model_fields else {}
    for name in type(call.options).model_fields:
        value = getattr(call.options, name)
        # A bool is a choice, and no number.
        if name in fixed or type(value) not in (int, float) or not _stays_a_tensor(translator, call, name):
            continue
        kind = "integer" if isinstance(value, int) else "number"
        words = {key: properties[name][key] for key in KEPT if key in properties[name]}
        inputs.append(OptionInput(name, {"type": kind, "default": value, **words}))
    return tuple(inputs)


def option_tensor(option: OptionInput, value: float) -> Tensor:
    """The value of an option as the graph takes it."""
    return torch.tensor(value, dtype=torch.int64 if option.whole else torch.float32)


def other_values(call: DirectionCall, option: OptionInput) -> list[float]:
    """Up to two further values of an option that its direction allows."""
    value, values = getattr(call.options, option.name), []
    candidates = (value + 1, value - 1, value + 2) if option.whole else (value / 2, value * 2, 0.25, 0.75, value + 1)
    for candidate in candidates:
        try:
            type(call.options).model_validate({**call.options.model_dump(), option.name: candidate})
        except ValueError:
            continue
        if candidate != value and candidate not in values:
            values.append(candidate)
    return values[:2]


def _stays_a_tensor(translator: Translator, call: DirectionCall, name: str) -> bool:
    """Whether a direction computes with an option as a tensor, without a look at its value."""
    size = trial_size(translator, call)
    inputs = random_inputs(translator, call, 1, *size)
    value = undecided(torch.tensor(getattr(call.options, name)))
    try:
        with torch.no_grad():
            outputs = attempt(translator, call, inputs, NotedDraw(1, size), {name: value})
    except Exception:  # whatever a method raises that cannot take a tensor for a number
        return False
    # What torch or Python made a number of leaves no trace in the outputs.
    return any(isinstance(output, Undecided) for output in outputs.values())


def options_of(direction: ExportedDirection) -> type[Config]:
    """The options of a direction in a file: those that are inputs, and those that are constants, for their message."""
    fields: dict[str, Any] = {}
    for option in direction.option_inputs:
        ends = {word: option.schema[key] for key, word in ENDS.items() if key in option.schema}
        number = int if option.whole else float
        details = Field(option.default, description=option.schema.get("description", "An option."), **ends)
        fields[option.name] = (number, details)
    for name, value in direction.fixed.items():
        if name not in direction.fixed_inputs:
            words = f"Fixed at {value!r} in this file."
            fields[name] = (Annotated[Any, AfterValidator(_only(name, value))], Field(value, description=words))
    config: type[Config] = create_model("ExportedOptions", __base__=Config, __cls_kwargs__=WITHOUT_SOURCE, **fields)
    return config


def _only(name: str, value: Any) -> Any:
    """A check of an option that has one value alone."""

    def check(other: Any) -> Any:
        if other != value:
            message = f"the file holds {value!r}; export the model again with --set {name}={other}"
            raise PydanticCustomError("fixed", "{message}", {"message": message})
        return other

    return check
