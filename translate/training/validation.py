"""Looking at a game from outside: metrics and sample grids of fixed validation images."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from translate.contracts import Metric
from translate.data.dataset import Dataset
from translate.inference.translator import Translator
from translate.seeding import derive
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
        self.method = engine.method
        self.half = (2 ** dataset.facts["bits"] - 1) / 2
        needed = {n for d in self.method.directions.values() for n in d.nets}
        self.copies = {n: copy.deepcopy(engine.nets[n]) for n in sorted(needed)}
        self.translator = Translator(
            self.method, self.copies, {}, device=str(engine.device), precision=engine.precision, seed=engine.seed
        )

    def load(self, nets: Mapping[str, nn.Module]) -> None:
        """Takes over the weights and buffers of `nets` (the live or the averaged ones)."""
        with torch.no_grad():
            for name, mine in self.copies.items():
                live = nets[name].state_dict()
                # batch norms that became per-image norms have no running averages
                mine.load_state_dict({key: live[key] for key in mine.state_dict()})

    def translate(self, direction: str) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs for the first `images` keys of the split and the real images of the target side, in [0, 1].

        Where the split has pairs, item i of the one belongs to item i of the other. No target side: no real images.
        """
        route = self.translator.route(direction)
        keys = self._keys(route.sides, self.config.images)
        outputs = [self._rounded(self.output(direction, route.sides, key)) for key in keys]
        if route.target is None:
            return outputs, []
        paired = self.dataset.pairs(self.split)
        wanted = keys if paired else self.dataset.keys(self.split, route.target)[: self.config.images]
        return outputs, [self._rounded(self.dataset.tensor(self.split, route.target, key)) for key in wanted]

    def grid(self, direction: str) -> np.ndarray[Any, Any]:
        """Rows of input | output | target (where pairs are known) for the first `samples` keys; H x W x 3 uint8."""
        route = self.translator.route(direction)
        sides, target = route.sides, route.target
        shown = [*sides, "output"] + ([target] if target and self.dataset.pairs(self.split) else [])
        rows = []
        for key in self._keys(sides, self.config.samples):
            tiles = {side: self.dataset.tensor(self.split, side, key) for side in shown if side != "output"}
            tiles["output"] = self.output(direction, sides, key)
            rows.append([_picture(tiles[name]) for name in shown])
        return mosaic(rows)

    def output(self, direction: str, sides: Sequence[str], key: str) -> Tensor:
        """The translation of one validation image: C x H x W in [-1, 1]."""
        names = self.translator.route(direction).inputs
        images = {
            n: self.dataset.tensor(self.split, s, self._partner(s, key))[None]
            for n, s in zip(names, sides, strict=True)
        }
        first = images.pop(names[0])
        return self.translator.translate_tensor(first, direction, keys=[key], **images)[0].float().cpu()

    def _keys(self, sides: Sequence[str], limit: int) -> list[str]:
        return self.dataset.keys(self.split, sides[0])[:limit]

    def _partner(self, side: str, key: str) -> str:
        keys = self.dataset.keys(self.split, side)
        return key if key in keys else keys[derive(0, key) % len(keys)]

    def _rounded(self, image: Tensor) -> Tensor:
        """[-1, 1] to [0, 1], at the bit depth of the data."""
        return image.clamp(-1, 1).add(1).mul(self.half).round().div(2 * self.half)


def _picture(image: Tensor) -> np.ndarray[Any, Any]:
    picture = image.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture[:, :, :3]


def mosaic(rows: Sequence[Sequence[np.ndarray[Any, Any]]], gap: int = 4) -> np.ndarray[Any, Any]:
    """Pictures of one grid on white, each cell as large as the largest picture."""
    height = max(p.shape[0] for row in rows for p in row)
    width = max(p.shape[1] for row in rows for p in row)
    columns = max(len(row) for row in rows)
    page = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            top, left = y * (height + gap), x * (width + gap)
            page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return page


def save_picture(path: Path, picture: np.ndarray[Any, Any]) -> None:
    """Writes a grid, making its folder."""
    from translate.data.image import write

    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, picture)
