from __future__ import annotations

import errno
import io
import json
import math
from pathlib import Path

import pytest

from translate.console import PlainConsole
from translate.errors import DataError
from translate.tracking import open_tracking
from translate.tracking.journal import Journal, Runs, image_name, read


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("metrics", s=3, v={"train/loss": 0.1, "train/bad": math.nan})
    journal.append("tags", v={"a": "ä\n"})
    journal.flush()
    journal.close()
    (first, offset), (second, end) = read(journal.path)
    assert first["v"]["train/loss"] == 0.1
    assert math.isnan(first["v"]["train/bad"])
    assert second["v"] == {"a": "ä\n"}
    assert [event for event, _ in read(journal.path, offset)] == [second]
    assert end == journal.path.stat().st_size


def test_every_line_is_with_the_system_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("metrics", s=0, v={"a": 1.0})
    assert len(list(read(journal.path))) == 1
    journal.close()


def test_a_torn_last_line_is_dropped_when_the_journal_is_opened_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("metrics", s=1, v={"a": 1.0})
    journal.close()
    with journal.path.open("ab") as file:
        file.write(b'{"e":"metrics","t":1,"s":2,"v":{"a":')
    assert len(list(read(journal.path))) == 1
    journal = Journal(tmp_path)
    assert journal.fresh("a", 2)
    journal.append("metrics", s=2, v={"a": 2.0})
    journal.close()
    assert [event["v"]["a"] for event, _ in read(journal.path)] == [1.0, 2.0]


def test_a_damaged_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    good = json.dumps({"e": "metrics", "t": 1, "s": 1, "v": {"a": 1.0}}).encode()
    path.write_bytes(good + b"\n" + b"\0" * 20 + b"\n" + b"[1]\n" + good + b"\n")
    events = list(read(path))
    assert len(events) == 2
    assert events[-1][1] == path.stat().st_size


@pytest.mark.parametrize(
    "event",
    [
        {"e": "metrics", "t": 1, "v": {"a": 1.0}},
        {"e": "metrics", "t": 1, "s": 1, "v": [1.0]},
        {"e": "metrics", "t": 1, "s": "1", "v": {"a": 1.0}},
        {"e": "metrics", "t": 1, "s": 1, "v": {"a": None}},
        {"e": "metrics", "s": 1, "v": {"a": 1.0}},
        {"e": "image", "t": 1, "s": 1, "path": "x.png"},
        {"e": "stage", "t": 1},
        {"e": "end", "t": "1", "status": "done"},
        {"e": ["metrics"], "t": 1},
    ],
)
def test_a_line_without_what_its_kind_has_costs_only_itself(event: dict[str, object], tmp_path: Path) -> None:
    good = json.dumps({"e": "metrics", "t": 1, "s": 7, "v": {"b": 1.0}})
    (tmp_path / "journal.jsonl").write_text(f"{json.dumps(event)}\n{good}\n")
    journal = Journal(tmp_path)
    journal.close()
    assert journal.last("b") == 7 and journal.last("a") == -1
    kinds = [event["e"] for event, _ in read(journal.path)]
    assert kinds in (["metrics"], [["metrics"], "metrics"])


def test_an_event_that_cannot_be_written_waits_and_half_of_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.append("metrics", s=1, v={"a": 1.0})
    raw = journal._file

    class Full:
        """A file on a disk that is full once half of a line is written."""

        def write(self, data: bytes) -> int:
            raw.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str) -> object:
            return getattr(raw, name)

    monkeypatch.setattr(journal, "_file", Full())
    for step in (2, 3):
        with pytest.raises(OSError, match=r"No space left on device: .*journal\.jsonl"):
            journal.append("metrics", s=step, v={"a": float(step)})
    monkeypatch.undo()
    assert [event["s"] for event, _ in read(journal.path)] == [1]
    journal.append("metrics", s=4, v={"a": 4.0})
    journal.close()
    assert [event["s"] for event, _ in read(journal.path)] == [1, 2, 3, 4]
    assert journal.path.read_bytes().count(b"\n") == 4


def test_a_pipeline_that_cannot_be_kept_with_its_record_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("translate.tracking.run.write_text", refuse)
    said = io.StringIO()
    console = PlainConsole(io.StringIO(), said)
    tracking = open_tracking(
        "none", "tiny", tmp_path, recipe="abc", resolved="name: tiny", stages=["train"], versions={}, console=console
    )
    tracking.stage("train").metrics({"loss": 1.0}, 1)
    tracking.close("failed")
    warning = (
        f"warning: tracking: {tmp_path / '.tracking' / 'abc' / 'pipeline.yaml'}: No space left on device; make room"
    )
    assert said.getvalue().startswith(warning)
    kinds = [event["e"] for event, _ in read(tmp_path / ".tracking" / "abc" / "journal.jsonl")]
    assert kinds[:6] == ["start", "params", "tags", "file", "stage", "metrics"] and "end" in kinds


def test_known_steps_are_remembered_across_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("metrics", s=7, v={"a": 1.0})
    journal.append("image", key="train/samples", s=5, path="x.png")
    journal.close()
    journal = Journal(tmp_path)
    assert (journal.fresh("a", 7), journal.fresh("a", 8), journal.fresh("b", 0)) == (False, True, True)
    assert (journal.fresh(image_name("train/samples"), 5), journal.fresh(image_name("train/samples"), 6)) == (
        False,
        True,
    )
    journal.close()


def test_runs_keep_one_journal_each(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    first, other, again = runs.new("aaaabbbbcccc"), runs.new("dddd"), runs.new("aaaabbbbcccc")
    runs.update(again, mode="none")
    assert [run["journal"] for run in (first, other, again)] == [
        ".tracking/aaaabbbb",
        ".tracking/dddd",
        ".tracking/aaaabbbb-2",
    ]
    reread = Runs(tmp_path)
    assert reread.latest("aaaabbbbcccc") == again
    assert reread.latest() == again
    assert reread.latest("dddd") == other
    assert reread.latest("eeee") is None


def test_a_list_of_runs_that_is_not_one_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "tracking.json").write_text("[]")
    with pytest.raises(DataError, match=r"tracking\.json: not a list of tracked runs"):
        Runs(tmp_path)
    for run in ({"journal": ".tracking/a"}, {"recipe": "a"}, "run"):
        (tmp_path / "tracking.json").write_text(json.dumps({"version": 1, "runs": [run]}))
        with pytest.raises(DataError, match=r"not a list of tracked runs \(a run has no recipe or no journal\)"):
            Runs(tmp_path)


def test_a_run_that_lacks_something_else_has_not_begun(tmp_path: Path) -> None:
    run = {"recipe": "a", "journal": ".tracking/a"}
    (tmp_path / "tracking.json").write_text(json.dumps({"version": 1, "runs": [run]}))
    assert Runs(tmp_path).latest("a") == {**run, "stages": {}, "offset": 0}
