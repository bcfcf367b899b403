"""my-plugin: the images on which a model fails most, as a list and as a sheet to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import Field
from translate import (
    Config,
    DataError,
    DatasetFacts,
    ImagesFacts,
    Need,
    Problem,
    Stage,
    StageContext,
    hookimpl,
    sheet,
)

translate_contract = ">=2,<3"


class MyPluginConfig(Config):
    """The options of the stage, under `with:`. The string below each is its description."""

    count: Annotated[int, Field(ge=1)] = 10
    """How many images are listed and shown, the worst first."""


class MyPlugin(Stage[MyPluginConfig]):
    """Ranks translated images by their distance from the references: `worst.json`, and `worst.png` with input, output
    and reference in a row."""

    name = "my-plugin"
    needs: ClassVar[Mapping[str, Need]] = {"images": Need("images"), "data": Need("dataset")}
    produces = "ranking"

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterator[Problem]:
        """Mistakes that show before anything runs: with line and column, and without a minute of training lost."""
        images, data = ImagesFacts.of(parents, "images"), DatasetFacts.of(parents, "data")
        if images is None or data is None:
            return  # not known yet
        if images.split not in data.splits or not images.target_side:
            yield Problem(("needs", "images"), "the stage needs images of the prepared data that imitate a side of it")
        elif images.split not in data.pairs:
            yield Problem(("needs", "images"), f"split {images.split!r} has no reference for each image")

    def run(self, context: StageContext) -> dict[str, Any]:
        """Writes into `context.folder` alone; what it returns are the facts of the result."""
        facts, data = ImagesFacts.from_json(context.inputs["images"].facts), context.inputs["data"].path
        assert facts.split and facts.target_side  # `check` has seen to both
        outputs = context.inputs["images"].path / "images"
        inputs, references = data / facts.split / facts.source_side, data / facts.split / facts.target_side
        keys = [path.relative_to(outputs) for path in sorted(outputs.rglob("*.png"))]
        if not keys:
            raise DataError(f"{outputs}: no PNG images to rank")
        distances = {key: distance(outputs / key, references / key) for key in keys}
        worst = sorted(keys, key=lambda key: -distances[key])[: self.config.count]

        rows = [(key.with_suffix("").as_posix(), round(distances[key], 6)) for key in worst]
        (context.folder / "worst.json").write_text(json.dumps(rows, indent=2), "utf-8")
        page = sheet([[inputs / key, outputs / key, references / key] for key in worst]).pixels
        Image.fromarray(page).save(context.folder / "worst.png")
        context.tracker.table("worst", ("image", "distance"), rows)
        context.tracker.image("worst", page, 0)
        context.console.say(f"worst of {len(keys)}: {rows[0][0]}, off by {rows[0][1]:.1%} on average")
        return {"count": len(keys), "worst": rows[0][0]}


def distance(*files: Path) -> float:
    """The mean |difference| of two images, as a share of the range of their values."""
    first, second = (np.asarray(Image.open(file)) for file in files)
    return float(np.abs(first.astype(float) - second).mean() / np.iinfo(first.dtype).max)


@hookimpl
def translate_stages() -> list[type[Stage[Any]]]:
    return [MyPlugin]
