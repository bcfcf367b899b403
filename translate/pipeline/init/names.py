"""Finds the pattern by which names of images tell two sides apart: `001_A` and `001_B`, `cat` and `cat_mask`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

SHARE = 0.9
"""The share of names that has to fit a pattern, and to have a partner."""
FIRST = (
    r"input|in|source|src|from|x|a|images?|img|photos?|pictures?|lr|low|small|noisy|noise|blur(?:red|ry)?|hazy|rainy?|"
    r"before|rgb|orig(?:inal)?|raw|degraded|left"
)
"""Words for the inputs of pairs."""
LAST = (
    r"output|out|target|truth|gt|y|b|hr|high|large|clean|clear|sharp|after|masks?|labels?|seg|annot(?:ation)?s?|depth|"
    r"sketch|drawings?|edges?|result|right"
)
"""Words for the targets of pairs."""

_SIGNS = r"[_\-. ]"
_END = re.compile(rf"(?P<stem>.+?)(?P<mark>{_SIGNS}[^_\-. ]+|(?<=\d)[A-Za-z]+\d?)")
_BEGIN = re.compile(rf"(?P<mark>[^_\-. ]+{_SIGNS}|[A-Za-z]+(?=\d))(?P<stem>.+)")


def is_first(mark: str) -> bool:
    """Whether what names have in common is a word for inputs."""
    return bool(re.fullmatch(FIRST, _word(mark), re.IGNORECASE))


def is_last(mark: str) -> bool:
    """Whether what names have in common is a word for targets."""
    return bool(re.fullmatch(LAST, _word(mark), re.IGNORECASE))


def pairs_in_one_folder(keys: Collection[str]) -> tuple[str, str] | None:
    """The patterns of inputs and of targets among the names of a folder; None where they do not pair."""
    names = [key.rpartition("/")[2] for key in keys]
    # Words first: `A_1`, `B_1`, `A_2`, `B_2` are two sides, and not four images that were taken twice.
    ways = [(words, marks, form) for words in (True, False) for marks, form in _marked(names)]
    for words, marks, form in ways:
        counts = Counter(mark for mark in marks.values() if not words or not re.fullmatch(r"[\W_]*\d+[\W_]*", mark))
        common = [mark for mark, count in counts.most_common(2) if count >= 0.3 * len(names)]
        for one, other in _candidates(common):
            stems = [{_without(name, mark, form) for name in names if _has(name, mark, form)} for mark in (one, other)]
            if one == "":
                stems[0] -= {name for name in names if _has(name, other, form)}
            both = stems[0] & stems[1]
            if _tells(one, other) and 2 * len(both) >= SHARE * len(names) and len(both) >= 2:
                return _in_order(one, other, form)
    return None


def pairs_in_two_folders(a: Collection[str], b: Collection[str]) -> tuple[str, str] | None:
    """The patterns by which the names of two folders agree: `*x4` and `*`; None where they do not."""
    names = [[key.rpartition("/")[2] for key in keys] for keys in (a, b)]
    for form in ("{}*", "*{}"):
        marks = [_common(each, form) for each in names]
        for chosen in ((marks[0], marks[1]), (marks[0], ""), ("", marks[1])):
            stems = [{_without(name, mark, form) for name in each} for each, mark in zip(names, chosen, strict=True)]
            if _tells(*chosen) and len(stems[0] & stems[1]) >= SHARE * max(len(a), len(b)):
                return form.format(chosen[0]), form.format(chosen[1])
    return None


def two_kinds(keys: Collection[str]) -> tuple[str, str] | None:
    """The patterns of two kinds of images whose names begin, or end, by what they show: `cat_001` and `dog_001`."""
    names = [key.rpartition("/")[2] for key in keys]
    for expression, form in ((r"(\D*[^\d_\-. ][_\-. ]?)\d+", "{}*"), (r"\d+([_\-. ]?[^\d_\-. ]\D*)", "*{}")):
        matches = [re.fullmatch(expression, name) for name in names]
        kinds = Counter(match[1] for match in matches if match)
        if len(kinds) == 2 and kinds.total() == len(names) and min(kinds.values()) >= 2:
            one, other = sorted(kinds)
            return form.format(one), form.format(other)
    return None


def _tells(one: str, other: str) -> bool:
    """Whether two marks tell inputs from targets, as `cat` and `dog` do not: one is a word for it, or stands alone."""
    if "" in (one, other):
        return bool(re.search("[A-Za-z]", one + other))
    return any(is_first(mark) or is_last(mark) for mark in (one, other))


def _word(mark: str) -> str:
    return re.sub(r"[_\-. *]|\d+$", "", mark)


def _marked(names: Collection[str]) -> Iterator[tuple[dict[str, str], str]]:
    """What each name ends with, and then what each begins with, and the form of a pattern of it."""
    for expression, form in ((_END, "*{}"), (_BEGIN, "{}*")):
        marks: dict[str, str] = {}
        for name in names:
            match = expression.fullmatch(name)
            marks[name] = match["mark"] if match else ""
        yield marks, form


def _candidates(common: list[str]) -> Iterator[tuple[str, str]]:
    if len(common) == 2:
        yield common[0], common[1]
    for mark in common:
        if mark:
            yield "", mark  # `cat` and `cat_mask`


def _in_order(one: str, other: str, form: str) -> tuple[str, str]:
    """The patterns, inputs first: by their words, else in the order of letters; a bare name is what a word adds to."""
    swap = one > other
    if is_last(one) or is_first(other):
        swap = True
    elif is_first(one) or is_last(other):
        swap = False
    a, b = (other, one) if swap else (one, other)
    return form.format(a), form.format(b)


def _has(name: str, mark: str, form: str) -> bool:
    return name.endswith(mark) if form.startswith("*") else name.startswith(mark)


def _without(name: str, mark: str, form: str) -> str:
    return name.removesuffix(mark) if form.startswith("*") else name.removeprefix(mark)


def _common(names: Collection[str], form: str) -> str:
    """What all names end, or begin, with, but for digits that vary elsewhere."""
    ordered = list(names) if form.startswith("{") else [name[::-1] for name in names]
    first, last = min(ordered), max(ordered)
    length = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    if form.startswith("{"):
        return first[:length].rstrip("0123456789")
    return first[:length][::-1].lstrip("0123456789")
