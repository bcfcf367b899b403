"""A checked stage, its own code called with care, and the facts of a run, about which stages are asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from translate.contracts import Problem, Stage
from translate.errors import ContractError, TranslateError
from translate.pipeline.location import Issue, Node, PipelineError
from translate.plugins import KeyProblem, Registry


@dataclass
class Checked:
    """A stage whose options are valid: its class and instance, options with defaults, needs, promise and notes."""

    name: str
    uses: str
    kind: type[Stage[Any]]
    node: Node
    needs: dict[str, str]
    options: dict[str, Any]
    stage: Stage[Any]
    seed: int
    """The stage's own seed, else the pipeline's."""
    promise: dict[str, Any] | None = None
    """None where the stage, or one that it needs, has mistakes."""
    notes: tuple[str, ...] = ()


class RunFacts:
    """The facts of the stages of a run: those that a finished result has, and promises for all that is to come.

    A finished stage knows more than it promised, such as the sizes of images; so the stages after it are asked again,
    and their mistakes show before the next one runs.
    """

    def __init__(self, checked: Mapping[str, Checked], registry: Registry) -> None:
        self.checked, self.registry = checked, registry
        self._facts = {name: stage.promise for name, stage in checked.items()}

    def finished(self, name: str, facts: Mapping[str, Any], later: Iterable[str]) -> None:
        """Takes the facts of a result, and asks the stages of `later`, in their order, that depend on it.

        Errors: PipelineError with the mistakes that show by now.
        """
        if facts == self._facts[name]:
            return
        self._facts[name] = dict(facts)
        new, issues = {name}, []
        for each in later:
            checked = self.checked[each]
            parents = _promises(checked, self._facts)
            if parents is None or new.isdisjoint(checked.needs.values()):
                continue
            if problems := problems_of(checked, parents, self.registry):
                issues += _issues(checked, problems)
                self._facts[each] = None
                continue
            try:
                promise = guarded(each, partial(checked.stage.promise, parents), self.registry)
            except ContractError:
                raise
            except TranslateError as error:
                issues.append(checked.node.issue(("with",), "; ".join(str(error).splitlines())))
                promise = None
            if promise != self._facts[each]:
                self._facts[each] = promise
                new.add(each)
        if issues:
            raise PipelineError(issues)


def _promises(checked: Checked, known: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Mapping[str, Any]] | None:
    """The facts of the stages that one needs, by need; None where one of them promises nothing, having mistakes."""
    parents: dict[str, Mapping[str, Any]] = {}
    for need, parent in checked.needs.items():
        promise = known.get(parent)
        if promise is None:
            return None
        parents[need] = promise
    return parents


def problems_of(checked: Checked, parents: Mapping[str, Mapping[str, Any]], registry: Registry) -> list[Problem]:
    """The mistakes that a stage finds in itself; an error that it raises stands for one of the whole stage.

    Errors: ContractError for a stage that breaks.
    """
    problems: list[Problem] = []

    def collect() -> None:
        for problem in checked.stage.check(parents):
            problems.append(problem)  # an error does not take along those before it

    try:
        guarded(checked.name, collect, registry)
    except ContractError:
        raise
    except TranslateError as error:
        problems.append(Problem(("with",), "; ".join(str(error).splitlines())))
    return problems


def _issues(checked: Checked, problems: Iterable[Problem]) -> list[Issue]:
    """The mistakes of a stage with their places in the file."""
    return [checked.node.issue(p.path, p.message, at_key=isinstance(p, KeyProblem)) for p in problems]


def guarded(name: str, call: Callable[[], Any], registry: Registry) -> Any:
    """The result of a stage's own code. Errors: ContractError for anything but an error meant for users."""
    try:
        return call()
    except TranslateError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}{registry.blame(error)}"
        raise ContractError(f"stage {name!r} broke while it was checked: {what}") from error
