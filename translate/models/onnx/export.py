"""Directions of a trained model as ONNX files, which need neither torch nor the plugin, each compared with torch first.

By torch's tracing exporter: on our networks it takes a second where the one built on `torch.export` takes 15 to 140,
and it follows methods that compute with shapes. What it cannot follow, a decision that depends on the size, it would
bake in silently; hence the comparison at sizes other than the traced one before anything is written.
"""

from __future__ import annotations

import inspect
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from translate.errors import ContractError
from translate.inference.translator import Translator
from translate.models.bundle import TENSORS
from translate.models.card import test_time_in_words
from translate.models.facts import BundleFacts, ExportFacts, plugin_in_words
from translate.models.load import load, locate
from translate.models.onnx.card import export_card
from translate.models.onnx.exported import FOLDER, FORMAT, KEY, SUFFIX, exported_of, needed
from translate.seeding import derive
from translate.storage.atomic import write_bytes, write_text
from translate.version import __version__

OPSET = 17
"""Of the operators: onnxruntime 1.12 and later."""
RANGE = (-1, 1)
"""The values of images that go in and come out."""
TOLERANCE = 1e-3
"""How far outputs may be from torch's, in [-1, 1]; of larger values (logits) relative to the largest."""
BATCHES, LARGEST = (1, 2), 256
"""Batch sizes of the comparison, and the longest side that it starts from: smaller where the training's is."""


@dataclass(frozen=True)
class Export:
    """An exported direction: its file, and the largest difference from torch at `sizes` (height, width) of images.

    `decided`: lines of code that made a Python value of a tensor or a size, which the file holds as a constant: right
    at these sizes, as the comparison showed.
    """

    direction: str
    file: Path
    difference: float
    sizes: tuple[tuple[int, int], ...]
    decided: tuple[str, ...] = ()
    dropout_left_out: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": self.direction,
            "file": str(self.file),
            "difference": self.difference,
            "sizes": [list(size) for size in self.sizes],
            "batch_sizes": list(BATCHES),
            "decided": list(self.decided),
            "dropout_left_out": self.dropout_left_out,
        }


def export_onnx(
    ref: str | Path,
    output: Path | None = None,
    direction: str | None = None,
    *,
    resolver: Callable[[str], Path] | None = None,
) -> list[Export]:
    """Writes the directions of a model (or one of them) as `OUTPUT/DIRECTION.onnx`, each with a card beside it.

    `output` defaults to the folder `onnx` of the bundle, where `load(ref, runtime="onnx")` looks; with the suffix
    `.onnx` it is the file for `direction` (default: the first). A file takes images N x C x H x W in [-1, 1] by name,
    of any batch, height and width (multiples as its metadata say), and gives `output`: images likewise, or logits
    N x classes x H x W. Dropout is off in it, whatever the method does. Nothing is written that differs from torch.

    Errors: ConfigError (nothing there, packages missing), ContractError (the method cannot be exported; why).
    """
    for package in ("onnx", "onnxruntime"):
        needed(package)
    folder = locate(ref, resolver)
    translator = load(folder, "cpu", tile="off")
    one = output is not None and output.suffix.lower() == SUFFIX
    names = [translator.route(direction).name] if one or direction else list(translator.routes)
    target = output or folder / FOLDER
    made = []
    for name in names:
        file = target if one else target / f"{name}{SUFFIX}"
        data, export = exported(translator, name, file)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, data)
        write_text(file.with_suffix(".md"), export_card(facts_of(translator, name), name, file.name, export.difference))
        made.append(export)
    return made


def exported(translator: Translator, direction: str, file: Path) -> tuple[bytes, Export]:
    """The content of the file for one direction, after the comparison with torch. Errors: ContractError."""
    facts = facts_of(translator, direction)
    plain = translator.without_dropout()
    cases = list(_cases(plain, direction))  # first, so that what methods compute once is no part of the trace
    data, decided = _traced(plain, direction)
    data = _with_metadata(data, facts)
    difference = _compare(data, direction, cases, decided)
    sizes = tuple(dict.fromkeys((int(first.shape[2]), int(first.shape[3])) for (first, *_), _ in cases))
    return data, Export(direction, file, difference, sizes, tuple(decided), facts.dropout_left_out)


def facts_of(translator: Translator, direction: str) -> ExportFacts:
    """The facts that the file carries: all that is needed to use it."""
    bundle, method = BundleFacts.from_json(translator.info), translator.method
    facts = {
        "format": FORMAT,
        "version": __version__,
        "method": bundle.method,
        "plugin": dict(translator.provider),
        "order": list(translator.routes),
        "directions": {direction: bundle.directions[direction].to_json()},
        "spec": method.spec.to_json(),
        "range": RANGE,
        "test_time": {
            "dropout": False,
            "norm": method.test_time.norm,
            "text": test_time_in_words(type(method.test_time)(False, method.test_time.norm)),
        },
        "dropout_left_out": translator.stochastic,
        "weights": bundle.files[TENSORS],
    }
    return ExportFacts.from_json(facts)


class _Direction(nn.Module):
    """A direction as a module of images in the order of its inputs."""

    def __init__(self, translator: Translator, direction: str) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(dict(translator.nets))
        self.translator, self.route = translator, translator.route(direction)

    def forward(self, *images: Tensor) -> Tensor:
        method = self.translator.method
        given = dict(zip(self.route.inputs, images, strict=True))
        output = method.translate(self.translator.nets, given, self.route.name)
        return method.compose(output.float(), images[0], self.route.name)


def _unit(translator: Translator, direction: str) -> tuple[int, int]:
    """A height and a width that the networks take as they are: at most about `LARGEST`, else the training's."""
    multiple = BundleFacts.from_json(translator.info).directions[direction].multiple
    height, width = (-(-min(n, LARGEST) // multiple) * multiple for n in translator.method.spec.size)
    return height, width


def _inputs(translator: Translator, direction: str, batch: int, height: int, width: int) -> list[Tensor]:
    """Noise in [-1, 1] for each input."""
    rng = torch.Generator().manual_seed(derive(0, "export", direction, batch, height, width))
    channels = BundleFacts.from_json(translator.info).directions[direction].channels
    return [torch.rand((batch, n, height, width), generator=rng) * 2 - 1 for n in channels.values()]


def _cases(translator: Translator, direction: str) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Inputs at three sizes, two of which are padded, and two batch sizes, with torch's outputs."""
    height, width = _unit(translator, direction)
    further = translator.route(direction).inputs[1:]
    sizes = (height, width), (2 * height - 1, width), (2 * height - 3, 2 * width - 5)
    for (h, w), batch in product(sizes, BATCHES):
        first, *others = images = _inputs(translator, direction, batch, h, w)
        named: dict[str, Any] = dict(zip(further, others, strict=True))
        yield images, translator.translate_tensor(first, direction, **named)


def _traced(translator: Translator, direction: str) -> tuple[bytes, list[str]]:
    """The graph, and the lines of the method's and its networks' packages that made Python values of tensors."""
    height, width = _unit(translator, direction)
    example = tuple(_inputs(translator, direction, 2, height, 2 * width))
    inputs = list(translator.route(direction).inputs)
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in inputs}
    file = io.BytesIO()
    with _noted(translator) as decided, torch.no_grad():
        try:
            torch.onnx.export(
                _Direction(translator, direction).eval(),
                example,
                file,  # type: ignore[arg-type]  # the exporter that traces takes files, too
                dynamo=False,
                opset_version=OPSET,
                input_names=inputs,
                output_names=["output"],
                dynamic_axes={**axes, "output": {0: "batch", 2: "out_height", 3: "out_width"}},
            )
        except Exception as error:  # whatever a method or the exporter raises is the reason
            first = re.sub(r"\s+", " ", str(error)).strip()[:300]
            raise ContractError(
                f"{translator.info['method']}: direction {direction!r} cannot be exported to ONNX: "
                f"{type(error).__name__}: {first}{_by_size(decided)}"
            ) from error
    return file.getvalue(), decided


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
            told = [w for w in caught if issubclass(w.category, TracerWarning) and w.filename.startswith(theirs)]
            told = [w for w in told if not w.filename.startswith(engine)]
            lines += dict.fromkeys(f"{'/'.join(Path(w.filename).parts[-2:])}:{w.lineno}" for w in told)


def _by_size(decided: list[str]) -> str:
    if not decided:
        return ""
    return f"; the file has as constants what these lines make of sizes or tensors: {', '.join(decided)}"


def _with_metadata(data: bytes, facts: ExportFacts) -> bytes:
    onnx = needed("onnx")
    model = onnx.load_from_string(data)
    direction = next(iter(facts.directions.values()))
    plain = {"method": facts.method, "version": facts.version, "plugin": plugin_in_words(facts.plugin)}
    usage = {"direction": direction.name, "range": json.dumps(RANGE), "test_time": facts.test_time_text}
    entries = direction.to_json()
    listed = {key: json.dumps(entries[key]) for key in ("inputs", "channels", "multiple", "scale", "tiles", "output")}
    onnx.helper.set_model_props(model, {**plain, **usage, **listed, KEY: json.dumps(facts.to_json())})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _compare(data: bytes, direction: str, cases: list[tuple[list[Tensor], Tensor]], decided: list[str]) -> float:
    """The largest difference over all cases. Errors: ContractError where it is more than `TOLERANCE`."""
    method = exported_of([data], [f"{direction}{SUFFIX}"], "cpu")
    translator = Translator(method, {}, {}, info=method.facts.to_json(), tile="off")
    failed = f"{method.facts.method}: direction {direction!r} cannot be exported to ONNX, nothing is written"
    worst = 0.0
    for (first, *others), wanted in cases:
        where = f"{len(first)} x {first.shape[2]} x {first.shape[3]} (batch, height, width)"
        further: dict[str, Any] = dict(zip(translator.route(direction).inputs[1:], others, strict=True))
        try:
            made = translator.translate_tensor(first, direction, **further)
        except Exception as error:
            made, why = None, str(error).splitlines()[0]
        if made is None or made.shape != wanted.shape:
            found = why if made is None else f"an output of {' x '.join(map(str, made.shape))}"
            raise ContractError(f"{failed}: at {where} onnxruntime gives {found}{_by_size(decided)}")
        difference = float((made - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))
        if not difference <= TOLERANCE:
            raise ContractError(
                f"{failed}: at {where} its output is {difference:.2g} from torch's, and {TOLERANCE:g} is allowed"
                f"{_by_size(decided)}"
            )
        worst = max(worst, difference)
    return worst
