"""Validation: metrics and sample grids of the same images at any time of a training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from translate.contracts import EvaluationContext, Frames, Image, Metric, Route
from translate.data.dataset import Dataset
from translate.data.exemplars import picture_inputs, picture_keys, unplayed, value_inputs
from translate.imaging.grid import enlarged, mosaic, picture, titled
from translate.inference.degradation import degraded_inputs, degrades, real_input
from translate.inference.sampling import sample_tensor
from translate.inference.translator import Translator
from translate.metrics import Deferred
from translate.metrics.scores import named
from translate.training.config import ValidateConfig
from translate.training.engine import Engine


def split_for(dataset_splits: Sequence[str], wanted: str | None) -> str | None:
    """The split to validate on: the one asked for, else `val`, else `test`, else None."""
    return next((s for s in ([wanted] if wanted else ["val", "test"]) if s in dataset_splits), None)


class Validator:
    """Translates the same validation images at any time of a training, on copies of the networks."""

    def __init__(
        self, engine: Engine, dataset: Dataset, split: str, config: ValidateConfig, metrics: Sequence[Metric[Any]]
    ) -> None:
        self.dataset, self.split, self.config, self.metrics = dataset, split, config, metrics
        self.method, self.world = engine.method, engine.world
        self.scored = config.directions or tuple(self.method.directions)[:1]
        """The directions that metrics score; all of them get a grid."""
        self.steps = _steps(dataset)
        needed = {n for d in self.method.directions.values() for n in d.nets}
        self.copies = {n: copy.deepcopy(engine.nets[n]) for n in sorted(needed)}
        self.translator = Translator(
            self.method, self.copies, {}, device=str(engine.device), precision=engine.precision, seed=engine.seed
        )

    def curve(self, direction: str, metric: str) -> str:
        """The name of a score in the tracker; the method's first direction stands for itself."""
        first = next(iter(self.method.directions))
        return f"val/{metric}" if direction == first else f"val/{direction}/{metric}"

    def curves_of(self, metric: str) -> list[str]:
        """The curves of the first metric that the pipeline calls so, one for each direction that is scored."""
        place = [use.uses for use in self.config.metrics].index(metric)
        name = list(named(self.metrics))[place]
        return [self.curve(direction, name) for direction in self.scored]

    def load(self, nets: Mapping[str, nn.Module], *, together: bool = True) -> None:
        """Takes over the weights and buffers of `nets` (the live or the averaged ones). Of several processes all have
        to call it, unless this one looks by itself, not `together`."""
        with torch.no_grad():
            for name, mine in self.copies.items():
                live = nets[name].state_dict()
                # batch norms that became per-image norms have no running averages
                mine.load_state_dict({key: live[key] for key in mine.state_dict()})
        if (
            self.world.shared and together
        ):  # running averages of batch norms differ from process to process: those of rank 0
            self.world.hand_out(buffer for net in self.copies.values() for buffer in net.buffers())
        self.translator = self.translator.refreshed()

    def translate(self, direction: str) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs for the first `images` keys of the split and the real images of the target side, in [0, 1].
        Label maps are class indices, long H x W.

        Of several processes each makes a part of them; rank 0 has them all, and the others have none.
        Where the split has pairs, item i of the one belongs to item i of the other. No target side: no real images.
        """
        route = self.translator.route(direction)
        keys = self.keys(route, self.config.images)
        outputs = self.world.spread(keys, lambda key: self._rounded(self.output(direction, key)))
        if route.target is None or not self.world.leads:
            return outputs, []
        real = keys if self.pairs(route) else self.dataset.keys(self.split, route.target)[: self.config.images]
        return outputs, [self._rounded(self.dataset.tensor(self.split, route.target, key)) for key in real]

    def context(self, direction: str) -> EvaluationContext | None:
        """Everything that metrics may look at beside the outputs; None where a direction imitates no side."""
        route = self.translator.route(direction)
        if route.target is None:
            return None
        keys = self.keys(route, self.config.images)

        def inputs(place: int) -> list[Tensor]:
            """The first or the second input of every key; the only one where there is one."""
            rows = [list(self.pictures(direction, key).values()) for key in keys]
            return [self._rounded(images[:2][place]) for images in rows]

        def counterparts() -> list[Tensor]:
            chosen = [list(picture_keys(self.dataset, self.split, route, key).values())[1][1] for key in keys]
            return [self._rounded(self.dataset.tensor(self.split, source, key)) for key in chosen]

        source = route.source or route.target
        paired_exemplars = len(picture_inputs(route)) > 1 and self.dataset.pairs(self.split)
        return EvaluationContext(
            target_side=route.target,
            source_side=source,
            keys=keys,
            inputs=Deferred(lambda: inputs(0)),
            exemplars=Deferred(lambda: inputs(-1)),
            training_images=self.training,
            counterparts=Deferred(counterparts) if paired_exemplars else None,
            spec=self.method.spec,
            device=str(self.translator.device),
        )

    def training(self, side: str) -> list[Tensor]:
        """All training images of a side, in [0, 1]."""
        keys = self.dataset.keys("train", side)
        return [self._rounded(self.dataset.tensor("train", side, key)) for key in keys]

    def shows(self, direction: str) -> bool:
        """Says whether the outputs of a direction are pictures, which classes and vectors are not, and the data has all
        that it takes."""
        route = self.translator.route(direction)
        fed = degrades(self.method.data, route) or not unplayed(self.dataset.types, route)
        return route.output in ("image", "labels") and fed

    def grid(self, direction: str) -> np.ndarray[Any, Any]:
        """Rows of input | output | target (where pairs are known) for the first `samples` keys; H x W x 3 uint8."""
        return mosaic(self.rows(direction))

    def page(self, direction: str) -> np.ndarray[Any, Any]:
        """The pictures of `grid` for people: below the names of their columns, on a page that is nearly square."""
        rows = self.rows(direction)
        key = self.keys(self.translator.route(direction), 1)[0]
        inputs = list(self.pictures(direction, key))
        names = ["input"] if len(inputs) == 1 else inputs
        names += ["output", "target"][: len(rows[0]) - len(inputs)]
        return titled(rows, names)

    def rows(self, direction: str) -> list[list[np.ndarray[Any, Any]]]:
        """The pictures of `grid` one by one, each H x W x 3 uint8."""
        route = self.translator.route(direction)
        palette, rows = self.method.spec.palette, []
        for key in self.keys(route, self.config.samples):
            pictures = self.pictures(direction, key).values()
            inputs = [enlarged(picture(image, palette), route.scale) for image in pictures]
            row = [*inputs, picture(self.output(direction, key), palette)]
            if route.target and self.pairs(route):
                row.append(picture(self.dataset.tensor(self.split, route.target, key), palette))
            rows.append(row)
        return rows

    def pictures(self, direction: str, key: str) -> dict[str, Tensor]:
        """The inputs of a direction that are pictures, by name, for one validation image: C x H x W in [-1, 1]."""
        route = self.translator.route(direction)
        if route.main and (side := real_input(self.method, route, self.dataset.types)):
            return {route.main: self.dataset.tensor(self.split, side, key)}
        if route.source and degrades(self.method.data, route):
            target = self.dataset.tensor(self.split, route.source, key)
            return degraded_inputs(self.method, route, target, self.translator.seed, key)
        chosen = picture_keys(self.dataset, self.split, route, key)
        return {name: self.dataset.tensor(self.split, side, k) for name, (side, k) in chosen.items()}

    def output(self, direction: str, key: str) -> Tensor:
        """The translation of one validation image: C x H x W in [-1, 1], class indices, long H x W, a class or a
        vector."""
        route = self.translator.route(direction)
        values: dict[str, Any] = value_inputs(self.dataset, self.split, route, self.data_key(route, key))
        if route.main is None:
            output = sample_tensor(self.translator.program, key, route, values)
        else:
            first, *others = [image[None] for image in self.pictures(direction, key).values()]
            further: dict[str, Any] = dict(zip(picture_inputs(route)[1:], others, strict=True))
            output = self.translator.translate_tensor(first, direction, **further, **values)
        plain = output[0].float().cpu()
        return plain.argmax(0) if route.output in ("labels", "class") else plain

    def keys(self, route: Route, limit: int | None) -> list[str]:
        """The images to translate; for a direction without images the numbers of its samples."""
        if route.source is not None:
            return self.dataset.keys(self.split, route.source)[:limit]
        side = route.target or next(iter(self.dataset.sides(self.split)))
        return [str(number) for number in range(len(self.dataset.keys(self.split, side)[:limit]))]

    def data_key(self, route: Route, key: str) -> str:
        """The image whose class or vector is taken: itself, or the one of that number for a sample."""
        if route.source is not None:
            return key
        side = next((side for side in route.sides if side is not None), route.target)
        keys = self.dataset.keys(self.split, side or next(iter(self.dataset.sides(self.split))))
        return keys[int(key) % len(keys)]

    def pairs(self, route: Route) -> bool:
        """Says whether image i of the target is what translation i of a direction should be."""
        if route.source is None:
            return False
        return self.dataset.pairs(self.split) or route.target in self.dataset.types.group_of(route.source)

    def _rounded(self, image: Tensor) -> Tensor:
        """[-1, 1] to [0, 1], at the bit depth of the data; labels, classes and vectors stay, and so do floats between
        their ends."""
        if image.ndim < 3:
            return image
        unit = image.clamp(-1, 1).add(1)
        return unit.div(2) if self.steps is None else unit.mul(self.steps / 2).round().div(self.steps)


def _steps(dataset: Dataset) -> int | None:
    """The steps between black and white as files of the data have them; None for floats."""
    dtypes = {side.dtype for side in dataset.types.values() if isinstance(side, Image | Frames)}
    if "float32" in dtypes:
        return None
    return 65535 if "uint16" in dtypes else 255
