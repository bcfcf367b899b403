from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from translate.errors import ConfigError
from translate.imaging.io import write
from translate.imaging.thumbnail import shrink
from translate.storage import manifest
from translate.storage.pointer import point
from translate.tracking import Tracking
from translate.tracking.reports import charts, report
from translate.tracking.reports.pictures import spread
from translate.tracking.reports.record import Record, StageRecord
from translate.tracking.reports.report import write_report
from translate.tracking.reports.verdict import sentences

Open = Callable[..., Tracking]
VOID = {"meta", "img", "input", "link", "br"}


class Page(HTMLParser):
    """What a browser would fetch, and whether the tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(uri: str | None) -> Any:
    from PIL import Image

    assert uri is not None
    assert uri.startswith(("data:image/jpeg;base64,", "data:image/png;base64,"))
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        return np.array(picture)


def prepared(folder: Path, count: int = 3, pairs: bool = True) -> None:
    """A pipeline's folder in which a dataset was prepared and converted; picture k is of one colour."""
    for k in range(count):
        for name, value in (("prepare-1/test/a", 10), ("prepare-1/test/b", 20), ("convert-1/images", 30)):
            path = folder / name / f"tile/{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, np.full((600, 600, 3), value + 40 * k, np.uint8))
    facts = {"split": "test", "source_side": "a", "target_side": "b", "pairs": pairs}
    manifest.write(folder / "prepare-1", {"stage": "prepare", "kind": "dataset"})
    content = {
        "stage": "convert",
        "kind": "images",
        "facts": facts,
        "parents": {"data": "prepare-1", "model": "train-1"},
    }
    manifest.write(folder / "convert-1", content)
    point(folder / "prepare", "prepare-1")
    point(folder / "convert", "convert-1")


@pytest.fixture
def tracked(opened: Open, tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "maps@quick"
    with opened(mode="none") as tracking:
        prepared(folder)
        train = tracking.stage("train")
        train.tags({"device": "<cpu>"})
        for step in range(100):
            train.metrics({"cycle": 1 / (step + 1), "val/l1": math.nan if step == 50 else step}, step)
        for step in (0, 50, 100):
            train.image("samples/a_to_b", np.full((16, 24, 3), 2 * step, np.uint8), step)
        score = tracking.stage("score")
        score.metrics({"psnr": 20.5}, 0)
        score.table("scores", ["metric", "score", "copy"], [["<psnr>", 20.51234, None], ["l1", 0.1, 3]])
    return folder


def test_it_is_one_file_without_network(tracked: Path) -> None:
    text = (tracked / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    sources = [
        attributes.get("src") or "" for attributes in page.all("img") + page.all("script") if "src" in attributes
    ]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert page.all("link") == []
    code = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    assert re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", code) == []
    assert "<!--" not in text


def test_it_tells_what_was_tracked(tracked: Path) -> None:
    page = Page((tracked / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert "maps@quick" in text
    assert "99 steps · device <cpu>" in text
    assert "<psnr>" in text
    assert "20.51" in text
    assert "1 not finite" in text
    assert "hunter2" not in text
    assert "method: cyclegan" in text
    assert [attributes["class"] for attributes in page.all("span") if attributes.get("class")] == ["badge done"]


def test_the_step_slider_shows_every_grid(tracked: Path) -> None:
    page = Page((tracked / "report.html").read_text(encoding="utf-8"))
    grids = [attributes for attributes in page.all("img") if (attributes.get("alt") or "").startswith("step ")]
    assert [grid["alt"] for grid in grids] == ["step 0", "step 50", "step 100"]
    assert ["hidden" in grid for grid in grids] == [True, True, False]
    for grid, value in zip(grids, (0, 100, 200), strict=True):
        assert np.abs(pixels(grid["src"]).astype(int) - value).max() <= 2
        assert pixels(grid["src"]).shape == (16, 24, 3)


def test_before_after_and_truth_belong_together(tracked: Path) -> None:
    page = Page((tracked / "report.html").read_text(encoding="utf-8"))
    for name, value in (("before", 10), ("after", 30), ("truth", 20)):
        shown = [pixels(attributes["src"]) for attributes in page.all("img") if attributes.get("alt") == name]
        assert [round(float(picture.mean())) for picture in shown] == pytest.approx(
            [value, value + 40, value + 80], abs=2
        )
        assert shown[0].shape == (300, 300, 3)


def test_one_picture_is_shown_once_though_it_was_converted_again_in_16_bits(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "maps@quick"
    with opened(mode="none") as tracking:
        prepared(folder, count=2)
        again = folder / "convert_16-1/images/tile/0.png"
        again.parent.mkdir(parents=True)
        write(again, np.zeros((600, 600, 3), np.uint16))
        content = manifest.read(folder / "convert-1")
        assert content is not None
        manifest.write(folder / "convert_16-1", {**content, "stage": "convert_16"})
        point(folder / "convert_16", "convert_16-1")
        tracking.stage("convert")
        tracking.stage("convert_16").image("converted", np.zeros((8, 8, 3), np.uint8), 0)
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    names = [attributes["alt"] for attributes in page.all("img")]
    assert names == ["after", "before", "truth", "after", "before", "truth", "tile/0", "tile/1"]


def scores(*rows: list[Any]) -> dict[str, Any]:
    return {"e": "table", "columns": ["metric", "better", "score", "copy input", "best constant"], "rows": list(rows)}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [["l1", "lower", 0.1, 0.2, 0.3], ["psnr", "higher", 20.0, 18.0, None]],
            "The results are better than a copy of the input by l1 and psnr; "
            "and better than the best single colour by l1.",
        ),
        (
            [["l1", "lower", 0.1, 0.2, None], ["psnr", "higher", 17.0, 18.0, None]],
            "The results are better than a copy of the input by l1, but not by psnr.",
        ),
        ([["l1", "lower", 0.3, 0.2, None]], "The results are not better than a copy of the input, by l1."),
        ([["swd", "lower", 0.3, None, None]], "Scored, with no baseline to compare with."),
    ],
)
def test_the_verdict_says_what_was_beaten(rows: list[list[Any]], said: str) -> None:
    stage = StageRecord("score", status="done", tables={"scores": scores(*rows)})
    record = Record("maps", Path(), "a", "done", 0, Path(), {"score": stage})
    assert sentences(record) == [said]


def test_a_run_that_failed_says_so_first() -> None:
    stages = {"prepare": StageRecord("prepare", status="done"), "train": StageRecord("train", status="failed")}
    stages["train"].curves["val/l1"] = {0: 0.5, 100: 0.25}
    lines = sentences(Record("maps", Path(), "a", "failed", 0, Path(), stages))
    assert lines[0] == "The run failed in stage train; what follows was recorded until then."
    assert lines[1] == "train: l1 on the validation images went from 0.5 at step 0 to 0.25 at step 100."


def test_tables_show_pictures(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "maps@quick"
    with opened(mode="none") as tracking:
        prepared(folder, count=1)
        score = tracking.stage("score")
        rows = [["worst 1", 0.5, folder / "convert-1/images/tile/0.png"], ["best 1", 0.1, folder / "gone.png"]]
        score.table("cases", ["case", "l1", "output"], rows)
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    (picture,) = [attributes for attributes in page.all("img") if attributes["alt"] == "worst 1, output"]
    assert round(float(pixels(picture["src"]).mean())) == pytest.approx(30, abs=2)


def test_no_truth_where_sides_are_not_pairs(opened: Open, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "maps@quick"
    with opened(mode="none") as tracking:
        prepared(folder, count=1, pairs=False)
        tracking.stage("convert")
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert [attributes["alt"] for attributes in page.all("img")] == ["after", "before"]


def test_a_stage_that_did_not_run_again_is_still_told(tracked: Path, opened: Open) -> None:
    with opened("b" * 64, mode="none") as tracking:
        tracking.stage("score").table("scores", ["metric", "score"], [["l1", 0.5]])
    page = Page((tracked / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.texts)
    assert "99 steps" in text
    assert "<psnr>" not in text
    assert "0.5" in text


def test_the_size_is_bounded(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(report, "BUDGET", 100_000)
    with opened(mode="none") as tracking:
        stage = tracking.stage("train")
        for step in range(30):
            stage.image("one", rng.integers(0, 256, (64, 64, 3), np.uint8), step)
            stage.image("two", rng.integers(0, 256, (64, 64, 3), np.uint8), step)
    assert (tmp_path / "runs" / "maps@quick" / "report.html").stat().st_size < 150_000


def test_it_can_be_written_again(tracked: Path) -> None:
    before = (tracked / "report.html").read_bytes()
    (tracked / "report.html").unlink()
    assert write_report(tracked).read_bytes() == before


def test_a_folder_without_records(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing was tracked here"):
        write_report(tmp_path)


def test_times_of_stages_leave_out_what_lay_between_two_starts(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from translate.tracking.reports.record import gather

    now = 0

    def at(seconds: int) -> None:
        nonlocal now
        now = seconds

    monkeypatch.setattr("translate.tracking.journal.time.time_ns", lambda: now * 1_000_000_000)
    tracking = opened(mode="none")
    at(10)
    tracking.stage("prepare")
    at(15)
    tracking.stage("train").metrics({"a": 1.0}, 1)
    at(20)
    tracking.close("stopped")
    at(1000)
    tracking = opened(mode="none")
    tracking.stage("train")
    at(1030)
    tracking.close("failed")
    record = gather(tracking.folder)
    assert [(s.name, s.seconds, s.status) for s in record.stages.values()] == [
        ("prepare", 5.0, "done"),
        ("train", 35.0, "failed"),
    ]
    assert record.status == "failed"


def test_thinned_points_are_means() -> None:
    points = [(float(i), float(i * i)) for i in range(3 * charts.POINTS)]
    expected = np.array(points).reshape(charts.POINTS, 3, 2).mean(axis=1)
    np.testing.assert_allclose(charts.thin(points), expected)
    assert charts.thin(points[:5]) == points[:5]


def test_the_running_mean_is_the_one_of_pandas() -> None:
    import pandas as pd

    values = np.random.default_rng(0).normal(size=50).tolist()
    np.testing.assert_allclose(charts.smooth(values, 0.8), pd.Series(values).ewm(alpha=0.2, adjust=True).mean())


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 17), (0.00121, 0.00122), (1e6, 9e6), (-1, -0.5)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = charts.ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert all(low - 1e-9 <= tick <= high * (1 + 1e-9) + 1e-9 for tick in ticks)
    step = ticks[1] - ticks[0]
    assert f"{step:.0e}"[0] in "125"


@pytest.mark.parametrize(
    "curve", [{0: 0.0}, {5: 3.0, 6: 3.0}, {0: math.inf, 1: math.nan}, {0: -1e30, 7: 1e30}, {1: 1e-12, 2: 2e-12}]
)
def test_any_curve_can_be_drawn(curve: dict[int, float]) -> None:
    text = charts.chart("a<b", curve)
    Page(text)
    assert "a&lt;b" in text
    assert not re.search(r'(points|cx|cy|x|y)="[^"]*(nan|inf)', text)


def test_points_that_are_not_finite_are_gaps_in_the_line() -> None:
    curve = {step: math.nan if step in (3, 4) else float(step) for step in range(10)}
    assert charts.stretches(curve) == [[(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)], [(s, s) for s in map(float, range(5, 10))]]
    assert charts.chart("a", curve).count('class="line"') == 2
    long = {step: math.nan if step == 5000 else 1.0 for step in range(10_000)}
    parts = charts.stretches(long)
    assert len(parts) == 2 and sum(map(len, parts)) <= charts.POINTS


def test_the_step_of_the_weights_that_were_kept_is_marked() -> None:
    assert "step 3, the weights that were kept" in charts.chart("a", {0: 1.0, 5: 2.0}, mark=3)
    assert "kept" not in charts.chart("a", {0: 1.0, 5: 2.0})


def test_shrinking_takes_means_of_blocks() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (10, 13, 3), np.uint8)
    small = shrink(picture, 5)
    assert small.shape == (3, 4, 3)
    for y in range(3):
        for x in range(4):
            mean = picture[3 * y : 3 * y + 3, 3 * x : 3 * x + 3].reshape(-1, 3).astype(float).mean(axis=0)
            assert np.abs(small[y, x] - mean).max() <= 0.5
    assert shrink(picture, 13) is picture
    assert shrink(picture[:1], 5).shape == (1, 13, 3)


def test_a_spread_has_both_ends() -> None:
    assert spread(range(100), 4) == [0, 33, 66, 99]
    assert spread([1, 2], 4) == [1, 2]
