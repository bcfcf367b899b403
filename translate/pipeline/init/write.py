"""`translate init`: a pipeline file for a folder of images, that runs, and says why it is as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from translate.contracts import Method, Sides
from translate.errors import ConfigError
from translate.pipeline.init.detect import Material, fitting_methods, material
from translate.pipeline.init.layout import look
from translate.pipeline.init.sizes import ENLARGED, LARGEST, SMALLEST, Square, networks_of, training_square
from translate.plugins import Registry

MARGIN = 286 / 256
"""How much larger than the square the images are kept, so that random crops differ (pix2pix, CycleGAN)."""
STEPS = 100_000
"""Batches that a training takes, more or less: 200 epochs of 400 images, and some."""

STEPS_AT_LEAST = 12_000
"""Batches of a training on few images: 400 epochs of 30."""
HOUR: Mapping[str, int] = {
    "paired": 12_000,
    "unpaired": 6_000,
    "single": 12_000,
    "labelled": 12_000,
    "attribute": 10_000,
}
"""Batches that two cores make in an hour, or less, by kind of data, with networks of 32 filters on squares of
`HOUR_SIDE`."""
HOUR_SIDE = 128

_METRICS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "paired": (["l1", "ssim"], ["l1", "psnr", "ssim", "swd"]),
    "unpaired": (["swd"], ["swd"]),
    "single": (["psnr", "ssim"], ["l1", "psnr", "ssim", "swd"]),
    "labelled": (["miou", "pixel-accuracy"], ["miou", "pixel-accuracy", "class-accuracy"]),
    "attribute": (["swd"], ["swd"]),
}
"""Metrics to validate with, and metrics to score with, by kind of data."""


def file_name(method: str, folder: Path) -> str:
    """The name of the file where no other is asked for: `photos_pix2pix.yaml`."""
    return f"{_slug(folder.resolve().name, '_')}_{_slug(method, '_')}.yaml"


def no_method(folder: Path, registry: Registry) -> str:
    """Says which methods suit a folder for which none was chosen. Errors: DataError where there are no images."""
    layout = look(folder)
    return f"choose a method, `--method NAME`: {folder} holds {layout}, and {fitting_methods(layout, registry)}"


def starter(method: str, folder: Path, registry: Registry, file: Path | None = None) -> str:
    """The text of a pipeline that trains `method` on the images of `folder`; `file` is where it will stand.

    Errors: ConfigError where the folder does not suit the method, which says what it suits; DataError where there are
    no images, or where they cannot be read.
    """
    cls = registry.get("methods", method)
    if not cls.players:
        raise ConfigError(f"{method} is for inference alone: there is nothing to train")
    return _Writer(method, cls, folder, material(cls.data, look(folder), method, registry), registry).text(
        file or Path(file_name(method, folder))
    )


class _Writer:
    def __init__(
        self, name: str, method: type[Method[Any]], folder: Path, images: Material, registry: Registry
    ) -> None:
        self.name, self.method, self.folder, self.images, self.registry = name, method, folder, images, registry
        self.kind = str(Sides.of(method.data).kind)
        self.least = min(images.size)
        self.scale = images.scale
        if self.scale == 1:
            self.scale = max(direction.scale for direction in method.directions.values())
        if self.scale > 1 and self.least < ENLARGED:
            text = f"{name} trains on crops of {ENLARGED} pixels, and the least side is {self.least}"
            raise ConfigError(f"{folder}: {text}; leave out what is smaller")
        if self.scale > 1:
            self.square = Square(ENLARGED, _options_of_scale(name, method, self.scale, folder))
        else:
            self.square = training_square(name, self.least, registry)
        self.held_out = _held_out(images)
        self.count = (images.count - round(self.held_out * images.count)) * images.tiles
        """The images, or tiles of them, that are trained on."""
        self.steps = max(STEPS_AT_LEAST, min(STEPS, 400 * self.count))
        self.scored = next((split for split in ("test", "val") if split in images.splits), None)
        if self.held_out:
            self.scored = "val"

    def text(self, file: Path) -> str:
        title = f"{_slug(self.folder.resolve().name, '-')}-{_slug(self.name, '-')}"[:60]
        head = f"""\
# {self.name} on the images of {self.folder.as_posix()}.
#
#   translate run {file}                    train, convert and score
#   translate run {file} --profile quick    does it run? In minutes on a CPU, small and on few images
#   translate run {file} --profile hour     a first result: about an hour on a CPU of two cores
#
# Written by `translate init`; it is yours to change. `translate check` says what is wrong with it.
version: 1
name: {title}
seed: 42

stages:
"""
        return head + "\n".join([self._prepare(), self._train(), self._convert(), self._profiles()])

    def _prepare(self) -> str:
        transforms, why = self._transforms(self.square.side)
        split = f"split: {{val: {self.held_out:g}}}  # held out of the training, for sample pictures and scores"
        further: list[str] = []
        for option, value in self.images.options.items():
            further += _entry(2, option, value)
        return _block(
            1,
            "prepare:",
            "  uses: preprocess",
            "  with:",
            *(f"    # {line}" for line in self.images.about),
            *_entry(2, "source", self.images.source),
            *([f"    {split}"] if self.held_out else []),
            *further,
            *(f"    # {line}" for line in why),
            f"    transforms: {_flow(transforms)}",
        )

    def _transforms(self, size: int) -> tuple[list[dict[str, Any]], list[str]]:
        if self.images.scale > 1:
            return [], ["Kept as they are: whoever resizes or turns one image of a pair parts it from the other."]
        if self.scale > 1:
            why = "Small images are made of these; both sides have to be multiples of the scale."
            return [{"uses": "modcrop", "multiple": self.scale}], [why]
        if "tiles" in self.images.options:
            whole = _flow([{"uses": "resize-shorter", "size": round(size * MARGIN)}])
            return [], [
                f"The least side is {self.least:,} pixels: cut into tiles, to train on crops of {size} at full detail.",
                f"To see images as a whole, leave `tiles` out, and write `transforms: {whole}`.",
            ]
        larger = round(size * MARGIN)
        if self.least < size:
            why = f"The least side is {self.least} pixels, and networks take {size}: enlarged, the aspect kept."
            return [{"uses": "resize-shorter", "size": size}], [why]
        as_large = size == self.square.side and self.least <= round(LARGEST * MARGIN)
        if self.least <= larger or as_large:
            return [], [f"The least side is {self.least} pixels: kept as they are, to train on crops of {size}."]
        why = (
            f"The least side is {self.least} pixels: shrunk to {larger}, the aspect kept, to train on crops of {size}."
        )
        return [{"uses": "resize-shorter", "size": larger}], [why]

    def _train(self) -> str:
        epochs = max(4, round(self.steps / self.count))
        seen = f"validate: {{every: {max(1, epochs // 20)}, metrics: {_flow(_METRICS[self.kind][0])}}}"
        unseen = "# There are too few images to hold some out: nothing to validate on, no sample pictures."
        options = dict(self.square.options)
        of_size = "" if self.scale > 1 else "  # networks for crops of this size"
        return _block(
            1,
            "train:",
            "  uses: train",
            "  needs: {data: prepare}",
            "  with:",
            f"    method: {self.name}  # `translate methods {self.name}` shows its options and losses",
            *([f"    options: {_flow(options)}{of_size}"] if options else []),
            "    # Leave the flip out where left and right mean something (text, maps).",
            f"    augment: {_flow(self._augment(self.square.side))}",
            "    optimizer: {uses: adam, lr: 2e-4, betas: [0.5, 0.999]}",
            f"    schedule: {{uses: linear-decay, start: {epochs // 2}}}",
            f"    epochs: {epochs}  # of {self.count:,} images: {epochs * self.count:,} steps",
            "    batch_size: 1",
            f"    {seen if self.scored else unseen}",
        )

    def _augment(self, size: int) -> list[dict[str, Any]]:
        whole = {"multiple": self.scale} if self.images.scale > 1 else {}  # pixels of the low resolution
        return [{"uses": "random-crop", "size": size, **whole}, {"uses": "horizontal-flip", "p": 0.5}]

    def _convert(self) -> str:
        if self.scored is None:
            why = "# Put images into `val` or `test` to convert and score what the training has not seen."
            return _block(
                1, "convert:", "  uses: infer", "  needs: {model: train, data: prepare}", "  with: {split: train}", why
            )
        return _block(
            1,
            *([f"# {self.images.directions}"] if self.images.directions else []),
            "convert: {uses: infer, needs: {model: train, data: prepare}}",
            "",
            "score:",
            "  uses: evaluate",
            "  needs: {images: convert, data: prepare}",
            f"  with: {{metrics: {_flow(_METRICS[self.kind][1])}}}",
        )

    def _profiles(self) -> str:
        limit = {
            split: count for split, count in (("train", 16), ("val", 4), ("test", 4)) if split in self.images.splits
        }
        if self.images.tiles > 1:
            limit = dict.fromkeys(limit, 4)
        quick = self._profile("quick", SMALLEST, 16, 2, {"source": {"limit": limit}})
        epochs = max(1, round(min(HOUR[self.kind], 0.75 * self.steps) / self.count))
        hour = self._profile("hour", min(HOUR_SIDE, self.square.side), 32, epochs, {})
        return _block(0, "profiles:", *quick, *hour)

    def _profile(self, name: str, side: int, filters: int, epochs: int, prepare: Mapping[str, Any]) -> list[str]:
        """The lines of a profile that trains networks of so many filters on squares of about `side` pixels."""
        square = self.square if self.scale > 1 else training_square(self.name, side, self.registry)
        options = dict(square.options)
        for option, use in networks_of(self.method).items():
            if "filters" in self.registry.get("networks", use.uses).Config.model_fields:
                chosen = options.get(option, use.uses)
                options[option] = {**(chosen if isinstance(chosen, dict) else {"uses": chosen}), "filters": filters}
        prepare = {**prepare, "transforms": self._transforms(square.side)[0]}
        steps = f"  # {epochs * self.count:,} steps" if name == "hour" else ""
        return [
            f"  {name}:",
            "    stages:",
            f"      prepare: {{with: {_flow(prepare)}}}",
            "      train:",
            "        with:",
            *([f"          options: {_flow(options)}"] if options else []),
            f"          augment: {_flow(self._augment(square.side))}",
            f"          schedule: {{start: {max(1, epochs // 2)}}}",
            f"          epochs: {epochs}{steps}",
            *(["          max_steps: 32"] if name == "quick" and self.images.tiles > 1 else []),
            *([f"          validate: {{every: {max(1, epochs // 10)}}}"] if self.scored else []),
        ]


def _options_of_scale(name: str, method: type[Method[Any]], scale: int, folder: Path) -> dict[str, Any]:
    """The options by which a method enlarges so many times. Errors: ConfigError where it cannot."""
    reason = "it has no such option"
    options: dict[str, Any] = {}
    for options in ({}, {"scale": scale}):
        try:
            directions = method.directions_with(method.Config.model_validate(options), None)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            continue
        if scale in {direction.scale for direction in directions.values()}:
            return options
    raise ConfigError(f"{folder}: images differ {scale} times in size, and {name} does not enlarge so: {reason}")


def _held_out(images: Material) -> float:
    """The share of the images that is kept for validation: 0 where there is a split for it, or where images are few."""
    if set(images.splits) != {"train"} or images.count < 4:
        return 0.0
    return round(max(0.1, min(0.25, 4 / images.count)), 2)


def _block(depth: int, *lines: str) -> str:
    return "".join(f"{'  ' * depth}{line}".rstrip() + "\n" for line in lines)


def _entry(depth: int, key: str, value: Mapping[str, Any]) -> list[str]:
    """`key: {...}` on one line where it is short, else a line an option."""
    flow, indent = _flow(value), "  " * depth
    if len(flow) <= 90:
        return [f"{indent}{key}: {flow}"]
    lines = (f"{indent}  {name}: {_flow(item)}" for name, item in value.items())
    return [f"{indent}{key}:", *lines]


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.removesuffix("...\n").strip()


def _slug(text: str, join: str) -> str:
    return re.sub(r"[^a-z0-9]+", join, text.lower()).strip(join) or "images"
