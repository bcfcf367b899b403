"""The `infer` stage: a trained model and images in, translated images out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from translate.contracts import Config, DatasetFacts, ImagesFacts, ModelFacts, Need, Problem, Route, Stage, StageContext
from translate.errors import ConfigError, StageError
from translate.seeding import derive

if TYPE_CHECKING:
    from translate.conversion.convert import Summary
    from translate.conversion.plan import Item, Plan
    from translate.data.dataset import Dataset
    from translate.inference.translator import Translator

RESULTS, IMAGES, INPUTS, OTHERS, CONTACT = "results.jsonl", "images", "inputs", "others", "contact.png"
SHOWN, TILE = 8, 256
"""Rows of the contact sheet, and the longest side of its pictures."""


class InferConfig(Config):
    """Options of the `infer` stage. The images are a split of its `data`, or those at `input`."""

    split: str | None = None
    """Split of the data to translate; `null` takes `test` where there is one, else `val`."""
    direction: str | None = None
    """Direction of the method, such as `b_to_a`; `null` takes its first."""
    input: Path | None = None
    """Image, folder or pattern to translate instead of a split: `photos/**/*.jpg`."""
    others: dict[str, Path] = {}
    """Files for the further inputs of the direction, together with `input`: `{exemplar: hat.png}`."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the networks' calculations; bf16 is faster on some devices and differs a little."""
    bits: Literal[16] | None = None
    """16 writes 16 bits per channel where the inputs have 8, so that what a network hides below a step of 8 bits
    survives; `null` keeps the bits of each input."""
    quality: int = Field(default=95, ge=1, le=100)
    """Quality of JPEG and WebP outputs; 100 is the best and largest."""


class InferStage(Stage[InferConfig]):
    """Translates a split of a prepared dataset, a folder of images, or what another `infer` stage made of them, into
    `images/`, with `results.jsonl`. The way back (`needs: {images: ...}`) gives reconstructions of that stage's inputs.

    Of data that holds only the truth, `inputs/<key>.png` is what the network saw (further inputs: `others/<name>/`).
    """

    name = "infer"
    needs: ClassVar[Mapping[str, Need]] = {
        "model": Need("model"),
        "data": Need("dataset", optional=True),
        "images": Need("images", optional=True),
    }
    produces = "images"

    # ---------------------------------------------------------------------------------------------- before it runs

    def inputs(self) -> Iterable[Path]:
        return [*([self.config.input] if self.config.input else []), *self.config.others.values()]

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        c, model = self.config, ModelFacts.of(parents, "model")
        data, images = DatasetFacts.of(parents, "data"), ImagesFacts.of(parents, "images")
        if (c.input is not None) + ("data" in parents) + ("images" in parents) != 1:
            wanted = "`needs: {data: ...}`, `needs: {images: ...}` or `input: PATH`"
            yield Problem(("with",), f"infer needs one of {wanted}, and only one")
            return
        if images is not None and c.split is not None:
            yield Problem(("with", "split"), "`split` goes with data; the images bring their own")
        if c.input is not None and not c.input.exists():
            yield Problem(("with", "input"), f"{c.input}: there is no such file or folder")
        if data is not None and c.others:
            yield Problem(("with", "others"), "`others` goes with `input`; here further inputs come from the data")
        if data is not None and self._split(data) not in data.splits:
            wanted = repr(c.split) if c.split else "'test' or 'val'"
            yield Problem(("with", "split"), f"the data has no split {wanted}; it has {', '.join(data.splits)}")
        if model is not None:
            yield from self._check_direction(model, data, images)

    def _check_direction(
        self, model: ModelFacts, data: DatasetFacts | None, images: ImagesFacts | None
    ) -> Iterable[Problem]:
        try:
            route = self._route(model)
        except ConfigError as error:
            yield Problem(("with", "direction"), str(error))
            return
        further = ", ".join(route.inputs[1:]) or "none"
        if data is None and set(self.config.others) != set(route.inputs[1:]):
            yield Problem(("with", "others"), f"{route.name} needs files for these further inputs: {further}")
        if images is not None and images.target_side != route.sides[0]:
            message = f"{route.name} translates side {route.sides[0]!r}, and these are of {images.target_side!r}"
            yield Problem(("needs", "images"), message)
        if data is not None and data.kind != model.data:
            message = f"{model.method} translates {model.data} data, and this data is {data.kind}"
            yield Problem(("needs", "data"), message)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return self._facts(parents).to_json()

    def _facts(self, parents: Mapping[str, Mapping[str, Any]]) -> ImagesFacts:
        route = self._route(ModelFacts.from_json(parents["model"]))
        data, images = DatasetFacts.of(parents, "data"), ImagesFacts.of(parents, "images")
        if images is not None:
            return replace(
                images,
                direction=route.name,
                target_side=route.target,
                pairs=images.split is not None and images.source_side == route.target,  # they came back
                via=(*images.via, images.direction),
                count=None,
            )
        split = self._split(data) if data else None
        return ImagesFacts(
            direction=route.name,
            split=split,
            source_side=route.sides[0],
            target_side=route.target,
            pairs=data is not None and (split in data.pairs or route.target == route.sides[0]),
            data=data.kind if data else None,
        )

    def _route(self, model: ModelFacts) -> Route:
        from translate.inference.directions import choose

        return model.directions[choose(model.directions, self.config.direction)]

    def _split(self, data: DatasetFacts) -> str | None:
        return self.config.split or default_split(data.splits)

    # ---------------------------------------------------------------------------------------------------- the work

    def run(self, context: StageContext) -> dict[str, Any]:
        from translate.conversion.convert import convert_items
        from translate.data.dataset import Dataset
        from translate.models.load import load

        facts = self._facts({name: artifact.facts for name, artifact in context.inputs.items()})
        translator = load(
            context.inputs["model"].path,
            context.device,
            context.registry,
            precision=self.config.precision,
            seed=derive(context.seed, "infer"),
        )
        dataset = Dataset(context.inputs["data"].path) if "data" in context.inputs else None
        work = self._plan(context, dataset, facts, translator)
        summary = convert_items(
            work,
            translator,
            console=context.console,
            direction=facts.direction,
            others=self._others(),
            quality=self.config.quality,
            deep=self.config.bits == 16,
        )
        self._report(context, work, dataset, facts, summary)
        return replace(facts, count=summary.done).to_json()

    def _others(self) -> dict[str, Any]:
        from translate.imaging.io import read

        return {name: read(path) for name, path in self.config.others.items()}

    def _plan(self, context: StageContext, dataset: Dataset | None, facts: ImagesFacts, translator: Translator) -> Plan:
        from translate.conversion.plan import Item, plan
        from translate.data.exemplars import companions
        from translate.inference.degradation import observes
        from translate.metrics import by_key

        output, journal = context.folder / IMAGES, context.folder / RESULTS
        if earlier := context.inputs.get("images"):
            made = by_key(earlier.path / IMAGES)
            return _sorted([Item(key, path, f"{key}.png") for key, path in made.items()], output, journal)
        if dataset is None:
            assert self.config.input is not None
            found = plan(self.config.input, output, ".png")
            return replace(found, items=[item for item in found.items if item], output=output, journal=journal)
        split, source = facts.split or "", facts.source_side
        if observes(dataset.kind):
            return _sorted(self._observe(context, dataset, facts, translator), output, journal)
        route = ModelFacts.from_json(context.inputs["model"].facts).directions[facts.direction]
        inputs, sides = route.inputs, route.sides
        items = [
            Item(
                key,
                dataset.path(split, source, key),
                f"{key}.png",
                others={
                    name: dataset.path(split, side, other)
                    for name, side, other in zip(
                        inputs[1:], sides[1:], companions(dataset, split, sides, key), strict=True
                    )
                },
            )
            for key in dataset.keys(split, source)
        ]
        return _sorted(items, output, journal)

    def _observe(
        self, context: StageContext, dataset: Dataset, facts: ImagesFacts, translator: Translator
    ) -> Iterable[Item]:
        """Writes what the method makes of each truth, and plans to translate that."""
        import numpy as np

        from translate.conversion.plan import Item
        from translate.imaging.convert import to_array
        from translate.imaging.io import write
        from translate.inference.degradation import observed

        route, split, side = translator.route(facts.direction), facts.split or "", facts.source_side
        for key in dataset.keys(split, side):
            truth = dataset.tensor(split, side, key)
            paths = {}
            for name, image in observed(translator.method, route, truth, context.seed, key).items():
                folder = INPUTS if name == route.inputs[0] else f"{OTHERS}/{name}"
                paths[name] = context.folder / folder / f"{key}.png"
                paths[name].parent.mkdir(parents=True, exist_ok=True)
                write(paths[name], to_array(image[None], np.dtype(np.uint8)))
            first = paths.pop(route.inputs[0])
            yield Item(key, first, f"{key}.png", others=paths)

    def _report(
        self, context: StageContext, work: Plan, dataset: Dataset | None, facts: ImagesFacts, summary: Summary
    ) -> None:
        if summary.failures:
            first = "; ".join(f"{name}: {reason}" for name, reason in summary.failures[:3])
            raise StageError(f"{summary.failed} of {work.count()[0]} images failed: {first}")
        context.console.say(f"{summary.done} images in {facts.direction}")
        route = ModelFacts.from_json(context.inputs["model"].facts).directions[facts.direction]
        page = contact_sheet(work, dataset, facts, route.scale, max(route.tiles))
        from translate.imaging.io import write

        write(context.folder / CONTACT, page)
        context.tracker.image("converted", page, step=0)
        context.tracker.file(context.folder / CONTACT)


def _sorted(items: Iterable[Item], output: Path, journal: Path) -> Plan:
    from translate.conversion.plan import Plan, order

    in_order: list[Item] = sorted(items, key=lambda item: order(item.name))
    return Plan(in_order, output, journal=journal)


def default_split(splits: Iterable[str]) -> str | None:
    """The split to look at where none is named: test, else val."""
    return next((split for split in ("test", "val") if split in splits), None)


def contact_sheet(work: Plan, dataset: Dataset | None, facts: ImagesFacts, scale: int = 1, tiles: int = 1) -> Any:
    """Rows of inputs | output | target (where pairs are known) of images spread over the set; H x W x 3 uint8.

    Inputs are shown in the size of the outputs, `scale` times as large; an output may be up to `tiles` pictures wide.
    """
    from translate.training.validation import enlarged, mosaic

    items = [item for item in work.items if item]
    rows = []
    for item in items[:: max(1, len(items) // SHOWN)][:SHOWN]:
        row = [enlarged(_tile(path, TILE // scale), scale) for path in (item.source, *item.others.values())]
        row.append(_tile(work.output / item.target, TILE * tiles))
        if dataset is not None and facts.split and facts.pairs and facts.target_side:
            row.append(_tile(dataset.path(facts.split, facts.target_side, item.name), TILE))
        rows.append(row)
    return mosaic(rows)


def _tile(path: Path, longest: int) -> Any:
    """An image file as H x W x 3 uint8, no side longer than `longest`."""
    import numpy as np

    from translate.imaging.convert import match_channels, resize, to_array, to_tensor
    from translate.imaging.io import read

    tensor = match_channels(to_tensor(read(path).shown()), 3)
    height, width = tensor.shape[-2:]
    scale = longest / max(height, width)
    if scale < 1:
        tensor = resize(tensor, (max(1, round(height * scale)), max(1, round(width * scale))))
    return to_array(tensor, np.dtype(np.uint8))
