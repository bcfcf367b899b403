from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from translate.errors import ConfigError, TranslateError
from translate.tracking import Tracking, ui
from translate.tracking.browsing.view import SEEN_IN

Open = Callable[..., Tracking]
SERVE = """
    from translate.console import console
    from translate.tracking.ui import serve
    import sys
    serve(port=int(sys.argv[1]), console=console())
    assert "mlflow" not in sys.modules
"""


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_no_store_is_a_clear_error(tmp_path: Path, said: Any) -> None:
    with pytest.raises(ConfigError, match=r"no tracking store at .*mlflow\.db; run a pipeline first"):
        ui.serve(f"sqlite:///{tmp_path}/mlflow.db", console=said)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_server_needs_none(said: Any, taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        ui.serve(f"http://me:pw@127.0.0.1:{probe.getsockname()[1]}/", console=said)
    assert said.lines == [f"the store is a server already: http://***@127.0.0.1:{probe_port(said.lines[0])}"]


def probe_port(line: str) -> str:
    return line.rpartition(":")[2]


def test_a_taken_port_is_passed_over(taken: int) -> None:
    assert ui._free_port("127.0.0.1", taken) > taken


def test_a_server_that_cannot_start_says_why(tmp_path: Path, said: Any) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is not a database, and never was one" * 100)
    with pytest.raises(TranslateError, match="the MLflow server did not start: "):
        ui.serve(f"sqlite:///{tmp_path}/mlflow.db", port=0, console=said)


def test_the_server_is_served_and_ended(store: Any, opened: Open, tmp_path: Path, taken: int) -> None:
    store.create_experiment("newer, without a run")
    with opened() as tracking:
        stage = tracking.stage("train")
        stage.metrics({"loss": 0.5}, 3)
        stage.file(tmp_path / "runs" / "maps@quick" / "tracking.json")
    experiment = store.get_experiment_by_name("maps").experiment_id
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", textwrap.dedent(SERVE), str(taken)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == f"port {taken} is in use, taking {taken + 1}\n"
        line = child.stdout.readline()
        base, _, page = line.split(": ")[-1].partition("/#")
        view = "&viewStateShareKey=overview" if version("mlflow") in SEEN_IN else ""
        assert page == f"/experiments/{experiment}/runs?workflowType=machine_learning{view}\n"
        assert base == f"http://127.0.0.1:{taken + 1}"
        (run,) = store.search_runs([experiment])
        with urllib.request.urlopen(
            f"{base}/get-artifact?path=train/tracking.json&run_uuid={run.info.run_id}"
        ) as answer:
            assert json.load(answer)["version"] == 1
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read().endswith("stopped\n")
        assert child.wait(60) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", taken + 1)) != 0
