"""What the two consoles print."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import types

import pytest
from rich.console import Console as RichConsole

from translate.console import PlainConsole, TerminalConsole, console, terminal
from translate.console.bar import Bar
from translate.console.count import Count
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
    shown = {1 / 3: "0.3333", 12345.678: "12,346", 1330.0: "1,330", 3: "3", 12000: "12,000", 0.0: "0", 21.5: "21.5"}
    shown |= {2e-4: "0.0002", 2e-5: "2e-5", -1.25e-7: "-1.25e-7", 3e20: "3e20", float("inf"): "inf", 9.99999: "10"}
    assert {v: number(v) for v in shown} == shown
    assert [number(v) for v in (True, None, "x")] == ["True", "-", "x"]
    assert [number(v, 3) for v in (3354.2, 83.64, 0.5471)] == ["3,354", "83.6", "0.547"]
    assert [duration(s) for s in (0, 7.9, 754, 3723)] == ["0:00", "0:07", "12:34", "1:02:03"]


def test_plain_progress_prints_first_last_and_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
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
    monkeypatch.setattr(terminal, "find_spec", lambda name: None)
    with notebook.progress("train", 2) as progress:
        progress.advance(2)
    assert "train: 2/2 images" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ counts and their bars


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def training(clock: Clock, steps: int, warm_up: float, pause: float) -> list[tuple[float, float]]:
    """The time left as it was said and as it was, after each step of a training: a step takes a tenth of a second, the
    first five take `warm_up` together, and every twentieth part of all steps has a validation of `pause` seconds."""
    count = Count("train", steps, 0, "steps")
    said: list[tuple[float, float | None]] = []
    for step in range(steps):
        clock.now += warm_up / 5 if step < 5 else 0.1
        if (step + 1) % (steps // 20) == 0:
            clock.now += pause
        count.add(1, {})
        said.append((clock.now, count.left()))
    tenth = said[steps // 10 : steps - steps // 20]
    return [(left or 0.0, clock.now - moment) for moment, left in tenth]


def test_the_first_of_many_steps_says_nothing_of_the_time_left(clock: Clock) -> None:
    count = Count("train", 1000, 0, "steps")
    clock.now += 8
    count.add(1, {})
    assert count.left() is None and count.remaining() == ""
    clock.now += 0.1
    count.add(1, {})
    assert count.left() == pytest.approx(99.8)


@pytest.mark.parametrize("warm_up", [0.5, 30.0])
@pytest.mark.parametrize("pause", [0.0, 1.5])
@pytest.mark.parametrize("steps", [400, 20_000])
def test_time_left_is_right_after_the_first_tenth(clock: Clock, steps: int, pause: float, warm_up: float) -> None:
    ratios = [said / true for said, true in training(clock, steps, warm_up, pause)]
    assert min(ratios) >= 1 / 1.5 and max(ratios) <= 1.5


def test_a_count_remembers_little(clock: Clock) -> None:
    count = Count("train", 0, 0, "steps")
    for _ in range(10_000):
        clock.now += 0.01
        count.add(1, {})
    assert count.rate() == pytest.approx(100)
    assert len(count._moments) <= 256


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 160])
@pytest.mark.parametrize("title", ["train", "convert", "a-stage-with-a-long-name-of-many-letters"])
def test_bar_and_count_are_always_there(width: int, title: str, clock: Clock) -> None:
    """However many losses there are, and however long their names."""
    stream = io.StringIO()
    rich = RichConsole(file=stream, width=width, force_terminal=True, color_system=None, highlight=False)
    count = Count(title, 120_000, 0, "images")
    clock.now += 50
    losses = {f"adversarial_{i}": 1234.5678 * i for i in range(12)}
    bar = Bar(count)
    bar.advance(61_250, **losses)
    rich.print(bar)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) < width
    assert "61,250/120,000"[: width - 2] in lines[0]
    assert width < 40 or lines[0].count("━") + lines[0].count("╸") >= 3, "half of a bar that is six columns at least"
    assert len(lines) <= 3
    assert width < 60 or "0:47 left" in lines[0]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
def test_tables_fold_at_words(width: int) -> None:
    stream = io.StringIO()
    shown = TerminalConsole(stream, RichConsole(file=stream, width=width, force_terminal=True, color_system=None))
    words = ["optimizers", "generator", "discriminator", "receptive-fields", "normalisation"]
    rows = [(word, 12_345.678, " ".join(words * 3), f"{word} or none") for word in words]
    shown.table("options", ("name", "a number", "meaning", "default"), rows)
    shown.say(f"{'and '.join(words)} " * 3)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert text.count("discriminator") >= 1 + 3 * 5 + 2, "no word is cut"
    assert "12,346" in text
