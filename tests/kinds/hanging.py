"""Nothing hangs: errors, signals, closed pipes and small shared memory end a training, with a word and nothing left."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path

from kinds.lab import Done, Lab, case
from kinds.pipelines import interrupted, pairs, train


def workers_of(lab: Lab) -> list[str]:
    """Processes that still work in the case's folder."""
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve().is_relative_to(lab.folder):
                left.append((process / "cmdline").read_bytes()[:60].decode("utf-8", "replace"))
        except OSError:
            continue
    return left


def over(lab: Lab, done: Done) -> None:
    """Notes that a command has ended by itself with an error, and that no process is left."""
    lab.check("ended", "by itself", f"code {done.code}: {done.last}", done.code not in (0, 124, 137, -9))
    deadline = time.monotonic() + 5
    while workers_of(lab) and time.monotonic() < deadline:
        time.sleep(0.2)
    lab.check("processes left", [], workers_of(lab))


HANGS, SHM = "f02_python_hangs.sh", "f03_shm.sh"


@case(script=HANGS)
def f02(lab: Lab) -> None:
    """A training that fails when started from Python ends its process with the error."""
    done = lab.shell(HANGS, seconds=170)
    code = re.search(r"rc=(\d+)", done.out)
    lab.check("exit code", "not 0, not 124", done.last, code is not None and code.group(1) not in ("0", "124"))


@case(of=HANGS)
def python_fails_at_once(lab: Lab) -> None:
    """From Python: an image that is damaged after preparing ends the training, with its name, and frees the lock."""
    pairs(lab, 4)
    train(lab, "max_steps: 6")
    lab.works(lab.translate("run", "a.yaml", "--until", "prepare"))
    for path in (lab.folder / "d/train/A").iterdir():
        path.write_bytes(b"no picture")
    over(lab, lab.python("import translate; translate.run('a.yaml')", seconds=100))
    again = lab.translate("run", "a.yaml", seconds=100)
    lab.check("lock", "free", "free" if "lock" not in again.text.lower() else again.last)


@case(of=HANGS)
def python_in_a_thread(lab: Lab) -> None:
    """From Python in a thread: a training that diverges raises its error, and the process ends."""
    pairs(lab, 4)
    train(lab, "max_steps: 8\noptimizer: {uses: sgd, lr: 1e18}")
    code = (
        "import threading, translate\n"
        "def go():\n"
        "    try:\n        translate.run('a.yaml')\n"
        "    except translate.TranslateError as e:\n        print('caught', type(e).__name__)\n"
        "t = threading.Thread(target=go); t.start(); t.join()"
    )
    done = lab.python(code, seconds=100)
    lab.check("ended", "0, caught", f"{done.code}, {done.last}", done.code == 0 and "caught" in done.text)


@case(of=HANGS)
def head_closes_the_pipe(lab: Lab) -> None:
    """`translate run a.yaml | head -1` ends, and leaves a state that goes on or is whole."""
    pairs(lab, 4)
    train(lab, "max_steps: 6")
    command = f"'{sys.executable}' -P -m translate run a.yaml | head -1"
    done = lab.command("bash", "-o", "pipefail", "-c", command, seconds=100)
    lab.check("ended", "by itself", f"code {done.code}", done.code != 124)
    lab.orderly(done)
    lab.works(lab.translate("run", "a.yaml"))


@case(of=HANGS)
def closed_stdout(lab: Lab) -> None:
    """`translate run a.yaml >&- 2>&-` ends, and so does `translate check` on a full device."""
    pairs(lab, 4)
    train(lab, "max_steps: 6")
    start = f"'{sys.executable}' -P -m translate"
    for command in (
        f"{start} run a.yaml >&- 2>&-",
        f"{start} check a.yaml > /dev/full",
        f"{start} methods > /dev/full",
    ):
        done = lab.command("bash", "-c", command, seconds=100)
        lab.check(command.split("translate ")[1], "ends", f"code {done.code}", done.code != 124)
        lab.orderly(done)


def stopped_training(lab: Lab, number: int) -> tuple[int | None, float]:
    """Starts a long training and sends it a signal; its exit code, and the seconds that it took to end."""
    pairs(lab, 4)
    train(lab, "max_steps: 100000")
    return interrupted(lab, number)


@case(of=f"{HANGS} {SHM}")
def lost_terminal(lab: Lab) -> None:
    """SIGHUP, as a lost terminal sends it, ends a training within 20 s, with its state saved and its lock free."""
    code, seconds = stopped_training(lab, signal.SIGHUP)
    lab.check("ended", "within 20 s, not 0", f"{code} after {seconds:.0f} s", code not in (0, None) and seconds < 20)
    lab.check("processes left", [], workers_of(lab))
    done = lab.translate("run", "a.yaml", "--set", "stages.train.with.max_steps=2", seconds=100)
    lab.check("lock", "free", "free" if "in use" not in done.text else done.last)


@case(of=SHM)
def terminated(lab: Lab) -> None:
    """SIGTERM ends a training within 20 s, and no worker is left."""
    code, seconds = stopped_training(lab, signal.SIGTERM)
    lab.check("ended", "within 20 s, not 0", f"{code} after {seconds:.0f} s", code not in (0, None) and seconds < 20)
    lab.check("processes left", [], workers_of(lab))


@case(script=SHM)
def f03(lab: Lab) -> None:
    """With a /dev/shm of 16 MB a training ends, right or with an error that names the way out; it never waits for
    ever."""
    done = lab.shell(SHM, seconds=240)
    code = re.search(r"rc=(\d+)", done.out)
    ended = code is not None and code.group(1) not in ("124", "137")
    right = code is not None and (code.group(1) == "0" or "workers" in done.text)
    lab.check("exit code", "0, or an error", done.last, ended and right)


@case(of=SHM)
def no_shm_at_all(lab: Lab) -> None:
    """With a /dev/shm of 1 MB a conversion of a folder and a training go through."""
    pairs(lab, 4)
    train(lab, "max_steps: 3")
    inner = f"mount -t tmpfs -o size=1m tmpfs /dev/shm && exec '{sys.executable}' -P -m translate run a.yaml"
    done = lab.command("unshare", "-m", "bash", "-c", inner, seconds=120)
    lab.works(done)
