"""The `evaluate` stage: translated images and the data that they should look like in, scores out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, NonNegativeInt

from translate.contracts import (
    Config,
    DatasetFacts,
    ImagesFacts,
    MetricUse,
    Need,
    Problem,
    ScoresFacts,
    Stage,
    StageContext,
)
from translate.data.dataset import Dataset
from translate.metrics import Comparison, Outputs, metric_problems, score_sets, table
from translate.plugins.options import files, unreadable
from translate.stages import evaluation
from translate.stages.evaluation import Evaluated, chosen, form_of
from translate.stages.infer import default_split
from translate.stages.pictured import record_cases
from translate.storage.atomic import write_json, write_text
from translate.text import number

if TYPE_CHECKING:
    from translate.metrics import Score
    from translate.stages.evaluation import Evaluated

# The imports inside of methods bring torch. Commands that list stages, or plan a pipeline that is up to date, do not
# wait for it.


class EvaluateConfig(Config):
    """Options of the `evaluate` stage."""

    metrics: list[MetricUse] = Field(min_length=1)
    """Metrics, by name or with options: `[l1, {uses: swd, projections: 512}]`."""
    baselines: bool = True
    """Whether a copy of the input and the best single colour are scored too: a method has to beat both."""
    split: str | None = None
    """Split of the data to compare with; `null` takes the one that was translated."""
    only: tuple[str, ...] = ()
    """Patterns of the names of images that count, such as `[Set5/*, Set14/*]`; empty for all."""
    bootstrap: NonNegativeInt = 0
    """Sets of images that are drawn for 95 % intervals of the scores: with replacement, or as halves for metrics of two
    sets; 200 will do, 0 draws none."""


class EvaluateStage(Stage[EvaluateConfig]):
    """Scores images against the target side of a dataset: `scores.json`, `scores.md`, a table at the terminal.

    `needs: {rival: STAGE}`: images that another model made of the same inputs, scored beside them.
    """

    name = "evaluate"
    needs: ClassVar[Mapping[str, Need]] = {
        "images": Need("images"),
        "data": Need("dataset"),
        "rival": Need("images", optional=True),
    }
    produces = "scores"
    small = {"metrics": ["l1"]}

    def inputs(self) -> Iterable[Path]:
        for _, path in files(self.config, self.registry):
            if not unreadable(path):
                yield path

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        faults = {place: unreadable(path) for place, path in files(self.config, self.registry)}
        for place, fault in faults.items():
            if fault:
                yield Problem(("with", *place), fault)
        # A metric that cannot be built without its files would say the same in other words.
        unbuilt = {place[1] for place, fault in faults.items() if fault and place[:1] == ("metrics",)}
        images, data = ImagesFacts.of(parents, "images"), DatasetFacts.of(parents, "data")
        if images is None or data is None:
            if data is not None and self.config.split not in (None, *data.splits):
                message = f"the data has no split {self.config.split!r}; it has {', '.join(data.splits)}"
                yield Problem(("with", "split"), message)
            return
        split = self._split(images, data)
        if split is None or split not in data.splits:
            split_names = repr(split) if split else "'test' or 'val'"
            yield Problem(("with", "split"), f"the data has no split {split_names}; it has {', '.join(data.splits)}")
            split = None
        yield from self._check_images(images, ImagesFacts.of(parents, "rival"))
        same, form = images.split == split, form_of(data.sides.get(images.target_side or ""))
        # Without a split nobody knows what the images are compared with.
        unpaired = _unpaired(images, data, split) if split else ""
        outputs = Outputs(form, context=same or split is None, unpaired=unpaired)
        built = [i for i in range(len(self.config.metrics)) if i not in unbuilt]
        metrics = [self.config.metrics[i] for i in built]
        for i, message in metric_problems(metrics, data, split, self.registry, outputs):
            yield Problem(("with", "metrics", built[i]), message)

    def _check_images(self, images: ImagesFacts, rival: ImagesFacts | None) -> Iterable[Problem]:
        if images.target_side is None:
            yield Problem(("needs", "images"), f"direction {images.direction} imitates no side of the data")
        if rival is None:
            return
        if (rival.split, rival.target_side) != (images.split, images.target_side):
            yield Problem(("needs", "rival"), "the rival's images are of another split, or imitate another side")
        elif rival.from_nothing != images.from_nothing:
            yield Problem(("needs", "rival"), "one of the two was made from nothing, and the other of images")

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return ScoresFacts().to_json()

    def _split(self, images: ImagesFacts, data: DatasetFacts) -> str | None:
        return self.config.split or images.split or default_split(data.splits)

    def run(self, context: StageContext) -> dict[str, Any]:
        e = self._evaluated(context)
        metrics = [context.registry.build(use, spec=e.dataset.facts.spec()) for use in self.config.metrics]
        keys = evaluation.reference_keys(e, paired=any(metric.paired for metric in metrics))
        references = evaluation.references(e, keys)
        inputs = evaluation.copied_inputs(e, references) if self.config.baselines else None
        rival = None
        if "rival" in context.inputs:
            rival = evaluation.rival_outputs(e, context.inputs["rival"].path, self.config.only)
        context.console.say(f"scoring {len(e.keys)} images against {len(keys)} of side {e.side!r}, split {e.split!r}")
        outputs = e.files(e.outputs)
        scores = score_sets(
            metrics,
            outputs,
            references,
            Comparison(inputs, constant=self.config.baselines, rival=rival, bootstrap=self.config.bootstrap),
            evaluation.evaluation_context(e, context.device),
        )
        way = " then ".join([*e.facts.via, e.facts.direction])
        about = {"direction": way, "split": e.split, "images": len(e.keys), "references": len(keys)}
        report(context, scores, about)
        pairs = keys == e.keys and not _unpaired(e.facts, e.dataset.facts, e.split)
        record_cases(context, e, metrics, outputs, references if pairs else None)
        return ScoresFacts().to_json()

    def _evaluated(self, context: StageContext) -> Evaluated:
        images = context.inputs["images"]
        facts, dataset = ImagesFacts.from_json(images.facts), Dataset(context.inputs["data"].path)
        split, side = self._split(facts, dataset.facts), facts.target_side
        assert split is not None and side is not None  # `check` has seen to both
        outputs = chosen(images.path, self.config.only, form_of(dataset.types[side]))
        return Evaluated(images.path, facts, outputs, dataset, split, side)


def _unpaired(images: ImagesFacts, data: DatasetFacts, split: str) -> str:
    """The reason why no image of the data is what a translated one should be; empty where there is one for each."""
    if images.from_nothing:
        return "these images were made from nothing: none belongs to an image of the data"
    if images.split not in (None, split):
        return f"these images were made of split {images.split!r}, and not of {split!r}"
    target = images.target_side
    # Each input has its reference beside it, or is it itself.
    beside = target in data.sides and target in data.sides.group_of(images.source_side)
    return "" if beside or split in data.pairs else f"split {split!r} of this data has none"


def report(context: StageContext, scores: Sequence[Score], about: Mapping[str, Any]) -> None:
    """Writes the scores as JSON and as Markdown, prints them, and hands them to the tracker."""
    columns, rows = table(scores)
    write_json(context.folder / "scores.json", {**about, "scores": [score.to_json() for score in scores]})
    lines = [columns, ["---"] * len(columns)]
    lines += [list(map(number, row)) for row in rows]
    title = f"{about['direction']}, {about['split']}: {about['images']} images"
    page = [f"# {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""]
    write_text(context.folder / "scores.md", "\n".join(page))
    context.console.table(title, columns, rows)
    curves = {}
    for score in scores:
        for suffix, value in (("", score.value), ("_copy", score.copy), ("_constant", score.constant)):
            if value is not None and math.isfinite(value):
                curves[f"{score.metric}{suffix}"] = value
    context.tracker.metrics(curves, step=0)
    context.tracker.table("scores", columns, rows)
    context.tracker.file(context.folder / "scores.md")
