"""The source `attribute-domains`: several attributes of a list as domains, of which an image has exactly one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from pydantic import field_validator

from translate.contracts import Class, Image, Record, Sides, SourceFacts
from translate.data.scenes.files import ImageFile
from translate.data.sources.attribute import read_attributes, read_partition
from translate.data.sources.folders import SPLITS, FileSource, Picking
from translate.data.sources.listing import on_disk, require_folder
from translate.errors import ConfigError
from translate.storage.plain_text import on_disk_as
from translate.text import examples


class AttributeDomainsConfig(Picking):
    """Options of `attribute-domains`. The names of files are CelebA's. A `limit` counts the images of each domain."""

    root: Path
    """Folder of the images and of both tables."""
    domains: tuple[str, ...]
    """Attributes that are the domains, in the order of their index: `[Black_Hair, Blond_Hair, Brown_Hair]`."""
    sides: tuple[str, str] = ("image", "class")
    """Names of the two sides: the images, and the class of each."""
    images: str = "img_align_celeba"
    """Folder of the images, in `root`."""
    attributes: str = "list_attr_celeba.txt"
    """Table in `root`: a line with the number of images, a line of names, then a line an image, with its file and 1 or
    -1 for each name."""
    partition: str = "list_eval_partition.txt"
    """Table in `root`: a line an image, with its file and 0 (`train`), 1 (`val`) or 2 (`test`)."""

    @field_validator("domains")
    @classmethod
    def _several(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) < 2 or len(set(value)) < len(value):
            raise ValueError("name two or more different attributes")
        return value


class AttributeDomains(FileSource[AttributeDomainsConfig]):
    """Images of one folder in several domains by a list of attributes: black, blond and brown hair.

    Images with none of the attributes, or with more than one, belong to no domain; they are left out and counted.
    """

    name = "attribute-domains"

    def place(self) -> str:
        return str(self.config.root)

    def available(self) -> tuple[str, ...]:
        require_folder(self.config.root / self.config.images)
        return tuple(split for split in SPLITS if split in self._files)

    def facts(self) -> SourceFacts:
        return SourceFacts(domain_sides(self.config.sides, self.config.domains), self.splits())

    def records(self, split: str) -> Iterator[Record]:
        image, side = self.config.sides
        for index, domain in enumerate(self.config.domains):
            files = self._files[split].get(index, {})
            for key in self._pick(split, files, f"{split}/{domain}"):
                path = files[key]
                yield Record(key, image, str(path), ImageFile(path))
                yield Record(key, side, str(path), lambda index=index: index)  # type: ignore[misc]

    def inputs(self) -> Iterable[Path]:
        c = self.config
        return on_disk([c.root / c.images, c.root / c.attributes, c.root / c.partition])

    @cached_property
    def _files(self) -> Mapping[str, Mapping[int, Mapping[str, Path]]]:
        """Paths by split, domain and key."""
        c = self.config
        signs = read_attributes(c.root / c.attributes, c.domains)
        files: dict[str, dict[int, dict[str, Path]]] = {}
        outside = []
        for name, number in read_partition(c.root / c.partition):
            values = signs.get(name, [])
            if values.count("1") != 1:
                outside.append(name)
                continue
            key = Path(name).with_suffix("").as_posix()
            of_domain = files.setdefault(SPLITS[int(number)], {}).setdefault(values.index("1"), {})
            of_domain[key] = on_disk_as(c.root / c.images / name)
        if outside:
            self._note(f"{len(outside):,} images have none or several of {', '.join(c.domains)}: {examples(outside)}")
        return files


def domain_sides(names: tuple[str, str], classes: tuple[str, ...]) -> Sides:
    """Images, and beside each the class that it is of, under these names. Errors: ConfigError where both are equal."""
    image, side = names
    if image == side:
        raise ConfigError(f"`sides` calls both sides {image!r}")
    return Sides({image: Image(), side: Class(classes)}, together=(names,))
