"""What broken writes leave: it goes away, or comes back where it is all that there is."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from translate.errors import in_words
from translate.storage import atomic, litter

TEMPORARY = ".0123456789abcdef"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_temporary_files_go_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    mine = ["a.tmp", ".notes.tmp", ".0123.tmp", ".hidden", f"{TEMPORARY}.png", "0123456789abcdef.tmp"]
    for name in (*mine, f"{TEMPORARY}.tmp", f"{TEMPORARY}.other.tmp", f"below/{TEMPORARY}.tmp"):
        (tmp_path / name).touch()
    (tmp_path / f"{TEMPORARY}.link.tmp").symlink_to("nowhere")
    litter.clear(tmp_path)
    assert names(tmp_path) == sorted([*mine, "below", f"below/{TEMPORARY}.tmp"])
    litter.clear(tmp_path, below=True)
    assert names(tmp_path) == sorted([*mine, "below"])
    litter.clear(tmp_path / "none")


def test_what_was_moved_aside_goes_once_the_new_one_is_there_and_else_comes_back(tmp_path: Path) -> None:
    for name in ("train-1234", ".train-1234.0a1b2c3d.old", ".prepare-5678.0a1b2c3d.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / ".report.html.0a1b2c3d.old").write_text("a report")
    litter.clear(tmp_path)
    assert names(tmp_path) == ["prepare-5678", "prepare-5678/file", "report.html", "train-1234", "train-1234/file"]
    assert (tmp_path / "train-1234" / "file").read_text() == "train-1234"


def test_half_of_what_was_being_removed_gets_no_name_back(tmp_path: Path) -> None:
    (tmp_path / ".000000008.0a1b2c3d.gone").mkdir()
    (tmp_path / ".000000008.0a1b2c3d.gone" / "MANIFEST.json").touch()
    litter.clear(tmp_path)
    assert names(tmp_path) == []


def test_what_cannot_be_removed_stays_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{TEMPORARY}.tmp").touch()

    def refuse(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    litter.clear(tmp_path)
    assert names(tmp_path) == [f"{TEMPORARY}.tmp"]


def test_a_write_that_fails_names_the_file_that_was_meant_and_says_to_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(path: Path, **_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(Path, "unlink", refuse)  # the error that counts is the first one
    with pytest.raises(OSError) as caught:
        atomic.write_text(tmp_path / "state.json", "{}")
    words = f"{tmp_path / 'state.json'}: No space left on device; make room there, and give the same command again"
    assert in_words(caught.value) == words


def test_a_folder_that_was_replaced_and_cannot_be_removed_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("new", "final"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "unlink", refuse)
        atomic.replace_dir(tmp_path / "new", tmp_path / "final")
    assert (tmp_path / "final" / "new").is_file()
    assert any(path.name.endswith(".old") for path in tmp_path.iterdir())
    litter.clear(tmp_path)
    assert names(tmp_path) == ["final", "final/new"]
