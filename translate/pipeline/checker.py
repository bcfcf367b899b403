"""The second pass over a pipeline: each stage against its class, the graph of needs, and what stages check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from translate.contracts import Problem, Stage
from translate.errors import ContractError, TranslateError
from translate.pipeline.location import Issue, Node, Path, PipelineError
from translate.pipeline.schema import Pipeline
from translate.plugins import KeyProblem, Registry, resolve, validate
from translate.seeding import derive
from translate.text import suggest


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


def check(pipeline: Pipeline, registry: Registry) -> dict[str, Checked]:
    """All stages in an order in which they can run. Errors: PipelineError with every mistake of the file."""
    return _Check(pipeline, registry).run()


class _Check:
    def __init__(self, pipeline: Pipeline, registry: Registry) -> None:
        self.pipeline, self.registry = pipeline, registry
        self.issues: list[Issue] = list(pipeline.issues)
        self.cause: TranslateError | None = None
        self.nodes = dict(pipeline.stages())
        self.kinds: dict[str, type[Stage[Any]]] = {}
        self.checked: dict[str, Checked] = {}
        self.blocked: set[str] = set()
        """Stages whose needs are wrong: they are not asked what is wrong with them."""

    def run(self) -> dict[str, Checked]:
        for i, plugin in enumerate(self.pipeline.plugins):
            if plugin not in self.registry.off:  # a listener that is switched off is not missed
                self._try(partial(self.registry.load, plugin), self.pipeline.root, ("plugins", i))
        for name, node in self.nodes.items():
            uses = node.children()["uses"].value
            if kind := self._try(partial(self.registry.get, "stages", str(uses)), node, ("uses",)):
                self.kinds[name] = kind
        needs = {name: self._needs(name) for name in self.nodes}
        for name in self._order(needs):
            if name in self.kinds and (stage := self._stage(name, needs[name])):
                self.checked[name] = stage
                if name not in self.blocked:
                    self._ask(stage)
        if self.issues:
            raise PipelineError(self.issues) from self.cause
        return self.checked

    def _try(self, call: Callable[[], Any], node: Node, path: Path) -> Any:
        """Returns what `call` does; a user's error becomes an issue at `path` below `node`, and None is returned."""
        try:
            return call()
        except ContractError:
            raise
        except TranslateError as error:
            self.cause = error
            self.issues.append(node.issue(path, "; ".join(str(error).splitlines())))
            return None

    def _needs(self, name: str) -> dict[str, str]:
        """Need -> stage, for those that are right; everything else is an issue."""
        node = self.nodes[name]
        needs = node.step("needs")
        written = {key: value.value for key, value in needs.children().items()} if needs else {}
        takes = self.kinds[name].needs if name in self.kinds else None  # None: a kind that is not known
        right = {}
        before = len(self.issues)
        for need, parent in written.items():
            message = self._need(need, parent, takes)
            if message:
                unknown = takes is not None and need not in takes
                self.issues.append(node.issue(("needs", need), message, at_key=unknown))
            elif isinstance(parent, str):
                right[need] = parent
        for need, declared in (takes or {}).items():
            if need not in written and not declared.optional:
                text = f"is required: the name of a stage that makes {_a(declared.kind)}"
                self.issues.append(node.issue(("needs", need), text))
        if len(self.issues) > before or len(right) < len(written):
            self.blocked.add(name)
        return right

    def _need(self, need: str, parent: Any, takes: Mapping[str, Any] | None) -> str:
        """The mistake in one need as a sentence; empty for none."""
        if takes is not None and need not in takes:
            listed = f"; it takes {', '.join(takes)}" if takes else "; this stage needs nothing"
            return f"unknown need{suggest(need, takes) or listed}"
        if not isinstance(parent, str):
            return ""  # the frame has reported it
        if parent not in self.nodes:
            return f"there is no stage {parent!r}{suggest(parent, self.nodes)}"
        if takes is not None and parent in self.kinds and self.kinds[parent].produces != takes[need].kind:
            return f"needs {_a(takes[need].kind)}, but {parent!r} makes {_a(self.kinds[parent].produces)}"
        return ""

    def _order(self, needs: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Stage names, parents first, else as in the file. A cycle is an issue, and its stages are left out."""
        order: list[str] = []
        waiting = list(needs)
        while waiting:
            ready = next((name for name in waiting if set(needs[name].values()) <= set(order)), None)
            if ready is None:
                self._cycle(waiting, needs)
                break
            order.append(ready)
            waiting.remove(ready)
        return order

    def _cycle(self, waiting: list[str], needs: Mapping[str, Mapping[str, str]]) -> None:
        trail = [waiting[0]]
        while trail[-1] not in trail[:-1]:
            trail.append(next(parent for parent in needs[trail[-1]].values() if parent in waiting))
        loop = trail[trail.index(trail[-1]) :]
        need = next(key for key, parent in needs[loop[0]].items() if parent == loop[1])
        message = f"the stages need each other in a circle: {' -> '.join(loop)}"
        self.issues.append(self.nodes[loop[0]].issue(("needs", need), message))

    def _stage(self, name: str, needs: dict[str, str]) -> Checked | None:
        node, kind = self.nodes[name], self.kinds[name]
        written = node.step("with")
        config, problems = validate(kind.Config, written.plain() if written else {})
        options: dict[str, Any] = {}
        if config is not None:
            options, problems = resolve(config, self.registry)
        for p in problems:
            self.issues.append(node.issue(("with", *p.path), p.message, at_key=isinstance(p, KeyProblem)))
        if problems:
            return None
        own = node.step("seed")
        seed = own.value if own and isinstance(own.value, int) else self.pipeline.seed
        make = partial(kind, config, self.registry, derive(seed, "stage", name))
        stage = self._try(partial(_guarded, name, make, self.registry), node, ("with",))
        uses = str(node.children()["uses"].value)
        return Checked(name, uses, kind, node, needs, options, stage, seed) if stage else None

    def _ask(self, checked: Checked) -> None:
        """Asks the stage for its mistakes, and if it has none for its promise; not where a parent has made none."""
        parents = _promises(checked, {name: stage.promise for name, stage in self.checked.items()})
        if parents is None:
            return
        problems = self._try(partial(_problems, checked, parents, self.registry), checked.node, ("with",))
        self.issues += _issues(checked, problems or ())
        if problems == []:  # None, where the check itself failed
            promise = partial(_guarded, checked.name, lambda: checked.stage.promise(parents), self.registry)
            checked.promise = self._try(promise, checked.node, ("with",))
            checked.notes = _guarded(checked.name, lambda: tuple(checked.stage.notes(parents)), self.registry)
            checked.options |= _guarded(checked.name, checked.stage.defaults, self.registry)


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
            try:
                if problems := _problems(checked, parents, self.registry):
                    issues += _issues(checked, problems)
                    self._facts[each] = None
                    continue
                promise = _guarded(each, partial(checked.stage.promise, parents), self.registry)
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


def _problems(checked: Checked, parents: Mapping[str, Mapping[str, Any]], registry: Registry) -> list[Problem]:
    """The mistakes that a stage finds in itself. Errors: a TranslateError stands for one of the whole stage."""
    problems: list[Problem] = _guarded(checked.name, lambda: list(checked.stage.check(parents)), registry)
    return problems


def _issues(checked: Checked, problems: Iterable[Problem]) -> list[Issue]:
    """The mistakes of a stage with their places in the file."""
    return [checked.node.issue(p.path, p.message, at_key=isinstance(p, KeyProblem)) for p in problems]


def _guarded(name: str, call: Callable[[], Any], registry: Registry) -> Any:
    """The result of a stage's own code. Errors: ContractError for anything but an error meant for users."""
    try:
        return call()
    except TranslateError:
        raise
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}{registry.blame(error)}"
        raise ContractError(f"stage {name!r} broke while it was checked: {what}") from error


def _a(kind: str) -> str:
    if kind.endswith("s"):
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
