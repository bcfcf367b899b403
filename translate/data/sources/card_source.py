"""The source `dataset`: a public dataset by the name of its card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from translate.contracts import Record, Sides, Source, SourceFacts
from translate.data.sources.attribute import Attribute, AttributeConfig, AttributeList, AttributeListConfig
from translate.data.sources.attribute_domains import AttributeDomains, AttributeDomainsConfig, domain_sides
from translate.data.sources.cards import data_root, load_card
from translate.data.sources.domains import Domains, DomainsConfig
from translate.data.sources.folders import FileSource, Folders, FoldersConfig, Picking, SideBySide, SideBySideConfig
from translate.data.sources.labelled import Labelled, LabelledConfig
from translate.data.sources.single import Single, SingleConfig
from translate.errors import ConfigError, DataError
from translate.storage.archives import folder_exists
from translate.storage.plain_text import on_disk_as
from translate.text import suggest


class DatasetConfig(Picking):
    """Options of `dataset`."""

    name: str
    """Name of a card, such as `facades`; `translate datasets list` shows all."""
    root: Path | None = None
    """Folder of a local copy; `null` looks where `translate datasets fetch` puts it."""
    kind: Literal["paired", "unpaired", "labelled", "single", "attribute", "domains"] | None = None
    """Kind of data to use it as, where its layout allows it; `null` takes the first that the card names, or `domains`
    where these are given."""
    attribute: str | None = None
    """Column of a table of attributes that tells the sides apart, such as `Eyeglasses`, for cards that have one."""
    domains: tuple[str, ...] = ()
    """Columns of a table of attributes that are several domains, `[Black_Hair, Blond_Hair]`, or the folders of classes
    to read, of cards that have one or the other; empty: all folders."""
    sides: tuple[str, str] = ("image", "class")
    """With `kind: domains`: names of the two sides, the images and the class of each."""
    colour: bool = False
    """Whether grey images become RGB, for data of kind `attribute` whose sides mix both."""
    disjoint: bool = False
    """With `kind: unpaired` of side-by-side files: whether each training file gives one half alone, by turns."""


class DatasetSource(Source[DatasetConfig]):
    """A public dataset by the name of its card; splits that a local copy lacks are left out and reported."""

    name = "dataset"

    def __init__(self, config: DatasetConfig, seed: int = 0) -> None:
        super().__init__(config, seed)
        self.card = load_card(config.name)
        self.root = data_root() / config.name if config.root is None else on_disk_as(config.root)
        natural = "domains" if config.domains else self.card.kinds[0]
        self.kind: str = config.kind or natural
        if self.kind not in self.card.kinds:
            raise ConfigError(f"dataset {config.name!r} can only be `kind: {' or '.join(self.card.kinds)}`")
        self._files = self._source()

    def facts(self) -> SourceFacts:
        there = self._absent_by_default() or self._local().splits()
        splits = tuple(s for s in there if self.config.splits is None or s in self.config.splits)
        apart = {"train"} if self.config.disjoint else set()
        pairs = frozenset(self.card.pairs) & frozenset(splits) - apart
        data = self._domains() if self.kind == "domains" else Sides.of(self.kind)
        labels = ((), ()) if self.card.layout == "domains" else (self.card.classes, self.card.palette)
        return SourceFacts(data, splits, pairs, *labels)

    def records(self, split: str) -> Iterator[Record]:
        yield from self._local().records(split)

    def inputs(self) -> Iterable[Path]:
        return self._local().inputs()

    def notes(self) -> Iterable[str]:
        notes = list(self._files.notes())
        there = self._files.available()
        if absent := [split for split in self.card.splits if split not in there]:
            notes.append(f"{self.root}: this copy lacks the splits {', '.join(absent)} of {self.card.name}")
        return notes

    def _domains(self) -> Sides:
        """The sides of several domains. Where the images are not there yet, the names are those that the options ask
        for or the card states, or not known."""
        if self.card.layout == "domains" and not self._absent_by_default():
            return self._files.facts().data
        asked, there = self.config.domains, self.card.classes
        if there and (wrong := [name for name in asked if name not in there]) and self.card.layout == "domains":
            hint = suggest(wrong[0], there) or f"; there are {', '.join(there)}"
            raise ConfigError(f"dataset {self.config.name!r} has no class {wrong[0]!r} (`domains`){hint}")
        return domain_sides(self.config.sides, asked or there)

    def _source(self) -> FileSource[Any]:
        c = self.config
        picked: dict[str, Any] = {"splits": c.splits, "limit": c.limit}
        layout = self.card.layout
        takes = {"attribute": layout == "attribute-list", "colour": layout == "with-without"}
        takes["domains"] = "domains" in self.card.kinds
        for option, fits in {**takes, "disjoint": layout == "side-by-side"}.items():
            if getattr(c, option) and not fits:
                raise ConfigError(f"dataset {c.name!r} has no use for `{option}`: its layout is {layout}")
        if c.sides[0] == c.sides[1]:
            raise ConfigError(f"dataset {c.name!r}: `sides` calls both sides {c.sides[0]!r}")
        if layout == "domains":
            return Domains(DomainsConfig(root=self.root, names=c.domains, sides=c.sides, **picked), self.seed)
        if self.kind == "domains":
            if len(c.domains) < 2:
                raise ConfigError(f"dataset {c.name!r} needs `domains`, the attributes that an image has one of")
            attributes = AttributeDomainsConfig(root=self.root, domains=c.domains, sides=c.sides, **picked)
            return AttributeDomains(attributes, self.seed)
        if layout == "attribute-list" and not c.attribute:
            raise ConfigError(f"dataset {c.name!r} needs `attribute`, the one that tells the sides apart")
        if layout == "side-by-side":
            kind: Literal["paired", "unpaired"] = "paired" if self.kind == "paired" else "unpaired"
            side_by_side = SideBySideConfig(root=self.root, kind=kind, disjoint=c.disjoint, **picked)
            return SideBySide(side_by_side, self.seed)
        if layout == "with-without":
            return Attribute(AttributeConfig(root=self.root, colour=c.colour, **picked), self.seed)
        if layout == "attribute-list":
            return AttributeList(AttributeListConfig(root=self.root, attribute=c.attribute or "", **picked), self.seed)
        if layout == "single":
            return Single(SingleConfig(root=self.root, folders=self.card.folders, splits=c.splits, limit=c.limit))
        if layout == "split-annot":
            labels = {
                "classes": self.card.classes,
                "palette": self.card.palette,
                "ignore": self.card.ignore,
                "by": "index",
            }
            return Labelled(LabelledConfig(root=self.root, splits=c.splits, limit=c.limit, **labels), self.seed)
        config = FoldersConfig(root=self.root, pairs=self.card.pairs, splits=c.splits, limit=c.limit)
        return Folders(config, self.seed)

    def _absent_by_default(self) -> tuple[str, ...]:
        """The card's splits where nothing was fetched yet: a pipeline can be checked before its data is there."""
        return tuple(self.card.splits) if self.config.root is None and not self.root.exists() else ()

    def _local(self) -> FileSource[Any]:
        if not folder_exists(self.root):
            name = self.card.name
            raise DataError(
                f"the dataset {name!r} is not at {self.root}: run `translate datasets fetch {name}`, or set `root` of "
                "the source to a copy that you have (`--set stages.STAGE.with.source.root=PATH`)"
            )
        return self._files
