"""A model as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from translate.contracts import Nets
from translate.errors import TranslateError
from translate.imaging.thumbnail import Thumbnail, thumbnail
from translate.text import number
from translate.webpages.notebook import facts_html

LONGEST = 640
"""Pixels of the longer side of the picture."""


def model_html(name: str, info: Mapping[str, Any], directions: Sequence[str], nets: Nets, computes: str) -> str:
    """The method, the directions, the weights with their scores, and a sample picture of the training.

    `info` is what the bundle says of itself, `directions` are those of the model in words, and `computes` says where
    and in which precision it computes.
    """
    networks = {key: sum(parameter.numel() for parameter in net.parameters()) for key, net in nets.items()}
    step = info.get("step")
    weights = f"{info.get('weights') or ''}, step {step:,}" if isinstance(step, int) else info.get("weights")
    shown = {
        "directions": " | ".join(directions),
        "weights": weights if isinstance(weights, str) else "",
        **{key: number(value) for key, value in (info.get("metrics") or {}).items()},
        "networks": ", ".join(f"{key}: {count:,} parameters" for key, count in networks.items()),
        "computes": computes,
        "folder": info.get("folder"),
    }
    title = f"{info.get('method') or name}: an image-to-image model"
    return facts_html(title, shown, _sample(info.get("folder")), "samples of the training")


def _sample(folder: object) -> Thumbnail | None:
    """The first sample picture that lies in the model's folder; None where there is none that can be read."""
    if not isinstance(folder, str):
        return None
    for path in sorted((Path(folder) / "samples").glob("*.png"))[:1]:
        try:
            return thumbnail(path, LONGEST)
        except TranslateError:
            return None
    return None
