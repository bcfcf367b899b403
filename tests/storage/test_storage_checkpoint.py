"""Checkpoints that are not what was saved: each kind of damage is found, and named with its file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from translate.errors import StageError
from translate.storage import checkpoint

OTHER = "is not what MANIFEST.json says"
STATE = {
    "format": 1,
    "total": 8,
    "updates": {"G": 4},
    "progress": {"validations": [{"step": 2, "val/l1": 0.5}], "best": {"metric": "l1", "value": 0.5, "step": 2}},
}


def write(folder: Path, step: int) -> Path:
    """A checkpoint as a training writes it, by hand."""
    place = folder / f"{step:09d}"
    place.mkdir(parents=True)
    save_file({"net/G/weight": torch.arange(6.0)}, place / "tensors.safetensors")
    (place / "state.json").write_text(json.dumps({**STATE, "step": step}))
    sign(place)
    return place


def sign(place: Path) -> None:
    """Writes the manifest for the files as they are."""
    names = ("tensors.safetensors", "state.json")
    hashes = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    (place / "MANIFEST.json").write_text(json.dumps(hashes))


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def other_files(place: Path) -> None:
    (place / "MANIFEST.json").write_text(json.dumps({"a": "0", "state.json": "0"}))


def elsewhere(place: Path) -> None:
    manifest = json.loads((place / "MANIFEST.json").read_text())
    (place / "MANIFEST.json").write_text(json.dumps({**manifest, "../x": "0"}))


def folder_for_a_file(place: Path) -> None:
    (place / "state.json").unlink()
    (place / "state.json" / "within").mkdir(parents=True)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "tensors cut": (lambda p: shorten(p / "tensors.safetensors"), f"tensors.safetensors {OTHER}"),
    "tensors flipped": (
        lambda p: flip(p / "tensors.safetensors", 760),
        f"tensors.safetensors {OTHER}",
    ),
    "tensors empty": (lambda p: (p / "tensors.safetensors").write_bytes(b""), "tensors.safetensors is empty"),
    "tensors gone": (lambda p: (p / "tensors.safetensors").unlink(), "tensors.safetensors is missing"),
    "state cut": (lambda p: shorten(p / "state.json"), f"state.json {OTHER}"),
    "state flipped": (lambda p: flip(p / "state.json", 100), f"state.json {OTHER}"),
    "state gone": (lambda p: (p / "state.json").unlink(), "state.json is missing"),
    "manifest gone": (lambda p: (p / "MANIFEST.json").unlink(), "MANIFEST.json is missing"),
    "manifest empty": (lambda p: (p / "MANIFEST.json").write_text(""), "MANIFEST.json is no JSON"),
    "manifest cut": (lambda p: shorten(p / "MANIFEST.json"), "MANIFEST.json is no JSON"),
    "manifest a list": (lambda p: (p / "MANIFEST.json").write_text("[]"), "MANIFEST.json is no list of files"),
    "other files": (other_files, "MANIFEST.json does not list tensors.safetensors"),
    "files elsewhere": (elsewhere, "MANIFEST.json is no list of files"),
    "a folder for a file": (folder_for_a_file, "state.json cannot be read: Is a directory"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_damage_is_found_and_the_checkpoint_before_is_the_newest(kind: str, tmp_path: Path) -> None:
    before, last = write(tmp_path, 2), write(tmp_path, 4)
    assert checkpoint.damage(last) is None and checkpoint.newest(tmp_path) == checkpoint.Newest(last, {})
    harm, reason = KINDS[kind]
    harm(last)
    assert str(checkpoint.damage(last)).startswith(reason)
    newest = checkpoint.newest(tmp_path)
    assert newest.folder == before and list(newest.damaged) == [last]
    assert f"000000004 is damaged: {reason}" in str(newest)
    with pytest.raises(checkpoint.DamagedCheckpointError, match=rf"checkpoint {last} is damaged: "):
        checkpoint.read(last)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("format", None, "does not say its `format`"),
        ("step", "4", "has something else than it should under `step`"),
        ("step", 6, "is of step 6, and the folder has the name of step 4"),
        ("updates", {"G": "4"}, "has something else than it should under `updates`"),
        ("updates", ..., "has no `updates`"),
        ("progress", [], "has something else than it should under `progress`"),
        ("progress", {"validations": [{}]}, "has something else than it should under `progress`"),
        ("progress", {"best": {"step": None}}, "has something else than it should under `progress`"),
        ("total", "many", "has something else than it should under `total`"),
        ("processes", 0, "has something else than it should under `processes`"),
        ("optimizers", 1, "has something else than it should under `optimizers`"),
    ],
)
def test_a_state_of_other_keys_or_types_is_damage_though_its_hash_is_right(
    key: str, value: Any, reason: str, tmp_path: Path
) -> None:
    place = write(tmp_path, 4)
    state = {**STATE, "step": 4, key: value}
    if value is ...:
        del state[key]
    (place / "state.json").write_text(json.dumps(state))
    sign(place)
    assert checkpoint.damage(place) == checkpoint.damage(place, quick=True) == f"state.json {reason}"
    with pytest.raises(checkpoint.DamagedCheckpointError):
        checkpoint.read_state(place)


def test_one_of_a_later_format_is_no_damage_and_says_so(tmp_path: Path) -> None:
    place = write(tmp_path, 4)
    (place / "state.json").write_text(json.dumps({"format": 2}))
    sign(place)
    assert checkpoint.damage(place) is None
    with pytest.raises(StageError, match=r"has format 2; this version reads format 1"):
        checkpoint.read(place)


def test_a_quick_look_finds_all_but_flipped_bits_of_tensors(tmp_path: Path) -> None:
    place = write(tmp_path, 4)
    flip(place / "tensors.safetensors", 760)
    assert checkpoint.damage(place, quick=True) is None
    assert checkpoint.reached(tmp_path) == checkpoint.Reached(4, 8)
    shorten(place / "tensors.safetensors")
    reason = checkpoint.damage(place, quick=True)
    assert reason == "tensors.safetensors has 103 bytes, and should have 104" and checkpoint.reached(tmp_path) is None


def test_the_hash_of_a_file_that_rests_is_computed_once_and_that_of_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = write(tmp_path, 4)
    hashed: list[str] = []

    def sha256(path: Path) -> str:
        hashed.append(path.name)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("translate.storage.checkpoint.faults.sha256_file", sha256)
    monkeypatch.setattr("translate.storage.checkpoint.faults._RESTED", -1.0)
    assert checkpoint.damage(place) is None and checkpoint.damage(place) is None
    assert sorted(hashed) == ["state.json", "tensors.safetensors"]
    times = (place / "state.json").stat()
    flip(place / "state.json", 100)
    os.utime(place / "state.json", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert checkpoint.damage(place) == "state.json is not what MANIFEST.json says"


def test_names_that_no_training_gives_are_no_checkpoints(tmp_path: Path) -> None:
    place = write(tmp_path, 4)
    for name in ("4", "²²²²²²²²²", "0000000004", "000000006.partial", ".000000002.ab.old", "damaged"):
        shutil.copytree(place, tmp_path / name)
    assert checkpoint.steps(tmp_path) == [4] and checkpoint.folders(tmp_path) == [place]
    shutil.copytree(place, tmp_path / "000000005")
    assert "state.json is of step 4, and the folder has the name of step 5" in str(checkpoint.newest(tmp_path))


def test_a_file_that_may_not_be_read_is_told_and_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = write(tmp_path, 4)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StageError, match=r"cannot be read: .*Permission denied"):
        checkpoint.newest(tmp_path)
    assert checkpoint.reached(tmp_path) == checkpoint.Reached(4, None)
    assert place.is_dir()
