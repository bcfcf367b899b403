"""Where the networks of a new training may come from: a model, or a checkpoint of a training, critics included.

A model holds the networks of its directions, and those that only its training needed where it kept them (`keep:
{critics: true}`). Without that they are in the checkpoint of the model's own step, as long as it lies beside the model.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from translate.errors import ConfigError, DataError
from translate.models.bundle import read_bundle, read_facts, read_training_networks
from translate.models.facts import BundleFacts, ImportedFacts
from translate.models.load import locate
from translate.storage import checkpoint
from translate.storage.tensor_files import tensor_names

if TYPE_CHECKING:
    from torch import Tensor

PARTIAL = ".partial"
"""The end of the name of a folder in which a stage works."""
_AVERAGE = "module."
"""Where `AveragedModel` keeps the network."""


@dataclass(frozen=True)
class Origin:
    """The networks of one model or checkpoint: `used` are those of directions, `further` only its training needs.

    `bundle` is the folder of the model, None for a checkpoint alone; `checkpoint` is that of the networks that the
    bundle does not hold, None without one.
    """

    facts: BundleFacts | None
    used: tuple[str, ...]
    further: tuple[str, ...]
    bundle: Path | None
    checkpoint: Path | None
    passed_over: str = ""
    """Which newer checkpoints are damaged, and how."""

    @property
    def imported(self) -> ImportedFacts | None:
        """Where the model was imported from, if it was."""
        return self.facts.imported if self.facts else None

    def paths(self, names: Collection[str]) -> list[Path]:
        """The folders from which these networks are read."""
        paths = [self.bundle] if self.bundle else []
        if self.checkpoint and (not self.bundle or any(self._only_in_checkpoint(name) for name in names)):
            paths.append(self.checkpoint)
        return paths

    def state(self, name: str) -> dict[str, Tensor]:
        """The state dict of a network; averaged where the training averaged it. Errors: those of reading."""
        if self.bundle is None or self._only_in_checkpoint(name):
            average = checkpoint.state_under(self._saved, f"ema/{name}/{_AVERAGE}")
            return average or checkpoint.state_under(self._saved, f"net/{name}/")
        if name in self.used:
            return read_bundle(self.bundle).state(name)
        return read_training_networks(self.bundle).state(name)

    def _only_in_checkpoint(self, name: str) -> bool:
        return self.facts is None or name not in (*self.facts.networks, *self.facts.training_networks)

    @cached_property
    def _saved(self) -> dict[str, Tensor]:
        assert self.checkpoint is not None
        return checkpoint.read(self.checkpoint)[0]


def origin_of(path: Path) -> Origin:
    """What a path offers to start from: the folder of a model or of a train stage, that of an interrupted training
    (`.partial`), whose last whole checkpoint counts, or that of one checkpoint. It loads no weights.

    Errors: ConfigError (nothing there), DataError (damaged).
    """
    if path.parent.name == checkpoint.FOLDER and path.name.isdigit():
        return _of_checkpoint(path, path.parent.parent)
    bundle = locate(path)
    if path.name.endswith(PARTIAL):
        last = _last(bundle.parent)
        assert last.folder is not None
        return replace(_of_checkpoint(last.folder, bundle), passed_over=str(last))
    facts = read_facts(bundle)
    kept = tuple(facts.training_networks)
    beside = bundle.parent / checkpoint.FOLDER / checkpoint.name_of(facts.step or 0)
    if kept or checkpoint.damage(beside, quick=True) is not None:
        return Origin(facts, tuple(facts.networks), kept, bundle, None)
    further = tuple(name for name in _saved_networks(beside) if name not in facts.networks)
    return Origin(facts, tuple(facts.networks), further, bundle, beside)


def _of_checkpoint(folder: Path, model: Path) -> Origin:
    """The networks of one checkpoint of the training whose folder, or that of whose model, is given."""
    if not (folder / checkpoint.MANIFEST).is_file():
        raise ConfigError(f"{folder}: no complete checkpoint is here")
    names = _saved_networks(folder)
    try:
        used = tuple(read_facts(locate(model), unfinished=True).networks)
    except ConfigError:  # a checkpoint that was copied elsewhere: it alone says what is in it
        used = ()
    return Origin(None, used or names, tuple(name for name in names if used and name not in used), None, folder)


def _last(stage: Path) -> checkpoint.Newest:
    """The last whole checkpoint of a training. Errors: ConfigError where it has none yet, DataError where all are
    damaged."""
    last = checkpoint.newest(stage / checkpoint.FOLDER)
    if last.damaged and last.folder is None:
        raise DataError(f"{stage}: no checkpoint of this training is whole: {last}")
    if last.folder is None:
        raise ConfigError(f"{stage}: this training has no checkpoint yet, from which another one could start")
    return last


def _saved_networks(folder: Path) -> tuple[str, ...]:
    """The networks of a checkpoint that have weights. Errors: DataError."""
    try:
        names = tensor_names(folder / checkpoint.TENSORS)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: cannot be read: {error}") from None
    return tuple(dict.fromkeys(name.split("/")[1] for name in names if name.startswith("net/")))
