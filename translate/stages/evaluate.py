"""The `evaluate` stage: translated images and the data that they should look like in, scores out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, NonNegativeInt

from translate.contracts import (
    Config,
    DatasetFacts,
    EvaluationContext,
    ImagesFacts,
    MetricUse,
    Need,
    Problem,
    ScoresFacts,
    Stage,
    StageContext,
)
from translate.errors import StageError
from translate.stages.infer import IMAGES, INPUTS, OTHERS, default_split

if TYPE_CHECKING:
    from torch import Tensor

    from translate.data.dataset import Dataset
    from translate.metrics import Score


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
    """Sets of images that are drawn, with replacement, for 95 % intervals of the scores; 200 will do, 0 draws none."""


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

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        from translate.metrics import metric_problems

        images, data = ImagesFacts.of(parents, "images"), DatasetFacts.of(parents, "data")
        if images is None or data is None:
            return
        split = self._split(images, data)
        if split is None or split not in data.splits:
            wanted = repr(split) if split else "'test' or 'val'"
            yield Problem(("with", "split"), f"the data has no split {wanted}; it has {', '.join(data.splits)}")
            return
        if images.target_side is None:
            yield Problem(("needs", "images"), f"direction {images.direction} imitates no side of the data")
        rival = ImagesFacts.of(parents, "rival") or images
        if (rival.split, rival.target_side) != (images.split, images.target_side):
            yield Problem(("needs", "rival"), "the rival's images are of another split, or imitate another side")
        if images.source_side == images.target_side:  # inputs of a side are the references of outputs that imitate it
            data = replace(data, pairs=(*data.pairs, split))
        same, labels = images.split == split, images.target_side == "label"
        for i, message in metric_problems(self.config.metrics, data, split, self.registry, context=same, labels=labels):
            yield Problem(("with", "metrics", i), message)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return ScoresFacts().to_json()

    def _split(self, images: ImagesFacts, data: DatasetFacts) -> str | None:
        return self.config.split or images.split or default_split(data.splits)

    def _chosen(self, folder: Path) -> dict[str, Path]:
        from translate.metrics import by_key

        found = by_key(folder / IMAGES)
        only = self.config.only or ("*",)
        chosen = {key: path for key, path in found.items() if any(fnmatchcase(key, name) for name in only)}
        if not chosen:
            raise StageError(f"no image is called like {' or '.join(only)}; one is called {next(iter(found))}")
        return chosen

    def run(self, context: StageContext) -> dict[str, Any]:
        from translate.data.dataset import Dataset
        from translate.metrics import Comparison, Images, LabelMaps, score_sets

        facts = ImagesFacts.from_json(context.inputs["images"].facts)
        dataset = Dataset(context.inputs["data"].path)
        split, side = self._split(facts, dataset.facts), facts.target_side
        assert split is not None and side is not None  # `check` has seen to both
        metrics = [context.registry.build(use, spec=dataset.facts.spec()) for use in self.config.metrics]
        outputs = self._chosen(context.inputs["images"].path)
        itself = side == facts.source_side
        keys = reference_keys(dataset, split, side, list(outputs), paired=any(m.paired for m in metrics), itself=itself)
        sets = LabelMaps if side == "label" else Images
        references = sets([dataset.path(split, side, key) for key in keys], keys)
        inputs: Sequence[Tensor] | None = None
        fresh = not facts.via  # images that came back would be compared with their own originals
        if self.config.baselines and facts.split == split and sets is Images and fresh:
            inputs = self._inputs(context, dataset, list(outputs), references)
        around: EvaluationContext | None = None
        if facts.split == split:
            around = evaluation_context(context, dataset, split, (facts.source_side, side), list(outputs))
        rival: Sequence[Tensor] | None = None
        if "rival" in context.inputs:
            others = self._chosen(context.inputs["rival"].path)
            if others.keys() != outputs.keys():
                raise StageError(f"the rival has not the same images: {min(others.keys() ^ outputs.keys())}")
            rival = sets(list(others.values()), list(others))
        context.console.say(f"scoring {len(outputs)} images against {len(keys)} of side {side!r}, split {split!r}")
        scores = score_sets(
            metrics,
            sets(list(outputs.values()), list(outputs)),
            references,
            Comparison(inputs, constant=self.config.baselines, rival=rival, bootstrap=self.config.bootstrap),
            around,
        )
        way = " then ".join([*facts.via, facts.direction])
        about = {"direction": way, "split": split, "images": len(outputs), "references": len(keys)}
        report(context, scores, about)
        return ScoresFacts().to_json()

    def _inputs(
        self, context: StageContext, dataset: Dataset, keys: list[str], references: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """What the network saw, as it would be handed on untranslated: enlarged where the output is larger."""
        from translate.metrics import Enlarged, Images

        images = context.inputs["images"]
        if not (images.path / INPUTS).is_dir():
            facts = ImagesFacts.from_json(images.facts)
            split, side = facts.split or "", facts.source_side
            return Images([dataset.path(split, side, key) for key in keys], keys)
        return Enlarged(Images([images.path / INPUTS / f"{key}.png" for key in keys], keys), references)


def evaluation_context(
    context: StageContext, dataset: Dataset, split: str, sides: tuple[str, str], keys: list[str]
) -> EvaluationContext:
    """What metrics may know about the outputs `keys` besides their references; `sides` are source and target.

    Where `infer` made the inputs itself, they and their companions lie beside its outputs.
    """
    from translate.data.exemplars import companions
    from translate.metrics import Deferred, Images

    source, target = sides
    folder = context.inputs["images"].path

    def images(split: str, side: str, keys: list[str]) -> Images:
        return Images([dataset.path(split, side, key) for key in keys], keys)

    def written(folder: Path) -> Images:
        return Images([folder / f"{key}.png" for key in keys], keys)

    def exemplars(side: str) -> Deferred:
        def gather() -> Images:
            return images(split, side, [companions(dataset, split, sides, key, apart=True)[0] for key in keys])

        return Deferred(gather)

    around = EvaluationContext(
        target_side=target,
        source_side=source,
        keys=keys,
        inputs=images(split, source, keys),
        exemplars=exemplars(target),
        training_images=lambda side: images("train", side, dataset.keys("train", side)),
        counterparts=exemplars(source) if dataset.pairs(split) else None,
        spec=dataset.facts.spec(),
        device=context.device,
    )
    if not (folder / INPUTS).is_dir():
        return around
    further = [*sorted((folder / OTHERS).glob("*")), folder / INPUTS]
    return replace(around, inputs=written(folder / INPUTS), exemplars=written(further[0]), counterparts=None)


def reference_keys(
    dataset: Dataset, split: str, side: str, keys: list[str], *, paired: bool, itself: bool = False
) -> list[str]:
    """The images to compare with: of the same keys where the split has true pairs or the inputs are the references
    (`itself`), else all of the side.

    Errors: StageError when `paired` metrics meet an image without a partner.
    """
    known = dataset.keys(split, side)
    missing = sorted(set(keys) - set(known))
    if (itself or dataset.pairs(split)) and not missing:
        return keys
    if paired:
        raise StageError(
            f"metrics of pairs need a partner for every image, and side {side!r} of split {split!r} has none for "
            f"{missing[0] if missing else keys[0]}; use swd"
        )
    return known


def report(context: StageContext, scores: Sequence[Score], about: Mapping[str, Any]) -> None:
    """Writes the scores as JSON and as Markdown, prints them, and hands them to the tracker."""
    from translate.metrics import table
    from translate.storage.atomic import write_json, write_text
    from translate.text import number

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
