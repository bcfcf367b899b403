"""Directions of a trained model as ONNX files, which need neither torch nor the plugin, each compared with torch first.

An exporter may make a constant of what depends on the size of the image it sees; hence the comparison at sizes other
than that one before anything is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.contracts import Image, Route
from translate.contracts.sides import side_in_words
from translate.errors import ConfigError, ContractError
from translate.inference.translator import Translator
from translate.models.bundle import TENSORS
from translate.models.card import test_time_in_words
from translate.models.facts import BundleFacts, ExportFacts, plugin_in_words
from translate.models.load import load, locate
from translate.models.onnx.card import export_card
from translate.models.onnx.exported import FOLDER, FORMAT, KEY, SUFFIX, exported_of, needed
from translate.models.onnx.graph import Exporter, Graph, dynamo_graph, noise, torchscript_graph, unit_size
from translate.storage.atomic import write_bytes, write_text
from translate.version import __version__

RANGE = (-1, 1)
"""The values of images that go in and come out."""
TOLERANCE = 1e-3
"""How far outputs may be from torch's, in [-1, 1]; of larger values (logits) relative to the largest."""
BATCHES = (1, 2)
"""Batch sizes of the comparison."""
Cases = list[tuple[list[Tensor], Tensor]]
"""Inputs, in the order of the direction's, with torch's output."""


@dataclass(frozen=True)
class Export:
    """An exported direction: its file, and the largest difference from torch at `sizes` (height, width) of images.

    `exporter` wrote it; `reason`: why not the one that is tried first, if so. `decided`: lines of code that made a
    Python value of a tensor or a size, which the file holds as a constant: right at these sizes, as was compared.
    """

    direction: str
    file: Path
    difference: float
    sizes: tuple[tuple[int, int], ...]
    exporter: Exporter
    reason: str = ""
    decided: tuple[str, ...] = ()
    dropout_left_out: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": self.direction,
            "file": str(self.file),
            "difference": self.difference,
            "sizes": [list(size) for size in self.sizes],
            "batch_sizes": list(BATCHES),
            "exporter": self.exporter,
            "reason": self.reason,
            "decided": list(self.decided),
            "dropout_left_out": self.dropout_left_out,
        }


def export_onnx(
    ref: str | Path,
    output: Path | None = None,
    direction: str | None = None,
    *,
    exporter: Exporter | None = None,
    resolver: Callable[[str], Path] | None = None,
) -> list[Export]:
    """Writes the directions of a model (or one of them) as `OUTPUT/DIRECTION.onnx`, each with a card beside it.

    `output` defaults to the folder `onnx` of the bundle, where `load(ref, runtime="onnx")` looks; with the suffix
    `.onnx` it is the file for `direction` (default: the first). A file takes images N x C x H x W in [-1, 1] by name,
    of any batch, height and width (multiples as its metadata say), and gives `output`: images likewise, or logits
    N x classes x H x W. Dropout is off in it, whatever the method does. Nothing is written that differs from torch.

    `exporter`: one of torch's two. By default `dynamo` is tried first, which torch develops further; `torchscript`
    takes its place, and the result says why, where that does not follow the networks or its file differs from torch.
    Errors: ConfigError (nothing there, packages missing), ContractError (the method cannot be exported; why).
    """
    check_packages()
    folder = locate(ref, resolver)
    translator = load(folder, "cpu", tile="off")
    one = output is not None and output.suffix.lower() == SUFFIX
    names = [translator.route(direction).name] if one or direction else list(translator.routes)
    target = output or folder / FOLDER
    files = {name: target if one else target / f"{name}{SUFFIX}" for name in names}
    return [write_direction(translator, name, file, exporter) for name, file in files.items()]


def check_packages() -> None:
    """Errors: ConfigError where a package is missing."""
    for package in ("onnx", "onnxruntime"):
        needed(package)


def write_direction(translator: Translator, name: str, file: Path, exporter: Exporter | None = None) -> Export:
    """Writes one direction into `file`, with a card beside it. Errors: as `export_onnx`."""
    data, export = exported(translator, name, file, exporter)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, data)
    write_text(file.with_suffix(".md"), export_card(facts_of(translator, name), name, file.name, export.difference))
    return export


def exported(
    translator: Translator, direction: str, file: Path, exporter: Exporter | None = None
) -> tuple[bytes, Export]:
    """The content of the file for one direction, after the comparison with torch. Errors: as `export_onnx`."""
    if why := not_exported(translator.route(direction)):
        method = BundleFacts.from_json(translator.info).method
        raise ContractError(f"{method}: direction {direction!r} cannot be exported to ONNX, nothing is written: {why}")
    facts = facts_of(translator, direction)
    plain = translator.without_dropout()
    cases = list(_cases(plain, direction))  # first, so that what methods compute once is no part of the graph

    def checked(graph: Graph, reason: str = "") -> tuple[bytes, Export]:
        data = _with_metadata(graph.data, facts)
        difference = compare(data, direction, cases, graph.remark)
        sizes = tuple(dict.fromkeys((int(first.shape[2]), int(first.shape[3])) for (first, *_), _ in cases))
        dropped = facts.dropout_left_out
        return data, Export(direction, file, difference, sizes, graph.exporter, reason, graph.decided, dropped)

    if exporter == "torchscript":
        return checked(torchscript_graph(plain, direction))
    try:
        return checked(dynamo_graph(plain, direction))
    except (ConfigError, ContractError) as error:  # no onnxscript; not followed; not the same
        if exporter == "dynamo":
            raise
        reason = str(error)
    return checked(torchscript_graph(plain, direction), reason)


def not_exported(route: Route) -> str | None:
    """Why a direction has no file: what it takes or gives is more than images, or it draws. None where it has one."""
    if route.main is None:
        return "it makes images from nothing, and a file takes images"
    if route.draws:
        return "it draws noise, and a file gives one answer to an image"
    for name in route.inputs:
        kind = route.types.get(name, Image())
        if not isinstance(kind, Image):
            return f"its input {name!r} is {side_in_words(kind)}, and a file takes images alone"
    if route.further or route.output not in ("image", "labels"):
        return "it gives more than an image or a label map"
    return None


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
        "dropout_left_out": translator.program.drops,
        "weights": bundle.files[TENSORS],
        **({"handling": bundle.recorded["handling"]} if "handling" in bundle.recorded else {}),
    }
    return ExportFacts.from_json(facts)


def _cases(translator: Translator, direction: str) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Inputs at three sizes, two of which are padded, and two batch sizes, with torch's outputs."""
    height, width = unit_size(translator, direction)
    further = translator.route(direction).others
    sizes = (height, width), (2 * height - 1, width), (2 * height - 3, 2 * width - 5)
    for (h, w), batch in product(sizes, BATCHES):
        first, *others = images = noise(translator, direction, batch, h, w)
        named: dict[str, Any] = dict(zip(further, others, strict=True))
        yield images, translator.translate_tensor(first, direction, **named)


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


def compare(data: bytes, direction: str, cases: Cases, remark: str = "") -> float:
    """The largest difference over all cases. Errors: ContractError where it is more than `TOLERANCE`."""
    method = exported_of([data], [f"{direction}{SUFFIX}"], "cpu")
    translator = Translator(method, {}, {}, info=method.facts.to_json(), tile="off")
    failed = f"{method.facts.method}: direction {direction!r} cannot be exported to ONNX, nothing is written"
    further = translator.route(direction).others
    worst = 0.0
    for (first, *others), expected in cases:
        where = f"{len(first)} x {first.shape[2]} x {first.shape[3]} (batch, height, width)"
        named: dict[str, Any] = dict(zip(further, others, strict=True))
        try:
            output = translator.translate_tensor(first, direction, **named)
        except Exception as error:
            first_line = str(error).splitlines()[0]
            raise ContractError(f"{failed}: at {where} onnxruntime gives {first_line}{remark}") from None
        if output.shape != expected.shape:
            shape = " x ".join(map(str, output.shape))
            raise ContractError(f"{failed}: at {where} onnxruntime gives an output of {shape}{remark}")
        difference = float((output - expected).abs().max()) / max(1.0, float(expected.abs().max()))
        if not difference <= TOLERANCE:  # which NaN is not, either
            much = f"its output is {difference:.2g} from torch's, and {TOLERANCE:g} is allowed"
            raise ContractError(f"{failed}: at {where} {much}{remark}")
        worst = max(worst, difference)
    return worst
