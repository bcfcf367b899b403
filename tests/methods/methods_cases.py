"""Every first-party method with small networks: one row per variant that plays another game."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PATCH = {"uses": "patchgan", "filters": 4, "layers": 1}
UNET = {"uses": "unet", "levels": 3, "filters": 4}
RESNET = {"uses": "resnet", "blocks": 1, "filters": 4}
SRRESNET = {"uses": "srresnet", "blocks": 1, "filters": 4}
SWINIR = {"uses": "swinir", "groups": 1, "layers": 2, "filters": 4, "heads": 2, "window": 4}
RRDB = {"uses": "rrdb", "blocks": 1, "filters": 4, "growth": 2}
RESIDUAL = {"uses": "restore/residual", "blocks": 1, "filters": 4}
SRCRITIC = {"uses": "srgan-critic", "filters": 2, "crop": 32}
CLASSIFIER = {"uses": "cyclegan/classifier", "filters": 4, "layers": 2}
STARS = {"uses": "stargan/generator", "blocks": 1, "filters": 4}
STARCRITIC = {"uses": "stargan/critic", "filters": 4, "layers": 3}
FEATURES = {"uses": "random-features", "filters": 4, "levels": 2}
BLURRED = {"uses": "resnet_blurred", "blocks": 2, "filters": 4}
LAYERS = ["stem.pad", "down.0.conv", "blocks.0"]
TIME_UNET = {"uses": "bridge/unet", "filters": 4, "levels": 1, "blocks": 1}
CODED_UNET = {"uses": "bicyclegan/unet", "filters": 4, "levels": 3}
ENCODER = {"uses": "bicyclegan/encoder", "filters": 4, "blocks": 2}
COARSE = {"filters": 4, "levels": 1, "blocks": 1, "discriminator": PATCH}
SMALL_UNET = {"uses": "segmentation/unet", "filters": 4, "levels": 2}


@dataclass(frozen=True)
class Case:
    """A method by its registered name, under options."""

    method: str
    options: dict[str, Any] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    size: int = 32
    resting: tuple[str, ...] = ()
    golden: bool = True
    """False where dropout plays: torch draws it differently on other processors."""


def _game(generator: dict[str, Any] = UNET, **options: Any) -> dict[str, Any]:
    return {"generator": generator, "discriminator": PATCH, **options}


GENERATOR, CRITIC = {"uses": "latent/generator", "filters": 4}, {"uses": "latent/critic", "filters": 4}


def _latent(**options: Any) -> dict[str, Any]:
    return {"latent": 6, "generator": GENERATOR, "discriminator": CRITIC, **options}


CASES = {
    "single-network": Case("single-network", {"network": RESNET}),
    "pix2pix": Case("pix2pix", _game()),
    "pix2pix-dropout": Case("pix2pix", _game({**UNET, "levels": 6}), golden=False),
    "pix2pixhd": Case("pix2pixhd", {**COARSE, "scales": 3}),
    "pix2pixhd-global": Case("pix2pixhd/global", {**COARSE, "scales": 2}),
    "pix2pixhd-enhancer": Case("pix2pixhd/enhancer", {**COARSE, "scales": 2, "edges": False}),
    "pix2pix-wgan-gp": Case("pix2pix", _game(objective="wgan-gp", norm="instance")),
    "bicyclegan": Case("bicyclegan", _game(CODED_UNET, encoder=ENCODER)),
    "bicyclegan-hinge": Case(
        "bicyclegan", _game(CODED_UNET, encoder=ENCODER, objective="hinge", conditional=False, code=3)
    ),
    "bridge": Case("bridge", {"network": TIME_UNET, "steps": 3}),
    "bridge-unconditional": Case(
        "bridge", {"network": {**TIME_UNET, "patch": 2}, "conditional": False, "distance": "l1", "variance": 2}
    ),
    "bridge-distilled": Case("bridge/distilled", {"network": TIME_UNET, "steps": 3}),
    "cyclegan": Case("cyclegan", _game(RESNET, pool=3)),
    "cyclegan-no-identity": Case("cyclegan", _game(RESNET, pool=0, norm="batch"), {"identity": 0}),
    "cycada": Case("cyclegan/cycada", {**_game(RESNET, pool=3), "classifier": CLASSIFIER, "trust": 100.0}),
    "cycada-alone": Case(
        "cyclegan/cycada",
        {**_game(RESNET, pool=0), "classifier": CLASSIFIER, "learn_from": "a"},
        resting=("A", "G", "D"),
        golden=False,  # a change of the generators, which rest, would not show
    ),
    "stargan": Case("stargan", {"generator": STARS, "discriminator": STARCRITIC, "critic_steps": 2}),
    "stargan-hinge": Case(
        "stargan",
        {"generator": STARS, "discriminator": STARCRITIC, "critic_steps": 1, "objective": "hinge", "norm": "batch"},
    ),
    "cut": Case("cut", _game(BLURRED, layers=LAYERS, patches=12, width=8)),
    "fastcut": Case("cut/fastcut", _game(BLURRED, layers=LAYERS, patches=12, width=8, negatives="batch")),
    "discogan": Case("discogan", {"width": 4}, size=64),
    "genegan": Case("genegan", {"width": 4, "burst": 2}),
    "genegan-wgan-gp": Case("genegan", {"width": 4, "burst": 0, "objective": "wgan-gp", "critic_norm": "instance"}),
    "segmentation": Case("segmentation", {"network": SMALL_UNET, "class_weights": "median-frequency", "shrink": 2}),
    "adversarial": Case("segmentation/adversarial", {"network": SMALL_UNET, "discriminator": PATCH}),
    "colours": Case("segmentation/colours", _game(shrink=2)),
    "srresnet": Case("srresnet", {"generator": SRRESNET}),
    "srresnet-swinir": Case("srresnet", {"generator": SWINIR, "scale": 3}, golden=False),
    "srresnet-rrdb": Case("srresnet", {"generator": RRDB, "scale": 2, "pixel": "l1"}),
    "srgan": Case("srgan", {"generator": SRRESNET, "discriminator": SRCRITIC, "features": FEATURES}),
    "esrgan": Case(
        "srgan",
        {
            "generator": RRDB,
            "discriminator": {**SRCRITIC, "pool": True},
            "features": FEATURES,
            "objective": "relativistic-average",
            "feature_distance": "l1",
        },
        {"pixel": 0.01},
    ),
    "colorization": Case("colorization", _game()),
    "colorization-l1": Case("colorization", _game(resolution=16), {"adversarial": 0}, resting=("D",)),
    "colorization-classes": Case(
        "colorization", _game({"uses": "zhang", "filters": 2}, predict="classes"), resting=("D",)
    ),
    "inpainting": Case("inpainting", _game()),
    "inpainting-centre": Case("inpainting", _game(mask="centre", objective="hinge")),
    "restore": Case("restore", {"generator": RESIDUAL}),
    "restore-enlarge": Case(
        "restore",
        {
            "generator": {**RESIDUAL, "unshuffle": 1, "filters": 8},
            "scale": 2,
            "order": 2,
            "degradation": [
                {"uses": "blur", "p": 0.5},
                {"uses": "resize", "p": 0.5},
                {"uses": "poisson", "p": 0.5},
                {"uses": "jpeg"},
            ],
        },
    ),
    "dcgan": Case("latent/dcgan", _latent()),
    "wgan-gp": Case("latent/wgan-gp", _latent(discriminator={**CRITIC, "norm": "layer"}, critic_steps=2)),
    "conditional": Case("latent/conditional", _latent(mismatched=True)),
    "acgan": Case("latent/acgan", _latent(objective={"uses": "non-saturating", "r1": 1.0, "lazy": 2})),
    "infogan": Case("latent/infogan", _latent(categories=4, hidden=8)),
    "bigan": Case("latent/bigan", _latent(encoder=CRITIC, width=8)),
    "semi-supervised": Case("latent/semi-supervised", _latent()),
    "semi-supervised-alone": Case(
        "latent/semi-supervised", _latent(), {"critic": 0, "matching": 0}, resting=("G",), golden=False
    ),
}
"""What first-party plugins provide."""
