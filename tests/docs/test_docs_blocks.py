"""Every code block of the README and the docs runs as it stands, or says why it cannot.

The pages' commands run in a folder where recipes are tiny and images are noise: what is tested is that a reader can
follow them, not what comes out. `docs/plugins.md` has a test of its own, which compares outputs, too.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docs_folder
import pytest
import yaml
from docs_blocks import Block, blocks
from docs_shell import Shell
from filelock import FileLock
from markdown_it import MarkdownIt

from translate.pipeline import check
from translate.plugins import Registry
from translate.testing import assert_method_conforms

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
)
ELSEWHERE = {"docs/plugins.md": "test_docs_tutorial.py"}  # pages that a test of their own runs, block by block
RUNS = ("sh", "python", "yaml")
STARTS_IN = {"examples/translate-acme-laplacian/README.md": "examples/translate-acme-laplacian"}


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def to_run(page: str) -> list[Block]:
    return [block for block in blocks(text(page)) if block.reason is None]


# ---------------------------------------------------------------------------------------------------- nothing is missed


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_found(page: str) -> None:
    """A Markdown parser, which knows all ways to write code, finds the same blocks and no indented ones."""
    tokens = list(MarkdownIt("commonmark").parse(text(page)))
    assert [token.map[0] + 1 for token in tokens if token.type == "code_block" and token.map] == []
    assert [token.map[0] + 1 for token in tokens if token.type == "fence" and token.map] == [
        block.line for block in blocks(text(page))
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_every_block_can_run_or_says_why_not(page: str) -> None:
    for block in blocks(text(page)):
        if block.reason is None:
            assert block.language in RUNS, f"{page}:{block.line}: nothing runs {block.language!r}; mark it a fragment"
        else:
            assert len(block.reason.split()) > 1, f"{page}:{block.line}: a fragment says why it cannot run"


def test_a_mark_belongs_to_a_block() -> None:
    for page in PAGES:
        marks = len(re.findall(r"<!-- fragment", re.sub(r"`[^`\n]*`", "", text(page))))
        assert marks == sum(block.reason is not None for block in blocks(text(page))), page


def test_blocks_are_read_as_they_are_written() -> None:
    page = "# A\n\n<!-- fragment: no data -->\n```sh\nls\n```\n\n- item\n\n"
    page += '  <!-- add -->\n  ```python title="a.py"\n  x = 1\n  ```\n'
    first, second = blocks(page)
    assert first == Block("sh", None, None, "ls\n", 4, "no data")
    assert second == Block("python", "a.py", "add", "x = 1\n", 11, None)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Links to files. mkdocs --strict looks at those within the site and their anchors."""
    for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text(page)):
        assert (ROOT / page).parent.joinpath(target.partition("#")[0]).exists(), target


# -------------------------------------------------------------------------------------------------- and all of it runs


def test_the_pipeline_for_own_images_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in blocks(text("docs/your-images.md")) if "version: 1" in block.text)
    (tmp_path / "own.yaml").write_text(block.text)
    for folder in re.findall(r"(?:photos|drawings)/\w+", block.text):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert check("own.yaml") == []


def test_the_options_of_preprocess_on_the_page_of_own_images_exist() -> None:
    """Parts of a stage that name images which a reader has: the stage takes them as they stand."""
    registry = Registry()
    parts = [yaml.safe_load(block.text) for block in blocks(text("docs/your-images.md")) if block.language == "yaml"]
    parts = [part for part in parts if "version" not in part]
    assert parts
    for part in parts:
        options = part["prepare"]["with"] if "prepare" in part else part  # a whole stage, or its options
        assert registry.check("stages", "preprocess", options)[1] == [], part


def test_the_method_of_the_readme_conforms() -> None:
    (block,) = (block for block in blocks(text("README.md")) if "hookimpl" in block.text)
    names: dict[str, Any] = {"__name__": "plain"}
    exec(compile(block.text, "<block of README.md>", "exec", dont_inherit=True), names)
    (method,) = names["translate_methods"]()
    assert_method_conforms(method)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, also where several processes share the tests."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "docs-folder"
    with FileLock(shared / "docs-folder.lock"):
        if not folder.exists():
            unfinished = shared / "docs-folder.partial"
            docs_folder.make(unfinished)
            unfinished.rename(folder)
    return folder


class Reader:
    """Somebody who follows a page from top to bottom."""

    def __init__(self, page: str, folder: Path, home: Path) -> None:
        self.page = page
        self.shell = Shell(home)
        self.shell.folder = folder / STARTS_IN.get(page, ".")
        self.names: dict[str, Any] = {"__name__": "page"}

    def follow(self, block: Block) -> None:
        getattr(self, f"do_{block.language}")(block)

    def do_sh(self, block: Block) -> None:
        for line in re.sub(r"\\\n", " ", block.text).splitlines():
            if words := self.expand(line):
                self.command(words, block)

    def expand(self, line: str) -> list[str]:
        """The words of a command, as a shell would pass them on."""
        printed = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {line}"], cwd=self.shell.folder, capture_output=True, text=True, check=True
        )
        return [word for word in printed.stdout.split("\0") if word]

    def command(self, words: list[str], block: Block) -> None:
        words = [words[0].removeprefix(".venv/bin/"), *words[1:]]
        if words[:2] == ["source", ".venv/bin/activate"]:
            return
        if words[0] == "make":
            self.command(made_by(words[1:]), block)
            return
        if words[0] == "python":
            words = [sys.executable, *words[1:]]
        code, printed = self.shell.run(shlex.join(words))
        assert code == 0, f"{self.page}:{block.line}: {' '.join(words)}: exit code {code}\n{printed}"

    def do_python(self, block: Block) -> None:
        source = compile(block.text, f"{self.page}:{block.line}", "exec", dont_inherit=True)
        before = Path.cwd()
        os.chdir(self.shell.folder)
        try:
            exec(source, self.names)
        finally:
            os.chdir(before)

    def do_yaml(self, block: Block) -> None:
        """A whole pipeline, or the options of a train stage."""
        written = block.text if "stages:" in block.text else around(block.text)
        file = self.shell.folder / f"block_{block.line}.yaml"
        file.write_text(written, "utf-8")
        self.command(["translate", "check", file.name], block)


def made_by(targets: list[str]) -> list[str]:
    """The last command of a make target, where everything is installed."""
    commands = ["make", "--dry-run", "--silent", f"STAMP={ROOT / 'Makefile'}", *targets]
    printed = subprocess.run(commands, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return printed.splitlines()[-1].split()


PIPELINE = """\
version: 1
name: block
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: KIND}}
  train:
    uses: train
    needs: {data: prepare}
    with:
"""


def around(options: str) -> str:
    """A pipeline that trains with these options, on generated images of the kind that the method wants."""
    method = yaml.safe_load(options)["method"]
    kind = Registry().get("methods", method).data
    return PIPELINE.replace("KIND", kind) + textwrap.indent(options, " " * 6)


@pytest.fixture
def reader(request: pytest.FixtureRequest, prepared: Path, tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}.items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield Reader(request.param, folder, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "reader", [page for page in PAGES if page not in ELSEWHERE and to_run(page)], indirect=True, ids=lambda page: page
)
def test_a_reader_can_follow(reader: Reader) -> None:
    for block in to_run(reader.page):
        reader.follow(block)
