"""Verdicts on precisions, kept between conversions: a model is tried once on a device for a kind of images."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from translate.device import kind_of
from translate.storage.atomic import digest, write_text
from translate.version import __version__

if TYPE_CHECKING:
    from translate.inference.program import Program
    from translate.inference.translator import Translator

_of_programs: WeakKeyDictionary[Program, dict[str, Verdict]] = WeakKeyDictionary()
"""Of models that lie in no folder, as long as they live."""


@dataclass(frozen=True)
class Verdict:
    """The precision that was chosen, and the difference of bf16 to fp32 in steps of 8 bits that led to it."""

    precision: str
    mean: float
    largest: float
    images: int


class Verdicts:
    """What is known of a model on its device, for a direction and images of about so many pixels.

    A verdict counts for these weights, this device, these versions of torch and of the project. Those of bundles lie in
    `$XDG_CACHE_HOME/translate/precision` (`~/.cache`), a small file each; losing them costs a trial.
    """

    def __init__(self, translator: Translator, direction: Any, pixels: int) -> None:
        route, info = translator.route(direction), translator.info
        self._program = translator.program
        kind = [
            *(__version__, torch.__version__, kind_of(translator.device)),
            # Norms sum over the image: four times the pixels are another kind of image.
            *(route.name, route.options.model_dump(mode="json"), pixels.bit_length() // 2),
        ]
        # Options of a method may change what its weights compute.
        weights = [info.get(name) for name in ("method", "options", "files", "step", "ema")]
        self._key = digest([*kind, *weights])
        self._file = cache_folder("precision") / f"{self._key}.json" if info.get("files") else None

    def known(self) -> Verdict | None:
        """The verdict, where there is one."""
        if self._file is None:
            return _of_programs.get(self._program, {}).get(self._key)
        try:
            return Verdict(**json.loads(self._file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, verdict: Verdict) -> None:
        """Keeps a verdict; where the folder cannot be written, the next conversion tries again."""
        if self._file is None:
            _of_programs.setdefault(self._program, {})[self._key] = verdict
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._file, json.dumps(asdict(verdict)))
        except OSError:
            pass


def cache_folder(name: str) -> Path:
    """A folder of the user's cache, `$XDG_CACHE_HOME/translate/NAME`, which may not exist yet."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home
        home = Path(".cache")
    return home / "translate" / name
