"""The result of a pipeline as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.errors import TranslateError
from translate.imaging.thumbnail import Thumbnail, thumbnail
from translate.text import number
from translate.tracking.reports.record import Record, gather
from translate.tracking.reports.verdict import scored, sentences
from translate.webpages.elements import Html, text
from translate.webpages.notebook import facts_html, link

LONGEST = 640
"""Pixels of the longer side of the picture."""


def overview(folder: Path, stages: Mapping[str, Path]) -> str:
    """The verdict, the scores, the folders and a picture of a pipeline's folder, with a link to its report."""
    shown: dict[str, Any] = {}
    picture = None
    try:
        record = gather(folder)
    except TranslateError:  # nothing was tracked here
        record = None
    if record is not None:
        shown["verdict"] = Html("<br>".join(map(text, sentences(record))))
        for stage in record.stages.values():
            shown |= {score.metric: number(score.value) for score in scored(stage)}
        picture = _last_picture(record)
    shown |= {name: path.as_posix() for name, path in stages.items()}
    report = folder / "report.html"
    shown["report"] = link(report.as_posix(), report.as_posix()) if report.is_file() else None
    return facts_html(record.pipeline if record else folder.name, shown, picture, "samples")


def _last_picture(record: Record) -> Thumbnail | None:
    """The last picture of the last stage that has any; None where there is none that can be read."""
    paths = [steps[max(steps)] for stage in record.stages.values() for steps in stage.images.values()]
    for path in reversed(paths):
        try:
            return thumbnail(path, LONGEST)
        except TranslateError:
            continue
    return None
