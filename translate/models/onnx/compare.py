"""The comparison of a graph with torch: at several sizes and batch sizes, and at other values of its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from translate.contracts import DirectionCall
from translate.errors import ContractError, DataError
from translate.inference.program import MAIN
from translate.inference.translator import Translator
from translate.models.onnx.exported import SUFFIX, exported_of
from translate.models.onnx.options import other_values
from translate.models.onnx.plan import Plan
from translate.models.onnx.trial import random_inputs, unit_size

TOLERANCE = 1e-3
"""How far outputs may be from torch's, in [-1, 1]; of larger values (logits) relative to the largest."""
BATCHES = (1, 2)
"""Batch sizes of the comparison."""


@dataclass(frozen=True)
class Case:
    """One call of a direction for the comparison: its inputs by name, values of options, and torch's outputs."""

    where: str
    inputs: Mapping[str, Tensor]
    options: Mapping[str, float]
    outputs: Mapping[str, Tensor]


def sizes_of(plan: Plan) -> list[tuple[int, int]]:
    """(height, width) of the images of the comparison: three, two of which are padded; one for what has no images."""
    if plan.facts.size is not None:
        return [plan.facts.size]
    height, width = unit_size(plan.translator, plan.call)
    return [(height, width), (2 * height - 1, width), (2 * height - 3, 2 * width - 5)]


def cases_of(plan: Plan) -> Iterator[Case]:
    """Calls at all sizes and batch sizes, and with other values of options that are inputs, with torch's outputs."""
    calls: list[tuple[dict[str, float], tuple[int, int], int]] = []
    sizes = sizes_of(plan)
    calls += [({}, size, batch) for size, batch in product(sizes, BATCHES)]
    for option in plan.facts.option_inputs:
        calls += [({option.name: value}, sizes[0], BATCHES[0]) for value in other_values(plan.call, option)]
    for options, (height, width), batch in calls:
        inputs = random_inputs(plan.translator, plan.call, batch, height, width)
        inputs |= {name: value.expand(batch, *value.shape[1:]) for name, value in plan.constants.items()}
        changed = plan.call.options.model_copy(update=options)
        where = f"{batch} x {height} x {width} (batch, height, width)"
        if options:
            where += "".join(f" with {name}={value:g}" for name, value in options.items())
        outputs = computed(plan.translator, DirectionCall(plan.call, changed), inputs, batch)
        taken = {name: values for name, values in inputs.items() if name not in plan.constants}
        yield Case(where, taken, options, outputs)


def computed(
    translator: Translator, call: DirectionCall, inputs: Mapping[str, Tensor], count: int
) -> dict[str, Tensor]:
    """All outputs by name for so many images; those that are made from nothing are the first samples."""
    program, route = translator.program, translator.route(call)
    if route.main is None:
        return program.sampled(route, inputs, [str(number) for number in range(count)], program.method.spec.size)
    each = [{name: values[n : n + 1] for name, values in inputs.items()} for n in range(count)]
    outputs = program.outputs(route, each)
    return {name: torch.cat([of_image[name] for of_image in outputs]) for name in outputs[0]}


def compare(data: bytes, plan: Plan, cases: Sequence[Case], remark: str = "") -> float:
    """The largest difference over all cases. Errors: ContractError where it is more than `TOLERANCE`."""
    problem = failed(plan.translator, plan.call)
    try:
        method = exported_of([data], [f"{plan.facts.name}{SUFFIX}"], "cpu")
    except DataError as error:
        raise ContractError(f"{problem}: {error}{remark}") from None
    runtime = Translator(method, {}, {}, info=method.facts.to_json(), tile="off")
    worst = 0.0
    for case in cases:
        remarks = f"{remark}{_way_out(case)}"
        try:
            call = runtime.call(plan.facts.name, case.options)
            outputs = computed(runtime, call, case.inputs, len(case.outputs[MAIN]))
        except Exception as error:
            first_line = str(error).splitlines()[0]
            raise ContractError(f"{problem}: at {case.where} onnxruntime gives {first_line}{remarks}") from None
        for name, expected in case.outputs.items():
            output, what = outputs[name], "its output" if name == MAIN else f"its output {name!r}"
            if output.shape != expected.shape:
                shape = " x ".join(map(str, output.shape))
                raise ContractError(f"{problem}: at {case.where} onnxruntime gives an output of {shape}{remarks}")
            difference = float((output - expected).abs().max()) / max(1.0, float(expected.abs().max()))
            if not difference <= TOLERANCE:  # which NaN is not, either
                much = f"{what} is {difference:.2g} from torch's, and {TOLERANCE:g} is allowed"
                raise ContractError(f"{problem}: at {case.where} {much}{remarks}")
            worst = max(worst, difference)
    return worst


def failed(translator: Translator, direction: str) -> str:
    """How every refusal begins."""
    method = translator.info["method"]
    return f"{method}: direction {str(direction)!r} cannot be exported to ONNX, nothing is written"


def _way_out(case: Case) -> str:
    """What to do where a file differs at another value of an option."""
    return "".join(f"; with `--set {name}=VALUE` it is a constant of the file" for name in case.options)
