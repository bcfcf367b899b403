"""`translate init`: a pipeline file for a folder of images, that runs, and says why it is as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from translate.contracts import Method, NetworkUse, Sides
from translate.errors import ConfigError
from translate.pipeline.init.detect import Material, material
from translate.pipeline.init.layout import look
from translate.plugins import Registry

SIZES = (256, 128, 64)
"""The sides of the squares that networks train on; the first is that of most papers."""
ENLARGED = 96
"""The same where a method enlarges images (SRResNet and SRGAN): the square that small ones are made of."""
MARGIN = 286 / 256
"""How much larger than the square the images are kept, so that random crops differ (pix2pix, CycleGAN)."""
STEPS = 100_000
"""Batches that a training takes, more or less: 200 epochs of 400 images, and some."""

FILTERS = 16
"""The width of built-in networks in the profile `quick`."""

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


def starter(method: str, folder: Path, registry: Registry) -> str:
    """The text of a pipeline that trains `method` on the images of `folder`.

    Errors: ConfigError where the folder does not suit the method, which says what it suits; DataError where there are
    no images, or where they cannot be read.
    """
    cls = registry.get("methods", method)
    if not cls.players:
        raise ConfigError(f"{method} is for inference alone: there is nothing to train")
    return _Writer(method, cls, folder, material(cls.data, look(folder), method, registry)).text()


class _Writer:
    def __init__(self, name: str, method: type[Method[Any]], folder: Path, images: Material) -> None:
        self.name, self.method, self.folder, self.images = name, method, folder, images
        self.least = min(images.size)
        self.scale = max(direction.scale for direction in method.directions.values())
        self.size = next((size for size in SIZES if size <= self.least), SIZES[-1])
        if self.scale > 1:
            self.size = ENLARGED
            if self.least < ENLARGED:
                text = f"{name} makes small images of crops of {ENLARGED} pixels, and the least side is {self.least}"
                raise ConfigError(f"{folder}: {text}; leave out what is smaller")
        self.epochs = max(4, min(400, round(STEPS / images.count)))
        self.scored = next((split for split in ("test", "val") if split in images.splits), None)

    def text(self) -> str:
        title = f"{_slug(self.folder.resolve().name, '-')}-{_slug(self.name, '-')}"[:60]
        file = file_name(self.name, self.folder)
        head = f"""\
# {self.name} on the images of {self.folder.as_posix()}.
#
#   translate run {file}                    train, convert and score
#   translate run {file} --profile quick    the same in minutes on a CPU, small and on few images: does it run?
#
# Written by `translate init`; it is yours to change. `translate check` says what is wrong with it.
version: 1
name: {title}
seed: 42

stages:
"""
        return head + "\n".join([self._prepare(), self._train(), self._convert(), self._quick()])

    def _prepare(self) -> str:
        transforms, why = self._transforms(self.size)
        return _block(
            1,
            "prepare:",
            "  uses: preprocess",
            "  with:",
            *(f"    # {line}" for line in self.images.about),
            *_entry(2, "source", self.images.source),
            *(f"    # {line}" for line in why),
            f"    transforms: {_flow(transforms)}",
        )

    def _transforms(self, size: int) -> tuple[list[dict[str, Any]], list[str]]:
        if self.scale > 1:
            why = "Small images are made of these; both sides have to be multiples of the scale."
            return [{"uses": "modcrop", "multiple": self.scale}], [why]
        larger = round(size * MARGIN)
        if self.least < size:
            why = f"The least side is {self.least} pixels, and networks take {size}: enlarged, the aspect kept."
            return [{"uses": "resize-shorter", "size": size}], [why]
        if self.least <= larger:
            return [], [f"The least side is {self.least} pixels: kept as they are."]
        why = (
            f"The least side is {self.least} pixels: shrunk to {larger}, the aspect kept, to train on crops of {size}."
        )
        return [{"uses": "resize-shorter", "size": larger}], [why]

    def _train(self) -> str:
        every = max(1, self.epochs // 20)
        seen = f"validate: {{every: {every}, metrics: {_flow(_METRICS[str(Sides.of(self.method.data).kind)][0])}}}"
        unseen = "# There are no folders `val` or `test`: nothing to validate on, no sample pictures."
        options = self._options()
        return _block(
            1,
            "train:",
            "  uses: train",
            "  needs: {data: prepare}",
            "  with:",
            f"    method: {self.name}  # `translate methods {self.name}` shows its options and losses",
            *([f"    options: {_flow(options)}  # a U-Net of the size of the crops"] if options else []),
            "    # Leave the flip out where left and right mean something (text, maps).",
            f"    augment: {_flow(self._augment(self.size))}",
            "    optimizer: {uses: adam, lr: 2e-4, betas: [0.5, 0.999]}",
            f"    schedule: {{uses: linear-decay, start: {self.epochs // 2}}}",
            f"    epochs: {self.epochs}  # of {self.images.count:,} images: {self.epochs * self.images.count:,} steps",
            "    batch_size: 1",
            f"    {seen if self.scored else unseen}",
        )

    def _augment(self, size: int) -> list[dict[str, Any]]:
        return [{"uses": "random-crop", "size": size}, {"uses": "horizontal-flip", "p": 0.5}]

    def _options(self) -> dict[str, Any]:
        """U-Nets of the paper's size become those of this one."""
        return {
            option: f"unet_{self.size}"
            for option, use in self._networks().items()
            if _is_unet(use) and use.uses != f"unet_{self.size}"
        }

    def _networks(self) -> dict[str, NetworkUse]:
        fields = self.method.Config.model_fields
        return {name: field.default for name, field in fields.items() if isinstance(field.default, NetworkUse)}

    def _convert(self) -> str:
        if self.scored is None:
            why = "# Put images into `val` or `test` to convert and score what the training has not seen."
            return _block(
                1, "convert:", "  uses: infer", "  needs: {model: train, data: prepare}", "  with: {split: train}", why
            )
        metrics = _flow(_METRICS[str(Sides.of(self.method.data).kind)][1])
        return _block(
            1,
            "convert: {uses: infer, needs: {model: train, data: prepare}}",
            "",
            "score:",
            "  uses: evaluate",
            "  needs: {images: convert, data: prepare}",
            f"  with: {{metrics: {metrics}}}",
        )

    def _quick(self) -> str:
        size = self.size if self.scale > 1 else SIZES[-1]
        limit = {
            split: count for split, count in (("train", 16), ("val", 4), ("test", 4)) if split in self.images.splits
        }
        transforms = self._transforms(size)[0]
        small = {
            option: {"uses": f"unet_{size}" if _is_unet(use) else use.uses, "filters": FILTERS}
            for option, use in self._networks().items()
            if use.uses.partition("_")[0] in ("unet", "resnet", "patchgan")
        }
        return _block(
            0,
            "profiles:",
            "  quick:",
            "    stages:",
            f"      prepare: {{with: {{source: {_flow({'limit': limit})}, transforms: {_flow(transforms)}}}}}",
            "      train:",
            "        with:",
            *([f"          options: {_flow(small)}"] if small else []),
            f"          augment: {_flow(self._augment(size))}",
            "          schedule: {start: 1}",
            "          epochs: 2",
            *(["          validate: {every: 1}"] if self.scored else []),
        )


def _is_unet(use: NetworkUse) -> bool:
    """Whether it is the U-Net of one size of images, such as `unet_256`."""
    return bool(re.fullmatch(r"unet_\d+", use.uses))


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
