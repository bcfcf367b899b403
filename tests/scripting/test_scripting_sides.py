"""Sides of every type from Python as a method gets them in a batch, and sheets of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scripting_data import image
from torch import Tensor, nn

import translate
from translate import Class, Direction, Frames, Labels, Method, NoOptions, Sides, Update, Vector
from translate.errors import ConfigError, DataError
from translate.inference.translator import Translator

Train = Callable[..., Translator]


class Seeing(Method[NoOptions]):
    """Keeps the batches that it is shown."""

    name = "seeing"
    data = Sides(
        {
            "image": translate.Image(),
            "clip": Frames(2),
            "label": Labels(optional=True),
            "look": Class(optional=True),
            "code": Vector(optional=True),
        },
        [("image", "clip", "label", "look", "code")],
    )
    players = {"G": ("net",)}
    losses = {"l1": 1.0}
    directions = {"to": Direction(nets=("net",), inputs=("image",), target="image")}
    batches: list[dict[str, Tensor]] = []

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Conv2d(self.spec.channels["image"], self.spec.channels["image"], 1)}

    def step(self, nets: Any, batch: Mapping[str, Tensor], step: Any) -> Iterator[Update]:
        self.batches.append(dict(batch))
        yield Update("G", {"l1": nets.net(batch["image"]).abs().mean()})

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: Any, draw: Any) -> Tensor:
        return nets.net(inputs["image"])


def item(index: int) -> dict[str, Any]:
    """An image of five bands, two frames, and of every second item a label map, a class and a vector."""
    of_all = {"image": image(index, 5), "clip": torch.stack([image(index + 50), image(index + 90)])}
    some = {"label": torch.full((16, 16), index % 2), "look": ("day", "night")[index % 2], "code": [float(index), 0.5]}
    return of_all | (some if index % 2 == 0 else {})


SIDES: dict[str, Any] = {
    "label": Labels(("sky", "road"), optional=True),
    "look": Class(("day", "night"), optional=True),
}


def test_every_type_of_side_comes_as_it_is_given(train: Train) -> None:
    Seeing.batches.clear()
    model = train([item(i) for i in range(6)], Seeing, sides=SIDES, batch_size=6, epochs=1)
    (batch,) = Seeing.batches
    order = [int(torch.stack([(image(i, 5) - row).abs().max() for i in range(6)]).argmin()) for row in batch["image"]]
    assert sorted(order) == list(range(6))
    for place, index in enumerate(order):
        given = item(index)
        assert torch.equal(batch["image"][place], given["image"])
        assert torch.equal(batch["clip"][place], given["clip"])
        labelled = index % 2 == 0
        assert int(batch["look"][place]) == (0 if labelled else translate.MISSING)
        assert batch["label"][place].unique().tolist() == [0 if labelled else translate.IGNORE]
        assert bool(batch["code"][place].isnan().all()) != labelled
    assert batch["code"].shape == (6, 2) and batch["label"].dtype == torch.int64
    assert model(image(3, 5)).shape == (5, 16, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": image(0)[None].expand(3, -1, -1, -1)}, "item 0 of the data, side 'clip': 3 frames, and the method"),
        ({"clip": image(0)}, r"side 'clip': shape \(3, 16, 16\); an image is F x C x H x W"),
        ({"look": "noon"}, "item 0 of the data, side 'look': no class 'noon'"),
        ({"look": 2}, "item 0 of the data, side 'look': class 2, and there are 2, 0 to 1"),
        ({"look": 0.5}, "item 0 of the data, side 'look': a class is its name or its index, not 0.5"),
        ({"code": [float("inf"), 0]}, "item 0 of the data, side 'code': numbers that are not finite"),
        ({"code": [[0.0]]}, r"item 0 of the data, side 'code': shape \(1, 1\); a vector is a row of numbers"),
    ],
)
def test_wrong_values_are_named(train: Train, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        train([item(0) | change, item(2)], Seeing, sides=SIDES)


def test_vectors_have_the_length_of_the_first(train: Train) -> None:
    with pytest.raises(DataError, match=r"item 1 of the data, side 'code': shape \(3,\); a vector is 2 numbers"):
        train([item(0), item(2) | {"code": [0.0, 1.0, 2.0]}], Seeing, sides=SIDES)


def test_sheets_take_pictures_in_every_form(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    Pillow.fromarray(red).save(tmp_path / "red.png")
    tensor = torch.tensor([1.0, -1.0, -1.0])[:, None, None].expand(3, 4, 4)
    labels = torch.ones(4, 4, dtype=torch.long)
    row = [red, tensor, Pillow.fromarray(red), tmp_path / "red.png", translate.DecodedImage(red)]
    sheet = translate.sheet(row)
    assert sheet.pixels.shape == (4, 5 * 8 - 4, 3)
    assert all((sheet.pixels[:, x : x + 4] == (255, 0, 0)).all() for x in range(0, 40, 8))
    two = translate.sheet([[red], [red[..., 0], labels]], palette=[(0, 0, 0), (1, 2, 3)])
    assert two.pixels.shape == (12, 12, 3)
    assert (two.pixels[8:, :4] == 255).all() and (two.pixels[8:, 8:] == (1, 2, 3)).all()
    for wrong in ([], [[]], [torch.zeros(1, 3, 4, 4)], [3]):
        with pytest.raises(ConfigError):
            translate.sheet(wrong)
