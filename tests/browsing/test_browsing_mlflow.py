"""The pages of MLflow on a store that this tool has written, in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from browsed_runs import prepared, record
from browser import MISSING, Browser

from translate.tracking.browsing.view import SEEN_IN, run_page
from translate.tracking.client import client

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.skipif(version("mlflow") not in SEEN_IN, reason="this version's pages were never looked at"),
]


SEEN = """
    return [...document.images].filter(image => {
      const box = image.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
      return image.naturalWidth > 90 && box.height > 60 && y < 900 && document.elementFromPoint(x, y) === image;
    }).length
"""
"""Counts the pictures of the first screen that nothing covers."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with two runs, the second of which only scored again, in a store that was moved afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        first = tmp_path_factory.mktemp("old") / "project"
        first.mkdir()
        patch.chdir(first)
        folder = first / "runs/tiny@quick"
        prepared(folder)
        record(folder, "mlflow")
        record(folder, "mlflow", "b" * 64, ran=("score",))
        second = tmp_path_factory.mktemp("new") / "project"
        first.rename(second)
        patch.chdir(second)
        yield second
        assert not first.exists()  # nothing was made at the old place


@pytest.fixture(scope="module")
def page(store: Path) -> Iterator[str]:
    """The address that `translate ui` says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "import sys; from translate.cli import main; sys.argv = ['translate', 'ui', '--port', sys.argv[1]]; main()"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(
        str(Path(__file__).resolve().parents[2] / name) for name in ("", "plugins")
    )
    command = [sys.executable, "-c", code, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=store, env=environment) as server:
        assert server.stdout is not None
        try:
            line = next(line for line in server.stdout if "http" in line)
            yield line[line.index("http") :].strip()
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture
def opened(window: Browser, page: str) -> Iterator[Browser]:
    window.errors(), window.requests()
    window.resize(1400, 900)
    yield window
    # MLflow asks who is logged in, of every server
    assert [line for line in window.errors() if "users/current" not in line] == []
    own = page.partition("/#")[0]
    asked = window.requests()
    assert asked and all(address.startswith((own, "data:", "blob:")) for address in asked), asked


def test_the_table_shows_method_state_and_score_without_a_click(opened: Browser, page: str) -> None:
    opened.open(page)
    words = "return document.body.innerText.includes('aaaaaaaa quick') && document.body.innerText"
    seen = opened.wait(words)
    for part in ("bbbbbbbb quick, only score", "method", "state", "score/l1", "pix2pix", "done"):
        assert part in seen, part


def test_a_run_opens_with_its_pictures_first(opened: Browser, page: str, store: Path) -> None:
    own = page.partition("/#")[0]
    tracked = client("sqlite:///mlflow.db")
    experiment = tracked.get_experiment_by_name("tiny").experiment_id
    (run,) = tracked.search_runs([experiment], "attributes.run_name = 'aaaaaaaa quick'")
    opened.open(own + run_page(experiment, run.info.run_id))
    opened.wait("return document.body.innerText.includes('2-validation')")
    sections = opened.run("return document.body.innerText.match(/^(1-pictures|2-validation|score|train.*)$/gm)")
    assert sections[:2] == ["1-pictures", "2-validation"]
    assert opened.wait(SEEN) >= 1
    assert not any("l1_copy" in name for name in run.data.metrics)
    assert run.data.tags["mlflow.note.content"].startswith("score: l1 **0.1** (copy of the input: 0.2), psnr **21.5**")


def test_two_runs_are_compared_image_by_image(opened: Browser, page: str) -> None:
    opened.open(page + "&compareRunsMode=ARTIFACT")
    opened.wait("return document.body.innerText.includes('images.json')")
