"""Data that a training cannot use: each message names the item, the side, and what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scripting_data import Pairs, image

from translate import Class, Labels, Vector
from translate.errors import ConfigError, DataError
from translate.inference.translator import Translator

Train = Callable[..., Translator]


def at(index: int, **values: Any) -> Pairs:
    """Pairs of which one item has other values; None takes a side out."""

    def change(number: int, item: dict[str, Any]) -> None:
        if number == index:
            item.update(values)
            for side in [side for side, value in values.items() if value is None]:
                del item[side]

    return Pairs(6, change)


NAN = torch.full((3, 16, 16), float("nan"))
ITEMS: dict[str, tuple[Any, str]] = {
    "missing side": (at(4, target=None), "item 4 of the data has no side 'target'; it has input"),
    "missing from the first": (at(0, target=None), "item 0 of the data has no side 'target'; it has input"),
    "misspelt side": (
        Pairs(6, lambda i, item: {"input": item["input"], "tagret": item["target"]}),
        "item 0 of the data has no side 'target'; did you mean 'tagret'",
    ),
    "other size": (
        at(3, input=image(3, size=20), target=image(3, size=20)),
        "item 3 of the data, side 'input': 3 x 20 x 20, and the first image of the side is 3 x 16 x 16; bring all to",
    ),
    "two sizes": (
        Pairs(6, lambda i, item: {"input": item["input"], "target": image(i, size=32)}),
        "item 0 of the data: images of two sizes, 'input' of 16 x 16 and 'target' of 32 x 32",
    ),
    "other channels": (at(5, target=image(5, channels=1)), "item 5 of the data, side 'target': 1 x 16 x 16"),
    "0 to 255 as floats": (
        at(2, input=(image(2) + 1) * 127.5),
        "item 2 of the data, side 'input': values from 0.* to 25.*; floats are in .-1, 1., and 0 to 255 is uint8",
    ),
    "not a number": (at(1, target=NAN), "item 1 of the data, side 'target': values from nan to nan"),
    "whole numbers": (
        at(1, target=torch.zeros(3, 16, 16, dtype=torch.int64)),
        "item 1 of the data, side 'target': values of torch.int64; images are float in .-1, 1., or uint8 in 0 to 255",
    ),
    "bytes among floats": (
        at(4, input=torch.zeros(3, 16, 16, dtype=torch.uint8)),
        "item 4 of the data, side 'input': uint8, and the first image of the side is float",
    ),
    "no channels": (at(4, input=torch.zeros(16, 16)), r"item 4 of the data, side 'input': shape \(16, 16\)"),
    "a batch": (at(4, input=image(4)[None]), r"item 4 of the data, side 'input': shape \(1, 3, 16, 16\)"),
    "no tensor": (at(4, input=[1, 2]), "item 4 of the data, side 'input': is a list, not a tensor C x H x W"),
    "tuples": (
        Pairs(6, lambda i, item: (item["input"], item["target"])),
        "item 0 of the data is a tuple; an item is a mapping of sides to tensors",
    ),
}


@pytest.mark.parametrize(("data", "message"), ITEMS.values(), ids=ITEMS.keys())
def test_wrong_items_are_named(train: Train, data: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(data)


def test_what_is_wrong_far_behind_is_found_when_it_is_drawn(train: Train) -> None:
    data = at(19, target=None)
    data.count = 20
    with pytest.raises(DataError, match="item 19 of the data has no side 'target'"):
        train(data)


def test_validation_data_is_named(train: Train) -> None:
    with pytest.raises(DataError, match="item 2 of the validation data, side 'input': 3 x 8 x 8"):
        train(Pairs(), validation_data=at(2, input=image(0, size=8), target=image(0, size=8)))


class Lying(Pairs):
    def __len__(self) -> int:
        return 9


WHOLE: dict[str, tuple[Any, str]] = {
    "no items": ([], "the data has no items"),
    "no items on a side": ({"input": [image(0)], "target": []}, "the data has no items on side 'target'"),
    "a loader": (
        torch.utils.data.DataLoader(Pairs()),
        "the data is a DataLoader, which makes batches itself; give",
    ),
    "a generator": (
        (item for item in [1]),
        "the data is a generator; data is the folder of a prepared dataset, or has",
    ),
    "a number": (3, "the data is a int"),
    "fewer than it says": (Lying(6), "item [678] of the data cannot be read: IndexError: .; len.. says 9"),
    "a folder that is none": ("nowhere", "nowhere: not a prepared dataset"),
    "sides apart, one missing": ({"input": [image(0)]}, "the data has no side 'target'; it has input"),
}


@pytest.mark.parametrize(("data", "message"), WHOLE.values(), ids=WHOLE.keys())
def test_data_of_other_kinds_is_refused(train: Train, data: Any, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        train(data)


def test_images_in_0_to_1_are_doubted(train: Train, quiet: Any) -> None:
    train([{"input": (image(i) + 1) / 2, "target": image(i)} for i in range(6)])
    (doubt,) = [text for text in quiet.warnings if "floats are" in text]
    assert doubt.startswith("side 'input': no value of the first 8 images is below 0")


SCENE = {"uses": "unet-small"}


def labelled(**change: Any) -> list[dict[str, Any]]:
    items = [{"image": image(i, size=32), "label": (image(i, 1, 32)[0] > 0).long()} for i in range(3)]
    items[2] |= change
    return items


CLASSES = {"label": Labels(("low", "high"))}


@pytest.mark.parametrize(
    ("change", "sides", "message"),
    [
        ({}, {}, r"side 'label' is a labels: say which classes there are, sides={'label': translate.Labels\("),
        ({"label": torch.full((32, 32), 7)}, CLASSES, "item 2 of the data, side 'label': class 7, and there are 2"),
        ({"label": torch.zeros(32, 32)}, CLASSES, "side 'label': shape .* of torch.float32; a label map is whole"),
        ({"label": torch.zeros(16, 16).long()}, CLASSES, "item 2 .* 16 x 16, and the images .* are 32 x 32"),
        ({}, {"labels": CLASSES["label"]}, "sides: the method has no side 'labels'; did you mean 'label'"),
        ({}, {"label": Class(("a",))}, "sides: 'label' is class of an image, not labels"),
        ({}, {"label": Vector(3)}, "sides: 'label' is vector of 3, not labels"),
    ],
)
def test_wrong_label_maps(train: Train, change: Any, sides: Any, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        train(labelled(**change), "segmentation", sides=sides)


def test_label_maps_train(train: Train) -> None:
    model = train(labelled(), "segmentation", sides=CLASSES, max_steps=1)
    assert set(model(image(0, size=32).permute(1, 2, 0).numpy().__mul__(127).astype("uint8")).ravel()) <= {0, 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epocs": 3}, "epocs: unknown key; did you mean 'epochs'"),
        ({"epochs": 0, "batch_size": "x"}, "(?s)epochs: must be .*batch_size: must be|batch_size: .*epochs: "),
        ({"options": {"generatr": "unet_64"}}, "options.generatr: unknown key; did you mean 'generator'"),
        ({"options": {"generator": "unet_65"}}, "there is no network 'unet_65'"),
        ({"losses": {"l2": 1}}, "losses.l2: pix2pix has no loss 'l2'"),
        ({"validate": {"metrics": ["l1"]}}, "validate: no split to validate on"),
    ],
)
def test_wrong_options_are_named(train: Train, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(Pairs(), **options)


def test_wrong_methods_are_named(train: Train) -> None:
    with pytest.raises(ConfigError, match="there is no method 'pix2pixx'; did you mean 'pix2pix'"):
        train(Pairs(), "pix2pixx")
    with pytest.raises(ConfigError, match=r"method: a name or a class of translate\.Method, not 3"):
        train(Pairs(), 3)
    with pytest.raises(DataError, match="item 0 of the data has no side 'a'; it has input, target"):
        train(Pairs(), "cyclegan")
