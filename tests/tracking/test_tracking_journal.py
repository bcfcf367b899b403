from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from translate.errors import DataError
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
