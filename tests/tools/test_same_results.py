"""The tool that compares two commits: it finds each kind of difference, and none in clocks and folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import same_results
from PIL import Image
from safetensors.numpy import save_file
from same_results import ComparisonError, Outcome, section_of, wanted
from same_results_cases import cases
from same_results_compare import Difference, compare, compare_curves, side

Pair = tuple[Path, Path]
Change = Callable[[Path], None]
TRAIN = "runs/toy/train-{id}"


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def fill(folder: Path, identity: str, clock: int) -> None:
    """Writes what a small run leaves; `identity` and `clock` vary from run to run."""
    train = folder / TRAIN.format(id=identity)
    (train / "translator").mkdir(parents=True)
    (folder / "runs/toy/train").symlink_to(train.name)
    metrics = {"train/l1": 0.1 + 0.2, "train/images_per_second": clock * 1.5, "train/seconds/data": clock}
    journal = [{"e": "metrics", "t": clock, "s": 1, "v": metrics}, {"e": "model", "path": f"{train.name}.partial"}]
    lines = "".join(json.dumps(event) + "\n" for event in journal)
    write(folder / f"runs/toy/.tracking/{identity}/journal.jsonl", lines)
    write(
        train / "MANIFEST.json",
        json.dumps(
            {
                "finished": f"2026-01-0{clock}T10:00:00+00:00",
                "seconds": clock,
                "fingerprint": "f" * 64,
                "files": {"translator/model.safetensors": {"sha256": identity}},
            }
        ),
    )
    bundle = {"networks": {"G": {"class": f"translate.room{clock}.unet.UNet", "parameters": 3}}}
    write(train / "translator/translator.json", json.dumps(bundle))
    save_file({"G.weight": np.arange(6, dtype=np.float32)}, train / "translator/model.safetensors")
    report = f"<p>2026-01-0{clock} 10:00 UTC</p><td>{clock}.5 s</td><td>{folder.parent}/in.png</td><b>0.25</b>"
    write(folder / "runs/toy/report.html", report)
    row = {"input": "a.png", "status": "done", "seconds": clock / 100}
    write(folder / "out/results.jsonl", json.dumps(row) + "\n")
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(folder / "out/a.png")
    np.save(folder / "out/array.npy", np.arange(3, dtype=np.int64))
    write(folder / "out/model.bin", b"abc")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """The folders of one case on two sides that differ in clocks and places alone."""
    old, new = tmp_path / "old/case", tmp_path / "new/case"
    fill(old, "0123abcd", 1)
    fill(new, "89ef4567", 2)
    return old, new


def differences(pair: Pair) -> list[str]:
    old, new = (side(folder, folder.parent) for folder in pair)
    both = [*compare(old, new, lambda name: True)]
    curves = [*compare_curves(old, new, lambda name: name.endswith("journal.jsonl"))]
    assert bool(curves) <= bool(both), "a curve is a part of its journal"
    return [str(each) for each in both]


def test_clocks_and_places_are_no_difference(pair: Pair) -> None:
    assert differences(pair) == []
    names = side(pair[0], pair[0].parent).files
    assert "runs/toy/train/translator/translator.json" in names
    assert "runs/toy/.tracking/run/journal.jsonl" in names


def replaced(file: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        path = next(folder.glob(file))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def picture(folder: Path) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    pixels[2, 3, 1] = 1
    Image.fromarray(pixels).save(folder / "out/a.png")


def tensors(folder: Path, **others: Any) -> None:
    values = {"G.weight": np.nextafter(np.arange(6, dtype=np.float32), np.float32(9)), **others}
    save_file(values, next(folder.glob("runs/toy/train-*/translator/model.safetensors")))


CHANGES: dict[str, tuple[Change, str]] = {
    "loss": (
        replaced("runs/toy/.tracking/*/journal.jsonl", "0.30000000000000004", "0.3"),
        "runs/toy/.tracking/run/journal.jsonl: [0].v.train/l1: 0.30000000000000004 in OLD, 0.3 in NEW",
    ),
    "class": (
        replaced("runs/toy/train-*/translator/*.json", "UNet", "UNet2"),
        'networks.G.class: "<module>.UNet" in OLD, "<module>.UNet2" in NEW',
    ),
    "type": (
        replaced("runs/toy/train-*/translator/*.json", ": 3", ": 3.0"),
        "networks.G.parameters: 3 in OLD, 3.0 in NEW",
    ),
    "fingerprint": (replaced("runs/toy/train-*/MANIFEST.json", "ffff", "eeee"), "train/MANIFEST.json: fingerprint: "),
    "report": (
        replaced("runs/toy/report.html", "0.25", "0.26"),
        'report.html: piece 9: "<b>0.25</b>" in OLD, "<b>0.26</b>" in NEW',
    ),
    "row": (replaced("out/results.jsonl", "done", "failed"), '[0].status: "done" in OLD, "failed" in NEW'),
    "row gone": (lambda folder: write(folder / "out/results.jsonl", ""), "out/results.jsonl: [0]: "),
    "pixel": (picture, "out/a.png: 1 of 60 values differ, by at most 1"),
    "weights": (tensors, "model.safetensors: G.weight: 6 of 6 values differ, by at most "),
    "new tensor": (lambda folder: tensors(folder, extra=np.zeros(2)), "model.safetensors: extra: only in NEW"),
    "array": (
        lambda folder: np.save(folder / "out/array.npy", np.arange(1, 4)),
        "out/array.npy: 3 of 3 values differ, by at most 1",
    ),
    "array's type": (
        lambda folder: np.save(folder / "out/array.npy", np.arange(3, dtype=np.int32)),
        "out/array.npy: int64 (3,) in OLD, int32 (3,) in NEW",
    ),
    "bytes": (lambda folder: write(folder / "out/model.bin", b"abd"), "out/model.bin: byte 2: 3 bytes in OLD, 3 "),
    "file": (lambda folder: write(folder / "out/more.png", b""), "out/more.png: only in NEW"),
    "file gone": (lambda folder: (folder / "out/a.png").unlink(), "out/a.png: only in OLD"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_and_its_place_is_told(name: str, pair: Pair) -> None:
    change, expected = CHANGES[name]
    change(pair[1])
    assert any(expected in each for each in differences(pair)), differences(pair)


def test_encoding_alone_is_told_apart_from_pixels(pair: Pair) -> None:
    Image.open(pair[0] / "out/a.png").save(pair[1] / "out/a.png", compress_level=0)
    assert differences(pair) == ["out/a.png: equal pixels, other bytes (how the file is encoded)"]


def test_curves_are_compared_to_the_last_bit(pair: Pair) -> None:
    CHANGES["loss"][0](pair[1])
    old, new = (side(folder, folder.parent) for folder in pair)
    (found,) = compare_curves(old, new, lambda name: name.endswith("journal.jsonl"))
    assert (found.where, found.text) == ("train/l1[0][1]", "0.30000000000000004 in OLD, 0.3 in NEW")


def test_allowed_differences_are_printed_and_do_not_count(pair: Pair, tmp_path: Path) -> None:
    for name in ("class", "pixel"):
        CHANGES[name][0](pair[1])
    for label in ("old", "new"):
        (tmp_path / label / "case").rename(tmp_path / label / "pix2pix")
        (tmp_path / label / "work").mkdir()
        (tmp_path / label / "pix2pix").rename(tmp_path / label / "work/pix2pix")
    work = [case for case in cases(tmp_path) if case.name == "pix2pix"]
    found = same_results.outcomes(tmp_path / "old", tmp_path / "new", work, [], [r"^checkpoint/.*\.class: "])
    texts = {each.name: str(each) for each in found}
    assert set(texts) == {f"{section}/pix2pix" for section in ("losses", "checkpoint", "convert", "report")}
    assert (
        "equal (3 files) allowed: runs/toy/train/translator/translator.json: networks.G.class"
        in (texts["checkpoint/pix2pix"])
    )
    assert "DIFFERENT: out/a.png: 1 of 60 values differ" in texts["convert/pix2pix"]


def test_long_lists_are_cut() -> None:
    wrong = [Difference(f"{number}.png", "", "only in OLD") for number in range(9)]
    lines = str(Outcome("convert/x", 9, wrong, [])).splitlines()
    assert len(lines) == same_results.SHOWN + 1
    assert lines[-1] == "    and 4 more"


def test_sections_and_what_only_chooses() -> None:
    assert section_of("runs/x/prepare/train/a/0.png") == "datasets"
    assert section_of("runs/x/train/checkpoints/000000001/state.json") == "checkpoint"
    assert section_of("runs/x/convert/results.jsonl") == section_of("out/whole/a.png") == "convert"
    assert section_of("runs/x/report.html") == section_of("runs/x/score/scores.json") == "report"
    assert wanted("convert", "cut", [])
    assert wanted("convert", "cut", ["convert"]) and wanted("convert", "cut", ["c*/cut"])
    assert not wanted("convert", "cut", ["losses", "pix2pix"])


def test_an_unknown_commit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="no-such-commit"):
        same_results.check_out("no-such-commit", tmp_path)


def test_commands_that_fail_and_processes_that_end_early_are_told(tmp_path: Path) -> None:
    work = [case for case in cases(tmp_path) if case.name in ("data-card", "data-hats")]
    hats, card = (tmp_path / "work" / case.name for case in work)
    write(hats / "codes.json", "[1]")
    write(hats / "console.txt", "$ other\nfine\n$ run pipeline.yaml --device cpu\nno hats\nexit code 1, 0.1 s\n")
    write(tmp_path / "worker.log", "Killed\n")
    assert list(same_results.failures("OLD", tmp_path, work)) == [
        "OLD: data-hats: `run pipeline.yaml --device cpu` ended with 1, not 0:\nno hats\nexit code 1, 0.1 s\n",
        "OLD ended early, in case data-card",
        "OLD: its process wrote:\nKilled",
    ]
    write(hats / "codes.json", "[0]")
    write(card / "codes.json", "[0]")
    write(tmp_path / "worker.log", "")
    assert list(same_results.failures("OLD", tmp_path, work)) == []


@pytest.mark.parametrize("own", [True, False])
def test_modules_have_to_come_from_the_commit(own: bool, tmp_path: Path) -> None:
    case = {"name": "version", "files": {}, "commands": [{"argv": ["--version"], "code": 0, "stdout": "version.txt"}]}
    write(tmp_path / "cases.json", json.dumps([case]))
    tree = same_results.REPOSITORY if own else tmp_path / "tree"
    command = [
        sys.executable,
        str(same_results.WORKER),
        str(tmp_path / "cases.json"),
        str(tmp_path / "work"),
        str(tree),
    ]
    environment = {**os.environ, "PYTHONPATH": str(same_results.REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (tmp_path / "work/version/codes.json").read_text() == "[0]"
    assert "translate" in (tmp_path / "work/version/version.txt").read_text()
    assert done.returncode == (0 if own else 1)
    assert ("not of this commit: translate" in done.stderr) is not own


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking")
def test_a_stopped_comparison_leaves_neither_workers_nor_folders(tmp_path: Path) -> None:
    command = [sys.executable, same_results.__file__, ".", ".", "--only", "pix2pix"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True) as running:
        started = Path("same-results-*", "new", "work", "pix2pix")
        wait_until(lambda: bool(list(tmp_path.glob(str(started)))))
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM
    wait_until(lambda: not is_group_alive(running.pid))
    assert not list(tmp_path.iterdir())


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_group_alive(group: int) -> bool:
    """Tells whether a process of the group is left, by a signal that does nothing."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(not (same_results.REPOSITORY / ".git").exists(), reason="compares commits: needs a git checkout")
def test_the_last_commit_and_the_working_tree_prepare_the_same_dataset() -> None:
    command = [sys.executable, same_results.__file__, "HEAD", ".", "--only", "data-card"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "datasets/data-card               equal (16 files)" in done.stdout
    assert "2 comparisons, 0 different, 0 allowed differences, 0 failed commands" in done.stdout
