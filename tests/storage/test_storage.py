"""Files and folders that are whole or absent, manifests, pointers and locks."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from translate.storage import atomic, manifest
from translate.storage.pointer import follow, point


def test_write_replaces_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    atomic.write_bytes(file, b"old")
    atomic.write_json(file, {"é": [1, 2.5, None]})
    assert file.read_text("utf-8") == '{\n  "é": [\n    1,\n    2.5,\n    null\n  ]\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    atomic.write_text(file, "old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_text(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        atomic.write_json(file, float("nan"))


def test_long_names_and_permissions(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 255)
    old = os.umask(0o022)
    try:
        atomic.write_bytes(file, b"")
    finally:
        os.umask(old)
    assert file.stat().st_mode & 0o777 == 0o644


def test_replace_dir_moves_and_replaces(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    atomic.replace_dir(tmp_path / "new", tmp_path / "old")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == ["old", "old/new"]
    with pytest.raises(FileNotFoundError):
        atomic.replace_dir(tmp_path / "absent", tmp_path / "old")
    assert (tmp_path / "old" / "new").exists(), "what was there is put back"


def test_hashes_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.txt", "b/y.txt"):
        (tmp_path / name).write_bytes(name.encode() * 1000)
    expected = {name: hashlib.sha256(name.encode() * 1000).hexdigest() for name in ("b/y.txt", "z.txt")}
    assert atomic.hash_tree(tmp_path) == expected
    assert atomic.digest({"b": 1, "a": [True]}) == hashlib.sha256(b'{"a":[true],"b":1}').hexdigest()


def test_manifest_names_what_changed(tmp_path: Path) -> None:
    for name in ("same", "longer", "other", "gone"):
        (tmp_path / name).write_text(name)
    assert manifest.read(tmp_path) is None
    assert manifest.verify(tmp_path) == [f"{tmp_path / 'MANIFEST.json'} is missing or damaged"]
    written = manifest.write(tmp_path, {"fact": 1})
    assert manifest.read(tmp_path) == written
    assert manifest.hashes(written) == {n: hashlib.sha256(n.encode()).hexdigest() for n in sorted(written["files"])}
    assert manifest.verify(tmp_path) == []
    (tmp_path / "longer").write_text("longer!")
    (tmp_path / "other").write_text("rehto")
    (tmp_path / "gone").unlink()
    (tmp_path / "added").touch()
    wrong = [f"{tmp_path / 'gone'} is missing", f"{tmp_path / 'longer'} has another size than when it was written"]
    assert manifest.verify(tmp_path, quick=True) == wrong
    assert manifest.verify(tmp_path) == [*wrong, f"{tmp_path / 'other'} has changed since it was written"]
    (tmp_path / manifest.NAME).write_text('{"files": ')
    assert manifest.read(tmp_path) is None


@pytest.mark.parametrize("links", [True, False])
def test_pointer(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:

        def refuse(self: Path, *args: object, **kwargs: object) -> None:
            raise OSError("links need a privilege")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    link = tmp_path / "train"
    assert follow(link) is None
    for name in ("train-1", "train-2"):
        (tmp_path / name).mkdir()
        point(link, name)
        assert follow(link) == tmp_path / name
        assert link.is_symlink() == links
    (tmp_path / "train-2").rmdir()
    assert follow(link) is None
    assert follow(tmp_path / "train-1") == tmp_path / "train-1"


def test_a_folder_that_a_copy_made_of_a_link_gives_way(tmp_path: Path) -> None:
    """`cp -rL`, archives and clouds turn links into folders; what they hold stays, under another name."""
    (tmp_path / "new").mkdir()
    for number in ("", "1"):
        (tmp_path / "link").mkdir()
        (tmp_path / "link/file").write_text(f"copy {number}")
        assert follow(tmp_path / "link") == tmp_path / "link"
        point(tmp_path / "link", "new")
        assert follow(tmp_path / "link") == tmp_path / "new"
        assert (tmp_path / f"link.copied{number}/file").read_text() == f"copy {number}"
        (tmp_path / "link").unlink()


def test_pointers_of_windows_are_text_files_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rename replaces a link to a folder there, even where links may be made."""
    monkeypatch.setattr(atomic, "WINDOWS", True)
    for name in ("train-1", "train-2"):
        (tmp_path / name).mkdir()
        point(tmp_path / "train", name)
        assert follow(tmp_path / "train") == tmp_path / name and (tmp_path / "train").read_text("utf-8") == f"{name}\n"


@pytest.mark.parametrize(("windows", "refusals", "works"), [(True, 2, True), (True, 99, False), (False, 1, False)])
def test_windows_renames_once_more_when_a_file_is_open(
    windows: bool, refusals: int, works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "WINDOWS", windows)
    monkeypatch.setattr(atomic, "RENAMING", 0.2)
    real, left = Path.replace, [refusals]

    def busy(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(13, "used by another process")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    (tmp_path / "a").write_text("old")
    if works:
        atomic.write_text(tmp_path / "a", "new")
    else:
        with pytest.raises(PermissionError):
            atomic.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == ("new" if works else "old") and len(list(tmp_path.iterdir())) == 1
