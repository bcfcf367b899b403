"""Runs, recorded: a local journal first, from which `report.html` is built and an MLflow server is fed.

Nothing here imports mlflow until a run with `tracking: mlflow` starts, and then a background thread does. What reads
journals alone, as a run that has nothing to do, imports no decoder of pictures either: the names below come late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from translate.tracking.run import StageTracker, Tracking, open_tracking

__all__ = ["StageTracker", "Tracking", "open_tracking"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from translate.tracking import run

    return getattr(run, name)
