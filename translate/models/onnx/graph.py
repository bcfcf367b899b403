"""The ONNX graph of a direction, by one of torch's two exporters.

`dynamo` follows the program by `torch.export`, with sizes as symbols; it is the one that torch develops further.
`torchscript` records the operators of one pass, which takes a second where the other takes five to thirty, and follows
some networks that the other does not. What it cannot follow, a decision that depends on the size, it makes a constant.
Neither is believed: see `export.compare`.
"""

from __future__ import annotations

import inspect
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from translate.errors import ContractError
from translate.inference.translator import Translator
from translate.models.onnx.exported import needed
from translate.models.onnx.plan import Plan

Exporter = Literal["dynamo", "torchscript"]
OPSETS = {"dynamo": 18, "torchscript": 17}
"""Of the operators: the least that each exporter writes; onnxruntime 1.14 and 1.12 and later."""
OTHER = (2, 3)
"""The size of the example that `dynamo` sees, in sizes of the training. Where a method asks whether an image has that
size, a symbol that once was equal to it would stay so."""


@dataclass(frozen=True)
class Graph:
    """A graph, and the `file:line` of what made a Python value of a tensor or a size, which it holds as a constant."""

    data: bytes
    exporter: Exporter
    decided: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """What to add to an error about this graph; may be empty."""
        return _remark(self.decided)


def dynamo_graph(plan: Plan) -> Graph:
    """The graph by `torch.export`. Errors: ConfigError (no onnxscript), ContractError (it does not follow; why)."""
    needed("onnxscript")
    sizes = tuple(dict.fromkeys(plan.axes[name], torch.export.Dim.DYNAMIC) for name in plan.inputs)
    with _silenced(), torch.no_grad():
        try:
            program = torch.onnx.export(
                _Direction(plan).eval(),
                plan.example(OTHER),
                dynamo=True,
                opset_version=OPSETS["dynamo"],
                input_names=plan.inputs,
                output_names=plan.outputs,
                # Of one argument that takes any number of tensors.
                dynamic_shapes=(sizes,),
                external_data=False,
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
        except Exception as error:  # whatever a method, torch or onnxscript raises is the reason
            raise _refused(plan, _cause(error)) from error
    _name_axes(model, plan)
    return Graph(model.SerializeToString(), "dynamo")


def torchscript_graph(plan: Plan) -> Graph:
    """The graph by one pass of an example. Errors: ContractError (it does not follow; why)."""
    file = io.BytesIO()
    with _noted(plan.translator) as decided, torch.no_grad():
        try:
            torch.onnx.export(
                _Direction(plan).eval(),
                plan.example(),
                file,  # type: ignore[arg-type]  # the exporter that traces takes files, too
                dynamo=False,
                opset_version=OPSETS["torchscript"],
                input_names=plan.inputs,
                output_names=plan.outputs,
                dynamic_axes=plan.axes,
            )
        except Exception as error:  # whatever a method or the exporter raises is the reason
            raise _refused(plan, error, decided) from error
    return Graph(file.getvalue(), "torchscript", tuple(decided))


class _Direction(nn.Module):
    """A plan as a module of the inputs of its graph, in their order."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(dict(plan.translator.nets))
        self.plan = plan

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self.plan.run(*tensors)


def _name_axes(model: Any, plan: Plan) -> None:
    """Gives the axes of inputs and outputs the names that the other exporter gives them, in place of `s26`."""
    for value in (*model.graph.input, *model.graph.output):
        for axis, name in plan.axes[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    del model.graph.value_info[:]  # shapes in between, in the old names; runtimes find them by themselves


def _refused(plan: Plan, error: BaseException, decided: Sequence[str] = ()) -> Exception:
    """The error of an exporter in one sentence."""
    first = re.sub(r"\s+", " ", str(error)).strip()[:300]
    return ContractError(
        f"{plan.translator.info['method']}: direction {str(plan.call)!r} cannot be exported to ONNX: "
        f"{type(error).__name__}: {first}{_remark(decided)}"
    )


def _cause(error: BaseException) -> BaseException:
    """The first error of a chain: the later ones only name the exporter's steps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def _noted(translator: Translator) -> Iterator[list[str]]:
    """Collects `file:line` of what the tracer warns of in code that is neither torch's nor ours; silences the rest."""
    lines: list[str] = []
    parts = (translator.method, *translator.nets.values())
    theirs = tuple({str(Path(inspect.getfile(type(part))).parent) for part in parts})
    engine = str(Path(__file__).parents[2])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield lines
        finally:
            for warning in caught:
                place = Path(warning.filename)
                plugins = str(place).startswith(theirs) and not str(place).startswith(engine)
                line = f"{'/'.join(place.parts[-2:])}:{warning.lineno}"
                if issubclass(warning.category, TracerWarning) and plugins and line not in lines:
                    lines.append(line)


@contextmanager
def _silenced() -> Iterator[None]:
    """Without the warnings and the log of an exporter whose failure is told in one sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _remark(decided: Sequence[str]) -> str:
    if not decided:
        return ""
    return f"; the file has as constants what these lines make of sizes or tensors: {', '.join(decided)}"
