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
from translate.inference.draw import NoDraw
from translate.inference.translator import Translator
from translate.models.facts import BundleFacts
from translate.models.onnx.exported import needed
from translate.seeding import derive

Exporter = Literal["dynamo", "torchscript"]
OPSETS = {"dynamo": 18, "torchscript": 17}
"""Of the operators: the least that each exporter writes; onnxruntime 1.14 and 1.12 and later."""
LARGEST = 256
"""The longest side of the images that an exporter sees: smaller where the training's is."""
AXES = {0: "batch", 2: "height", 3: "width"}


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


def dynamo_graph(translator: Translator, direction: str) -> Graph:
    """The graph by `torch.export`. Errors: ConfigError (no onnxscript), ContractError (it does not follow; why)."""
    needed("onnxscript")
    inputs = list(translator.route(direction).inputs)
    sizes = dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)
    with _silenced(), torch.no_grad():
        try:
            program = torch.onnx.export(
                _Direction(translator, direction).eval(),
                _example(translator, direction),
                dynamo=True,
                opset_version=OPSETS["dynamo"],
                input_names=inputs,
                output_names=["output"],
                # Of one argument that takes any number of images.
                dynamic_shapes=(tuple(sizes for _ in inputs),),
                external_data=False,
                verbose=False,
            )
            assert program is not None
            model = program.model_proto
        except Exception as error:  # whatever a method, torch or onnxscript raises is the reason
            raise _refused(translator, direction, _cause(error)) from error
    _name_axes(model)
    return Graph(model.SerializeToString(), "dynamo")


def torchscript_graph(translator: Translator, direction: str) -> Graph:
    """The graph by one pass of an example. Errors: ContractError (it does not follow; why)."""
    inputs = list(translator.route(direction).inputs)
    file = io.BytesIO()
    with _noted(translator) as decided, torch.no_grad():
        try:
            torch.onnx.export(
                _Direction(translator, direction).eval(),
                _example(translator, direction),
                file,  # type: ignore[arg-type]  # the exporter that traces takes files, too
                dynamo=False,
                opset_version=OPSETS["torchscript"],
                input_names=inputs,
                output_names=["output"],
                dynamic_axes={**dict.fromkeys(inputs, AXES), "output": {0: "batch", 2: "out_height", 3: "out_width"}},
            )
        except Exception as error:  # whatever a method or the exporter raises is the reason
            raise _refused(translator, direction, error, decided) from error
    return Graph(file.getvalue(), "torchscript", tuple(decided))


class _Direction(nn.Module):
    """A direction as a module of images in the order of its inputs."""

    def __init__(self, translator: Translator, direction: str) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(dict(translator.nets))
        self.translator, self.route = translator, translator.route(direction)

    def forward(self, *images: Tensor) -> Tensor:
        method = self.translator.method
        inputs = dict(zip(self.route.inputs, images, strict=True))
        size = (images[0].shape[-2], images[0].shape[-1])
        draw = NoDraw(self.route.name, images[0].shape[0], size)
        output = method.translate(self.translator.nets, inputs, self.route.call, draw)
        assert isinstance(output, Tensor), "directions of several outputs are refused before"
        return method.compose(output.float(), images[0], self.route.call)


def unit_size(translator: Translator, direction: str) -> tuple[int, int]:
    """A height and a width that the networks take as they are: at most about `LARGEST`, else the training's."""
    multiple = BundleFacts.from_json(translator.info).directions[direction].multiple
    height, width = (-(-min(n, LARGEST) // multiple) * multiple for n in translator.method.spec.size)
    return height, width


def noise(translator: Translator, direction: str, batch: int, height: int, width: int) -> list[Tensor]:
    """Noise in [-1, 1] for each input, N x C x H x W."""
    rng = torch.Generator().manual_seed(derive(0, "export", direction, batch, height, width))
    channels = BundleFacts.from_json(translator.info).directions[direction].channels
    return [torch.rand((batch, n, height, width), generator=rng) * 2 - 1 for n in channels.values()]


def _example(translator: Translator, direction: str) -> tuple[Tensor, ...]:
    """Two images that are twice as wide as high: sizes that differ cannot be taken for one another."""
    height, width = unit_size(translator, direction)
    return tuple(noise(translator, direction, 2, height, 2 * width))


def _name_axes(model: Any) -> None:
    """Gives the axes of inputs and output the names that the other exporter gives them, in place of `s26`."""
    for value in model.graph.input:
        for axis, name in AXES.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    output = model.graph.output[0].type.tensor_type.shape
    for axis, name in AXES.items():
        output.dim[axis].dim_param = name if axis == 0 else f"out_{name}"
    del model.graph.value_info[:]  # shapes in between, in the old names; runtimes find them by themselves


def _refused(translator: Translator, direction: str, error: BaseException, decided: Sequence[str] = ()) -> Exception:
    """The error of an exporter in one sentence."""
    first = re.sub(r"\s+", " ", str(error)).strip()[:300]
    return ContractError(
        f"{translator.info['method']}: direction {direction!r} cannot be exported to ONNX: "
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
