"""Which checkpoint a training goes on from where the newest is damaged, and where the damaged ones go."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from translate.contracts import Console
from translate.distributed.world import World
from translate.errors import StageError
from translate.storage import checkpoint
from translate.storage.checkpoint import DAMAGED
from translate.storage.filesystem import sync_folder


def newest_whole(checkpoints: Path, world: World, console: Console, *, own: bool = True) -> Path | None:
    """The newest checkpoint in a folder that is whole, None where there are none at all.

    Damaged ones after it are named in one line. Those of the training's `own` folder are set aside in `damaged`, where
    nothing finds them again; an earlier result stays as it is. Rank 0 decides for all processes.
    Errors: StageError where there are checkpoints and none is whole, or where one cannot be set aside.
    """
    newest = world.decided(lambda: _decide(checkpoints, own))
    if newest.folder is not None and newest.damaged:
        where = f", set aside in {checkpoints / DAMAGED}" if own else ""
        console.warn(f"checkpoint {newest}{where}; the one before is used, {newest.folder.name}")
    return newest.folder


def _decide(checkpoints: Path, own: bool) -> checkpoint.Newest:
    newest = checkpoint.newest(checkpoints)
    if newest.folder is None and newest.damaged:
        # None is moved: the next start has to find them as well, and not an empty folder from which it begins anew.
        raise StageError(
            f"no checkpoint in {checkpoints} is whole, from which this training could go on: {newest}. To start anew "
            f"delete {checkpoints.parent}, or run with --force; `init: MODEL` then begins with the weights of an "
            "earlier model"
        )
    if own:
        for folder in newest.damaged:
            _set_aside(folder)
    return newest


def _set_aside(folder: Path) -> None:
    aside = folder.parent / DAMAGED
    try:
        aside.mkdir(exist_ok=True)
        names = (aside / f"{folder.name}{f'-{number}' if number else ''}" for number in count())
        folder.rename(next(path for path in names if not path.exists()))
    except OSError as error:
        raise StageError(f"checkpoint {folder} is damaged, and cannot be moved to {aside}: {error}") from error
    sync_folder(folder.parent)
