"""The work that both commits do: every shipped method in small, conversions with its model, and sources of data.

A case uses the command line, pipeline files and the names in `translate` alone, since modules may move between commits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATCH = {"uses": "patchgan", "filters": 4, "layers": 1}
UNET = {"uses": "unet", "levels": 3, "filters": 4}
DROPPING = {"uses": "unet", "levels": 6, "filters": 4}
RESNET = {"uses": "resnet", "blocks": 1, "filters": 4}
WIDE = {"uses": "resnet", "blocks": 1, "filters": 16}
BLURRED = {"uses": "resnet_blurred", "blocks": 2, "filters": 4}
SRRESNET = {"uses": "srresnet", "blocks": 1, "filters": 4}
RRDB = {"uses": "rrdb", "blocks": 1, "filters": 4, "growth": 2}
CRITIC = {"uses": "srgan-critic", "filters": 2, "crop": 32}
FEATURES = {"uses": "random-features", "filters": 4, "levels": 2}
SEGMENTER = {"uses": "segmentation/unet", "filters": 4, "levels": 2}
PATCHES = {"layers": ["stem.pad", "down.0.conv", "blocks.0"], "patches": 12, "width": 8}
COLOURS = ["ab-psnr", "ab-auc", {"uses": "ab-auc", "rebalanced": True}, "colourfulness"]
HOLES = ["inpainting/hole-psnr", "inpainting/hole-l1", "psnr"]
LABELS = ["miou", "pixel-accuracy", "class-accuracy"]
PAIRED = ["l1", "psnr", "ssim", "swd"]
PLACE = [0.2, 0.4, 0.4, 0.6]
HATS = [
    {"uses": "attribute-accuracy", "width": 2, "epochs": 1},
    {"uses": "colourful-place", "place": PLACE},
    {"uses": "exemplar-retrieval", "place": PLACE, "candidates": 2},
    {"uses": "place-l1", "place": PLACE, "outside": True},
]
TIMES_FOUR = ["psnr-y", "ssim-y", "psnr"]


@dataclass(frozen=True)
class Command:
    """A command line of `translate`, or the name of a script; `stdout` names a file that keeps what it prints."""

    argv: tuple[str, ...]
    code: int = 0
    stdout: str | None = None


@dataclass(frozen=True)
class Case:
    """Commands that run in a folder of their own after `files` were written into it."""

    name: str
    files: dict[str, str]
    commands: tuple[Command, ...]
    trains: bool = True


@dataclass(frozen=True)
class Game:
    """A training of three steps: `metrics` score its test images in `direction`, `train` and `infer` have further
    options of the stages."""

    method: str
    options: dict[str, Any]
    metrics: list[Any]
    direction: str = "a_to_b"
    data: str = "paired"
    size: int = 32
    losses: dict[str, float] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    infer: dict[str, Any] = field(default_factory=dict)
    convert: str = ""
    """More of the command line that converts the folder `few`."""
    folder: str = "few"


def game(generator: dict[str, Any] = UNET, **options: Any) -> dict[str, Any]:
    return {"generator": generator, "discriminator": PATCH, **options}


BOTH = {"output": "output", "target": "target"}
EXTRA = [
    *({"uses": term, "player": "G", "on": BOTH} for term in ("l1", "ssim", "edge", "charbonnier", "focal-frequency")),
    {"uses": "ms-ssim", "options": {"scales": 2}, "player": "G", "on": BOTH},
    {"uses": "colour-histogram", "weight": 0.5, "player": "G", "on": BOTH},
    {"uses": "perceptual", "options": {"features": FEATURES}, "player": "G", "on": BOTH},
    {"uses": "identity", "player": "G", "on": {"generator": "generator", "target": "target"}},
    {"uses": "total-variation", "weight": 0.01, "player": "G", "on": {"output": "output"}},
    {"uses": "feature-matching", "player": "G", "on": {"critic": "critic", "output": "fake", "target": "real"}},
    {"uses": "gradient-penalty", "weight": 10, "player": "D", "on": {"critic": "critic", "images": "real"}},
]
AUGMENT = [
    {"uses": "resize", "size": 40},
    {"uses": "random-resized-crop", "size": 36},
    {"uses": "random-crop", "size": 30},
    {"uses": "resize", "size": 32},
    {"uses": "horizontal-flip"},
    {"uses": "vertical-flip"},
    {"uses": "rotate-90"},
    {"uses": "colour-jitter"},
]
LOW = {"precision": "auto"}
"""As users train: bf16 on processors that gain by it. The other cases train in fp32, which hides no small change."""
PLAIN = {"optimizer": {"uses": "rmsprop", "lr": 1e-3}, "clip": 1.0}
PENALTIES = {"r1": 1.0, "r2": 0.5, "lazy": 2, "noise": 0.1, "noise_steps": 9, "smoothing": 0.1}
PENALISED = {"uses": "non-saturating", **PENALTIES}
SLOWLY = {"accumulate": 2, "ema": 0.9, "schedule": {"uses": "cosine"}, "validate": {"every": 0.5, "metrics": ["l1"]}}

GAMES = {
    "pix2pix": Game("pix2pix", game(), PAIRED, train={"keep": {"best": "psnr", "last": 1}}),
    "pix2pix-dropout": Game("pix2pix", game(DROPPING), PAIRED, size=64, train=PLAIN, convert="--samples 2 --seed 7"),
    "pix2pix-wgan-gp": Game("pix2pix", game(objective="wgan-gp", norm="instance"), PAIRED, train=SLOWLY),
    "pix2pix-penalised": Game("pix2pix", game(objective=PENALISED), PAIRED, convert="--weights raw --samples 1"),
    "pix2pix-extra": Game("pix2pix", game(), ["l1", {"uses": "palette-accuracy"}], train={"extra_losses": EXTRA}),
    "cyclegan": Game("cyclegan", game(WIDE, pool=3), PAIRED, data="unpaired", train={"augment": AUGMENT}),
    "cyclegan-batch": Game(
        "cyclegan",
        game(RESNET, pool=0, norm="batch"),
        PAIRED,
        "b_to_a",
        "unpaired",
        losses={"identity": 0},
        infer={"bits": 16},
    ),
    "cut": Game("cut", game(BLURRED, **PATCHES), PAIRED, data="unpaired", train=LOW),
    "fastcut": Game("cut/fastcut", game(BLURRED, **PATCHES, negatives="batch"), ["swd"], data="unpaired"),
    "discogan": Game("discogan", {"width": 4}, ["l1", "swd"], data="unpaired", size=64),
    "genegan": Game(
        "genegan",
        {"width": 4, "burst": 2},
        HATS,
        "add",
        "hats",
        convert="--direction add --with exemplar=INPUTS/companions/exemplar.png",
        folder="companions/square",
    ),
    "genegan-wgan-gp": Game(
        "genegan",
        {"width": 4, "burst": 0, "objective": "wgan-gp", "critic_norm": "instance"},
        HATS,
        "remove",
        "hats",
        convert="--direction remove",
        folder="companions/square",
    ),
    "segmentation": Game(
        "segmentation",
        {"network": SEGMENTER, "class_weights": "median-frequency", "shrink": 2},
        LABELS,
        "segment",
        "labelled",
    ),
    "adversarial": Game(
        "segmentation/adversarial", {"network": SEGMENTER, "discriminator": PATCH}, LABELS, "segment", "labelled"
    ),
    "colours": Game("segmentation/colours", game(shrink=2), LABELS, "segment", "labelled"),
    "srresnet": Game("srresnet", {"generator": SRRESNET}, TIMES_FOUR, "enlarge", "single"),
    "srresnet-rrdb": Game("srresnet", {"generator": RRDB, "scale": 2, "pixel": "l1"}, TIMES_FOUR, "enlarge", "single"),
    "srgan": Game(
        "srgan", {"generator": SRRESNET, "discriminator": CRITIC, "features": FEATURES}, ["psnr"], "enlarge", "single"
    ),
    "esrgan": Game(
        "srgan",
        {
            "generator": RRDB,
            "discriminator": {**CRITIC, "pool": True},
            "features": FEATURES,
            "objective": "relativistic-average",
            "feature_distance": "l1",
        },
        ["psnr"],
        "enlarge",
        "single",
        losses={"pixel": 0.01},
    ),
    "colorization": Game("colorization", game(), COLOURS, "colorize", "single", train=LOW),
    "colorization-l1": Game(
        "colorization", game(resolution=16), COLOURS, "colorize", "single", losses={"adversarial": 0}
    ),
    "colorization-classes": Game(
        "colorization", game({"uses": "zhang", "filters": 2}, predict="classes"), COLOURS, "colorize", "single"
    ),
    "inpainting": Game(
        "inpainting",
        game(),
        HOLES,
        "fill",
        "single",
        convert="--with mask=INPUTS/companions/mask.png",
        folder="companions/square",
    ),
    "inpainting-centre": Game(
        "inpainting",
        game(mask="centre", objective="hinge"),
        HOLES,
        "fill",
        "single",
        convert="--with mask=INPUTS/companions/mask.png",
        folder="companions/square",
    ),
}
"""Trainings that together play every loss of the shipped methods, by the name of their case."""

SOURCES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "maps-paired": ({"uses": "generated-maps", "kind": "paired", "size": 64, "train": 2, "test": 1}, []),
    "maps-labelled": (
        {"uses": "generated-maps", "kind": "labelled", "size": 48, "train": 2, "test": 1},
        [{"uses": "resize", "size": 32}],
    ),
    "hats": ({"uses": "generated-hats", "size": 48, "train": 3, "val": 1, "test": 1}, [{"uses": "resize", "size": 32}]),
    "hats-unpaired": ({"uses": "generated-hats", "kind": "unpaired", "size": 32, "train": 2, "test": 1}, []),
    "sketches": (
        {"uses": "generated-sketches", "size": 64, "train": 2, "test": 1},
        [{"uses": "thicken-lines", "size": 3}],
    ),
    "sketches-paired": ({"uses": "generated-sketches", "kind": "paired", "size": 32, "train": 2, "test": 1}, []),
    "folders": (
        {"uses": "folders", "root": "DATA/sides", "pairs": ["test"], "limit": {"train": 2}},
        [{"uses": "resize-shorter", "size": 36}, {"uses": "center-crop", "size": 32}],
    ),
    "pairs": (
        {"uses": "pairs", "root": "DATA/sides", "unmatched": "skip"},
        [{"uses": "resize", "size": 56}, {"uses": "center-crop", "size": [40, 32]}],
    ),
    "side-by-side": ({"uses": "side-by-side", "root": "DATA/joined"}, [{"uses": "resize", "size": [32, 40]}]),
    "side-by-side-apart": (
        {"uses": "side-by-side", "root": "DATA/joined", "kind": "unpaired", "disjoint": True},
        [],
    ),
    "labelled": (
        {"uses": "labelled", "root": "DATA/labelled", "classes": ["sky", "road", "car", "void"], "ignore": 3},
        [{"uses": "resize-shorter", "size": 32}, {"uses": "modcrop", "multiple": 4}],
    ),
    "attribute": ({"uses": "attribute", "root": "DATA/attribute", "colour": True}, [{"uses": "resize", "size": 32}]),
    "attribute-list": ({"uses": "attribute-list", "root": "DATA/listed", "attribute": "Hat"}, []),
    "single": ({"uses": "single", "root": "DATA/single"}, [{"uses": "modcrop", "multiple": 8}]),
    "single-folders": ({"uses": "single", "folders": {"train": "DATA/single/train/img_*.png"}}, []),
    "card": ({"uses": "dataset", "name": "facades", "root": "DATA/joined"}, []),
}
"""A source and transforms for each prepared dataset, by the name of its case; DATA is the folder of input data."""

API = """\
import numpy as np
from pathlib import Path
import translate

Path("out").mkdir(exist_ok=True)
waves = (np.sin(np.arange(3 * 41 * 30) / 50).reshape(41, 30, 3) * 120 + 128).astype(np.uint8)
model = translate.load("runs/NAME/train", device="cpu")
np.save("out/array.npy", model(waves))
np.save("out/deep.npy", model(waves[..., 0].astype(np.uint16) * 257))
np.save("out/file.npy", np.stack([model("INPUTS/few/colour.png")]))
for number, output in enumerate(model([waves, waves[:20, :24]])):
    np.save(f"out/list-{number}.npy", output)
"""


def cases(inputs: Path) -> list[Case]:
    """All cases, in the order in which they run; `inputs` is the folder that `make_inputs` wrote."""
    games = [_game_case(name, each, inputs) for name, each in GAMES.items()]
    return games + [_data_case(name, *each, inputs) for name, each in SOURCES.items()]


def _source(data: str, size: int) -> dict[str, Any]:
    counts = {"size": size, "train": 4, "val": 2, "test": 4}
    return (
        {"uses": "generated-hats", **counts} if data == "hats" else {"uses": "generated-maps", "kind": data, **counts}
    )


def _game_case(name: str, played: Game, inputs: Path) -> Case:
    train = {
        "method": played.method,
        "options": played.options,
        "losses": played.losses,
        "epochs": 4,
        "max_steps": 3,
        "batch_size": 2,
        "log_every": 1,
        "workers": 0,
        "validate": {"every": 1, "metrics": played.metrics[:2], "images": 2, "samples": 2},
        "checkpoint": {"steps": 2},
        "precision": "fp32",
        **played.train,
    }
    convert = {"split": "test", "direction": played.direction, **played.infer}
    prepare = {"source": _source(played.data, played.size), "workers": 1}
    stages = {
        "prepare": {"uses": "preprocess", "with": prepare},
        "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
        "convert": {"uses": "infer", "needs": {"model": "train", "data": "prepare"}, "with": convert},
        "score": {
            "uses": "evaluate",
            "needs": {"images": "convert", "data": "prepare"},
            "with": {"metrics": played.metrics, "bootstrap": 20},
        },
    }
    files = {"pipeline.yaml": _pipeline(name, stages), "api.py": API.replace("NAME", name)}
    commands = [Command(("run", "pipeline.yaml", "--device", "cpu")), *_conversions(name, played)]
    placed = [_placed(command, inputs) for command in commands]
    return Case(name, {file: text.replace("INPUTS", str(inputs)) for file, text in files.items()}, tuple(placed))


def _conversions(name: str, played: Game) -> list[Command]:
    """The conversions with a case's model: all mixed files with two of them, a few files with the others."""
    ref = ("--model", f"runs/{name}/train", "--device", "cpu")
    more = tuple(played.convert.split())
    if name not in ("cyclegan", "pix2pix"):
        few = f"INPUTS/{played.folder}"
        strips = ("--tile", "16", "--precision", "fp32")
        strips_command = Command(("convert", few, "out/strips", *ref, *more, *strips))
        return [Command(("convert", few, "out/whole", *ref, *more)), strips_command]
    mixed = ("convert", "INPUTS/mixed")
    return [
        Command((*mixed, "out/whole", *ref), 3),
        Command((*mixed, "out/whole", *ref, "--verify"), 3),
        Command((*mixed, "out/strips", *ref, "--tile", "16", "--precision", "fp32"), 3),
        Command((*mixed, "out/jpg", *ref, "--format", "jpg", "--quality", "80"), 3),
        Command((*mixed, "out/shards", *ref, "--shard", "1/2", "--precision", "fp32"), 3),
        Command((*mixed, "out/shards", *ref, "--shard", "2/2", "--precision", "fp32")),
        Command((*mixed, "out/planned", *ref, "--dry-run", "--json"), 0, "out/planned.json"),
        Command(("convert", "INPUTS/few/colour.png", "out/one.png", *ref)),
        Command(("evaluate", "out/whole/jpeg", "out/strips/jpeg", "--json"), 0, "scores/evaluate.json"),
        Command(("api.py",)),
    ]


def _data_case(name: str, source: dict[str, Any], transforms: list[dict[str, Any]], inputs: Path) -> Case:
    prepare = {"source": source, "transforms": transforms, "workers": 1}
    text = _pipeline(name, {"prepare": {"uses": "preprocess", "with": prepare}})
    files = {"pipeline.yaml": text.replace("DATA", str(inputs / "data"))}
    return Case(f"data-{name}", files, (Command(("run", "pipeline.yaml", "--device", "cpu")),), trains=False)


def _pipeline(name: str, stages: dict[str, Any]) -> str:
    """A pipeline file; JSON is YAML, too."""
    return json.dumps({"version": 1, "name": name, "seed": 3, "tracking": "none", "stages": stages}, indent=1)


def _placed(command: Command, inputs: Path) -> Command:
    return Command(tuple(each.replace("INPUTS", str(inputs)) for each in command.argv), command.code, command.stdout)
