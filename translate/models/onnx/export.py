"""Directions of a trained model as ONNX files, which need neither torch nor the plugin, each compared with torch first.

An exporter may make a constant of what depends on the size of the image it sees, or on the value of an option; hence
the comparison at others before anything is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from translate.contracts import DirectionCall
from translate.errors import ConfigError, ContractError
from translate.inference.translator import Translator
from translate.models.bundle import TENSORS
from translate.models.card import test_time_in_words
from translate.models.exporter import NONE, direction_files
from translate.models.facts import BundleFacts, plugin_in_words
from translate.models.load import load, locate
from translate.models.onnx.card import CARD_MARK, export_card
from translate.models.onnx.compare import BATCHES, cases_of, compare, failed, sizes_of
from translate.models.onnx.exported import FOLDER, FORMAT, KEY, SUFFIX, exported_of, needed
from translate.models.onnx.facts import ExportFacts
from translate.models.onnx.graph import Exporter, Graph, dynamo_graph, torchscript_graph
from translate.models.onnx.plan import Plan, planned
from translate.storage.atomic import write_bytes, write_text
from translate.version import __version__

RANGE = (-1, 1)
"""The values of images that go in and come out."""
LISTED = ("inputs", "types", "channels", "noise", "options", "fixed", "multiple", "scale", "tiles", "output", "further")
"""What the metadata says of the direction as entries of their own, each JSON."""
EMPTY: Mapping[str, Any] = {"types": {}, "noise": [], "options": {}, "fixed": {}, "further": {}}
"""What there stands of a direction that has none."""


@dataclass(frozen=True)
class Export:
    """An exported direction: its file, and the largest difference from torch at `sizes` (height, width) of images.

    `exporter` wrote it; `reason`: why not the one that is tried first, if so. `decided`: lines of code that made a
    Python value of a size, which the file holds as a constant: right at these sizes, as was compared. `inputs` are
    those of the graph, `fixed` are options and inputs that it holds as constants.
    """

    direction: str
    file: Path
    difference: float
    sizes: tuple[tuple[int, int], ...]
    exporter: Exporter
    reason: str = ""
    decided: tuple[str, ...] = ()
    dropout_left_out: bool = False
    inputs: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

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
            "inputs": list(self.inputs),
            "fixed": dict(self.fixed),
        }


def export_onnx(
    ref: str | Path,
    output: Path | None = None,
    direction: str | None = None,
    *,
    exporter: Exporter | None = None,
    options: Mapping[str, Any] = NONE,
    inputs: Mapping[str, Any] = NONE,
    resolver: Callable[[str], Path] | None = None,
) -> list[Export]:
    """Writes the directions of a model (or one of them) as `OUTPUT/DIRECTION.onnx`, each with a card beside it.

    `output` defaults to the folder `onnx` of the bundle, where `load(ref, runtime="onnx")` looks; with the suffix
    `.onnx` it is the file for `direction` (default: the first). A file takes what the direction takes by name (images N
    x C x H x W in [-1, 1], label maps, classes, vectors), its noise, and numbers among its options, of any batch,
    height and width (multiples as its metadata say); it gives `output` and the further outputs. Dropout is off in it,
    whatever the method does. Nothing is written that differs from torch.

    `options` of the direction and `inputs` (classes and vectors) become constants of the file. `exporter`: one of
    torch's two. By default `dynamo` is tried first, which torch develops further; `torchscript` takes its place, and
    the result says why, where that does not follow the networks or its file differs from torch. Errors: ConfigError
    (nothing there, packages missing, no such option), ContractError (the method cannot be exported; why).
    """
    check_packages()
    folder = locate(ref, resolver)
    translator = load(folder, "cpu", tile="off")
    files = direction_files(translator, output or folder / FOLDER, SUFFIX, direction, options)
    return [write_direction(translator, call, file, exporter, inputs) for call, file in files.items()]


def check_packages() -> None:
    """Errors: ConfigError where a package is missing."""
    for package in ("onnx", "onnxruntime"):
        needed(package)


def write_direction(
    translator: Translator,
    direction: str,
    file: Path,
    exporter: Exporter | None = None,
    inputs: Mapping[str, Any] = NONE,
) -> Export:
    """Writes one direction into `file`, with a card beside it. Errors: as `export_onnx`."""
    card = file.with_suffix(".md")
    if os.path.lexists(card) and CARD_MARK not in card.read_text("utf-8", "replace"):
        raise ConfigError(f"{card}: is there, and the card of {file.name} would get this name; name the file otherwise")
    data, export = exported(translator, direction, file, exporter, inputs)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, data)
    facts = exported_of([data], [str(file)], "cpu").facts
    write_text(card, export_card(facts, str(direction), file.name, export.difference))
    return export


def exported(
    translator: Translator,
    direction: str,
    file: Path,
    exporter: Exporter | None = None,
    inputs: Mapping[str, Any] = NONE,
) -> tuple[bytes, Export]:
    """The content of the file for one direction, after the comparison with torch. Errors: as `export_onnx`."""
    call = direction if isinstance(direction, DirectionCall) else translator.route(direction).asked
    try:
        plan = planned(translator, call, inputs)
    except ContractError as error:
        raise ContractError(f"{failed(translator, call)}: {error}") from error
    facts = facts_of(translator, plan)
    cases = list(cases_of(plan))  # first, so that what methods compute once is no part of the graph

    def checked(graph: Graph, reason: str = "") -> tuple[bytes, Export]:
        data = _with_metadata(graph.data, facts)
        export = Export(
            str(call),
            file,
            compare(data, plan, cases, graph.remark),
            tuple(dict.fromkeys(sizes_of(plan))),
            graph.exporter,
            reason,
            graph.decided,
            facts.dropout_left_out,
            plan.inputs,
            plan.facts.fixed,
        )
        return data, export

    if exporter == "torchscript":
        return checked(torchscript_graph(plan))
    try:
        return checked(dynamo_graph(plan))
    except (ConfigError, ContractError) as error:  # no onnxscript; not followed; not the same
        if exporter == "dynamo":
            raise
        reason = str(error)
    try:
        return checked(torchscript_graph(plan), reason)
    except ContractError as error:
        raise ContractError(f"{error}. By the exporter `dynamo`, which was tried first: {reason}") from None


def facts_of(translator: Translator, plan: Plan) -> ExportFacts:
    """The facts that the file carries: all that is needed to use it."""
    bundle, method = BundleFacts.from_json(translator.info), translator.method
    facts = {
        "format": FORMAT,
        "version": __version__,
        "method": bundle.method,
        "plugin": dict(translator.provider),
        "order": list(translator.routes),
        "directions": {plan.facts.name: plan.facts.to_json()},
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


def _with_metadata(data: bytes, facts: ExportFacts) -> bytes:
    onnx = needed("onnx")
    model = onnx.load_from_string(data)
    direction = next(iter(facts.directions.values()))
    plain = {"method": facts.method, "version": facts.version, "plugin": plugin_in_words(facts.plugin)}
    usage = {"direction": direction.name, "range": json.dumps(RANGE), "test_time": facts.test_time_text}
    entries = direction.to_json()
    listed = {key: json.dumps(entries.get(key, EMPTY.get(key))) for key in LISTED}
    onnx.helper.set_model_props(model, {**plain, **usage, **listed, KEY: json.dumps(facts.to_json())})
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
