"""Errors of stores, told without the texts of the libraries below."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from translate.cli import main
from translate.tracking.in_words import in_words
from translate.tracking.store_uri import UnreachableError

POOL = "HTTPConnectionPool(host='h', port=5000): Max retries exceeded with url: /api?x=1 (Caused by {})"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "API request to http://h:5000/api/2.0/mlflow/x failed with exception "
            + POOL.format("NewConnectionError('[Errno 111] Connection refused')"),
            "http://h:5000 does not answer: nothing listens there",
        ),
        (POOL.format("NameResolutionError('h')"), "h:5000 does not answer: there is no host of this name"),
        (POOL.format("ReadTimeoutError('timed out')"), "h:5000 does not answer: no answer in time"),
        ("('Connection aborted.', RemoteDisconnected())", "the server does not answer: it broke the connection off"),
        (
            "API request to endpoint /api/2.0/x failed with error code 502 != 200. Response body: '<html>...'",
            "the server answered with the error 502",
        ),
        ("INVALID: no such thing\nmore", "INVALID: no such thing"),
        ("https://me:secret@h/x is wrong", "https://***@h/x is wrong"),
        ("", "UnreachableError"),
    ],
)
def test_connections_in_words(text: str, words: str) -> None:
    assert in_words(UnreachableError(text)) == words


def test_a_reference_to_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = CliRunner().invoke(main, ["models", "show", "models:/maps/1"])
    assert result.exit_code == 2
    where = f"http://127.0.0.1:{port}"
    assert result.stderr == f"error: models:/maps/1: {where} does not answer: nothing listens there\n"
