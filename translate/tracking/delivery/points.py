"""Points of curves on their way to a store: each arrives once, also where an answer is lost or one is refused."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from translate.tracking.client import entities
from translate.tracking.delivery.answers import RefusedError, meaning

if TYPE_CHECKING:
    from mlflow.entities import Metric

BATCH = 1000
"""Metric values per request, the most that the tracking API takes."""
LONGEST = 250
"""The most characters of a name."""
_KEY = re.compile(r"[^\w\-./ ]")


def legal(name: str) -> str:
    """A name as every store takes it: `weird [%]` is `weird ___`, and parts that a path resolves are left out."""
    parts = [part for part in _KEY.sub("_", name).split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[:LONGEST] or "_"


class Points:
    """Sends the points of one run.

    MLflow's databases drop a point that they have; other stores keep two. A request without an answer may have arrived
    all the same, as may the last one of a process that was killed: then the store is asked what it has first. `known`
    says that the run was there before.
    """

    def __init__(self, client: Any, run_id: str, *, known: bool) -> None:
        self._client = client
        self._run_id = run_id
        self._in_doubt = known

    def send(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Writes the points of metric events. Errors: RefusedError names what was refused; the rest was written then.

        All other errors of MLflow's client mean that some points may be missing: the same call adds them.
        """
        points = []
        for event in events:
            points += [
                entities().Metric(legal(name), value, event["t"], event["s"]) for name, value in event["v"].items()
            ]
        if self._in_doubt:
            points = self._missing(points)
        self._in_doubt = True
        refused: dict[str, str] = {}
        for start in range(0, len(points), BATCH):
            refused |= self._send(points[start : start + BATCH])
        self._in_doubt = False
        if refused:
            raise RefusedError("; ".join(f"{name}: {why}" for name, why in refused.items()))

    def _send(self, points: Sequence[Metric]) -> dict[str, str]:
        """Writes up to a request of points; returns the curves that were refused, each with the reason.

        A store refuses a whole request for one point, so that each curve is then sent on its own.
        """
        try:
            self._client.log_batch(self._run_id, metrics=points, synchronous=True)
        except Exception as error:
            curves = defaultdict(list)
            for point in points:
                curves[point.key].append(point)
            if not isinstance(meaning(error), RefusedError):
                raise
            if len(curves) == 1:
                return {points[0].key: str(meaning(error))}
            refused: dict[str, str] = {}
            for curve in curves.values():
                refused |= self._send(curve)
            return refused
        return {}

    def _missing(self, points: Sequence[Metric]) -> list[Metric]:
        """Those of the points that the store has not got."""
        known = {name: self._known(name) for name in {point.key for point in points}}
        return [point for point in points if (point.step, point.timestamp) not in known[point.key]]

    def _known(self, name: str) -> set[tuple[int, int]]:
        """The points that the store has of a curve, by step and time."""
        try:
            history = self._client.get_metric_history(self._run_id, name)
        except Exception as error:
            if (
                getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"
            ):  # a curve without points, in stores of folders
                return set()
            raise
        return {(point.step, point.timestamp) for point in history}
