"""Detects which kinds of data the images of a folder can be, and how a source reads them; for `translate init`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from translate.contracts import IGNORE, DataKind, Sides
from translate.errors import ConfigError, TranslateError
from translate.pipeline.init.label_maps import NoLabelMapsError, coding_of, could_be_labels
from translate.pipeline.init.layout import Layout, Pile
from translate.pipeline.init.names import is_first, is_last, pairs_in_one_folder, pairs_in_two_folders, two_kinds
from translate.pipeline.init.values import TILE, deep_options, is_scene, tiles_of
from translate.plugins import Registry

_LABELS = re.compile(r".*(annot|label|mask|seg|class|gt)", re.IGNORECASE)
_WITHOUT = re.compile(r"(without|no|not|non|un)([-_ ].*)?|.*[-_ ](without|no|not|non)[-_ ].*", re.IGNORECASE)
_LISTS = ("classes.txt", "labels.txt", "label_names.txt")


@dataclass(frozen=True)
class Material:
    """A source for the images of a folder. `about` are remarks for comments; `size` is the least height and width;
    `options` are further ones of `preprocess`, and `directions` says what the directions of the method show."""

    source: Mapping[str, Any]
    about: tuple[str, ...]
    splits: tuple[str, ...]
    size: tuple[int, int]
    count: int
    options: Mapping[str, Any] = field(default_factory=dict)
    directions: str = ""
    tiles: int = 1
    """Tiles of an image, on the average."""
    scale: int = 1
    """How many times smaller the real inputs of a method that enlarges are; 1 where it makes them."""


class _UnsuitedError(Exception):
    """A folder cannot be read as a kind of data; the message says why."""


def material(data: DataKind | Sides, layout: Layout, method: str, registry: Registry) -> Material:
    """The folder as data of a kind. Errors: ConfigError that says why not, and which methods it suits."""
    declared = Sides.of(data)
    kind = declared.kind
    if kind is None:
        raise ConfigError(
            f"{method} trains on {declared.in_words()}, which no layout of folders holds; write a pipeline with "
            "`source: {uses: table}`, and a column for each side"
        )
    try:
        if registry.get("methods", method).real_input and (pairs := _low_and_high(layout)) is not None:
            return pairs
        return _READ[kind](layout)
    except _UnsuitedError as reason:
        here = f"{layout.folder} holds {layout}"
        instead = fitting_methods(layout, registry)
        raise ConfigError(f"{method} trains on {kind} data, and {here}: {reason}. As it is, {instead}") from None


def fitting_methods(layout: Layout, registry: Registry) -> str:
    """Says in words which kinds of data a folder holds as it is, and which methods train on them."""
    kinds = [kind for kind in _READ if _suits(kind, layout)]
    methods, _ = registry.all_methods()
    fitting = sorted(name for name, each in methods.items() if Sides.of(each.data).kind in kinds and each.players)
    words = " and ".join(filter(None, (", ".join(kinds[:-1]), *kinds[-1:])))
    return f"it suits {words} data: {', '.join(fitting)}" if fitting else "it suits no method"


def _suits(kind: str, layout: Layout) -> bool:
    try:
        _READ[kind](layout)
    except (_UnsuitedError, TranslateError):
        return False
    return True


# --------------------------------------------------------------------------------------------------- kinds of data


def _paired(layout: Layout) -> Material:
    layout = layout.with_sides_by_names(pairs_in_one_folder) or layout
    if len(layout.sides) == 1:
        return _side_by_side(layout, {})
    a, b = _two(layout, "a picture and its counterpart")
    if (is_last(a) and not is_last(b)) or (is_first(b) and not is_first(a)):
        a, b = b, a
    layout = layout.with_names_of(pairs_in_two_folders)
    scale = layout.scale(a, b)
    alone = _matched(layout, of_one_size=scale == 1)
    about = [f"input  {layout.pile(a)}", f"target {layout.pile(b)}", "The other way round: `direction: b_to_a`."]
    if scale > 1:
        about.append(
            f"Inputs are enlarged {scale} times, to the size of targets. Enlarge images before you convert them."
        )
    if alone:
        about.append(f"{alone} images have no partner of their name and are left out.")
    source = {"uses": "pairs", **_folders(layout, {"a": a, "b": b})}
    if alone:
        source["unmatched"] = "skip"
    if scale > 1:
        source["scale"] = scale
    return _material(layout, source, about, {"input": a, "target": b}, scale)


def _unpaired(layout: Layout) -> Material:
    layout = layout.with_sides_by_names(two_kinds) or layout
    if len(layout.sides) == 1:
        return _side_by_side(layout, {"kind": "unpaired", "disjoint": True})
    a, b = _two(layout, "two sets of pictures")
    about = [f"a: {layout.pile(a)}", f"b: {layout.pile(b)}"]
    if any(split != "train" and layout.common(split) for split in layout.splits):
        about.append("If equal names of a split show the same thing, `pairs: [test]` lets it be scored in pairs.")
    return _material(layout, {"uses": "folders", **_folders(layout, {"a": a, "b": b})}, about, {"a": a, "b": b})


def _single(layout: Layout) -> Material:
    if len(layout.sides) != 1:
        first = layout.pile(layout.sides[0]).path
        raise _UnsuitedError(f"one set of pictures is wanted, to make inputs from; name its folder ({first})")
    (side,) = layout.sides
    folders = {split: of[side].path.as_posix() for split, of in layout.splits.items()}
    place = {"root": folders["train"]} if folders.keys() == {"train"} else {"folders": folders}
    return _material(layout, {"uses": "single", **place}, [str(layout.pile(side))], {"image": side})


def _low_and_high(layout: Layout) -> Material | None:
    """Pairs of images whose sizes have one factor, the smaller ones as real inputs; None where there are none."""
    layout = layout.with_sides_by_names(pairs_in_one_folder) or layout
    if len(layout.sides) != 2:
        return None
    layout = layout.with_names_of(pairs_in_two_folders)
    low, high = layout.sides
    if layout.scale(low, high) == 1:
        low, high = high, low
    scale = layout.scale(low, high)
    if scale == 1:
        return None
    alone = _matched(layout, of_one_size=False)
    about = [f"low  {layout.pile(low)}", f"high {layout.pile(high)}", f"All of high are {scale} times larger than low."]
    if alone:
        about.append(f"{alone} images have no partner of their name and are left out.")
    source = {"uses": "pairs", **_folders(layout, {"a": low, "b": high}), "scale": scale, "enlarge": False}
    if alone:
        source["unmatched"] = "skip"
    images = replace(_material(layout, source, about, {"image": high}, scale), scale=scale)
    if "tiles" in images.options:
        whole = {**images.options, "tiles": TILE // scale * scale}  # pixels of the low resolution
        images = replace(images, options=whole, tiles=tiles_of([*layout.pile(high).headers.values()]))
    return images


def _labelled(layout: Layout) -> Material:
    layout = layout.with_sides_by_names(pairs_in_one_folder) or layout
    sides = _two(layout, "pictures and their label maps")
    layout = layout.with_names_of(pairs_in_two_folders)
    maps = [side for side in sides if could_be_labels(layout.pile(side).first)]
    maps = [side for side in maps if _LABELS.match(side)] or maps
    if len(maps) != 1:
        raise _UnsuitedError("one of the two has to hold label maps: images of a few values or colours")
    (labels,) = maps
    try:
        coding = coding_of([*layout.pile(labels).files.values()])
    except NoLabelMapsError as reason:
        raise _UnsuitedError(str(reason)) from None
    (images,) = (side for side in sides if side != labels)
    alone = _matched(layout)
    listed = next((layout.folder / name for name in _LISTS if (layout.folder / name).is_file()), None)
    classes = listed.as_posix() if listed else [f"class-{n}" for n in range(coding.classes)]
    about = [f"images {layout.pile(images)}", f"labels {layout.pile(labels)}"]
    if not listed:
        none = "" if IGNORE in coding.options.get("values", ()) else " 255 is no class."
        about.append(f"Classes 0 to {len(classes) - 1} occur in them: give them their names.{none}")
    about += coding.about
    folders = _folders(layout, {"images": images, "labels": labels})
    source = {"uses": "labelled", **folders, "classes": classes, **coding.options}
    if alone:
        source["unmatched"] = "skip"
    return _material(layout, source, about, {"image": images})


def _attribute(layout: Layout) -> Material:
    one, other = _two(layout, "pictures with something and pictures without it")
    if _WITHOUT.fullmatch(one):
        one, other = other, one
    with_it, without_it = layout.pile(one), layout.pile(other)
    about = [f"with    {with_it}", f"without {without_it}"]
    headers = [*with_it.headers.values(), *without_it.headers.values()]
    mixed = len({header.channels for header in headers}) > 1
    source = {"uses": "attribute", **_folders(layout, {"with": one, "without": other})}
    if mixed:
        source["colour"] = True
    return _material(layout, source, about, {"with": one, "without": other})


_READ: Mapping[str, Callable[[Layout], Material]] = {
    "paired": _paired,
    "unpaired": _unpaired,
    "single": _single,
    "labelled": _labelled,
    "attribute": _attribute,
}


# ---------------------------------------------------------------------------------------------------------- parts


def _side_by_side(layout: Layout, options: Mapping[str, Any]) -> Material:
    """Files that hold both images."""
    (side,) = layout.sides
    pile = layout.pile(side)
    if not pile.side_by_side():
        raise _UnsuitedError("two folders are wanted, or pictures twice as wide as high that hold both, side by side")
    if any(of[side].path != layout.folder / split for split, of in layout.splits.items()) and len(layout.splits) > 1:
        raise _UnsuitedError("the folders of pictures that hold both sides have to be called train, val and test")
    root = layout.folder if len(layout.splits) > 1 else pile.path
    whole = _material(layout, {"uses": "side-by-side", "root": root.as_posix(), **options}, [str(pile)], {})
    about = (
        "The left half of a file is the input (a), the right half the target (b); the other way: `direction: b_to_a`."
    )
    height, width = whole.size
    return replace(whole, about=(*whole.about, about), size=(height, width // 2))


def _two(layout: Layout, what: str) -> tuple[str, str]:
    if len(layout.sides) != 2:
        raise _UnsuitedError(f"two folders are wanted, {what}")
    return layout.sides[0], layout.sides[1]


def _matched(layout: Layout, *, of_one_size: bool = True) -> int:
    """How many images have no partner, for sides that belong together by name."""
    alone = 0
    for split, piles in layout.splits.items():
        a, b = piles.values()
        common = len(layout.common(split))
        alone += len(a.files) + len(b.files) - 2 * common
        if common < max(len(a.files), len(b.files)) / 2:
            raise _UnsuitedError(f"only {common} names of {split} are the same on both sides ({a.path}, {b.path})")
    if of_one_size and (unequal := layout.unequal()):
        raise _UnsuitedError(f"the two images of a pair need one size, and {unequal}")
    return alone


def _folders(layout: Layout, sides: Mapping[str, str]) -> dict[str, Any]:
    """The folders of the training split beside each other, those of the others below their names."""
    folders: dict[str, Any] = {}
    for split, piles in layout.splits.items():
        folders[split] = {option: piles[side].path.as_posix() for option, side in sides.items()}
    return {**folders.pop("train"), **folders}


def _material(
    layout: Layout, source: Mapping[str, Any], about: list[str], sides: Mapping[str, str], scale: int = 1
) -> Material:
    """The material of a layout; `sides` are the folders behind the sides of the data whose values are looked at, and
    the first of them is enlarged by the `scale`."""
    piles = [layout.pile(side) for side in layout.sides]
    size = scale * min(p.smallest[0] for p in piles), scale * min(p.smallest[1] for p in piles)
    count, tiles = min(len(p.files) for p in piles), 1
    options, why = deep_options({side: layout.pile(name) for side, name in sides.items()})
    kind: DataKind = "labelled" if source["uses"] == "labelled" else "single"
    if sides and is_scene(kind, piles):
        options["tiles"], tiles = TILE, tiles_of([*piles[0].headers.values()])
    shown = [_shown(layout.pile(name)) for name in sides.values()]
    directions = ""
    if source["uses"] in ("pairs", "folders") and len(shown) == 2:
        directions = f"a_to_b: from {shown[0]} to {shown[1]}"
    return Material(source, (*about, *why), tuple(layout.splits), size, count, options, directions, tiles)


def _shown(pile: Pile) -> str:
    """What images show, by the name of their folder, or by the pattern of their names."""
    name = pile.path.name.replace("*", "").strip("_-. ") or pile.path.parent.name
    return re.sub(r"^(train|training)[-_ ]?(?=.)", "", name)
