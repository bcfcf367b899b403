"""What happens in between: conversions that are stopped, repeated, shared, verified, and disks that are full."""

import errno
import hashlib
import json
import os
import time
from itertools import chain

import numpy as np
import pytest
from torch import nn

from translate.conversion import job as conversions
from translate.conversion.backlog import Backlog
from translate.conversion.convert import convert, prepare
from translate.conversion.items import Item
from translate.conversion.journal import Journal, rows, side_by_side
from translate.conversion.options import ConvertOptions
from translate.conversion.worker import Worker
from translate.errors import ConfigError, DataError, StageError
from translate.imaging.io import read, write

DRAW = np.random.default_rng(11)


@pytest.fixture
def photos(tmp_path):
    """60 images in two sizes and three folders; the 7th is broken."""
    root = tmp_path / "in"
    for number in range(60):
        path = root / "abc"[number % 3] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, DRAW.integers(0, 256, (8 + 8 * (number % 2), 12, 3), dtype=np.uint8))
    (root / "a/06.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return root


def listed(out):
    return list(rows(out / "results.jsonl"))


def files(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.png")}


def inverted():
    net = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.dirac_(net.weight).data.neg_()
    return {"gen": net}


class Killed(BaseException):
    pass


def stop_after(monkeypatch, count, error=Killed):
    """The conversion dies when it names its `count`-th output."""
    real, left = conversions._place, [count]

    def place(*args):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return real(*args)

    monkeypatch.setattr(conversions, "_place", place)


@pytest.mark.parametrize("count", [0, 1, 5, 17, 40, 58])
def test_what_was_stopped_goes_on_and_ends_as_if_it_had_not(count, photos, tmp_path, make, told, monkeypatch):
    convert(photos, tmp_path / "whole", make(), console=told)
    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        stop_after(patched, count)
        convert(photos, out, make(), console=told)
    assert len(files(out)) == count and not (out / "results.jsonl").exists()
    known = {row["output"] for row in rows(out / "results.partial.jsonl")}
    assert set(files(out)) <= known, "no output without a row"
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.failed, summary.kept) == (59, 1, count)
    assert all(path.stat().st_mtime_ns == then for path, then in before.items()), "nothing is converted twice"
    assert files(out) == files(tmp_path / "whole")
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in listed(out)]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in listed(tmp_path / "whole")]
    assert not list(out.rglob(".*")) and not (out / "results.partial.jsonl").exists()
    assert "it goes on" in told._stream.getvalue()


def test_what_a_power_cut_lost_is_made_again(photos, tmp_path, make, told, monkeypatch):
    """Rows are on the disk before outputs get their names; the content of these may not be."""
    convert(photos, tmp_path / "whole", make(), console=told)
    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        stop_after(patched, 50)
        convert(photos, out, make(), console=told)
    then = (out / "b/01.png").stat()
    (out / "b/01.png").write_bytes(b"")
    os.utime(out / "b/01.png", ns=(then.st_atime_ns, then.st_mtime_ns))
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept) == (59, 49) and files(out) == files(tmp_path / "whole")


def test_batches_are_the_same_wherever_a_conversion_was_stopped(photos, tmp_path, make, told, monkeypatch):
    batches = []

    def watch(translator):
        real = translator.translate_images

        def spy(images, *args):
            batches.append(tuple(hashlib.sha256(image.pixels.tobytes()).hexdigest()[:8] for image in images))
            return real(images, *args)

        translator.translate_images = spy
        translator.batch_size = lambda direction, size: 4
        translator.joins = lambda direction: True
        return translator

    convert(photos, tmp_path / "whole", watch(make()), console=told)
    whole, batches[:] = list(batches), []
    assert len(whole) > 10 and max(map(len, whole)) == 4
    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        stop_after(patched, 21)
        convert(photos, out, watch(make()), console=told)
    batches[:] = []
    convert(photos, out, watch(make()), console=told)
    assert set(batches) <= set(whole)
    assert sum(map(len, batches)) <= 59 - 21 + 4 * 3, "little more than what was left"


def test_a_cut_off_row_is_no_row(photos, tmp_path, make, told, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(Killed):
        stop_after(patched, 9)
        convert(photos, out, make(), console=told)
    partial = out / "results.partial.jsonl"
    partial.write_bytes(partial.read_bytes()[:-20])
    assert convert(photos, out, make(), console=told).done == 59
    assert len(listed(out)) == 60
    (out / "results.jsonl").write_text("no JSON\n")
    with pytest.raises(DataError, match=r"results\.jsonl:1: no row of a conversion's results; move the file away"):
        convert(photos, out, make(), console=told)


def test_a_second_time_nothing_is_done(photos, tmp_path, make, told, monkeypatch):
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    before = (out / "results.jsonl").read_bytes()
    monkeypatch.setattr(Worker, "_header", None)
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept, summary.failed) == (59, 59, 1)
    assert (out / "results.jsonl").read_bytes() == before


def test_what_failed_is_tried_again_when_it_was_mended_or_it_is_asked_for(photos, tmp_path, make, told):
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Worker, "_read", None)  # nothing is read of what is still as it was
        assert convert(photos, out, make(), console=told).failed == 1
        assert convert(photos, out, make(), ConvertOptions(retry_failed=True), console=told).failed == 1
    write(photos / "a/06.png", DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    os.utime(photos / "a/06.png", (1.6e9, 1.6e9))  # a copy that was made long before
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept, summary.failed) == (60, 59, 0)
    assert (out / "a/06.png").exists()


def test_new_gone_and_changed_inputs(photos, tmp_path, make, told):
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    (photos / "b/01.png").unlink()
    write(photos / "b/new.png", DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    changed = DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8)
    write(photos / "c/02.png", changed)
    later = time.time() + 5
    os.utime(photos / "c/02.png", (later, later))
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept) == (59, 57)
    names = [row["input"] for row in listed(out)]
    assert "b/new.png" in names and "b/01.png" not in names and len(names) == 60
    assert np.array_equal(read(out / "c/02.png").pixels, changed)
    assert (out / "b/01.png").exists(), "outputs are never deleted"


def test_files_of_others_are_never_replaced(photos, tmp_path, make, told):
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a/00.png").write_bytes(b"mine")
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.skipped, summary.failed) == (58, 1, 1)
    (row,) = [row for row in listed(out) if row["status"] == "skipped"]
    assert row["reason"] == "a/00.png is there, and this conversion did not write it; --overwrite replaces it"
    assert (out / "a/00.png").read_bytes() == b"mine"
    (out / "b/01.png").write_bytes(b"retouched")  # by somebody, after it was written
    later = time.time() + 5
    os.utime(photos / "b/01.png", (later, later))  # and then there is a new input for it
    summary = convert(photos, out, make(), console=told)
    assert (out / "b/01.png").read_bytes() == b"retouched" and summary.skipped == 2
    assert convert(photos, out, make(), ConvertOptions(overwrite=True), console=told).skipped == 0
    assert read(out / "a/00.png").pixels.shape == (8, 12, 3) and read(out / "b/01.png").pixels.shape == (16, 12, 3)


def test_hashes_are_verified(photos, tmp_path, make, told):
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    (out / "a/00.png").unlink()
    data, then = (out / "b/01.png").read_bytes(), (out / "b/01.png").stat()
    (out / "b/01.png").write_bytes(data[:-1] + b"?")
    os.utime(out / "b/01.png", ns=(then.st_atime_ns, then.st_mtime_ns))
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept) == (58, 57), "the missing one is made again without being asked"
    assert summary.skipped == 1, "its times are as before, but it was written since"
    convert(photos, out, make(), ConvertOptions(overwrite=True), console=told)
    (out / "b/01.png").write_bytes(data[:-1] + b"?")
    os.utime(out / "results.jsonl", (time.time() + 5, time.time() + 5))  # now nothing shows but the hash
    assert convert(photos, out, make(), console=told).kept == 59
    summary = convert(photos, out, make(), ConvertOptions(verify=True), console=told)
    assert ("b/01.png", "b/01.png was changed since it was written; --overwrite replaces it") in summary.failures
    assert (summary.done, summary.failed) == (58, 2)


def test_other_settings_need_another_folder(photos, tmp_path, make, told):
    out = tmp_path / "out"
    convert(photos, out, make(info={"method": "first"}), console=told)
    with pytest.raises(ConfigError, match=r"holds images that were converted otherwise \(model \w{12}, now \w{12}\)"):
        convert(photos, out, make(info={"method": "second"}), console=told)
    with pytest.raises(ConfigError, match="quality 95, now 80"):
        convert(photos, out, make(info={"method": "first"}), ConvertOptions(quality=80), console=told)
    with pytest.raises(ConfigError, match="input "):
        convert(photos / "a", out, make(info={"method": "first"}), console=told)
    again = convert(photos, out, make(info={"method": "second"}), ConvertOptions(overwrite=True), console=told)
    assert (again.done, again.kept) == (59, 0)
    assert convert(photos, out, make(info={"method": "second"}), console=told).kept == 59


def test_overwriting_that_was_stopped_goes_on(photos, tmp_path, make, told, monkeypatch):
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        stop_after(patched, 20)
        convert(photos, out, make(nets=inverted()), ConvertOptions(overwrite=True), console=told)
    summary = convert(photos, out, make(nets=inverted()), ConvertOptions(overwrite=True), console=told)
    assert (summary.done, summary.kept) == (59, 20) and len(listed(out)) == 60
    assert all(
        hashlib.sha256((out / r["output"]).read_bytes()).hexdigest() == r["sha256"]
        for r in listed(out)[1:]
        if r["output"]
    )


def test_single_images_into_one_folder_keep_their_rows(photos, tmp_path, make, told):
    out = tmp_path / "out"
    for name in ("00", "03", "06", "09"):
        convert(photos / f"a/{name}.png", out, make(), console=told)
    assert [row["input"] for row in listed(out)] == ["00.png", "03.png", "06.png", "09.png"]
    assert convert(photos / "a/03.png", out, make(), console=told).kept == 1
    assert len(listed(out)) == 4


@pytest.mark.parametrize("of", [2, 3, 5])
def test_shards_share_the_work(of, photos, tmp_path, make, told):
    for number in range(60, 200):
        write(photos / f"c/{number}.png", DRAW.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    convert(photos, tmp_path / "whole", make(), console=told)
    out, summaries = tmp_path / "out", []
    for number in range(of, 0, -1):
        summaries.append(convert(photos, out, make(), ConvertOptions(shard=(number, of)), console=told))
    assert sum(s.done for s in summaries) == 199 and sum(s.failed for s in summaries) == 1
    assert files(out) == files(tmp_path / "whole")
    names = [[row["input"] for row in rows(out / f"results.{n}-of-{of}.jsonl")] for n in range(1, of + 1)]
    assert sorted(chain(*names)) == sorted(row["input"] for row in listed(out)) and all(names)
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in listed(out)]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in listed(tmp_path / "whole")]


def test_two_conversions_at_once_are_refused(photos, tmp_path, make, told):
    out = tmp_path / "out"
    out.mkdir()
    with Journal(out / "results.jsonl"), pytest.raises(ConfigError, match="another conversion is writing there"):
        convert(photos, out, make(), console=told)
    assert convert(photos, out, make(), console=told).done == 59


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_the_work_and_loses_nothing(code, photos, tmp_path, make, told, monkeypatch):
    out, real, left = tmp_path / "out", Worker._written, [23]

    def written(self, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return real(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_written", written)
        with pytest.raises(StageError, match=r"the conversion stopped at '.*\.png', and what is done stays done"):
            convert(photos, out, make(), console=told)
    done = len(files(out))
    assert 0 < done <= 23 and not list(out.rglob("*.scratch"))
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.kept) == (59, done)


def test_a_place_where_nothing_can_be_written_fails_that_image(photos, tmp_path, make, told):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("a file where a folder should be")
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.failed) == (40, 20)
    assert {row["status"] for row in listed(out) if row["input"].startswith("a/")} == {"failed"}


def test_an_input_that_vanishes_on_the_way_is_a_row(photos, tmp_path, make, told, monkeypatch):
    real = Backlog.entry

    def entry(self, item, *args):
        decided = real(self, item, *args)
        if item.name == "b/31.png":
            item.source.unlink()
        return decided

    monkeypatch.setattr(Backlog, "entry", entry)
    summary = convert(photos, tmp_path / "out", make(), console=told)
    assert (summary.done, summary.failed) == (58, 2) and len(listed(tmp_path / "out")) == 60
    assert "No such file" in dict(summary.failures)["b/31.png"]


def test_names_of_any_bytes_are_converted_and_told_in_one_line(tmp_path, make, told):
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    image = DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8)
    for name in (b"\xff\xfe.png", b"new\nline.png", b"y" * 251 + b".png", b"\x1b[31mred.png"):
        write(root / os.fsdecode(name), image)
    (root / "broken\n\x1b[31m.png").write_bytes(b"")
    summary = convert(root, out, make(), console=told)
    assert (summary.done, summary.failed) == (4, 1)
    for name in (b"\xff\xfe.png", b"new\nline.png", b"y" * 251 + b".png"):
        assert np.array_equal(read(out / os.fsdecode(name)).pixels, image)
    assert len((out / "results.jsonl").read_bytes().splitlines()) == 5
    assert {os.fsencode(row["input"]) for row in listed(out)} >= {b"\xff\xfe.png", b"new\nline.png"}
    assert "\x1b" not in told._errors.getvalue() and "broken\\n\\x1b[31m.png" in told._errors.getvalue()
    page = (out / "contact.html").read_text("utf-8")
    assert page.count("<figure>") == 4 and "broken" in page
    assert convert(root, out, make(), console=told).kept == 4


def test_a_preview_writes_nothing(photos, tmp_path, make, told):
    out = tmp_path / "out"
    work = prepare(photos, out, make(), console=told)
    found = list(work.preview())
    assert len(found) == 60 and not out.exists() and all(row is None for _, row in found)
    convert(photos, out, make(), console=told)
    (out / "a/00.png").unlink()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    left = [item.name for item, row in prepare(photos, out, make(), console=told).preview() if row is None]
    assert left == ["a/00.png"] and before == {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_images_of_many_sizes_end_in_the_order_of_the_plan(photos, tmp_path, make, told):
    for number in range(60, 110):
        size = DRAW.integers(1, 40, 2)
        write(photos / f"b/{number}.png", DRAW.integers(0, 256, (*size, 3), dtype=np.uint8))
    convert(photos, tmp_path / "out", make(), console=told)
    names = [row["input"] for row in listed(tmp_path / "out")]
    assert names == sorted(names) and len(names) == 110
    for name in names:
        if name != "a/06.png":
            assert np.array_equal(read(tmp_path / "out" / name).pixels, read(photos / name).pixels)


def test_rows_and_items_side_by_side():
    items = [Item("a", None), Item("c", None), None, Item("e", None)]
    known = [{"input": name} for name in "bcf"]
    names = [(i and i.name, r and r["input"]) for i, r in side_by_side(items, known, whole=False)]
    assert names == [("a", None), (None, "b"), ("c", "c"), (None, None), ("e", None), (None, "f")]
    names = [(i and i.name, r and r["input"]) for i, r in side_by_side(items, known, whole=True)]
    assert names == [("a", None), ("c", "c"), (None, None), ("e", None)]


def test_rows_are_there_when_a_process_dies_right_after_writing_them(tmp_path):
    path = tmp_path / "results.jsonl"
    journal = Journal(path).__enter__()
    journal.write([{"input": "a.png", "status": "done"}], 0)
    row = {"input": "a.png", "status": "done", "window": 0}
    assert json.loads((tmp_path / "results.partial.jsonl").read_text()) == row
    journal.__exit__(Killed, Killed(), None)
    assert not path.exists()
    with Journal(path) as again:
        assert again.resumed and [row["input"] for row in again.known()] == ["a.png"]


def test_rows_of_a_stopped_window_count_beside_the_older_ones_of_its_other_inputs(tmp_path):
    path = tmp_path / "results.jsonl"
    with Journal(path) as first:
        first.write([{"input": name, "status": "done", "n": 1} for name in "ca"], 0)
        first.write([{"input": name, "status": "done", "n": 1} for name in "fd"], 1)
    assert [row["input"] for row in rows(path)] == ["a", "c", "d", "f"] and "window" not in path.read_text()
    stopped = Journal(path).__enter__()
    stopped.write([{"input": "c", "status": "failed", "n": 2}], 0)
    stopped.write([{"input": "b", "status": "done", "n": 2}], 0)
    stopped.__exit__(Killed, Killed(), None)
    with Journal(path) as again:
        assert [(row["input"], row["n"]) for row in again.known()] == [("a", 1), ("b", 2), ("c", 2), ("d", 1), ("f", 1)]
        assert set(again.last) == {"b", "c"}
