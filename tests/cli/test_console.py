"""What the two consoles print."""

from __future__ import annotations

import io
import subprocess
import sys
import types

import pytest
from rich.console import Console as RichConsole

from translate import console as module
from translate.console import PlainConsole, TerminalConsole, console
from translate.text import duration, number


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_and_tables() -> None:
    out, err = io.StringIO(), io.StringIO()
    plain = PlainConsole(out, err)
    plain.say("[bold]as it is[/bold]")
    plain.warn("careful")
    plain.table("scores", ("metric", "score"), [("l1", 0.123456), ("psnr", 21.5), ("swd", None)])
    assert err.getvalue() == "warning: careful\n"
    assert out.getvalue() == (
        "[bold]as it is[/bold]\nscores\nmetric   score\nl1      0.1235\npsnr      21.5\nswd          -\n"
    )


def test_numbers_and_durations() -> None:
    assert [number(v) for v in (1 / 3, 12345.678, 3, True, None, "x")] == ["0.3333", "1.235e+04", "3", "True", "-", "x"]
    assert [duration(s) for s in (0, 7.9, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]


def test_plain_progress_prints_first_last_and_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    out = io.StringIO()
    with PlainConsole(out).progress("train", 60, done=10, unit="steps") as progress:
        for step in range(50):
            now += 0.5
            progress.advance(loss=1 / (step + 1))
    lines = out.getvalue().splitlines()
    assert lines[0] == "train: 11/60 steps  2 steps/s  0:24 left  loss 1"
    assert lines[1] == "train: 31/60 steps  2 steps/s  0:14 left  loss 0.04762"
    assert [line.split()[1] for line in lines] == ["11/60", "31/60", "51/60", "60/60"]
    assert lines[-1] == "train: 60/60 steps  2 steps/s  loss 0.02"


def test_terminal_shows_a_bar_and_takes_markup_as_text() -> None:
    stream = Terminal()
    shown = console(stream=stream)
    assert isinstance(shown, TerminalConsole)
    with shown.progress("train", 4, unit="steps") as progress:
        progress.advance(4, cycle=0.25)
        shown.say("in between [/]")
    shown.warn("careful")
    shown.table("t", ("a", "b"), [("[x]", 1.5)])
    text = stream.getvalue()
    for part in ("train", "4/4", "cycle 0.25", "in between [/]", "careful", "[x]", "1.5"):
        assert part in text


def test_losses_may_have_any_name() -> None:
    """`self` is what a method calls its self-regularisation."""
    out = io.StringIO()
    for shown in (PlainConsole(out), TerminalConsole(out)):
        with shown.progress("train", 2) as progress:
            progress.advance(2, **{"self": 0.25, "n": 0.5})
    assert out.getvalue().count("self 0.25  n 0.5") >= 2


def test_console_is_plain_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(console(stream=io.StringIO()), PlainConsole)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(console(stream=Terminal()), PlainConsole)


def test_json_leaves_stdout_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    quiet = console(json=True)
    quiet.say("hello")
    with quiet.progress("x", 1) as progress:
        progress.advance()
    assert out.getvalue() == ""
    assert err.getvalue().startswith("hello\nx: 1/1 images")


def test_a_reader_that_leaves_does_not_end_the_work() -> None:
    code = (
        "from translate.console import PlainConsole\nimport sys, time\nout = PlainConsole()\n"
        "for n in range(2000):\n    out.say(f'line {n} ' + 'x' * 100)\nprint('still here', file=sys.stderr)\n"
    )
    head = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$1" | head -1', "-", code], capture_output=True, text=True, check=True
    )
    assert head.stdout.startswith("line 0")
    assert head.stderr == "still here\n"


class ZMQInteractiveShell:
    """Stands for the shell of a Jupyter kernel, which is known by this name."""


def test_a_notebook_gets_what_rich_makes_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = types.ModuleType("IPython")
    kernel.get_ipython = ZMQInteractiveShell
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    assert isinstance(console(), TerminalConsole)
    assert isinstance(console(stream=io.StringIO()), PlainConsole), "a file gets lines"
    kernel.get_ipython = lambda: None
    assert isinstance(console(stream=io.StringIO()), PlainConsole)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(console(), PlainConsole), "IPython was imported by a script"


def test_a_notebook_without_moving_bars_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = TerminalConsole(sys.stdout, RichConsole(force_jupyter=True))
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with notebook.progress("train", 2) as progress:
        progress.advance(2)
    assert "train: 2/2 images" in capsys.readouterr().out
