"""File systems that lack something: what is written there is whole, and locks keep processes apart."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from translate.errors import ConfigError
from translate.storage import atomic, lock
from translate.storage.filesystem import missing_for_databases, shortcomings
from translate.storage.lock import Lock
from translate.storage.pointer import follow, point

fcntl = pytest.importorskip("fcntl")

Fail = Callable[..., None]


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def renames_replace_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def replace(self: Path, target: Path) -> Path:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        rename(self, target)
        return Path(target)

    monkeypatch.setattr(Path, "replace", replace)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_files_are_written_without_fsync(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    atomic.write_bytes(tmp_path / "file", b"1")
    atomic.write_bytes(tmp_path / "file", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"2")]
    assert shortcomings(tmp_path) == [
        f"the file system of {tmp_path} has no fsync: what was written last can be lost in a power cut"
    ]
    assert missing_for_databases(tmp_path) == "fsync"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_fsync_that_tells_of_a_loss_is_an_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic.write_bytes(tmp_path / "file", b"1")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        atomic.write_bytes(tmp_path / "file", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"1")]


@pytest.mark.usefixtures("renames_replace_nothing")
def test_files_folders_and_links_are_replaced_where_no_rename_does_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "replaces no file by a rename" in shortcomings(tmp_path)[0]
    for content in (b"1", b"2"):
        atomic.write_bytes(tmp_path / "file", content)
        folder = tmp_path / "partial"
        folder.mkdir()
        (folder / "inside").write_bytes(content)
        atomic.replace_dir(folder, tmp_path / "final")
        point(tmp_path / "link", "final")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "final", "link"]
    assert (tmp_path / "file").read_bytes() == (tmp_path / "link" / "inside").read_bytes() == b"2"


def test_a_file_stays_where_its_replacement_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rename over it is refused, and then the rename to the name that is free now."""
    atomic.write_bytes(tmp_path / "file", b"1")
    (tmp_path / "new").write_bytes(b"2")
    rename = os.rename

    def replace(self: Path, target: Path) -> None:
        if self.name == "new":
            number = errno.EEXIST if os.path.lexists(target) else errno.EIO
            raise OSError(number, os.strerror(number))
        rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        atomic.replace(tmp_path / "new", tmp_path / "file")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"1", "new": b"2"}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_names_stand_for_folders_without_links(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "symlink", failing(number))
    assert "has no links" in shortcomings(tmp_path)[0]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point(tmp_path / "link", name)
        assert follow(tmp_path / "link") == tmp_path / name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "one", "two"]


HOLD = """
import errno, fcntl, sys
from pathlib import Path

def flock(file, how):
    raise OSError(int(sys.argv[2]), "no locks")

fcntl.flock = flock
from translate.storage.lock import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_locks_keep_processes_apart_without_flock(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(number))
    path = tmp_path / ".lock"
    arguments = [sys.executable, "-c", HOLD, str(path), str(number)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"in use by process {holder.pid}; wait for it to end"), Lock(path):
            pass
        holder.kill()
    with Lock(path):  # of a process that was killed it is taken over
        assert path.with_name(".lock.pid").read_text() == str(os.getpid())
        child = multiprocessing.get_context("fork").Process(target=int)
        child.start()
        child.join()
        with pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"), Lock(path):
            pass
    assert list(tmp_path.iterdir()) == []
    assert "has no locks" in shortcomings(tmp_path)[0]


def test_a_lock_of_a_machine_that_crashed_names_the_file_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOSYS))
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    left = tmp_path / ".lock.held"
    left.write_text("1\nanother-machine\n")
    with (
        pytest.raises(ConfigError, match=rf"no process unknown, .*; if nothing runs, delete {left}"),
        Lock(tmp_path / ".lock"),
    ):
        pass
    left.unlink()
    with Lock(tmp_path / ".lock"):
        pass


def test_a_usual_file_system_lacks_nothing(tmp_path: Path) -> None:
    assert shortcomings(tmp_path) == [] and missing_for_databases(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
