"""my-plugin: news of runs, as lines in a file and as messages to a chat.

A pipeline switches it on with `plugins: [my-plugin]`. `news.txt` lies beside the folders of runs. The end of a run
goes to the address in the variable `MY_PLUGIN_URL`, if there is one, in the form that Slack and Mattermost take.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from translate import hookimpl

translate_contract = ">=2,<3"

ADDRESS = "MY_PLUGIN_URL"
SECONDS = 10
"""How long a run waits for an answer."""


# A hook takes those of its arguments that it needs, by name. `docs/plugins.md` of `translate` lists all of them.


@hookimpl
def translate_run_started(pipeline: str, folder: Path, stages: list[str]) -> None:
    write(folder.parent, f"{pipeline}: starts, with {', '.join(stages)}")


@hookimpl
def translate_validated(pipeline: str, stage: str, step: int, scores: Mapping[str, float], folder: Path) -> None:
    """An error in this hook would end the training, so that it asks no network."""
    listed = ", ".join(f"{name} {score:.4g}" for name, score in scores.items())
    runs = next(above.parent for above in folder.parents if above.name == pipeline)
    write(runs, f"{pipeline}: {stage} at step {step:,}: {listed or 'no scores'}")


@hookimpl
def translate_run_finished(pipeline: str, folder: Path, status: str) -> None:
    """The results are safe by now: an error in this hook is a warning."""
    write(folder.parent, f"{pipeline}: {status}")
    if address := os.environ.get(ADDRESS):
        send(address, f"{pipeline}: {status}")


def write(folder: Path, line: str) -> None:
    """Adds a line with the time to the news."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "news.txt").open("a", encoding="utf-8") as news:
        news.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")


def send(address: str, line: str) -> None:
    """Posts a line as JSON. Errors: OSError where nobody answers."""
    body = json.dumps({"text": line}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=SECONDS).close()
