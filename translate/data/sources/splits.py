"""Random splits of a source that has none: shares or folds, in which what belongs together stays together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from translate.contracts import Config, Record, Source, SourceFacts
from translate.errors import ConfigError, DataError
from translate.seeding import derive

Share = Annotated[float, Field(ge=0, lt=1)]
_WHOLE = "train"  # the one split of a source that has no others


class SplitOptions(Config):
    """How a source that only has `train` is divided: shares, `{val: 0.1, test: 0.1}`, or folds, `{folds: 5, fold: 2}`.

    The sides of one key, and all keys of one group, are in one split. Which, depends on `seed` and on names alone, so
    that other options change nothing.
    """

    val: Share = 0.0
    """Share of the images that become `val`."""
    test: Share = 0.0
    """Share of the images that become `test`."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Number of folds of equal size, of which one becomes `test` and the others `train`; `null`: shares."""
    fold: PositiveInt | None = None
    """The fold that becomes `test`, 1 to `folds`."""
    seed: NonNegativeInt = 0
    """Seed of the draw. It is not the pipeline's, so that trainings of several seeds are tested on the same images."""
    group: str | None = None
    """Regular expression for the names of images: what it matches, or its first parentheses, names the group, as in
    `'^(patient\\d+)'`. `null` takes the groups of the source, which a table names by its own option `group`, if any."""

    @field_validator("group")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _one_way(self) -> SplitOptions:
        if (self.folds is None) != (self.fold is None):
            raise ValueError("`folds` and `fold` go together: {folds: 5, fold: 2}")
        if self.folds is not None and self.fold is not None and self.fold > self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds}: folds are counted from 1")
        if self.folds is not None and self.test:
            raise ValueError("with `folds`, one fold is `test`: leave its share out")
        if self.folds is None and not self.val and not self.test:
            raise ValueError("give shares, {val: 0.1, test: 0.1}, or {folds: 5, fold: 2}")
        if self.val + self.test >= 1:
            raise ValueError(f"shares of {self.val:g} and {self.test:g} leave nothing to train on")
        return self

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits that result."""
        val = ("val",) if self.val else ()
        test = ("test",) if self.test or self.folds else ()
        return ("train", *val, *test)


class SplitSource(Source[Any]):
    """A source whose images are divided among several splits. Errors: ConfigError where it has splits of its own."""

    name = "split"

    def __init__(self, source: Source[Any], options: SplitOptions) -> None:
        super().__init__(source.config, source.seed)
        self._source = source
        self._options = options

    def facts(self) -> SourceFacts:
        facts = self._source.facts()
        if facts.splits != (_WHOLE,):
            raise ConfigError(
                f"`split` divides a source that only has train, and this one has {', '.join(facts.splits)}; leave "
                "`split` out, or read one of them: `splits: [train]`"
            )
        splits = self._options.splits
        return replace(facts, splits=splits, pairs=frozenset(splits) if facts.pairs else frozenset())

    def records(self, split: str) -> Iterator[Record]:
        for record in self._records:
            if self._split_of[self._group(record)] == split:
                yield record

    def inputs(self) -> Iterable[Path]:
        return self._source.inputs()

    def notes(self) -> Iterable[str]:
        return self._source.notes()

    def summary(self) -> str:
        """How many keys and groups each split has, in a sentence."""
        keys: dict[str, set[str]] = {split: set() for split in self._options.splits}
        for record in self._records:
            keys[self._split_of[self._group(record)]].add(record.key)
        groups = Counter(self._split_of.values())
        parts = []
        for split, of_split in keys.items():
            of_groups = f" of {groups[split]:,} groups" if groups[split] != len(of_split) else ""
            parts.append(f"{split} {len(of_split):,}{of_groups}")
        o = self._options
        how = f"fold {o.fold} of {o.folds} is test, " if o.folds else ""
        return f"split by seed {o.seed}: {how}names per split: {', '.join(parts)}"

    @cached_property
    def _records(self) -> list[Record]:
        return list(self._source.records(_WHOLE))

    def _group(self, record: Record) -> str:
        """The name of the group that a record belongs to; a key without a group is one itself. Errors: DataError."""
        if self._options.group is None:
            return f"group {record.group}" if record.group else record.key
        match = re.search(self._options.group, record.key)
        if match is None:
            raise DataError(f"{record.origin}: the name {record.key!r} does not match `group: {self._options.group}`")
        return match[1] if match.groups() and match[1] is not None else match[0]

    @cached_property
    def _split_of(self) -> Mapping[str, str]:
        """The split of each group. Errors: DataError where a split would get no group."""
        sides: dict[str, set[str]] = {}
        sizes: Counter[str] = Counter()
        for record in self._records:
            group = self._group(record)
            sides.setdefault(group, set()).add(record.side)
            sizes[group] += 1
        # Groups that occur on the same sides are divided among themselves, so that each side has its shares.
        strata: dict[tuple[str, ...], list[str]] = {}
        for group, of_group in sides.items():
            strata.setdefault(tuple(sorted(of_group)), []).append(group)
        split_of: dict[str, str] = {}
        for groups in strata.values():
            # By the draw of each name: the order in which a source lists them does not count.
            drawn = sorted(groups, key=lambda group: (derive(self._options.seed, "split", group), group))
            split_of |= _divided(drawn, sizes, self._options)
        for split in self._options.splits:
            if split not in split_of.values():
                raise DataError(f"split {split!r} would be empty: there are {len(sides):,} groups to divide")
        return split_of


def _divided(groups: list[str], sizes: Mapping[str, int], options: SplitOptions) -> dict[str, str]:
    """Groups in the order of their draw to splits, by their numbers of images."""
    if options.folds is None:
        return _by_shares(groups, sizes, {"test": options.test, "val": options.val})
    filled = [0] * options.folds
    of_fold: list[list[str]] = [[] for _ in filled]
    for group in groups:
        # The fold with the fewest images so far: folds of single images are equal but for one.
        fold = filled.index(min(filled))
        filled[fold] += sizes[group]
        of_fold[fold].append(group)
    number = (options.fold or 1) - 1
    rest = [group for fold, of_this in enumerate(of_fold) if fold != number for group in of_this]
    return dict.fromkeys(of_fold[number], "test") | _by_shares(rest, sizes, {"val": options.val})


def _by_shares(groups: list[str], sizes: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, str]:
    """The first groups to the first share until it is about full, and so on; the rest to `train`."""
    total = sum(sizes[group] for group in groups)
    split_of: dict[str, str] = {}
    waiting = list(reversed(groups))
    for split, share in shares.items():
        images, wanted = 0, share * total
        # As near to the share as whole groups get; no split of a share is left without any, if there is one.
        while waiting and ((wanted and not images) or images + sizes[waiting[-1]] / 2 <= wanted):
            group = waiting.pop()
            split_of[group] = split
            images += sizes[group]
    return split_of | dict.fromkeys(waiting, "train")
