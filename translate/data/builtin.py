"""The built-in sources and transforms, registered by the hooks that plugins implement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from translate.contracts import DeviceTransform, Source, Transform
from translate.data.generated.digits import GeneratedDigits
from translate.data.generated.maps import GeneratedMaps
from translate.data.generated.portrait_attributes import Portraits
from translate.data.generated.portraits import GeneratedHats
from translate.data.generated.sketches import GeneratedSketches
from translate.data.sources.attribute import Attribute, AttributeList
from translate.data.sources.attribute_domains import AttributeDomains
from translate.data.sources.card_source import DatasetSource
from translate.data.sources.domains import Domains
from translate.data.sources.folders import Folders, Pairs, SideBySide
from translate.data.sources.huggingface import HuggingFace
from translate.data.sources.labelled import Labelled
from translate.data.sources.single import Single
from translate.data.sources.table import TableSource
from translate.data.sources.webdataset import WebDataset
from translate.data.transforms import TRANSFORMS
from translate.markers import hookimpl


@hookimpl
def translate_sources() -> Iterable[type[Source[Any]]]:
    """The built-in sources."""
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
        Portraits,
        GeneratedSketches,
        GeneratedDigits,
        TableSource,
        Domains,
        AttributeDomains,
        HuggingFace,
        WebDataset,
    )


@hookimpl
def translate_transforms() -> Iterable[type[Transform[Any]]]:
    """The built-in transforms."""
    return TRANSFORMS


@hookimpl
def translate_device_transforms() -> Iterable[type[DeviceTransform[Any]]]:
    """None is built in: kornia's go by their own names."""
    return ()
