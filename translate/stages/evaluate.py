"""The `evaluate` stage: translated images and the data that they should look like in, scores out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from translate.contracts import Config, MetricUse, Need, Problem, Stage, StageContext
from translate.errors import StageError
from translate.stages.infer import IMAGES, default_split

if TYPE_CHECKING:
    from translate.data.dataset import Dataset
    from translate.metrics import Score


class EvaluateConfig(Config):
    """`metrics` by name or with options; `baselines`: score copying the input and the best single colour beside them.

    `split` of the data to compare with: by default the one that was translated.
    """

    metrics: list[MetricUse] = Field(min_length=1)
    baselines: bool = True
    split: str | None = None


class EvaluateStage(Stage[EvaluateConfig]):
    """Scores images against the target side of a dataset: `scores.json`, `scores.md`, a table at the terminal."""

    name = "evaluate"
    needs: ClassVar[Mapping[str, Need]] = {"images": Need("images"), "data": Need("dataset")}
    produces = "scores"

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        from translate.metrics import metric_problems

        images, data = parents.get("images"), parents.get("data")
        if images is None or data is None:
            return
        split = self._split(images, data)
        if split not in data["splits"]:
            wanted = repr(split) if split else "'test' or 'val'"
            yield Problem(("with", "split"), f"the data has no split {wanted}; it has {', '.join(data['splits'])}")
            return
        if images["target_side"] is None:
            yield Problem(("needs", "images"), f"direction {images['direction']} imitates no side of the data")
        for i, message in metric_problems(self.config.metrics, data, split, self.registry):
            yield Problem(("with", "metrics", i), message)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {}

    def _split(self, images: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
        return self.config.split or images["split"] or default_split(data["splits"])

    def run(self, context: StageContext) -> dict[str, Any]:
        from translate.data.dataset import Dataset
        from translate.metrics import Images, score_sets
        from translate.metrics.scores import by_key, spec_of

        facts = context.inputs["images"].facts
        dataset = Dataset(context.inputs["data"].path)
        split, side = self._split(facts, dataset.facts), facts["target_side"]
        assert split is not None
        metrics = [context.registry.build(use, spec=spec_of(dataset.facts)) for use in self.config.metrics]
        outputs = by_key(context.inputs["images"].path / IMAGES)
        keys = reference_keys(dataset, split, side, list(outputs), paired=any(m.paired for m in metrics))
        inputs = None
        if self.config.baselines and facts["split"] == split:
            inputs = Images([dataset.path(split, facts["source_side"], key) for key in outputs], list(outputs))
        context.console.say(f"scoring {len(outputs)} images against {len(keys)} of side {side!r}, split {split!r}")
        scores = score_sets(
            metrics,
            Images(list(outputs.values()), list(outputs)),
            Images([dataset.path(split, side, key) for key in keys], keys),
            inputs,
            constant=self.config.baselines,
        )
        about = {"direction": facts["direction"], "split": split, "images": len(outputs), "references": len(keys)}
        report(context, scores, about)
        return {}


def reference_keys(dataset: Dataset, split: str, side: str, keys: list[str], *, paired: bool) -> list[str]:
    """The images to compare with: of the same keys where the split has true pairs, else all of the side.

    Errors: StageError when `paired` metrics meet an image without a partner.
    """
    known = dataset.keys(split, side)
    missing = sorted(set(keys) - set(known))
    if dataset.pairs(split) and not missing:
        return keys
    if paired:
        raise StageError(
            f"metrics of pairs need a partner for every image, and side {side!r} of split {split!r} has none for "
            f"{missing[0] if missing else keys[0]}; use swd"
        )
    return known


def report(context: StageContext, scores: Sequence[Score], about: Mapping[str, Any]) -> None:
    """Writes the scores as JSON and as Markdown, prints them, and hands them to the tracker."""
    from translate.console import number
    from translate.metrics import table
    from translate.storage.atomic import write_json, write_text

    columns, rows = table(scores)
    write_json(context.folder / "scores.json", {**about, "scores": [score.to_json() for score in scores]})
    lines = [columns, ["---"] * len(columns), *([number(cell) for cell in row] for row in rows)]
    title = f"{about['direction']}, {about['split']}: {about['images']} images"
    page = [f"# {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""]
    write_text(context.folder / "scores.md", "\n".join(page))
    context.console.table(title, columns, rows)
    named = {
        f"{score.metric}{suffix}": value
        for score in scores
        for suffix, value in (("", score.value), ("_copy", score.copy), ("_constant", score.constant))
        if value is not None and math.isfinite(value)
    }
    context.tracker.metrics(named, step=0)
    context.tracker.table("scores", columns, rows)
    context.tracker.file(context.folder / "scores.md")
