"""Formats of trained models for other programs, by name: what `translate models export --format NAME` calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from translate.contracts import C, Configured

if TYPE_CHECKING:
    from translate.inference.translator import Translator


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
        `model.translate_tensor(images, direction)` runs it, `model.nets` are its networks. Nothing of the model is
        changed. Errors: ConfigError (packages missing), ContractError (the method cannot be exported; why).
        """
