"""Random splits: disjoint, complete, of the stated shares, and never torn through a key or a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from data_images import Console
from data_prepared import png, prepare, stage, write_files
from hypothesis import given, settings, strategies as st
from pydantic import ValidationError

from translate.contracts import Config, Image, Record, Sides, Source, SourceFacts
from translate.data.sources.splits import SplitOptions, SplitSource
from translate.errors import ConfigError, DataError


class Listed(Source[Config]):
    """A source of the keys that a test gives, by side; a key may be `KEY@GROUP`."""

    def __init__(self, keys: Mapping[str, list[str]], data: Any = "unpaired", splits: tuple[str, ...] = ("train",)):
        super().__init__(Config())
        self.keys = keys
        self._facts = SourceFacts(data, splits, frozenset(splits) if data == "paired" else frozenset())

    def facts(self) -> SourceFacts:
        return self._facts

    def records(self, split: str) -> Iterator[Record]:
        for side, keys in self.keys.items():
            for key in keys:
                name, _, group = key.partition("@")
                yield Record(name, side, f"{side}/{name}", lambda: None, group)


def divided(keys: Mapping[str, list[str]], data: Any = "unpaired", **options: Any) -> dict[str, dict[str, set[str]]]:
    """Keys by split and side."""
    source = SplitSource(Listed(keys, data), SplitOptions(**options))
    result: dict[str, dict[str, set[str]]] = {}
    for split in source.facts().splits:
        result[split] = {side: set() for side in keys}
        for record in source.records(split):
            result[split][record.side].add(record.key)
    return result


def names(count: int, start: str = "k") -> list[str]:
    return [f"{start}{n:03d}" for n in range(count)]


def test_shares_on_each_side() -> None:
    result = divided({"a": names(100), "b": names(40, "x")}, val=0.1, test=0.25)
    sizes = {split: [len(keys) for keys in sides.values()] for split, sides in result.items()}
    assert sizes == {"train": [65, 26], "val": [10, 4], "test": [25, 10]}


@settings(max_examples=40, deadline=None)
@given(
    keys=st.sets(st.integers(0, 300), min_size=20, max_size=60),
    seed=st.integers(0, 5),
    folds=st.integers(2, 5),
)
def test_folds_are_disjoint_complete_and_of_equal_size(keys: set[int], seed: int, folds: int) -> None:
    listed = {"a": [str(key) for key in keys]}
    tests = []
    for fold in range(1, folds + 1):
        result = divided(listed, Sides({"a": Image()}), folds=folds, fold=fold, seed=seed)
        assert result["train"]["a"] | result["test"]["a"] == set(listed["a"])
        assert not result["train"]["a"] & result["test"]["a"]
        tests.append(result["test"]["a"])
    assert sum(map(len, tests)) == len(keys) and set().union(*tests) == set(listed["a"])
    assert max(map(len, tests)) - min(map(len, tests)) <= 1


def test_sides_of_one_key_stay_together_and_order_does_not_count() -> None:
    keys = names(50)
    result = divided({"input": keys, "target": keys}, "paired", val=0.2, test=0.2)
    assert all(sides["input"] == sides["target"] for sides in result.values())
    backwards = divided({"input": keys[::-1], "target": keys}, "paired", val=0.2, test=0.2)
    assert backwards == result
    assert divided({"input": keys, "target": keys}, "paired", val=0.2, test=0.2, seed=1) != result


@settings(max_examples=40, deadline=None)
@given(groups=st.lists(st.integers(0, 12), min_size=30, max_size=80), seed=st.integers(0, 3))
def test_groups_are_never_torn(groups: list[int], seed: int) -> None:
    keys = [f"{n}@{group}" for n, group in enumerate(groups)]
    group_of = {str(n): group for n, group in enumerate(groups)}
    try:
        result = divided({"a": keys}, Sides({"a": Image()}), val=0.2, test=0.2, seed=seed)
    except DataError as error:
        assert "would be empty" in str(error)
        return
    seen = [{group_of[key] for key in sides["a"]} for sides in result.values()]
    assert sum(map(len, seen)) == len(set(groups)) and set().union(*seen) == set(groups)


def test_shares_are_as_near_as_whole_groups_get() -> None:
    pairs = {side: [f"{n}@{n // 2}" for n in range(12)] for side in ("input", "target")}
    result = divided(pairs, "paired", val=0.2, test=0.2)
    assert [len(sides["input"]) for sides in result.values()] == [8, 2, 2]
    few = divided({"image": names(3)}, "single", val=0.1, test=0.1)
    assert [len(sides["image"]) for sides in few.values()] == [1, 1, 1]


def test_groups_by_name_hold_on_all_sides() -> None:
    keys = {side: [f"patient{n % 9}/{side}{n}" for n in range(45)] for side in "ab"}
    result = divided(keys, test=0.3, group=r"^(patient\d+)/")
    patients = [{key.partition("/")[0] for keys in sides.values() for key in keys} for sides in result.values()]
    assert not patients[0] & patients[1] and len(patients[0] | patients[1]) == 9
    with pytest.raises(DataError, match=r"a/k000: the name 'k000' does not match `group: \^patient"):
        divided({"a": names(3), "b": names(3)}, test=0.3, group="^patient")


def test_a_val_share_comes_out_of_the_folds_that_train() -> None:
    result = divided({"image": names(100)}, "single", folds=5, fold=3, val=0.25)
    assert [len(sides["image"]) for sides in result.values()] == [60, 20, 20]
    assert list(result) == ["train", "val", "test"]


def test_paired_splits_stay_paired() -> None:
    source = SplitSource(Listed({"input": names(9), "target": names(9)}, "paired"), SplitOptions(test=0.3))
    assert source.facts().pairs == {"train", "test"} and source.facts().kind == "paired"


def test_what_cannot_be_divided() -> None:
    with pytest.raises(ConfigError, match="this one has train, test; leave `split` out, or read one of them"):
        SplitSource(Listed({}, splits=("train", "test")), SplitOptions(test=0.3)).facts()
    with pytest.raises(DataError, match="split 'train' would be empty: there are 1 groups to divide"):
        divided({"a": names(1)}, Sides({"a": Image()}), test=0.1)
    for wrong, message in (
        ({}, "give shares, {val: 0.1, test: 0.1}, or {folds: 5, fold: 2}"),
        ({"folds": 5}, "`folds` and `fold` go together"),
        ({"folds": 5, "fold": 6}, "fold 6 of 5: folds are counted from 1"),
        ({"folds": 5, "fold": 1, "test": 0.1}, "with `folds`, one fold is `test`"),
        ({"val": 0.5, "test": 0.5}, "shares of 0.5 and 0.5 leave nothing to train on"),
        ({"test": 0.1, "group": "("}, "not a regular expression"),
    ):
        with pytest.raises(ValidationError) as error:
            SplitOptions.model_validate(wrong)
        assert message in str(error.value)


def test_the_option_of_preprocess(tmp_path: Path) -> None:
    rows = "".join(f"{n}.png,p{n // 2}\n" for n in range(20))
    write_files(tmp_path, {f"{n}.png": png(n) for n in range(20)})
    write_files(tmp_path, {"t.csv": f"file,patient\n{rows}"})
    table = {"uses": "table", "path": str(tmp_path / "t.csv"), "columns": {"image": "file"}, "group": "patient"}
    console = Console()
    options = {"source": table, "split": {"val": 0.2, "test": 0.2, "seed": 4}}
    dataset = prepare(tmp_path / "out", options, console)
    assert [len(dataset.keys(split, "image")) for split in dataset.splits] == [12, 4, 4]
    patients = [{int(key) // 2 for key in dataset.keys(split, "image")} for split in dataset.splits]
    assert [len(each) for each in patients] == [6, 2, 2]
    assert console.said == [
        "split by seed 4: names per split: train 12 of 6 groups, val 4 of 2 groups, test 4 of 2 groups"
    ]
    facts = stage(options).promise({})
    assert facts["splits"] == ["train", "val", "test"]
    (problem,) = stage({**options, "source": {**table, "split": "patient"}}).check({})
    assert "no split 'p0'" in problem.message
