"""Sample pictures over the steps of a training, with a slider."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from translate.imaging.thumbnail import Thumbnail, thumbnail
from translate.tracking.reports.pictures import spread
from translate.tracking.reports.record import Record, StageRecord
from translate.webpages.elements import img, text

SAMPLES = 24
"""Steps of a sample grid that are shown, at most."""
GRID_SIDE = 1000
"""Pixels of a grid's longer side, at most."""


def series(record: Record, without: Collection[str]) -> list[tuple[StageRecord, str, dict[int, Path]]]:
    """The pictures of each key over the steps; those of the stages `without` are shown elsewhere."""
    found = []
    for stage in record.stages.values():
        for key, steps in stage.images.items() if stage.name not in without else ():
            pictures = {step: path for step, path in sorted(steps.items()) if path.is_file()}
            if pictures:
                found.append((stage, key, pictures))
    return found


def slider(stage: StageRecord, key: str, pictures: dict[int, Path], budget: int) -> str:
    """The pictures of one key, of which the slider shows one; the step of the weights that were kept is marked."""
    title = f"{stage.name}: {key.removeprefix('samples/')}"
    # the grids of a series are about equally large, so the last tells how many of them the budget allows
    last = thumbnail(pictures[max(pictures)], GRID_SIDE)
    chosen = spread(list(pictures), max(2, min(SAMPLES, budget // len(last.uri))))
    if stage.kept in pictures and stage.kept not in chosen:
        chosen = sorted({*chosen[:-1], stage.kept, chosen[-1]})
    images = []
    for step in chosen:
        picture = last if step == max(pictures) else thumbnail(pictures[step], GRID_SIDE)
        images.append(_image(picture, step, step == stage.kept, hidden=step != chosen[-1]))
    return (
        f'<figure class="steps"><figcaption>{text(title)}</figcaption>{_controls(title, chosen, stage.kept)}'
        f"{''.join(images)}</figure>"
    )


def _controls(title: str, steps: list[int], kept: int | None) -> str:
    end = len(steps) - 1
    bar = button = ""
    if end:
        bar = f'<input type="range" min="0" max="{end}" value="{end}" aria-label="step of {text(title)}">'
    if end and kept in steps:
        button = f'<button type="button" data-place="{steps.index(kept)}">kept: step {kept:,}</button>'
    return f'<div class="bar controls">{bar}<output>{_words(steps[-1], steps[-1] == kept)}</output>{button}</div>'


def _image(picture: Thumbnail, step: int, kept: bool, *, hidden: bool) -> str:
    image = img(picture, _words(step, kept))
    return image.replace("<img", "<img hidden", 1) if hidden else image


def _words(step: int, kept: bool) -> str:
    return f"step {step:,}, kept" if kept else f"step {step:,}"
