"""Formats of trained models for other programs, by name: what `translate models export --format NAME` calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from translate.contracts import C, Configured, DirectionCall

if TYPE_CHECKING:
    from translate.inference.translator import Translator

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Exported:
    """A file that an exporter wrote, for one direction of a model.

    `note` is a sentence about it, `warnings` are what may surprise its user, and `facts` are JSON values for
    `--json`.
    """

    direction: str
    file: Path
    note: str = ""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The direction, the file and the facts."""
        return {"direction": self.direction, "file": str(self.file), **self.facts}


class Exporter(Configured[C], ABC):
    """Writes directions of a trained model as files of a format that other programs read.

    Its options are set by `translate models export REF --format NAME --set OPTION=VALUE`.
    """

    suffix: ClassVar[str] = ""
    """The suffix of the file that holds one direction, such as `.onnx`; empty where a direction is a folder."""

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def export(self, model: Translator, files: Mapping[str, Path]) -> Iterable[Exported]:
        """Writes each direction of `files` into its file, whose folder is there.

        `model` is on the CPU: `model.route(direction)` says what a direction takes and gives,
        `model.translate_tensor(images, direction)` runs it, `model.nets` are its networks. A direction is its name,
        which carries the `options` that the file is written for. Nothing of the model is changed. Errors: ConfigError
        (packages missing), ContractError (the method cannot be exported; why).
        """


def direction_files(
    model: Translator, target: Path, suffix: str, direction: str | None = None, options: Mapping[str, Any] = NONE
) -> dict[str, Path]:
    """The files of an export: `target` with a suffix for one direction (default: the first), or one each in a folder.

    `options` are for every direction that has them. Errors: ConfigError (no such direction; an option that none has, or
    of a wrong value).
    """
    one = suffix != "" and target.suffix.lower() == suffix
    names = [model.route(direction).name] if one or direction else list(model.routes)
    fields = {name: model.method.directions[name].options.model_fields for name in names}
    for option in options:
        if not any(option in each for each in fields.values()):
            model.call(names[0], {option: options[option]})  # says which there are
    calls: list[DirectionCall] = []
    for name in names:
        calls.append(model.call(name, {option: options[option] for option in options if option in fields[name]}))
    return {call: target if one else target / f"{call}{suffix}" for call in calls}
