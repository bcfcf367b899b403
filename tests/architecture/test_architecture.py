"""The shape of the code: rooms of moderate size, no circle of files, short functions, imports where readers look."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "translate"
SHARE = 0.12
"""Of the engine's lines, that the files of one folder may hold."""
FILES, FILE, FUNCTION = 16, 350, 60
"""At most so many files in a folder, lines in a file, and lines in a function."""
LATE_IMPORTS = 120
"""Imports inside of functions, each of which keeps a slow library out of a command that does without it."""


@cache
def sources() -> dict[Path, ast.Module]:
    """Every module of the engine and of the plugins, parsed; the templates of new plugins are no code yet."""
    files = [*ENGINE.rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return {file: ast.parse(file.read_text("utf-8")) for file in files if "templates" not in file.parts}


def lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_no_folder_is_a_hall() -> None:
    total = sum(lines(file) for file in sources() if ENGINE in file.parents)
    size: Counter[Path] = Counter()
    for file in sources():
        size[file.parent] += lines(file)
    assert {named(folder): count for folder, count in size.items() if count > SHARE * total} == {}
    files = Counter(file.parent for file in sources())
    assert {named(folder): count for folder, count in files.items() if count > FILES} == {}


def test_no_file_and_no_function_is_long() -> None:
    assert {named(file): lines(file) for file in sources() if lines(file) > FILE} == {}
    long = {}
    for file, module in sources().items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= FUNCTION:
                long[f"{named(file)}:{node.lineno}"] = node.name
    assert long == {}


def test_late_imports_are_few() -> None:
    late: Counter[str] = Counter()
    for file, module in sources().items():
        for function in ast.walk(module):
            if isinstance(function, ast.FunctionDef):
                late[named(file)] += sum(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    assert sum(late.values()) < LATE_IMPORTS, late.most_common(10)


def modules() -> dict[str, Path]:
    named_modules = {}
    for file in sources():
        if ENGINE in file.parents:
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            named_modules[name.removesuffix(".__init__")] = file
    return named_modules


def imported(module: ast.Module, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the engine that a module imports anywhere: at the top, inside of functions, for types alone."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in known else str(node.module)


def test_no_files_import_each_other_in_a_circle() -> None:
    known = modules()
    graph = {name: set(imported(sources()[file], known)) - {name} for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


STAGE_FACTS = re.compile(r"\b(facts|promise)\[")
BEHIND_FACTS = {"translate/contracts/artifacts.py"}


def test_facts_are_read_by_attribute() -> None:
    """What one stage tells the next one has a class; only the module of these classes looks into mappings."""
    found: dict[str, list[int]] = defaultdict(list)
    for file in sources():
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if STAGE_FACTS.search(line) and named(file) not in BEHIND_FACTS:
                found[named(file)].append(number)
    assert dict(found) == {}


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
ALGORITHMS = (
    "translate/inference/streaming/*.py",
    "translate/training/engine.py",
    "translate/training/trainer.py",
    "translate/conversion/worker.py",
    "translate/conversion/journal.py",
    "translate/imaging/guard/process.py",
    "translate/imaging/formats/tiff/directory.py",
    "translate/data/loading/*.py",
)
COMMENTS = 0.03


def algorithms() -> list[Path]:
    return [file for pattern in ALGORITHMS for file in sorted(ROOT.glob(pattern)) if lines(file) > 20]


def inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield from ast.walk(child)


@pytest.mark.parametrize("file", algorithms(), ids=named)
def test_files_of_algorithms_say_one_thing_at_a_time(file: Path) -> None:
    dense = []
    for node in ast.walk(sources()[file]):
        if isinstance(node, COMPREHENSIONS):
            if len(node.generators) > 1 or any(isinstance(part, COMPREHENSIONS) for part in inside(node)):
                dense.append(f"line {node.lineno}: nested comprehension")
        elif isinstance(node, ast.IfExp) and any(isinstance(part, ast.IfExp) for part in inside(node)):
            dense.append(f"line {node.lineno}: chained conditional")
    assert dense == []


@pytest.mark.parametrize("file", algorithms(), ids=named)
def test_files_of_algorithms_have_comments_where_a_reader_would_stop(file: Path) -> None:
    text = file.read_text("utf-8").splitlines()
    comments = sum(1 for line in text if re.search(r"(^\s*|  )# (?!noqa|type:)", line))
    assert comments >= COMMENTS * len(text), f"{comments} comments on {len(text)} lines"
