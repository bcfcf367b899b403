"""What a notebook shows for models and results: HTML without scripts, balanced, with nothing from a network."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from translate.console import PlainConsole
from translate.contracts import DataSpec, Direction, Method, NoOptions
from translate.conversion.summary import Summary
from translate.imaging.io import write
from translate.inference.translator import Translator
from translate.pipeline.runner import Result
from translate.tracking import open_tracking


class Balanced(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.feed(text)
        assert self.open == [] and "<script" not in text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "br"):
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name == "src"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class Plain(Method):
    name = "plain"
    data = "paired"
    players = {"G": ("net",)}
    losses = {"none": 1.0}
    directions = {"a_to_b": Direction(nets=("net",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Conv2d(3, 3, 1, bias=False)}

    def step(self, nets: Any, batch: Any, step: Any) -> Any:
        yield

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> torch.Tensor:
        out: torch.Tensor = nets.net(inputs["image"])
        return out


def test_a_model_shows_its_directions_weights_scores_and_a_sample(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    write(tmp_path / "samples/0.png", np.zeros((8, 8, 3), np.uint8))
    method = Plain(NoOptions(), DataSpec("paired", {"input": 3, "target": 3}, (8, 8)), {"none": 1.0})
    info = {
        "method": "<plain>",
        "step": 1200,
        "weights": "best",
        "metrics": {"val/l1": 0.123456},
        "folder": str(tmp_path),
    }
    text = Translator(method, method.networks(None), {}, info=info)._repr_html_()
    page = Balanced(text)
    for part in ("&lt;plain&gt;", "a_to_b", "best, step 1,200", "0.1235", "net: 9 parameters", "on cpu in fp32"):
        assert part in text
    assert len(page.sources) == 1 and page.sources[0].startswith("data:image/png")


def test_a_conversion_shows_its_counts_and_its_page(tmp_path: Path) -> None:
    text = Summary(done=12, failed=1, skipped=0, kept=2, report=tmp_path / "contact.html", seconds=5.0)._repr_html_()
    Balanced(text)
    assert ">10<" in text and "failed" in text and "skipped" not in text and "contact.html" in text


def test_a_result_shows_the_verdict(tmp_path: Path) -> None:
    said = PlainConsole(io.StringIO(), io.StringIO())
    with open_tracking(
        "none", "tiny", tmp_path, recipe="a" * 64, resolved="{}", stages=["score"], versions={}, console=said
    ) as tracking:
        rows = [["l1", "lower", 0.125, 0.5]]
        tracking.stage("score").table("scores", ["metric", "better", "score", "copy input"], rows)
    text = Result(tmp_path, {"score": tmp_path / "score"}, ("score",))._repr_html_()
    Balanced(text)
    assert "better than a copy of the input by l1" in text and "0.125" in text and "report.html" in text
    untracked = Result(tmp_path / "none", {}, ())._repr_html_()
    Balanced(untracked)
