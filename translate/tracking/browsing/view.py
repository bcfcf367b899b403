"""The columns that the table of an experiment's runs opens with, and the addresses of MLflow's pages.

MLflow keeps a view that is shared as a tag of the experiment: its name, times, and its state as JSON. A link that names
the view opens the table with it. None of that is documented, so it is written for those versions alone in which it was
seen to work; with others the table opens with the columns that MLflow chooses.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from translate.tracking.browsing.description import is_scores
from translate.tracking.browsing.names import VALIDATION
from translate.tracking.journal import Event
from translate.tracking.store_uri import PAGE

KEY = "overview"
TAG = f"mlflow.sharedViewState.{KEY}"
SEEN_IN = SpecifierSet(">=3.17,<3.18")
"""The versions of MLflow in which a view of this form was opened in a browser."""
UI = "http://127.0.0.1:5000"
"""The address at which `translate ui` serves a store of this machine, unless it is told otherwise."""
SETTINGS = frozenset({"method", "model", "direction"})
COUNTS = ("done", "failed", "images_per_second")
"""The params, and the counts of a conversion, that are columns."""
SCORES, COUNTED = 1, 2
"""Columns of scores, and of counts, at most: with more, the state is not seen beside the panes of MLflow's page."""


def main_columns(params: Collection[str], metrics: Collection[str], tables: Iterable[Event]) -> list[str]:
    """What runs are compared by first: the main score, methods and the state, as few as are seen without scrolling.

    The main score of a stage that scores is the first of its table; without such a stage it is that of validations, and
    of a conversion the counts.
    """
    scored = [name for table in tables if is_scores(table) for name in _first(table) if name in metrics]
    validated = [name for name in sorted(metrics) if name.startswith(f"{VALIDATION}/")]
    counts = [name for name in COUNTS if name in metrics]
    shown = (scored or validated)[:SCORES] or counts[:COUNTED]
    columns = [f"metrics.`{name}`" for name in shown]
    named = [name for name in sorted(params) if name in SETTINGS or name.endswith(".method")]
    return columns + [f"params.`{name}`" for name in named] + ["tags.`state`"]


def _first(table: Event) -> list[str]:
    """The metric of the first row of a table of scores, which says the unit behind it."""
    stage = str(table["name"]).partition("/")[0]
    return [f"{stage}/{str(row[0]).partition(' (')[0]}" for row in table["rows"][:1]]


def set_view(client: Any, experiment_id: str, columns: Sequence[str], now: int) -> None:
    """Gives an experiment's table its columns; `now`: milliseconds since 1970.

    Columns without a score, as of a sweep's record or a run that failed early, take no others' place.
    """
    if Version(version("mlflow")) not in SEEN_IN:
        return
    has_score = any(column.startswith("metrics.") for column in columns)
    if has_score or TAG not in client.get_experiment(experiment_id).tags:
        client.set_experiment_tag(experiment_id, TAG, view(columns, now))


def view(columns: Sequence[str], now: int) -> str:
    """The value of the tag."""
    state = {"selectedColumns": [*columns], "orderByKey": "attributes.start_time", "orderByAsc": False}
    return json.dumps({"name": "Overview", "createdAt": now, "updatedAt": now, "state": json.dumps(state)})


def experiment_page(experiment_id: str, tags: Iterable[Mapping[str, Any]] = ()) -> str:
    """The address of an experiment's table below a server's; with the columns above where its tags have them."""
    has_view = any(tag.get("key") == TAG for tag in tags)
    return f"/#/experiments/{experiment_id}/runs?{PAGE}{f'&viewStateShareKey={KEY}' if has_view else ''}"


def run_page(experiment_id: str, run_id: str) -> str:
    """The address of a run's curves and pictures below a server's."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}/model-metrics?{PAGE}"


def told(page: str) -> str:
    """Says where the page of a run is; one below the address of `translate ui` is there while that runs."""
    return f"{page} (while `translate ui` runs)" if page.startswith(UI) else page
