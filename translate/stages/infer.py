"""The `infer` stage: a trained model and images in, translated images out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from translate.contracts import (
    Class,
    DatasetFacts,
    Image,
    ImagesFacts,
    ModelFacts,
    Need,
    Problem,
    Route,
    Stage,
    StageContext,
    Vector,
)
from translate.conversion.convert import convert_items
from translate.conversion.dataset_split import CONTACT, IMAGES, RESULTS, contact_page, plan_earlier, plan_split
from translate.conversion.options import ConvertOptions
from translate.conversion.plan import plan
from translate.conversion.samples.folder import sample_folder
from translate.conversion.samples.sheets import SampleOptions
from translate.conversion.samples.values import write_values
from translate.data.dataset import Dataset
from translate.data.exemplars import unplayed, value_inputs
from translate.errors import ConfigError, StageError, TranslateError
from translate.imaging.io import read, write
from translate.inference.degradation import degrades
from translate.inference.directions import check_value, choose, directions_of, input_in_words, with_options
from translate.inference.side_images import output_suffix
from translate.models.load import load
from translate.plugins.options import KeyProblem
from translate.seeding import derive
from translate.stages.infer_options import InferConfig
from translate.storage.atomic import replace as replace_file

if TYPE_CHECKING:
    from translate.conversion.plan import Plan
    from translate.conversion.summary import Summary
    from translate.data.dataset import Dataset
    from translate.inference.translator import Translator

# The imports inside of methods bring torch. Commands that list stages, or plan a pipeline that is up to date, do not
# wait for it.


class InferStage(Stage[InferConfig]):
    """Translates a split of a prepared dataset, a folder of images, or what another `infer` stage made of them, into
    `images/`, with `results.jsonl`. The way back (`needs: {images: ...}`) gives reconstructions of that stage's inputs.

    Of data that holds only targets, `inputs/<key>.png` is what the network saw (further inputs: `others/<name>/`).
    """

    name = "infer"
    needs: ClassVar[Mapping[str, Need]] = {
        "model": Need("model"),
        "data": Need("dataset", optional=True),
        "images": Need("images", optional=True),
    }
    produces = "images"

    def inputs(self) -> Iterable[Path]:
        files = [Path(value) for value in self.config.others.values() if isinstance(value, str | Path)]
        return [*([self.config.input] if self.config.input else []), *(path for path in files if path.is_file())]

    def check(self, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        c, model = self.config, ModelFacts.of(parents, "model")
        data, images = DatasetFacts.of(parents, "data"), ImagesFacts.of(parents, "images")
        if model is not None and self._samples(model):
            yield from self._check_samples(parents, data)
            return
        if c.count is not None:
            yield Problem(("with", "count"), "`count` goes with a direction without images; this one converts images")
        if (c.input is not None) + ("data" in parents) + ("images" in parents) != 1:
            origins = "`needs: {data: ...}`, `needs: {images: ...}` or `input: PATH`"
            yield Problem(("with",), f"infer needs one of {origins}, and only one")
        if images is not None and c.split is not None:
            yield Problem(("with", "split"), "`split` goes with data; the images bring their own")
        if c.input is not None and not c.input.exists():
            yield Problem(("with", "input"), f"{c.input}: there is no such file or folder")
        if data is not None and self._split(data) not in data.splits:
            names = repr(c.split) if c.split else "'test' or 'val'"
            yield Problem(("with", "split"), f"the data has no split {names}; it has {', '.join(data.splits)}")
        if model is not None:
            yield from self._check_direction(model, parents)

    def _check_direction(self, model: ModelFacts, parents: Mapping[str, Mapping[str, Any]]) -> Iterable[Problem]:
        data, images = DatasetFacts.of(parents, "data"), ImagesFacts.of(parents, "images")
        if self._unknown(model):
            return  # the runner asks again when the data is there
        try:
            route = self._route(model)
        except ConfigError as error:
            yield Problem(("with", "direction"), str(error))
            return
        yield from self._check_others(route, from_data="data" in parents)
        try:
            self._options(model, route)
        except TranslateError as error:
            yield Problem(("with", "options"), str(error))
        if self.config.samples > 1 and "data" in parents:
            yield Problem(("with", "samples"), "several answers to an image of the data cannot be scored; give `input`")
        if images is not None and images.target_side != route.source:
            message = f"{route.name} translates side {route.source!r}, and these are of {images.target_side!r}"
            yield Problem(("needs", "images"), message)
        if data is not None and not degrades(model.data, route):
            for name in unplayed(data.sides, route):
                message = f"{route.name} takes {name!r}, which no side of the data is: give `input` and `others`"
                yield Problem(("needs", "data"), message)
        if data is not None and (why := model.data.mismatch(data.sides)):
            message = f"{model.method} translates {model.data.in_words()}, and here is {data.data.in_words()}: {why}"
            yield Problem(("needs", "data"), message)

    def _samples(self, model: ModelFacts) -> bool:
        """Whether the direction makes images from nothing."""
        try:
            return self._route(model).main is None
        except ConfigError:
            return False

    def _check_samples(self, parents: Mapping[str, Mapping[str, Any]], data: DatasetFacts | None) -> Iterable[Problem]:
        """Mistakes of a direction that makes images from nothing."""
        if self.config.input is not None or "images" in parents:
            yield Problem(("with",), "this direction makes images from nothing: leave out `input` and images")
        if "data" not in parents and self.config.count is None:
            yield Problem(("with",), "this direction makes images from nothing: say `count`, or give it data")
        if data is not None and self._split(data) not in data.splits:
            yield Problem(("with", "split"), f"the data has no such split; it has {', '.join(data.splits)}")
        model = ModelFacts.from_json(parents["model"])
        route = self._route(model)
        yield from self._check_others(route, from_data="data" in parents)
        try:
            self._options(model, route)
        except TranslateError as error:
            yield Problem(("with", "options"), str(error))

    def _check_others(self, route: Route, *, from_data: bool) -> Iterable[Problem]:
        """Further inputs that are missing, too many, or taken from the data."""
        given, further = self.config.others, ", ".join(route.others) or "none"
        if not from_data and set(given) != set(route.others):
            listed = ", ".join(input_in_words(name, route.types.get(name)) for name in route.others) or "none"
            yield Problem(("with", "others"), f"{route.name} needs these further inputs: {listed}")
            given = {name: value for name, value in given.items() if name in route.others}
        for name, value in given.items():
            kind = route.types.get(name, Image())
            if name not in route.others:
                yield KeyProblem(("with", "others", name), f"{route.name} has no such input; it has {further}")
            elif isinstance(kind, Class) and not kind.names and route.side_of(name) is not None:
                continue  # the names are not known before the data is there
            elif isinstance(kind, Class | Vector):
                try:
                    check_value(name, kind, value)
                except ConfigError as error:
                    yield Problem(("with", "others", name), str(error))
            elif from_data:
                message = "`others` goes with `input`; here further inputs come from the data"
                yield KeyProblem(("with", "others", name), message)

    def _options(self, model: ModelFacts, route: Route) -> Route:
        """The direction with the options of the pipeline. Errors: ConfigError, or what a broken plugin raises."""
        if not self.config.options:
            return route
        directions = directions_of(self.registry.get("methods", model.method), model)
        own = route.own or route.name
        if own not in directions:
            return route  # the facts are of an earlier version: options are checked when the model is there
        return with_options(route, directions[own], self.config.options)

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        model = ModelFacts.of(parents, "model")
        return {} if model is None or self._unknown(model) else self._facts(parents).to_json()

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
            source_side=route.source or route.target or "",
            target_side=route.target,
            pairs=data is not None and route.main is not None and (split in data.pairs or _beside(data, route)),
            data=data.data if data else None,
            from_nothing=route.main is None,
        )

    def _unknown(self, model: ModelFacts) -> bool:
        """Says whether the direction may be one of those that the data will bring."""
        wanted = self.config.direction
        return model.open and wanted is not None and wanted not in model.directions

    def _route(self, model: ModelFacts) -> Route:
        return model.directions[choose(model.directions, self.config.direction)]

    def _split(self, data: DatasetFacts) -> str | None:
        return self.config.split or default_split(data.splits)

    def run(self, context: StageContext) -> dict[str, Any]:
        facts = self._facts({name: artifact.facts for name, artifact in context.inputs.items()})
        translator = load(
            context.inputs["model"].path,
            context.device,
            context.registry,
            precision=self.config.precision,
            seed=derive(context.seed, "infer") if self.config.seed is None else self.config.seed,
            tell=context.console.warn,
            handling=self.config.handling(),
        )
        dataset = Dataset(context.inputs["data"].path) if "data" in context.inputs else None
        if translator.route(facts.direction).main is None:
            return self._sample(context, dataset, facts, translator)
        work = self._plan(context, dataset, facts, translator)
        options = ConvertOptions(
            direction=facts.direction,
            options=self.config.options,
            others=self._others(translator.route(facts.direction)),
            quality=self.config.quality,
            deep=self.config.bits == 16,
            pages=self.config.pages,
            retry_failed=True,  # whoever runs a failed stage again has mended something
        )
        options = replace(options, direction=translator.call(facts.direction, self.config.options))
        values = {item.name: _asked(item.values, options.others) for item in work.items if item}
        write_values(context.folder, translator.route(facts.direction), values)
        summary = convert_items(work, translator, options, console=context.console)
        self._report(context, work, dataset, facts, summary)
        return replace(facts, count=summary.done).to_json()

    def _sample(
        self, context: StageContext, dataset: Dataset | None, facts: ImagesFacts, translator: Translator
    ) -> dict[str, Any]:
        """Makes images from nothing; classes and vectors come from the images of the split, where there is data."""
        route = translator.route(facts.direction)
        others: dict[str, Any] = self._others(route)
        keys: list[str] = []
        if dataset is not None and facts.split is not None:
            keys = dataset.keys(facts.split, route.target or next(iter(dataset.sides(facts.split))))
        count = self.config.count or len(keys)
        if keys and dataset is not None and facts.split is not None:
            rows = [value_inputs(dataset, facts.split, route, keys[number % len(keys)]) for number in range(count)]
            for name in set(route.others) - set(others):
                others[name] = [row[name] for row in rows]
        asked = {name: value if isinstance(value, list) else [value] * count for name, value in others.items()}
        values = {f"{number:06d}": {name: asked[name][number] for name in asked} for number in range(count)}
        write_values(context.folder, route, values)
        options = SampleOptions(translator.call(facts.direction, self.config.options), others, overwrite=True)
        sample_folder(translator, context.folder / IMAGES, range(count), options, console=context.console)
        page = context.folder / CONTACT
        replace_file(context.folder / IMAGES / CONTACT, page)
        replace_file(context.folder / IMAGES / RESULTS, context.folder / RESULTS)
        context.console.say(f"{count} images in {facts.direction}")
        context.tracker.image("converted", read(page).pixels, step=0)
        context.tracker.file(page)
        return replace(facts, count=count).to_json()

    def _others(self, route: Route) -> dict[str, Any]:
        """Further inputs: images are read, classes and numbers taken as they are."""
        values: dict[str, Any] = {}
        for name, given in self.config.others.items():
            plain = isinstance(route.types.get(name), Class | Vector)
            values[name] = given if plain else read(Path(str(given)))
        return values

    def _plan(self, context: StageContext, dataset: Dataset | None, facts: ImagesFacts, translator: Translator) -> Plan:
        """The images to translate: of another stage, of the user's own folder, or of a split of the data."""
        route = translator.route(facts.direction)
        if "images" in context.inputs:
            return plan_earlier(context.inputs["images"].path, route, translator, context.folder)
        if dataset is not None and facts.split is not None:
            return plan_split(dataset, facts.split, route, translator, context.folder, context.seed)
        assert self.config.input is not None  # `check` has seen to it
        ending = output_suffix(translator.program, route)
        work = plan(self.config.input, context.folder / IMAGES, ending, self.config.samples)
        items = [item for item in work.items if item]
        return replace(work, items=items, output=context.folder / IMAGES, journal=context.folder / RESULTS)

    def _report(
        self, context: StageContext, work: Plan, dataset: Dataset | None, facts: ImagesFacts, summary: Summary
    ) -> None:
        """Writes and records a sheet of examples. Errors: StageError where an image failed."""
        if summary.failures:
            first = "; ".join(f"{name}: {reason}" for name, reason in summary.failures[:3])
            raise StageError(f"{summary.failed} of {work.count()[0]} images failed: {first}")
        context.console.say(f"{summary.done} images in {facts.direction}")
        model = ModelFacts.from_json(context.inputs["model"].facts)
        if model.directions[facts.direction].output not in ("image", "labels"):
            return  # classes and numbers are no pictures
        page = contact_page(work, dataset, facts, model.directions[facts.direction])
        write(context.folder / CONTACT, page)
        context.tracker.image("converted", page, step=0)
        context.tracker.file(context.folder / CONTACT)


def _beside(data: DatasetFacts, route: Route) -> bool:
    """Whether each image that is translated has beside it what its output imitates, or is it itself."""
    return route.source is not None and route.target in data.sides.group_of(route.source)


def default_split(splits: Iterable[str]) -> str | None:
    """The split to look at where none is named: test, else val."""
    return next((split for split in ("test", "val") if split in splits), None)


def _asked(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The classes and vectors that an image gets: those of the data, but for those that the pipeline states for all."""
    return {name: others.get(name, value) for name, value in values.items()}
