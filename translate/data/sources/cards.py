"""Dataset cards: what a public dataset is, under which terms, where it comes from, and how it lies on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from translate.contracts import IGNORE, Config, Console
from translate.data.sources.download import download, extract
from translate.errors import ConfigError
from translate.text import suggest


class Archive(Config):
    """An official archive of a dataset."""

    url: str
    """The address from which the archive is fetched."""
    format: Literal["tar.gz", "zip"]
    """How the archive is packed: `tar.gz` or `zip`."""
    bytes: PositiveInt | None = None
    """Size of the archive in bytes, for the check of room on the disk, and a warning where the download differs."""
    sha256: str | None = None
    """SHA-256 of the archive, 64 hexadecimal digits; without it the archive is taken as it comes."""
    folder: str
    """The folder inside the archive that holds the data: `facades`."""
    into: str = ""
    """The folder of the dataset that the data become; empty: the dataset's own."""


class Counts(Config):
    """Images of a split, by side."""

    a: NonNegativeInt
    """Images of side a."""
    b: NonNegativeInt = 0
    """Images of side b; 0 where the data have one side."""


class Card(Config):
    """The card of a public dataset: its terms, its address, and how it lies on disk."""

    name: str
    """The name under which pipelines and `translate data fetch` know it: `facades`."""
    title: str
    """One line for lists of datasets."""
    description: str
    """A paragraph on what the images show; without an `archive` also how to lay out what the homepage offers."""
    homepage: str
    """The page of those who made the dataset."""
    archive: Archive | None = None
    """The official archive; none where the homepage hands it out by hand."""
    licence: str
    """The terms of use, shown before anything is fetched."""
    citation: str
    """The publication to cite."""
    layout: Literal["side-by-side", "split-side", "split-annot", "single", "with-without", "attribute-list", "domains"]
    """How the images lie. `side-by-side`: both sides of a pair in one file, left a and right b, in folders named after
    the splits. `split-side`: `trainA`, `trainB`, `testA`, ... `split-annot`: `train`, `trainannot`, ..., where a is the
    image and b its label map. `single`: the folders that `folders` names. `with-without`: `train_with`,
    `train_without`, ..., where a has the attribute and b has not. `attribute-list`: one folder and a list that says
    which image has which attribute. `domains`: a folder for each class, below a folder for each split."""
    sides: dict[Literal["a", "b"], str]
    """What each side shows: `{a: facade, b: label map}`."""
    splits: dict[str, Counts]
    """Images that the official archive holds, by split: `{train: {a: 400, b: 400}}`."""
    pairs: tuple[str, ...]
    """The splits in which both sides show the same things: `[train, val, test]`, or `[]` for unpaired data."""
    folders: dict[str, tuple[Path, ...]] = {}
    """Of the layout `single`: the folders of each split, as the source `single` takes them."""
    more: tuple[Archive, ...] = ()
    """Further archives that belong to the dataset."""
    classes: tuple[str, ...] = ()
    """Of label maps: the names of the classes, by index. Of the layout `domains`: the folders of classes."""
    palette: tuple[tuple[int, int, int], ...] = ()
    """Of label maps: the colour of each class, red, green and blue of 0 to 255."""
    ignore: Annotated[int, Field(ge=0, le=255)] = IGNORE
    """Of label maps: the value that means no class."""
    unverified: tuple[str, ...] = ()
    """Statements of this card that nobody could check against the archive."""

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if "train" not in self.splits or not set(self.pairs) <= set(self.splits):
            raise ValueError("`splits` needs `train`, and `pairs` names splits")
        if self.layout != "domains" and len(self.classes) != len(self.palette):
            raise ValueError("`classes` and `palette` have one entry per class")
        if set(self.folders) != (set(self.splits) if self.layout == "single" else set()):
            raise ValueError("`folders` has every split of the layout `single`, and belongs to no other")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of data that it can serve as, the natural one first; `domains` are images with a class each."""
        if self.layout == "domains":
            return ("domains",)
        if self.layout in ("split-annot", "single"):
            return ("labelled",) if self.layout == "split-annot" else ("single",)
        if self.layout == "attribute-list":
            return ("attribute", "domains")
        if self.layout == "with-without":
            return ("attribute",)
        return ("paired", "unpaired") if self.layout == "side-by-side" else ("unpaired",)


def share(what: str) -> Path:
    """The folder of shipped `datasets` or `pipelines`: inside the package in a wheel, beside it in a checkout.

    Errors: ConfigError.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "_share" / what, package.parent / what):
        if folder.is_dir():
            return folder
    raise ConfigError(f"the installation lacks its folder of {what}; install translate-i2i again")


def card_names() -> list[str]:
    """The names of all cards, sorted."""
    return sorted(path.stem for path in share("datasets").glob("*.yaml"))


def list_cards() -> list[Card]:
    """All cards, by name."""
    return [load_card(name) for name in card_names()]


def load_card(name: str) -> Card:
    """The card of a dataset. Errors: ConfigError, with the nearest name."""
    names = card_names()
    if name not in names:
        raise ConfigError(f"no dataset {name!r}; there are {', '.join(names)}{suggest(name, names)}")
    path = share("datasets") / f"{name}.yaml"
    try:
        card = Card.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path}: not a dataset card: {error}") from None
    if card.name != name:
        raise ConfigError(f"{path}: its name is {card.name!r}, not that of the file")
    return card


def data_root() -> Path:
    """Where datasets are kept: the environment variable TRANSLATE_DATA, else `data` in the working directory."""
    return Path(os.environ.get("TRANSLATE_DATA") or "data")


def fetch(name: str, root: Path | None, console: Console) -> Path:
    """Downloads a dataset into `root/name` (default `data_root()`), resuming what an earlier start left.

    Returns the folder; one that is there already is left alone. Errors: ConfigError, DataError.
    """
    card = load_card(name)
    root = data_root() if root is None else root
    folder = root / name
    if card.archive is None and not folder.exists():
        raise ConfigError(f"{name} cannot be downloaded from here: get it from {card.homepage}. {card.description}")
    parts_of = [part for part in (card.archive, *card.more) if part is not None]
    wanted = [part for part in parts_of if not (folder / part.into).exists()]
    if not wanted:
        console.say(f"{name} is already at {folder}")
        return folder
    console.say(f"{card.title}\nterms: {card.licence}")
    urls = list(dict.fromkeys(part.url for part in wanted))
    for number, url in enumerate(urls):
        parts = [part for part in wanted if part.url == url]
        archive = root / f"{name}{f'-{number}' if number else ''}.{parts[0].format}"
        if parts[0].sha256 is None:
            console.warn(f"{name}: no checksum is published for {url}; it is only checked for being whole")
        if not archive.exists():
            download(url, archive, console, expected=parts[0].bytes, sha256=parts[0].sha256)
        for part in parts:
            (folder / part.into).parent.mkdir(parents=True, exist_ok=True)
            extract(archive, part.folder, folder / part.into, console)
        archive.unlink()
    console.say(f"{name} is at {folder}")
    return folder
