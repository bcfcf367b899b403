"""The MLflow UI on this machine's store, as a child process; mlflow itself is not imported here."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from translate.errors import ConfigError, TranslateError
from translate.tracking.browsing.view import experiment_page
from translate.tracking.database import State, advice, check_ready, state_of
from translate.tracking.moved import follow
from translate.tracking.redact import redact
from translate.tracking.store_uri import UnreachableError, database, store_uri

if TYPE_CHECKING:
    from translate.contracts import Console

STARTUP = 120.0
"""Seconds in which the server has to answer."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def serve(
    store: str | None = None,
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    open_browser: bool = False,
    console: Console,
) -> None:
    """Serves a store (default: `MLFLOW_TRACKING_URI`, else `mlflow.db` here) until Ctrl-C.

    Prints the address of the experiment with the newest run. Where the store is a server already, prints its address
    and returns. Errors: ConfigError without a store, TranslateError when the server does not start.
    """
    store = store or store_uri()
    if store.startswith("http"):
        console.say(f"the store is a server already: {_page(redact(store).rstrip('/'), store)}")
        return
    file = database(store)
    if file:
        _look_at(file)
    free = _free_port(host, port)
    if free != port:
        console.say(f"port {port} is in use, taking {free}")
    with tempfile.TemporaryFile() as log, _terminable():
        child = _start(store, host, free, log)
        try:
            # an address that means "all of them" can be listened on, but not visited
            visited = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            base = f"http://{visited}:{free}"
            _wait(child, base, log)
            page = _page(base, base)
            console.say(f"MLflow on {redact(store)}: {page}\nCtrl-C ends it")
            if open_browser:
                webbrowser.open(page)
            child.wait()
            raise TranslateError(f"the MLflow server ended by itself: {_tail(log)}")
        except KeyboardInterrupt:
            console.say("stopped")
        finally:
            _stop(child)


def _look_at(file: Path) -> None:
    """Errors: ConfigError where there is nothing to serve, TranslateError where the server could not start."""
    try:
        if state_of(file) is State.DAMAGED:
            raise TranslateError(f"the MLflow server did not start: {'; '.join(advice(State.DAMAGED, file))}")
        check_ready(file)
        follow(file)
    except UnreachableError as error:
        raise TranslateError(f"the MLflow server did not start: {error}") from error


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the server as Ctrl-C does, instead of leaving it behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def newest_experiment(base: str) -> Mapping[str, Any] | None:
    """The experiment with the newest run, asked from a server; None if it has no run."""
    experiments = _ask(f"{base}/api/2.0/mlflow/experiments/search", {"max_results": 1000}).get("experiments", [])
    if not experiments:
        return None
    query = {
        "experiment_ids": [experiment["experiment_id"] for experiment in experiments],
        "max_results": 1,
        "order_by": ["attributes.start_time DESC"],
    }
    runs = _ask(f"{base}/api/2.0/mlflow/runs/search", query).get("runs", [])
    by_id = {str(experiment["experiment_id"]): experiment for experiment in experiments}
    return by_id.get(str(runs[0]["info"]["experiment_id"])) if runs else None


def _page(shown: str, base: str) -> str:
    try:
        experiment = newest_experiment(base.rstrip("/"))
    except (OSError, ValueError):
        experiment = None
    if experiment is None:
        return shown
    return shown + experiment_page(str(experiment["experiment_id"]), experiment.get("tags", ()))


def _ask(url: str, query: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(query).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        content = json.load(answer)
    return content if isinstance(content, dict) else {}


def _free_port(host: str, port: int) -> int:
    """The port, or the next one that nobody listens on. Errors: ConfigError."""
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise ConfigError(f"cannot listen on {host}:{candidate}: {error.strerror}") from error
            else:
                return candidate
    raise ConfigError(f"no free port from {port} on at {host}; give another with --port")


def _start(store: str, host: str, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """The server in a process group of its own, so that Ctrl-C reaches this process only and all of it can be ended."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    environment = {**QUIET, **os.environ, "MLFLOW_BACKEND_STORE_URI": store}
    return subprocess.Popen(
        command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
    )


def _wait(child: subprocess.Popen[bytes], base: str, log: IO[bytes]) -> None:
    """Returns when the server answers. Errors: TranslateError."""
    until = time.monotonic() + STARTUP
    while child.poll() is None and time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{base}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TranslateError(f"the MLflow server did not start: {_tail(log)}")


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return redact(lines[-1]) if lines else "it said nothing"


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Ends the server and its workers, first gently."""
    for gently in (True, False):
        try:
            _signal(child, gently)
            child.wait(5)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def _signal(child: subprocess.Popen[bytes], gently: bool) -> None:
    """Tells the server's process group to end. Windows has no such groups: there, `taskkill` ends the whole tree."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/PID", str(child.pid), *([] if gently else ["/F"])]
        subprocess.run(command, check=False, capture_output=True)
    else:
        os.killpg(child.pid, signal.SIGTERM if gently else signal.SIGKILL)
