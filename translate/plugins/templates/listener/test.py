"""The listener writes its news, and sends the last of them to whom the environment names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import translate_my_plugin as listener

RUN = Path("runs/maps@quick")


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The messages that arrive at a server of this test; the working folder is empty."""
    received: list[str] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    monkeypatch.chdir(tmp_path)
    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        monkeypatch.setenv(listener.ADDRESS, f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield received
        server.shutdown()
        thread.join()


def test_a_run_makes_news(messages: list[str]) -> None:
    samples = RUN / "train-1234.partial" / "samples"
    listener.translate_run_started(pipeline="maps@quick", folder=RUN, stages=["prepare", "train"])
    listener.translate_validated(
        pipeline="maps@quick", stage="train", step=2000, scores={"val/l1": 0.25}, folder=samples
    )
    listener.translate_run_finished(pipeline="maps@quick", folder=RUN, status="failed")
    lines = Path("runs/news.txt").read_text("utf-8").splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        "maps@quick: starts, with prepare, train",
        "maps@quick: train at step 2,000: val/l1 0.25",
        "maps@quick: failed",
    ]
    assert messages == ["maps@quick: failed"]


def test_without_an_address_nothing_is_sent(messages: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(listener.ADDRESS)
    listener.translate_run_finished(pipeline="maps@quick", folder=RUN, status="done")
    assert not messages
