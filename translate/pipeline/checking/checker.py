"""Checks each stage against its class, the graph of needs, and asks the stages; all mistakes are found in one pass.

Behind a mistake it goes on with what was probably meant, else without the value (`mend`). What depends on facts that
are not known then is not asked.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from translate.contracts import Problem, Stage
from translate.errors import ContractError, TranslateError
from translate.pipeline.checking.facts import Checked, guarded, problems_of
from translate.pipeline.checking.mend import ROUNDS, Options, meant_by
from translate.pipeline.checking.needs import Needs, needs_of, order
from translate.pipeline.location import Issue, Node, Path, PipelineError
from translate.pipeline.schema import Pipeline
from translate.plugins import Registry
from translate.seeding import derive


def check(pipeline: Pipeline, registry: Registry) -> dict[str, Checked]:
    """All stages in an order in which they can run. Errors: PipelineError with every mistake of the file."""
    return _Check(pipeline, registry).run()


class _Check:
    def __init__(self, pipeline: Pipeline, registry: Registry) -> None:
        self.pipeline, self.registry = pipeline, registry
        self.issues: list[Issue] = []
        self.cause: TranslateError | None = None
        self.broken: list[ContractError] = []
        """Stages that broke when they were asked, which is told after all others were."""
        self.nodes = dict(pipeline.stages())
        self.kinds: dict[str, type[Stage[Any]]] = {}
        self.needs: dict[str, Needs] = {}
        self.checked: dict[str, Checked] = {}
        self.promises: dict[str, dict[str, Any]] = {}
        """Promises, also of stages with mistakes that could be mended; without what promises nothing."""
        self.flawed: set[str] = set()
        """Stages whose mistakes could not be mended, and those that depend on them."""

    def run(self) -> dict[str, Checked]:
        for i, plugin in enumerate(self.pipeline.plugins):
            if plugin not in self.registry.off:  # a listener that is switched off is not missed
                self._try(partial(self.registry.load, plugin), self.pipeline.root, ("plugins", i))
        for name, node in self.nodes.items():
            if kind := self._kind(node):
                self.kinds[name] = kind
        stages = self.pipeline.root.step("stages") or self.pipeline.root
        for name, node in self.nodes.items():
            self.needs[name] = needs_of(node, self.kinds.get(name), self.kinds, stages.children(), self.issues)
        for name in order(self.nodes, self.needs, self.issues):
            if name in self.kinds:
                try:
                    self._look(name)
                except ContractError as error:
                    self.broken.append(error)
                    self.flawed.add(name)
        if self.broken and not (self.issues or self.pipeline.issues):
            raise self.broken[0]
        self.issues += [self.pipeline.root.issue((), str(error)) for error in self.broken]
        if issues := [*self.pipeline.issues, *filter(self.pipeline.readable, self.issues)]:
            raise PipelineError(issues) from self.cause
        return self.checked

    def _kind(self, node: Node) -> type[Stage[Any]] | None:
        """The class of a stage; of a misspelt one, the class that was probably meant."""
        uses = str(node.children()["uses"].value)
        kind: type[Stage[Any]] | None = self._try(partial(self.registry.get, "stages", uses), node, ("uses",))
        if kind is None and (meant := meant_by(uses, self.issues[-1].message)):
            with suppress(TranslateError):
                kind = self.registry.get("stages", meant)
        return kind

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

    def _look(self, name: str) -> None:
        """Everything that is wrong with one stage, and its promise."""
        needs = self.needs[name]
        options = Options(self.nodes[name], self.kinds[name].Config, self.registry)
        checked = self._stage(name, options)
        whole = needs.sure and all(parent in self.checked for parent in needs.right.values())
        if checked is not None and whole and not options.issues:
            self._ask(checked, options)
        elif checked is not None:
            self._ask_on(checked, options)
        self.issues += options.issues

    def _stage(self, name: str, options: Options) -> Checked | None:
        """The stage under its options, as far as they are right; None where they are no options of it."""
        config, plain = options.settle()
        if config is None:
            return None
        node, kind = self.nodes[name], self.kinds[name]
        own = node.step("seed")
        seed = own.value if own and isinstance(own.value, int) else self.pipeline.seed
        make = partial(kind, config, self.registry, derive(seed, "stage", name))
        stage = self._try(partial(guarded, name, make, self.registry), node, ("with",))
        uses = str(node.children()["uses"].value)
        return Checked(name, uses, kind, node, self.needs[name].right, plain, stage, seed) if stage else None

    def _ask(self, checked: Checked, options: Options) -> None:
        """Asks a stage that is right so far, on promises that hold, for mistakes, and if there are none its promise."""
        name, stage = checked.name, checked.stage
        parents = {need: self.checked[parent].promise or {} for need, parent in checked.needs.items()}
        if problems := problems_of(checked, parents, self.registry):
            self._mend(checked, parents, problems, options)
            return
        before = len(self.issues)
        checked.promise = self._try(
            partial(guarded, name, lambda: stage.promise(parents), self.registry), checked.node, ("with",)
        )
        if len(self.issues) > before:
            self.flawed.add(name)
            return
        checked.notes = guarded(name, lambda: tuple(stage.notes(parents)), self.registry)
        checked.options |= guarded(name, stage.defaults, self.registry)
        self.checked[name] = checked
        self.promises[name] = checked.promise or {}

    def _ask_on(self, checked: Checked, options: Options) -> None:
        """Asks a stage behind a mistake: of its own, or of one that it needs."""
        assumed = self.needs[checked.name].assumed
        parents = {need: self.promises.get(parent or "", {}) for need, parent in assumed.items()}
        if any(parent in self.flawed for parent in assumed.values()):
            self.flawed.add(checked.name)
        self._mend(checked, parents, self._problems(checked, parents), options)

    def _problems(self, checked: Checked, parents: dict[str, dict[str, Any]]) -> list[Problem]:
        """The mistakes that a stage finds where not everything is known that it may ask for."""
        try:
            problems = problems_of(checked, parents, self.registry)
        except ContractError:  # it relies on facts that are not there
            return []
        if not all(parents.values()):
            problems = [problem for problem in problems if problem.path != ("with",) or not checked.needs]
        if checked.name in self.flawed:  # what comes in is judged when it is right
            problems = [problem for problem in problems if problem.path[:1] != ("needs",)]
        return problems

    def _mend(
        self, checked: Checked, parents: dict[str, dict[str, Any]], problems: list[Problem], options: Options
    ) -> None:
        """Reports mistakes of a stage, and asks it again without them, so that it comes to others and a promise."""
        asked: Checked | None = checked
        for _ in range(ROUNDS):
            if not problems:
                break
            if not options.report(problems, ()):
                self.flawed.add(checked.name)
                break
            asked = self._stage(checked.name, options)
            if asked is None:
                self.flawed.add(checked.name)
                break
            checked, problems = asked, self._problems(asked, parents)
        with suppress(Exception):  # nothing is promised for a stage with mistakes
            self.promises[checked.name] = checked.stage.promise(parents)
