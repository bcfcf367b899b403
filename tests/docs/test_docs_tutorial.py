"""`docs/plugins.md`: a stranger follows it block by block, in a package that pip installs, and gets what it says."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from docs_blocks import Block, blocks, pattern
from docs_shell import Shell

from translate.imaging.io import read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TEXT = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
PAGE = blocks(TEXT)
LONGEST = 40
QUICK = "run pipelines/simgan.yaml --profile quick"


class Ran(NamedTuple):
    """A command of the page, what the page says that it prints, what it printed, and its exit code."""

    block: Block
    command: str
    expected: str
    printed: str
    code: int


class Tutorial(NamedTuple):
    """The package of the page, the shell that it was made in, the commands that were run, the first text of each file,
    and the blocks that were done."""

    package: Path
    shell: Shell
    ran: list[Ran]
    first: dict[str, str]
    did: list[Block]


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tutorial]:
    home = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}.items():
            patch.setenv(name, value)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shell = Shell(home)
        done = Tutorial(home / "translate-simgan", shell, [], {}, [])
        for block in PAGE:
            _do(block, done)
        yield done


def _do(block: Block, tutorial: Tutorial) -> None:
    """Writes the file of a block, or runs its commands. What does not end as it should ends the tutorial."""
    if block.title:
        file = tutorial.shell.folder / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        if block.mode == "same":
            assert file.read_text("utf-8") == block.text, f"line {block.line}: {block.title} was written otherwise"
        else:
            before = file.read_text("utf-8") if block.mode == "add" else ""
            file.write_text(before + block.text, "utf-8")
        tutorial.first.setdefault(block.title, block.text)
    elif block.language == "console":
        for command, expected in block.commands():
            code, printed = tutorial.shell.run(command)
            tutorial.ran.append(Ran(block, command, expected, printed, code))
            assert (code != 0) == (block.mode == "fails"), f"line {block.line}: {command}: exit code {code}\n{printed}"
    else:
        return
    tutorial.did.append(block)


# ------------------------------------------------------------------------------------------------------ the page itself


def test_every_block_is_executed(tutorial: Tutorial) -> None:
    """Also those that are not recognised as blocks: every fence opens or closes one that was done, or is a fragment."""
    fences = [line for line in TEXT.splitlines() if line.lstrip().startswith(("```", "~~~"))]
    fragments = [block for block in PAGE if block.reason is not None]
    assert len(fences) == 2 * (len(tutorial.did) + len(fragments)) and len(fragments) < 3
    assert [block.line for block in PAGE if block not in [*tutorial.did, *fragments]] == []
    assert all(list(block.commands()) for block in PAGE if not block.title and block not in fragments)


def test_commands_print_what_the_page_says(tutorial: Tutorial) -> None:
    for ran in tutorial.ran:
        shown = re.fullmatch(pattern(ran.expected), ran.printed if ran.expected else "")
        assert shown, f"line {ran.block.line}: {ran.command} prints\n{ran.printed}\nand not\n{ran.expected}"


def test_pattern_takes_what_it_should_and_nothing_else() -> None:
    assert re.fullmatch(pattern("a ... c\n...\nend\n"), "a b c\nend\n")
    assert re.fullmatch(pattern("a ... c\n...\nend\n"), "a b c\nx\ny\nend\n")
    for other in ("a b c\nmore\n", "a b\nc\nend\n", "x\na b c\nend\n", "a b c\nend\nx\n"):
        assert not re.fullmatch(pattern("a ... c\n...\nend\n"), other)


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\((?!https:)(.*?)\)", TEXT):
        path, _, anchor = target.partition("#")
        if path:
            assert (Path(__file__).parents[2] / "docs" / path).is_file(), target
        else:
            assert anchor in anchors, target


# ------------------------------------------------------------------------------------------ what the method can do then


def test_method_is_forty_lines_and_a_pyproject(tutorial: Tutorial) -> None:
    """Nothing else of the package is imported by it: the rest came later, and the run was before."""
    module = tutorial.first["translate_simgan.py"]
    assert len(module.splitlines()) <= LONGEST
    assert {
        line.split()[1].partition(".")[0] for line in module.splitlines() if line.startswith(("from", "import"))
    } == {
        "torch",
        "translate",
    }
    before = [ran.command for ran in tutorial.ran if ran.block.line < _line(tutorial, "mkdir")]
    assert any(command.startswith(f"translate {QUICK}") for command in before)


def test_method_is_listed_among_the_others(tutorial: Tutorial) -> None:
    code, printed = tutorial.shell.run("translate methods --json")
    assert code == 0, printed
    listed = {each["name"]: each for each in json.loads(printed)["methods"]}
    assert {"simgan", "cyclegan"} <= listed.keys()
    assert (listed["simgan"]["distribution"], listed["simgan"]["version"]) == ("translate-simgan", "0.1.0")


def test_killed_training_goes_on_as_if_it_had_never_been(
    tutorial: Tutorial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 with the history of images half full; every loss and every weight is that of the tutorial's own run."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "simgan.yaml").write_text(tutorial.first["pipelines/simgan.yaml"])
    monkeypatch.setattr(tutorial.shell, "folder", tmp_path)
    command = f"translate {QUICK} --until train --set tracking=none"
    process = tutorial.shell.start(command)
    deadline = time.monotonic() + 250
    while process.poll() is None and time.monotonic() < deadline and max(_losses(tmp_path), default=0) < 12:
        time.sleep(0.01)
    assert process.poll() is None, tutorial.shell.printed(process)
    tutorial.shell.kill(process)
    code, printed = tutorial.shell.run(command)
    assert code == 0, printed
    assert re.search(r"resuming at step [1-9]", printed)
    expected = _losses(tutorial.package)
    assert sorted(expected) == list(range(1, 49))
    assert {"train/critic", "train/adversarial", "train/self"} <= expected[48].keys()
    assert _losses(tmp_path) == expected
    assert _weights(tmp_path) == _weights(tutorial.package)


def test_folder_is_converted(tutorial: Tutorial) -> None:
    given = tutorial.package / "runs/simgan@quick/prepare/test/a"
    names = sorted(path.name for path in given.iterdir())
    rows = [json.loads(line) for line in (tutorial.package / "out/results.jsonl").read_text().splitlines()]
    assert sorted((row["input"], row["output"], row["status"]) for row in rows) == [(n, n, "done") for n in names]
    for name in names:
        before, after = (read(folder / name).array for folder in (given, tutorial.package / "out"))
        assert before.shape == after.shape
        assert (before != after).any()


def test_run_is_in_mlflow(tutorial: Tutorial) -> None:
    from translate.tracking.store import client

    store = client(f"sqlite:///{tutorial.package}/mlflow.db")
    (experiment,) = [each for each in store.search_experiments() if each.name != "Default"]
    (run,) = store.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert {"train/critic", "train/adversarial", "train/self"} <= run.data.metrics.keys()
    curve = [(each.step, each.value) for each in store.get_metric_history(run.info.run_id, "train/self")]
    assert curve == [(step, values["train/self"]) for step, values in sorted(_losses(tutorial.package).items())]
    assert any("simgan" in str(value) for value in run.data.params.values())


# ------------------------------------------------------------------------------------------------- and the other pieces


def test_all_pieces_acted(tutorial: Tutorial) -> None:
    """The loss has a curve, the metric a score, the stage a list, the hook a diary."""
    folder = tutorial.package / "runs/coarse"
    curves = {name for values in _losses(tutorial.package, "coarse").values() for name in values}
    assert "train/simgan/coarse" in curves
    scores = {
        each["metric"]: each["score"] for each in json.loads((folder / "score/scores.json").read_text())["scores"]
    }
    assert scores["sharpness"] > 0
    changed = json.loads((folder / "changes/changed.json").read_text())
    assert [len(changed), *sorted(changed, key=lambda row: -row[1])] == [2, *changed]
    stages = [line.split()[1] for line in (tutorial.package / "diary.txt").read_text().splitlines()]
    assert stages == ["prepare", "train", "convert", "score", "changes"]


def test_wheel_holds_the_package_and_its_entry_point(tutorial: Tutorial) -> None:
    (wheel,) = (tutorial.package / "dist").glob("translate_simgan-0.2.0-*.whl")
    with zipfile.ZipFile(wheel) as held:
        files = {name for name in held.namelist() if name.endswith(".py")}
        entries = held.read("translate_simgan-0.2.0.dist-info/entry_points.txt").decode()
    written = {path.relative_to(tutorial.package).as_posix() for path in tutorial.package.glob("translate_simgan/*.py")}
    assert files == written
    assert entries.split() == ["[translate]", "simgan", "=", "translate_simgan"]


def _line(tutorial: Tutorial, start: str) -> int:
    return next(ran.block.line for ran in tutorial.ran if ran.command.startswith(start))


def _losses(folder: Path, pipeline: str = "simgan@quick") -> dict[int, dict[str, float]]:
    """The last value of every curve of the training, by step; speeds are nobody's promise."""
    found: dict[int, dict[str, Any]] = {}
    for path in sorted((folder / "runs" / pipeline / ".tracking").rglob("journal.jsonl")):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            if event["e"] == "metrics":
                values = {k: v for k, v in event["v"].items() if k.startswith("train/")}
                kept = {k: v for k, v in values.items() if not any(word in k for word in ("second", "wait", "peak"))}
                if kept:
                    found.setdefault(event["s"], {}).update(kept)
    return found


def _weights(folder: Path) -> bytes:
    return (folder / "runs/simgan@quick/train/translator/model.safetensors").read_bytes()
