"""A pipeline in several processes: rank 0 runs it, and the others do with it those stages that all do together."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from translate.console import PlainConsole, QuietConsole
from translate.contracts import Artifact, StageContext, Tracker
from translate.errors import StageError, Stopped, TranslateError
from translate.pipeline.checking.facts import Checked
from translate.pipeline.safe_tracker import SafeTracker
from translate.plugins import Registry

if TYPE_CHECKING:
    from translate.distributed.world import World


@contextmanager
def one_voice(world: World | None) -> Iterator[None]:
    """Lets one process alone tell of an error or a stop; the others end without a word, with the same exit code."""
    if world is None:
        yield
        return
    try:
        yield
    except Stopped as stop:
        if lost := world.lost_before(stop):
            _end(world, lost)
        raise Stopped(int(str(stop.code)), told=stop.told or not world.leads) from None
    except Exception as error:
        _end(world, error)


def _end(world: World, error: Exception) -> NoReturn:
    """Raises the error in the process that is to tell of it, and in the others a stop with its exit code."""
    world.abandon()
    if world.tells(error):
        raise error
    raise Stopped(error.exit_code if isinstance(error, TranslateError) else 1, told=True) from error


def tell(world: World, context: StageContext) -> None:
    """On rank 0: lets the others do a stage with it."""
    previous = None if context.previous is None else str(context.previous)
    inputs = {
        need: [artifact.kind, str(artifact.path), dict(artifact.facts), artifact.hash]
        for need, artifact in context.inputs.items()
    }
    shared = {
        "pipeline": context.pipeline,
        "stage": context.stage,
        "folder": str(context.folder),
        "seed": context.seed,
        "fingerprint": context.fingerprint,
        "previous": previous,
        "debug": context.debug,
    }
    world.tell({**shared, "inputs": inputs})


def follow(world: World, checked: Mapping[str, Checked], device: str, registry: Registry) -> list[str]:
    """On the others: does the stages that rank 0 tells of, until the pipeline ends; returns their names.

    Nothing is printed or recorded. Errors: as `Runner.run`, LostError.
    """
    done = []
    while (message := world.hear()) is not None:
        context = _context(message, device, registry)
        checked[context.stage].stage.run(context)
        done.append(context.stage)
    return done


def _context(message: dict[str, Any], device: str, registry: Registry) -> StageContext:
    """What the stage is given here. Errors: StageError where this machine does not see the files of rank 0."""
    folder, inputs, previous = Path(message.pop("folder")), message.pop("inputs"), message.pop("previous")
    if not folder.is_dir():
        raise StageError(
            f"{folder.absolute()} is not on this machine: processes on several machines need one file system, and the "
            "same working directory"
        )
    return StageContext(
        **message,
        folder=folder,
        inputs={
            need: Artifact(kind, Path(path), facts, digest) for need, (kind, path, facts, digest) in inputs.items()
        },
        device=device,
        tracker=cast(Tracker, SafeTracker(None, lambda name, call: call)),
        console=QuietConsole(PlainConsole(io.StringIO(), io.StringIO())),
        registry=registry,
        emit=lambda event, **facts: None,
        previous=None if previous is None else Path(previous),
    )
