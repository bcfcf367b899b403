"""Goes on behind a mistake: takes what was probably meant, else leaves the value out, so that others show as well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import create_model

from translate.contracts import Config, Problem
from translate.contracts.options import WITHOUT_SOURCE
from translate.pipeline.location import Issue, Node, Path
from translate.plugins.options import KeyProblem, Lookup, resolve, validate
from translate.text import suggested

ROUNDS = 12
"""How often options are looked at again, each time without the mistakes that were seen."""

REQUIRED = "is required"


class Options:
    """The options of one stage, of which each mistake is taken out when it has been reported.

    `node` is the stage's mapping as it is assumed to be by now. Its values keep the places and paths of the file.
    """

    def __init__(self, node: Node, model: type[Config], registry: Lookup) -> None:
        self.node, self.model, self.registry = node, model, registry
        self.issues: list[Issue] = []
        self._out: set[Path] = set()
        """Paths of values that were left out: they are not missed afterwards."""
        self._names_out: set[str] = set()
        """Names and components that were left out: others may name them."""
        self._guessed: set[Path] = set()
        """Paths of values that were replaced by what was probably meant."""
        self._gone: set[Path] = set()
        """Keys below the stage that were left out: a profile's, too."""

    def settle(self) -> tuple[Any, dict[str, Any]]:
        """The options as a config and as plain data; None as the config where one that is required is not there.

        Mistakes are added to `issues`.
        """
        model, whole = self.model, True
        written = self.node.step("with")
        if written is not None and not isinstance(written.value, dict):  # the frame has reported it
            return None, {}
        for _ in range(ROUNDS):
            config, problems = validate(model, _plain(self.node))
            options: dict[str, Any] = {}
            if config is not None:
                options, problems = resolve(config, self.registry)
            if not problems:
                return (config if whole else None), options
            if self.report(problems) or self._leave_out_incomplete(problems):
                continue
            if not (missing := _missing(problems)):
                break
            try:  # the other options can be looked at without it
                model, whole = _without(model, missing), False
            except Exception:  # a class of a plugin that cannot be derived from
                break
        return None, {}

    def report(self, problems: Iterable[Problem], below: Path = ("with",)) -> bool:
        """Adds mistakes to `issues`, and takes them out of the options. Says whether any could be taken out."""
        mended = False
        listed = _without_meant(list(problems))
        for problem in listed:
            path = (*below, *problem.path)
            issue = self.node.issue(path, problem.message, at_key=isinstance(problem, KeyProblem))
            if not self._follows(issue, problem):
                self.issues.append(issue)
        # The last items of a list first: the numbers of those before them stay true.
        for problem in sorted(listed, key=lambda p: [str(part).zfill(9) for part in p.path], reverse=True):
            path = (*below, *problem.path)
            written = self.node.step("with")
            if path[0] != "with" or len(path) < 2 or written is None or written.step(path[1]) is None:
                continue
            node = self._mended(self.node, path, problem)
            mended |= node is not self.node
            self.node = node
            self._gone.add(path[1:])
        return mended

    def _leave_out_incomplete(self, problems: Iterable[Problem]) -> bool:
        """Leaves out the values in which something is missing, so that the options beside them can be looked at.

        Says whether any could be left out.
        """
        before = self.node
        paths = {problem.path[:-1] for problem in problems if problem.message == REQUIRED and len(problem.path) > 1}
        for path in sorted(paths, key=lambda p: [str(part).zfill(9) for part in p], reverse=True):
            self.node = self._mended(self.node, ("with", *path), Problem(path, REQUIRED))
            self._gone.add(path)
        return self.node is not before

    def _follows(self, issue: Issue, problem: Problem) -> bool:
        """Whether a mistake is the consequence of one that was reported before, or that one itself."""
        path, message = issue.path, issue.message
        if issue in self.issues or path in self._out or path in self._guessed:
            return True
        if message == REQUIRED and problem.path in self._gone:
            return True
        if message == REQUIRED or isinstance(problem, KeyProblem):  # the options of a component that is another now
            others = [each[:-1] for each in self._guessed | self._out if each[-1:] == ("uses",)]
            return any(path[: len(each)] == each for each in others)
        if "does not name" in message and any(repr(name) in message for name in self._names_out):
            return True
        names = [str(each[-1]) for each in self._out if each[:-1] == path]
        if names and message.startswith(("must not be empty", "must have at least")):
            return True
        return any(re.search(rf"\b{re.escape(name)}\b", message) for name in names)

    def _mended(self, node: Node, path: Path, problem: Problem) -> Node:
        """The tree with the value at `path` replaced by what was meant, or without it; the same tree for neither."""
        first, rest = path[0], path[1:]
        child = node.step(first)
        if child is None:
            return node
        if rest and child.step(rest[0]) is not None:
            changed = self._mended(child, rest, problem)
            return node if changed is child else _with(node, first, changed)
        if rest in ((), ("uses",)) and not isinstance(problem, KeyProblem):
            meant = meant_by(child.value, problem.message)
            if meant is not None:
                self._guessed.add((*child.path, *rest))
                return _with(node, first, Node(meant, child.place, child.path, child.key, child.key_path))
        self._out.add(child.path)
        component = child.step("uses") or child
        if isinstance(component.value, str):
            self._names_out.add(component.value)
        meant = suggested(problem.message) if isinstance(problem, KeyProblem) and not rest else None
        return _renamed(node, first, meant)


def meant_by(name: object, message: str) -> str | None:
    """The name that was meant by one that is wrong, from the message about it; None where nobody can say.

    Of `PLUGIN/NAME` one part is replaced, the one that the message is about.
    """
    meant = suggested(message)
    if meant is None or not isinstance(name, str) or meant == name:
        return None
    owner, slash, part = name.partition("/")
    if not slash or "/" in meant:
        return meant
    return f"{owner}/{meant}" if repr(part) in message else f"{meant}/{part}"


def mend_keys(node: Node, model: type[Config], issues: list[Issue]) -> Node:
    """A mapping whose misspelt keys are taken for those of `model` that were meant. Each is added to `issues`."""
    if not isinstance(node.value, dict):
        return node
    _, problems = validate(model, dict.fromkeys(node.value))
    for problem in problems:
        meant = suggested(problem.message)
        if not (isinstance(problem, KeyProblem) and meant and len(problem.path) == 1) or meant in node.children():
            continue
        issues.append(node.issue(problem.path, problem.message, at_key=True))
        node = _renamed(node, problem.path[0], meant)
    return node


def _plain(node: Node) -> Any:
    written = node.step("with")
    # The frame has reported options that are no mapping.
    return written.plain() if written and isinstance(written.value, dict) else {}


def _with(node: Node, part: str | int, child: Node) -> Node:
    value: Any = dict(node.children()) if isinstance(node.value, dict) else list(node.value)  # type: ignore[arg-type]
    value[part] = child
    return Node(value, node.place, node.path, node.key, node.key_path)


def _renamed(node: Node, part: str | int, name: str | None) -> Node:
    """The mapping or list without an entry, or with its key `name` if there is none yet."""
    value: Any = dict(node.children()) if isinstance(node.value, dict) else list(node.value)  # type: ignore[arg-type]
    child = value[part]
    del value[part]
    if name is not None and name not in value:
        value[name] = child
    return Node(value, node.place, node.path, node.key, node.key_path)


def _without_meant(problems: list[Problem]) -> list[Problem]:
    """The problems without a key that is missed because it is misspelt."""
    meant = {(*p.path[:-1], suggested(p.message)) for p in problems if isinstance(p, KeyProblem)}
    return [p for p in problems if p.message != REQUIRED or p.path not in meant]


def _missing(problems: Iterable[Problem]) -> list[str]:
    """The options that are required and not there."""
    return [str(p.path[0]) for p in problems if p.message == REQUIRED and len(p.path) == 1]


def _without(model: type[Config], names: Iterable[str]) -> type[Config]:
    """The model with some fields that need not be there."""
    by_key = {field.alias or name: name for name, field in model.model_fields.items()}
    optional: dict[str, Any] = {by_key[name]: (Any, None) for name in names}
    return create_model(model.__name__, __base__=model, __cls_kwargs__=WITHOUT_SOURCE, **optional)
