"""Options as pydantic checks them: what is wrong, in plain words, and what they are with all defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path as FilePath, PurePath
from typing import Any, Protocol, get_args

from pydantic import BaseModel, ValidationError

from translate.contracts import ComponentKind, Config, Problem, Use
from translate.errors import TranslateError
from translate.text import json_number, suggest, suggested

Path = tuple[str | int, ...]

_NO_VALUE = frozenset({"missing", "extra_forbidden", "value_error", "assertion_error"})
_EXPECTED = {
    "bool": "must be true or false",
    "dataclass": "must be a mapping (key: value)",
    "dict": "must be a mapping (key: value)",
    "extra_forbidden": "unknown key",
    "finite_number": "must be a finite number",
    "float": "must be a number",
    "frozen_set": "must be a list",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int": "must be a whole number",
    "iterable": "must be a list",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "list": "must be a list",
    "literal_error": "must be {expected}",
    "mapping": "must be a mapping (key: value)",
    "missing": "is required",
    "model": "must be a mapping (key: value)",
    "model_attributes": "must be a mapping (key: value)",
    "multiple_of": "must be a multiple of {multiple_of}",
    "none_required": "must be empty",
    "path": "must be a path",
    "set": "must be a list",
    "string": "must be text",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "tuple": "must be a list",
}
_LIMITS = ("must be greater than ", "must be at least ", "must be less than ", "must be at most ")
_SUFFIXES = ("_type", "_parsing", "_from_float", "_parsing_size")


@dataclass(frozen=True)
class KeyProblem(Problem):
    """A mistake in the last key of the path, not in its value."""


class Lookup(Protocol):
    """The part of the registry that `resolve` needs."""

    def get(self, kind: ComponentKind, name: str) -> type[Any]: ...


def show(value: Any) -> str:
    """A value as a person would name it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...{text[-1]}"


def problems(error: ValidationError, model: type[BaseModel], data: Any) -> list[Problem]:
    """Everything that pydantic found wrong with `data`, one problem per path, in plain words."""
    entries_by_path: dict[Path, list[Problem]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"], data, detail["type"])
        entries_by_path.setdefault(path, []).append(_problem(detail, path, model))
    # Where a component has no `uses`, its other keys are not unknown: nobody can say yet what they belong to. Told is a
    # misspelt `uses`.
    places = {path[:-1] for path in entries_by_path if path[-1:] == ("uses",)}
    nameless = {place for place in places if _keys(model, place) == set(Use.model_fields)}
    listed: list[Problem] = []
    for path, entries in entries_by_path.items():
        problem = _joined(entries)
        if isinstance(problem, KeyProblem) and path[:-1] in nameless and suggested(problem.message) != "uses":
            continue
        # of a mapping whose keys were looked at nobody wants to hear that it could be something else
        deeper = any(other[: len(path)] == path for other in entries_by_path if len(other) > len(path))
        if not (deeper and problem.message.endswith(", not a mapping")):
            listed.append(problem)
    return listed


def validate(model: type[BaseModel], data: Any) -> tuple[Any, list[Problem]]:
    """`data` as a `model`, or None and what is wrong with it."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, problems(error, model, data)


def resolve(value: Any, registry: Lookup) -> tuple[Any, list[Problem]]:
    """`value` (a validated model) as plain data with all defaults filled in, also those of the components that it uses.

    Each `Use` becomes `{uses: name, **options}`, its options checked against the component's Config; what is wrong with
    them, or a name that does not exist, comes back as problems with paths below `value`.
    """
    wrong: list[Problem] = []
    return _resolve(value, registry, (), wrong), wrong


def used(value: Any) -> Iterator[Use]:
    """Every component that a validated model names, nested options not included."""
    if isinstance(value, Use):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from used(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from used(item)
    elif isinstance(value, list | tuple | Set):
        for item in value:
            yield from used(item)


def ready(value: Any, build: Callable[[Use], Any]) -> Any:
    """`value` (a validated model) with every component made ready for work (`Use.ready`), wherever it is named."""
    if isinstance(value, Use):
        return value.ready(build)
    if isinstance(value, BaseModel):
        before = {name: getattr(value, name) for name in type(value).model_fields}
        after = {name: ready(item, build) for name, item in before.items()}
        changed = {name: item for name, item in after.items() if item is not before[name]}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, Mapping):
        after = {key: ready(item, build) for key, item in value.items()}
        return after if any(after[key] is not item for key, item in value.items()) else value
    if isinstance(value, list | tuple):
        items = [ready(item, build) for item in value]
        return type(value)(items) if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def files(value: Any, registry: Lookup, path: Path = ()) -> Iterator[tuple[Path, FilePath]]:
    """The files and folders that options name, with their places, and those that the options of nested uses name."""
    if isinstance(value, Use):
        yield from files(validate(registry.get(value.kind, value.uses).Config, value.options)[0], registry, path)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from files(getattr(value, name), registry, (*path, name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from files(item, registry, (*path, key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from files(item, registry, (*path, i))
    elif isinstance(value, FilePath):
        yield path, value


def unreadable(path: FilePath) -> str:
    """Says why a file or folder that options name cannot be read; empty where it can."""
    if not path.exists():
        return f"{path}: there is no such file or folder"
    return "" if os.access(path, os.R_OK) else f"{path}: it must not be read (permission denied)"


def _resolve(value: Any, registry: Lookup, path: Path, collected: list[Problem]) -> Any:
    if isinstance(value, Use):
        return {"uses": value.uses, **_options(value, registry, path, collected)}
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        named = {field.alias or name: getattr(value, name) for name, field in fields.items()}
        return {name: _resolve(item, registry, (*path, name), collected) for name, item in named.items()}
    if isinstance(value, Mapping):
        return {str(key): _resolve(item, registry, (*path, key), collected) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(item, registry, (*path, i), collected) for i, item in enumerate(value)]
    if isinstance(value, Set):
        return sorted(_resolve(item, registry, path, collected) for item in value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    return json_number(value)


def _options(use: Use, registry: Lookup, path: Path, collected: list[Problem]) -> dict[str, Any]:
    try:
        model: type[Config] = registry.get(use.kind, use.uses).Config
    except TranslateError as error:
        collected.append(Problem((*path, "uses"), str(error)))
        return dict(use.options)
    config, wrong = validate(model, use.options)
    collected.extend(type(p)((*path, *p.path), p.message) for p in wrong)
    return _resolve(config, registry, path, collected) if config is not None else dict(use.options)


def _path(loc: Sequence[str | int], data: Any, kind: str) -> Path:
    """pydantic's location without the tags that it puts in for the members of a union."""
    path: list[str | int] = []
    here = data
    for i, part in enumerate(loc):
        if (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list | tuple) and isinstance(part, int) and part < len(here)
        ):
            here = here[part]  # type: ignore[index]
            path.append(part)
        elif kind == "missing" and i == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _problem(detail: Any, path: Path, model: type[BaseModel]) -> Problem:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "extra_forbidden":
        known = sorted(_keys(model, path[:-1]))
        near = suggest(path[-1], known)
        return KeyProblem(path, f"unknown key{near or '; the keys here are ' + ', '.join(known) if known else ''}")
    if kind in ("value_error", "assertion_error"):
        where = KeyProblem if detail["loc"][-1:] == ("[key]",) else Problem
        return where(path, str(context["error"]))
    if str(context.get("class_name", "")).endswith("Use"):
        return Problem(path, f"must be a name or {{uses: NAME, ...}}, not {show(value)}")
    for suffix in _SUFFIXES:
        kind = kind.removesuffix(suffix)
    numbers = {key: _number(limit) for key, limit in context.items()}
    message = _EXPECTED.get(kind, "").format(**numbers) or detail["msg"].replace("Input should be", "must be")
    if kind == "missing":
        return Problem(path, message)
    choices = _choices(context) if kind == "literal_error" else []
    near = "" if str(value) in choices else suggest(value, choices)
    if kind == "too_short" and context["min_length"] == 1:
        return Problem(path, "must not be empty")
    return Problem(path, f"{message}, not {context.get('actual_length', show(value))}{near}")


def _number(value: Any) -> Any:
    """A limit as it is written: `0`, not `0.0`."""
    return f"{value:g}" if isinstance(value, float) else value


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [part.strip("'") for part in context["expected"].replace(" or ", ", ").split(", ")]


def _joined(entries: list[Problem]) -> Problem:
    """One problem out of those that the members of a union reported for the same value."""
    # of a number past a limit nobody wants to hear that it is no mapping
    if any(entry.message.startswith(_LIMITS) for entry in entries):
        entries = [entry for entry in entries if not entry.message.startswith(_EXPECTED["mapping"])]
    first = entries[0]
    if len(entries) == 1:
        return first
    texts = [entry.message for entry in entries]
    tail = texts[0].rpartition(", not ")[2]
    heads = dict.fromkeys(text.rpartition(", not ")[0].removeprefix("must be ") for text in texts)
    if all(text.startswith("must be ") and ", not " in text for text in texts):
        return type(first)(first.path, f"must be {' or '.join(heads)}, not {tail}")
    return type(first)(first.path, " or ".join(dict.fromkeys(texts)))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pydantic models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models(argument)


def _keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that the models at `path` below `model` know."""
    models_here = {model}
    for part in path:
        deeper: set[type[BaseModel]] = set()
        for each in models_here:
            fields = {field.alias or name: field for name, field in each.model_fields.items()}
            deeper |= set(models(fields[part].annotation)) if part in fields else {each}
        models_here = deeper
    keys: set[str] = set()
    for each in models_here:
        keys |= {field.alias or name for name, field in each.model_fields.items()}
    return keys
