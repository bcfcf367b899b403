"""Commands in a real pseudo-terminal, at the widths that people have, and piped."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import warm

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from terminal import TERM, Recording, Screen, record, set_columns, watch

WIDTHS = (60, 80, 120, 160)
COMMANDS = {
    "check": ("check", "bad.yaml"),
    "plan": ("plan", "toy.yaml"),
    "methods": ("methods",),
    "method": ("methods", "pix2pix"),
    "help": ("run", "--help"),
    "run": ("run", "slow.yaml"),  # the last, so that the frames of its bar are those of the end
}
ONE_AFTER_THE_OTHER = f"""\
from translate.cli import main
for name, arguments in {COMMANDS!r}.items():
    try:
        main(arguments, prog_name="translate")
    except SystemExit as end:
        print("=== end of", name, end.code or 0, flush=True)
"""
"""All commands in one process, which imports what they share once."""
WRONG = "with: {epochs: a-number-that-is-none-at-all, optimizer: {uses: adamm-or-something-else}}"
SLOW = """\
version: 1
name: slow
tracking: none
stages:
  count:
    uses: slow/count
"""
PLUGIN = '''
"""A plugin whose stage counts slowly, with many losses."""
import time
from translate import NoOptions, Stage, hookimpl

class Count(Stage[NoOptions]):
    name, produces = "count", "scores"
    def run(self, context):
        with context.console.progress("count", 12_000, unit="images") as progress:
            for step in range(40):
                time.sleep(0.03)
                losses = {f"adversarial_{i}": 1330.0 / (step + i + 1) for i in range(9)}
                progress.advance(300, **losses)
                if step == 20:
                    context.console.say("half of it is done, and this is a sentence that is too long for one line " * 2)
        context.console.table("a table", ("metric", "meaning"), [("l1", "words and more words " * 8), ("swd", 1330.0)])
        return {}

@hookimpl
def translate_stages():
    return [Count]
'''


def run_in(folder: Path, width: int) -> Recording:
    """What all commands show: at 80 columns in a session that has the terminal as its own, at others in forks."""
    plain = {"COLUMNS": "", "NO_COLOR": ""}
    if width == 80:
        path = os.pathsep.join([str(folder), *sys.path])
        return record([sys.executable, "-c", ONE_AFTER_THE_OTHER], width, {"PYTHONPATH": path, **plain}, every=0.05)
    master, slave = pty.openpty()
    set_columns(master, width)
    env = {**os.environ, "TERM": TERM, **plain}
    with warm.Program(
        ["-c", ONE_AFTER_THE_OTHER], folder, env, stdout=slave, stderr=slave, sites=[folder.parent / "site", folder]
    ) as program:
        os.close(slave)
        return watch(master, width, program.wait, program.kill, every=0.05)


@pytest.fixture
def place(work: Path) -> Path:
    """A folder with pipelines, and the plugin `slow`."""
    (work / "slow.yaml").write_text(SLOW)
    (work / "bad.yaml").write_text(
        (work / "toy.yaml").read_text().replace("{data: prepare}", f"{{data: prepare}}, {WRONG}")
    )
    (work / "slow_plugin.py").write_text(PLUGIN)
    info = work / "slow-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[translate]\nslow = slow_plugin\n")
    return work


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_fit_and_the_bar_is_seen_all_the_time(width: int, place: Path) -> None:
    recording = run_in(place, width)
    text = "\n".join(recording.screen)
    assert recording.code == 0, text
    assert recording.wrapped == 0, text
    assert re.findall(r"=== end of (\w+) (\d)", text) == [(name, "2" if name == "check" else "0") for name in COMMANDS]
    assert sum(line.startswith("bad.yaml:") for line in recording.screen) == 2

    moving = [[line for line in lines if "/12,000 images" in line] for _, lines in recording.frames]
    seen = [lines[-1] for lines in moving if lines]
    assert len(seen) > 5
    counts = {int(match[1].replace(",", "")) for line in seen if (match := re.search(r"([\d,]+)/12,000", line))}
    assert len(counts) > 5, "it moves"
    assert all(line.startswith("count ") and re.search(r"[━╸╺]{6}", line) for line in seen)
    assert all(" left" in line for line in seen if 600 < int(line.split("/")[0].split()[-1].replace(",", "")) < 12_000)
    assert "adversarial_0" in text
    # Messages stand above the bar, which is there once at the end.
    assert sum("/12,000" in line for line in recording.screen) == 1


def test_a_pipe_gets_lines(place: Path) -> None:
    done = warm.run(["-m", "translate", "run", "slow.yaml"], place, sites=[place.parent / "site", place])
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "/12,000" in line]
    assert re.match(r"count: 300/12,000 images  [\d,.]+ images/s  0:\d\d left  adversarial_0 1,330  ", lines[0])
    assert re.match(r"count: 12,000/12,000 images  [\d,.]+ images/s  adversarial_0 33.25  ", lines[-1])


def test_the_screen_is_a_terminal() -> None:
    screen = Screen(10)
    screen.feed("one\r\ntwo\x1b[1A\r\x1b[2Knew\r\n\x1b[31mred\x1b[0m and more than ten")
    assert screen.text() == ["new", "red and mo", "re than te", "n"]
    assert screen.wrapped == 2


def command(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from translate.cli import main; main(prog_name='translate')", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


def test_quiet_leaves_warnings_and_errors(place: Path) -> None:
    quiet = (("--quiet", "run", "toy.yaml"), ("run", "toy.yaml", "-q", "--force", "train"), ("check", "bad.yaml", "-q"))
    first, second, done = (
        warm.run(["-m", "translate", *words], place, sites=[place.parent / "site", place]) for words in quiet
    )
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("bad.yaml:")


def test_version_in_short() -> None:
    assert command("-V").stdout == command("--version").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_shells(shell: str) -> None:
    assert "_translate" in command(_TRANSLATE_COMPLETE=f"{shell}_source").stdout
    words = {"COMP_WORDS": "translate conv", "COMP_CWORD": "1" if shell != "fish" else "conv"}
    assert "convert" in command(_TRANSLATE_COMPLETE=f"{shell}_complete", **words).stdout
