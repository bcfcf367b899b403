"""Up to date means same, not newer: what is converted again, whatever the times of its file say."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from translate.conversion.convert import convert
from translate.conversion.inputs.record import look, record, unchanged
from translate.conversion.journal import rows
from translate.conversion.options import ConvertOptions
from translate.conversion.worker import Worker
from translate.imaging.io import read, write

LONG_AGO = 1_500_000_000


def grey(path, value, when=None, suffix=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.full((8, 12, 3), value, np.uint8))
    if when is not None:
        os.utime(path, (when, when))
    return path


@pytest.fixture
def once(tmp_path, make, told):
    """A conversion of in/a.png, in/b.bmp and a damaged in/c.png to out/; the function converts again."""
    grey(tmp_path / "in/a.png", 20)
    grey(tmp_path / "in/b.bmp", 20)
    (tmp_path / "in/c.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:50])

    def again(**options):
        return convert(tmp_path / "in", tmp_path / "out", make(), ConvertOptions(**options), console=told)

    assert (again().done, again().kept, again().failed) == (2, 2, 1)
    return again


def moved(tmp_path):
    """`mv older.png in/a.png`"""
    grey(tmp_path / "older.png", 230, LONG_AGO).replace(tmp_path / "in/a.png")
    return "a.png"


def unzipped(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(grey(tmp_path / "x.png", 230), "a.png")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (tmp_path / "in/a.png").write_bytes(archive.read("a.png"))
    os.utime(tmp_path / "in/a.png", (LONG_AGO, LONG_AGO))
    return "a.png"


def same_size_and_time(tmp_path):
    """`cp -p`, or `rsync -a`, of a file of the same size and modification time: a BMP has no compression."""
    path = tmp_path / "in/b.bmp"
    before = path.stat()
    grey(path, 230)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    return "b.bmp"


def link_to_another(tmp_path):
    grey(tmp_path / "other.png", 230, LONG_AGO)
    (tmp_path / "in/a.png").unlink()
    (tmp_path / "in/a.png").symlink_to("../other.png")
    return "a.png"


@pytest.mark.parametrize("change", [moved, unzipped, same_size_and_time, link_to_another])
def test_another_picture_is_converted_however_old_it_is(change, once, tmp_path):
    name = change(tmp_path)
    summary = once()
    assert (summary.done, summary.kept, summary.failed) == (2, 1, 1)
    assert (read(tmp_path / "out" / name).pixels == 230).all()
    assert once().kept == 2


@pytest.mark.parametrize("when", [LONG_AGO, None])
def test_a_mended_file_is_converted_without_being_asked(when, once, tmp_path):
    grey(tmp_path / "in/c.png", 90, when)
    summary = once()
    assert (summary.done, summary.kept, summary.failed) == (3, 2, 0)
    assert (read(tmp_path / "out/c.png").pixels == 90).all()


def test_a_link_to_nothing_is_converted_once_it_leads_somewhere(once, tmp_path):
    (tmp_path / "in/d.png").symlink_to("../later.png")
    assert once().failed == 2
    grey(tmp_path / "later.png", 90, LONG_AGO)
    assert (once().failed, (tmp_path / "out/d.png").exists()) == (1, True)


def test_what_was_touched_alone_stays_and_its_times_are_kept(once, tmp_path, monkeypatch):
    monkeypatch.setattr(Worker, "_read", None)  # nothing is read as an image
    os.utime(tmp_path / "in/a.png", (LONG_AGO, LONG_AGO))
    os.utime(tmp_path / "in/c.png", (LONG_AGO, LONG_AGO))
    summary = once()
    assert (summary.kept, summary.failed) == (2, 1)
    by_name = {row["input"]: row for row in rows(tmp_path / "out/results.jsonl")}
    assert by_name["a.png"]["source"]["modified"] == LONG_AGO * 10**9
    with monkeypatch.context() as patched:
        patched.setattr("translate.conversion.inputs.record.sha256_file", None)  # nor are its bytes, from then on
        assert once().kept == 2


def test_what_nothing_shows_but_the_hash_is_found_by_verifying(once, tmp_path):
    lines = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    grey(tmp_path / "in/b.bmp", 230)
    for row in lines:  # as if even the ctime were the same
        if row["input"] == "b.bmp":
            row["source"].update(look(tmp_path / "in/b.bmp"))
    (tmp_path / "out/results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    assert once().kept == 2
    assert once(verify=True).kept == 1 and (read(tmp_path / "out/b.bmp").pixels == 230).all()


def test_rows_of_earlier_versions_still_go_by_their_times(once, tmp_path):
    lines = [json.loads(line) for line in (tmp_path / "out/results.jsonl").read_text().splitlines()]
    (tmp_path / "out/results.jsonl").write_text(
        "".join(json.dumps({k: v for k, v in row.items() if k != "source"}) + "\n" for row in lines)
    )
    assert (once().kept, once().failed) == (2, 1)
    grey(tmp_path / "in/a.png", 230, 4_000_000_000)
    grey(tmp_path / "in/c.png", 230, 4_000_000_000)
    summary = once()
    assert (summary.done, summary.kept) == (3, 1) and (read(tmp_path / "out/a.png").pixels == 230).all()


def test_a_file_that_changes_while_it_is_read_has_no_record(tmp_path):
    path = grey(tmp_path / "a.png", 1)
    before = look(path)
    assert unchanged(path, record(path, before)) is not None
    grey(path, 2)
    assert record(path, before) is None and record(path, None) is None
    (tmp_path / "empty").mkdir()
    assert look(tmp_path / "empty") is None and look(Path("/dev/null")) is None and unchanged(tmp_path, {}) is None


def test_an_image_that_is_a_folder_is_the_same_as_long_as_its_files_are(tmp_path):
    chunk = tmp_path / "a.zarr/0/0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"12345678")
    (tmp_path / "a.zarr/.zarray").write_text("{}")
    earlier = record(tmp_path / "a.zarr", look(tmp_path / "a.zarr"))
    assert earlier["bytes"] == 10 and unchanged(tmp_path / "a.zarr", earlier) == earlier
    os.utime(chunk, (LONG_AGO, LONG_AGO))
    assert unchanged(tmp_path / "a.zarr", earlier)["sha256"] == earlier["sha256"]
    chunk.write_bytes(b"87654321")
    os.utime(chunk, (LONG_AGO, LONG_AGO))
    assert unchanged(tmp_path / "a.zarr", earlier) is None


def test_an_output_that_was_replaced_by_an_older_file_is_told(once, tmp_path):
    grey(tmp_path / "mine.png", 99, LONG_AGO).replace(tmp_path / "out/a.png")
    summary = once()
    assert (summary.kept, summary.skipped) == (1, 1) and (read(tmp_path / "out/a.png").pixels == 99).all()
