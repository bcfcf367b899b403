"""Runs, recorded: a local journal first, from which `report.html` is built and an MLflow server is fed.

Nothing here imports mlflow until a run with `tracking: mlflow` starts, and then a background thread does.
"""

from __future__ import annotations

from translate.tracking.run import StageTracker, Tracking, open_tracking

__all__ = ["StageTracker", "Tracking", "open_tracking"]
