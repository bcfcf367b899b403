"""Whether tracking costs a run time, loses or doubles a point, lets a secret out, or fails first users.

    python tests/benchmarks/tracking.py outages            100 outages in a run of 2,000 steps, against a calm server
    python tests/benchmarks/tracking.py kills              100 times kill -9 while records are on their way
    python tests/benchmarks/tracking.py secrets            30 planted secrets, looked for in everything that is written
    python tests/benchmarks/tracking.py first-users        20 times 16 first runs at once on an absent store

The server of the first two refuses, hangs, resets, answers 429, 500, 502, 503 (with `Retry-After: 3600`), garbage and
halves of answers, and loses answers to what it has done; it keeps everything twice that it is told twice. Each command
ends with one line and has the exit code 1 where anything was wrong. `--count N` does fewer (outages, kills, rounds).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "helpers"))

import planted_secrets  # noqa: E402
import tracked_runs  # noqa: E402
import tracking_store  # noqa: E402

SIZE = 64
"""Side of the images of a step, which then takes some 10 ms."""
MODES = ("none", "calm", "outages")


def outages(chosen: argparse.Namespace) -> bool:
    """Runs without tracking, with a calm server and with outages in turn; the last must lose and cost nothing."""
    seconds: dict[str, list[float]] = {mode: [] for mode in MODES}
    wrong: list[str] = []
    met = 0
    with tracked_runs.Server() as server, tempfile.TemporaryDirectory() as home:
        length = _one_run(Path(home) / "first", "none", server.url, chosen.steps)["loop"]
        for number in range(chosen.rounds):
            for mode in MODES[number % 3 :] + MODES[: number % 3]:
                folder = Path(home) / f"{mode}{number}"
                server.forget()
                if mode == "outages":
                    server.disturb(chosen.count, length * 1.05, seed=number)
                facts = _one_run(folder, mode, server.url, chosen.steps)
                server.disturb(0, 0)
                seconds[mode].append(facts["loop"])
                if mode == "none":
                    continue
                told = _sync(folder, server.url) if facts["unsent"] else ""
                state = server.state()
                met += state["met"]
                wrong += [f"{mode}, round {number}: {fault}" for fault in tracked_runs.faults_of(state, chosen.steps)]
                rest = f"{facts['unsent']} left: {told}" if facts["unsent"] else "nothing left"
                print(f"{mode}: {facts['loop']:.2f} s, its end {facts['end']:.1f} s, {rest}", flush=True)
    for fault in wrong:
        print(fault)
    slower = _slower(seconds["outages"], seconds["calm"])
    print(
        f"outages: {chosen.count} in each of {chosen.rounds} runs of {chosen.steps} steps, {met} requests met one, "
        f"{len(wrong)} wrong; steps {slower:+.2%} against a calm server, "
        f"{_slower(seconds['outages'], seconds['none']):+.2%} against no tracking"
    )
    return not wrong and slower <= chosen.slower


def _slower(ones: list[float], others: list[float]) -> float:
    """How much longer the ones take: the median of the ratios of runs of the same round."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True)) - 1


def _one_run(folder: Path, mode: str, url: str, steps: int) -> dict[str, float]:
    """A run in a process of its own: its seconds, and what it left unsent."""
    folder.mkdir()
    tracking = "none" if mode == "none" else "mlflow"
    command = [sys.executable, str(HERE), "one-run", "--steps", str(steps), "--mode", tracking]
    done = subprocess.run(command, cwd=folder, env=_environment(url), capture_output=True, text=True, check=False)
    if done.returncode or "Traceback" in done.stderr:
        raise SystemExit(done.stdout + done.stderr)
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return facts


def one_run(chosen: argparse.Namespace) -> bool:
    """The process of a run of `outages`."""
    work = tracked_runs.conv_work(SIZE)
    for _ in range(20):
        work()
    print(json.dumps(tracked_runs.train(Path.cwd(), chosen.steps, work, chosen.mode)))
    return True


def _sync(folder: Path, url: str) -> str:
    """What `translate track sync` says."""
    command = [sys.executable, "-m", "translate", "track", "sync"]
    done = subprocess.run(command, cwd=folder, env=_environment(url), capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).split())


def _environment(url: str) -> dict[str, str]:
    """The environment of a command; a request that hangs for a second was given up."""
    tracking = {"MLFLOW_TRACKING_URI": url, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1", "PYTHONWARNINGS": "ignore"}
    plain = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_")}
    return {**plain, **tracking, "PYTHONPATH": os.pathsep.join([str(HERE.parents[2]), *sys.path])}


def kills(chosen: argparse.Namespace) -> bool:
    """Runs that are killed again and again while records are on their way, on a server with outages."""
    choice = random.Random(chosen.seed)
    wrong: list[str] = []
    killed = number = 0
    with tracked_runs.Server() as server, tempfile.TemporaryDirectory() as home:
        os.environ.update({"MLFLOW_TRACKING_URI": server.url, "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"})
        while killed < chosen.count:
            number += 1
            folder = Path(home) / str(number)
            folder.mkdir()
            log = folder / "log"
            server.forget()
            server.disturb(400, 120.0, seed=number)
            for _ in range(min(chosen.most, chosen.count - killed)):
                child = tracking_store.fork(lambda folder=folder: _hurried(folder, chosen.steps), folder, log)  # type: ignore[misc]
                time.sleep(choice.uniform(0.05, 2.0))
                os.kill(child, signal.SIGKILL)
                if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
                    break
                killed += 1
            server.disturb(0, 0)
            code = tracking_store.ends(
                tracking_store.fork(lambda folder=folder: _hurried(folder, chosen.steps), folder, log)  # type: ignore[misc]
            )
            code += tracking_store.ends(tracking_store.fork(_send_the_rest, folder, log))
            faults = tracked_runs.faults_of(server.state(), chosen.steps)
            faults += [f"a run ended with {code}"] * bool(code) + ["a traceback"] * ("Traceback" in log.read_text())
            wrong += [f"run {number}: {fault}" for fault in faults]
            if faults:
                print(f"run {number}: {faults}", log.read_text(), sep="\n", flush=True)
    print(f"kills: {killed} in {number} runs of {chosen.steps} steps, {len(wrong)} wrong")
    return not wrong


def _hurried(folder: Path, steps: int) -> None:
    """A run whose records are on their way nearly all the time, so that a kill meets them there."""
    from translate.tracking import shipper

    shipper.PAUSE = 0.01
    tracked_runs.go_on(folder, steps, 0.002)


def _send_the_rest() -> None:
    """What `translate track sync` does."""
    from translate.console import console
    from translate.tracking.delivery.sync import sync

    sync(Path("runs"), console())


def secrets(chosen: argparse.Namespace) -> bool:
    """Commands that are told secrets in every way, and what they write and say."""
    with tempfile.TemporaryDirectory() as home:
        found = planted_secrets.look_through(Path(home), print)
    for line in found:
        print(line)
    print(f"secrets: {len(planted_secrets.SECRETS)} planted, {len(found)} found")
    return not found


def first_users(chosen: argparse.Namespace) -> bool:
    """`tracking_store.py together`."""
    command = [sys.executable, str(HERE.with_name("tracking_store.py")), "together", "--count", str(chosen.rounds)]
    return not subprocess.run(command, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks: dict[str, Callable[[argparse.Namespace], bool]] = {
        "outages": outages,
        "kills": kills,
        "secrets": secrets,
        "first-users": first_users,
        "one-run": one_run,
    }
    parser.add_argument("check", choices=checks)
    parser.add_argument("--count", type=int, default=100, help="outages of a run, or kills in all")
    parser.add_argument("--steps", type=int, help="of a run; default 2000, kills: 600")
    parser.add_argument("--rounds", type=int, help="repetitions; default 3, first-users: 20")
    parser.add_argument("--most", type=int, default=8, help="kills of one run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of kills")
    parser.add_argument("--slower", type=float, default=0.01, help="outages: the share of time that they may cost")
    parser.add_argument("--mode", default="mlflow", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.steps = chosen.steps or (600 if chosen.check == "kills" else 2000)
    chosen.rounds = chosen.rounds or (20 if chosen.check == "first-users" else 3)
    if chosen.check != "one-run":  # which is told where its store is
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            del os.environ[name]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    if chosen.check == "kills":
        import mlflow.tracking  # noqa: F401  # imported before the forks, once for all of them
    return 0 if checks[chosen.check](chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
