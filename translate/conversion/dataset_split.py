"""Converting prepared data: the files of a dataset that are the inputs of a direction, and a sheet of the results."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from translate.contracts import Image, ImagesFacts, Route
from translate.conversion.items import Item
from translate.conversion.journal import rows
from translate.conversion.names import order
from translate.conversion.plan import Plan
from translate.conversion.samples.folder import SETTINGS
from translate.data.dataset import Dataset
from translate.data.exemplars import picture_keys, value_inputs
from translate.imaging.convert import to_array
from translate.imaging.grid import enlarged, mosaic, picture_of, titled
from translate.imaging.io import write
from translate.inference.degradation import degraded_inputs, degrades, real_input
from translate.inference.side_images import input_ranges, output_suffix
from translate.inference.translator import Translator
from translate.metrics import by_key
from translate.storage.plain_text import composed

RESULTS, IMAGES, INPUTS, OTHERS, CONTACT = "results.jsonl", "images", "inputs", "others", "contact.png"
"""What lies in the folder of an `infer` stage: the journal, outputs, inputs and further inputs that were made for it,
and a sheet of examples."""
SHOWN, ANSWERS, TILE = 8, 5, 256
"""Rows of the contact sheet, outputs of one input in a row, and the longest side of its pictures in pixels."""


def plan_split(dataset: Dataset, split: str, route: Route, translator: Translator, folder: Path, seed: int) -> Plan:
    """Plans to translate a split below `folder`, key by key.

    Of data that holds only targets, the inputs are made first, and written to `inputs/` and `others/NAME/`.
    """
    ending = output_suffix(translator.program, route)
    if (side := real_input(translator.method, route, dataset.types)) is not None:
        keys = dataset.keys(split, side)
        return _plan((Item(key, dataset.path(split, side, key), f"{key}{ending}") for key in keys), folder)
    if degrades(translator.method.data, route):
        return _plan(_degraded(dataset, split, route, translator, folder, seed, ending), folder)
    return _plan(_stored(dataset, split, route, ending), folder)


def main_pictures(images: Path) -> dict[str, Path]:
    """The main outputs in the folder of an `infer` stage by key, without further ones (`KEY.depth.png`).

    Errors: ConfigError, DataError, as `by_key`.
    """
    outputs = by_key(images / IMAGES)
    if (images / IMAGES / SETTINGS).exists():
        return outputs  # samples from nothing, whose rows are others
    for row in rows(images / RESULTS):
        if isinstance(row["output"], list):
            stems = {composed(str(PurePosixPath(name).with_suffix(""))) for name in row["output"]}
            # A further output bears the name of the main one before its own.
            for stem in stems:
                if any(stem.startswith(f"{main}.") for main in stems):
                    outputs.pop(stem, None)
    return outputs


def plan_earlier(images: Path, route: Route, translator: Translator, folder: Path) -> Plan:
    """Plans to translate what another `infer` stage made, which lies in the folder `images`."""
    ending = output_suffix(translator.program, route)
    return _plan((Item(key, path, f"{key}{ending}") for key, path in main_pictures(images).items()), folder)


def _plan(items: Iterable[Item], folder: Path) -> Plan:
    in_order: list[Item] = sorted(items, key=lambda item: order(item.name))
    return Plan(list(_numbered(in_order)), folder / IMAGES, journal=folder / RESULTS)


def _numbered(items: Iterable[Item]) -> Iterator[Item]:
    """Numbers neighbours with equal inputs. Noise follows from an input's values, and data that holds one several times
    asks for as many answers to it."""
    for group in _by_input(items):
        for number, item in enumerate(group):
            yield replace(item, sample=number)


def _stored(dataset: Dataset, split: str, route: Route, ending: str) -> Iterator[Item]:
    """The images of a side; further pictures come from other sides, by the rule that pairs them up."""
    for key in dataset.keys(split, route.source or ""):
        pictures = picture_keys(dataset, split, route, key)
        paths = {name: dataset.path(split, side, k) for name, (side, k) in pictures.items()}
        source = paths.pop(route.main or "")
        yield Item(key, source, f"{key}{ending}", others=paths, values=value_inputs(dataset, split, route, key))


def _degraded(
    dataset: Dataset, split: str, route: Route, translator: Translator, folder: Path, seed: int, ending: str
) -> Iterator[Item]:
    """Writes the inputs that the method makes of each target, and plans to translate those."""
    first, source = route.main, route.source
    assert source is not None, "what is degraded has an image"
    for key in dataset.keys(split, source):
        target = dataset.tensor(split, source, key)
        paths = {}
        for name, image in degraded_inputs(translator.method, route, target, seed, key).items():
            place = INPUTS if name == first else f"{OTHERS}/{name}"
            ranges = input_ranges(translator.program, route, name)
            side = dataset.types.get(route.side_of(name) or source)
            stated = side.dtype if isinstance(side, Image) and ranges is not None else None
            paths[name] = folder / place / f"{key}{'.tif' if stated else '.png'}"
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            write(paths[name], to_array(image[None], np.dtype(stated or "uint8"), ranges))
        yield Item(key, paths.pop(first or ""), f"{key}{ending}", others=paths)


def contact_sheet(work: Plan, dataset: Dataset | None, facts: ImagesFacts, route: Route) -> np.ndarray[Any, Any]:
    """Rows of inputs | output | target (where pairs are known) of images spread over the set; H x W x 3 uint8.

    A target that is the input's own file, as for a method that changes the class of an image, is left out.
    Inputs are shown in the size of the outputs. An output that joins several pictures may be as wide as all of them.
    Outputs of equal inputs, which lie side by side in the set, share a row; their targets follow them in their order.
    """
    return mosaic([cells for _, cells in _rows(work, dataset, facts, route)])


def contact_page(work: Plan, dataset: Dataset | None, facts: ImagesFacts, route: Route) -> np.ndarray[Any, Any]:
    """The pictures of `contact_sheet` for people: below the names of their columns, on a page that is nearly square."""
    rows = _rows(work, dataset, facts, route)
    names = max((names for names, _ in rows), key=len)
    return titled([cells for _, cells in rows], names)


def _rows(
    work: Plan, dataset: Dataset | None, facts: ImagesFacts, route: Route
) -> list[tuple[list[str], list[np.ndarray[Any, Any]]]]:
    """The rows of the contact sheet: what each picture is, and the pictures."""
    answers = _by_input([item for item in work.items if item])
    rows = []
    for items in answers[:: max(1, len(answers) // SHOWN)][:SHOWN]:
        inputs = [picture_of(path, TILE // route.scale) for path in (items[0].source, *items[0].others.values())]
        row = [enlarged(pixels, route.scale) for pixels in inputs]
        names = ["input", *items[0].others]
        outputs: list[Path] = []
        for item in items:
            outputs += work.targets(item)
        row += [picture_of(path, TILE * max(route.tiles)) for path in outputs[:ANSWERS]]
        names += ["output"] * len(outputs[:ANSWERS])
        if dataset is not None and facts.split and facts.pairs and facts.target_side:
            targets = [dataset.path(facts.split, facts.target_side, item.name) for item in items[:ANSWERS]]
            row += [picture_of(path, TILE) for path in targets if path != items[0].source]
            names += ["target"] * (len(row) - len(names))
        rows.append((names, row))
    return rows


def _by_input(items: Iterable[Item]) -> list[list[Item]]:
    """Neighbours whose input files have the same bytes, as lists; most have one member."""
    groups: list[list[Item]] = []
    for item in items:
        if groups and _same_input(groups[-1][0], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _same_input(a: Item, b: Item) -> bool:
    if a.values != b.values or a.others.keys() != b.others.keys():
        return False
    pairs = [(a.source, b.source), *((path, b.others[name]) for name, path in a.others.items())]
    return all(filecmp.cmp(first, second, shallow=False) for first, second in pairs)
