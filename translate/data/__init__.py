"""Images on disk and on their way to a network: one read and write path, sources, transforms, datasets, loaders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from translate.contracts import Source, Transform
from translate.hookspecs import hookimpl


@hookimpl
def translate_sources() -> Iterable[type[Source[Any]]]:
    """The built-in sources."""
    from translate.data.attribute import Attribute, AttributeList
    from translate.data.cards import DatasetSource
    from translate.data.labelled import Labelled
    from translate.data.portraits import GeneratedHats
    from translate.data.single import Single
    from translate.data.sketches import GeneratedSketches
    from translate.data.sources import Folders, Pairs, SideBySide
    from translate.data.synthetic import GeneratedMaps

    return (
        Folders,
        Pairs,
        SideBySide,
        Single,
        DatasetSource,
        GeneratedMaps,
        Labelled,
        Attribute,
        AttributeList,
        GeneratedHats,
        GeneratedSketches,
    )


@hookimpl
def translate_transforms() -> Iterable[type[Transform[Any]]]:
    """The built-in transforms."""
    from translate.data.transforms import TRANSFORMS

    return TRANSFORMS
