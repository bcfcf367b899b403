"""Folders as they are walked, and names and texts as people's systems write them."""

import os
import unicodedata
from pathlib import Path

import pytest

from translate.errors import DataError
from translate.storage.archives import files_below
from translate.storage.folders import is_junk, leads_back, walk
from translate.storage.plain_text import fits, on_disk_as, same_names, text_of

NFC, NFD = (unicodedata.normalize(form, "naïve") for form in ("NFC", "NFD"))


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_links_are_followed_and_circles_end(tmp_path):
    root = fill(tmp_path / "root", "a.png", "b/c.png")
    fill(tmp_path / "store", "x.png", "y/z.png")
    (root / "b/link").symlink_to(tmp_path / "store")
    (root / "b/up").symlink_to("..")
    (tmp_path / "store/y/home").symlink_to(root)  # by way of the link it leads back
    (root / "self").symlink_to("self")
    passed_over = []
    names = [path.relative_to(root).as_posix() for path in walk(root, passed_over)]
    assert names == ["a.png", "self", "b/c.png", "b/link/x.png", "b/link/y/z.png"]
    assert passed_over == ["b/up", "b/link/y/home"]


def test_what_is_passed_over_is_told(tmp_path):
    junk = [".hidden/a.png", "._a.png", "Thumbs.db", "sub/@eaDir/b.png", "__MACOSX/a.png", "$RECYCLE.BIN/c.png"]
    root = fill(tmp_path, "a.png", "sub/b.png", *junk)
    passed_over = []
    assert [path.name for path in files_below(root, passed_over)] == ["a.png", "b.png"]
    assert sorted(passed_over) == sorted(name.split("/a.png")[0].split("/b.png")[0].split("/c.png")[0] for name in junk)
    assert not is_junk("eaDir") and not is_junk("macosx.png") and is_junk("THUMBS.DB")


def test_what_pipelines_write_beside_the_images_is_none_of_them(tmp_path, monkeypatch):
    root = fill(
        tmp_path,
        "a.png",
        "runs/x/train/b.png",
        "mlflow.db",
        ".mlflow.db.lock",
        "x.yaml",
        "deep/runs/c.png",
        "deep/y.yaml",
    )
    monkeypatch.chdir(root)
    passed_over = []
    names = [path.relative_to(root).as_posix() for path in walk(root, passed_over)]
    assert names == ["a.png", "deep/y.yaml", "deep/runs/c.png"] and passed_over == []
    assert [path.name for path in walk(root / "runs")] == ["b.png"], "as the folder itself it is asked for"


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    fill(tmp_path, "a/b.png")
    real = os.scandir

    def refused(folder):
        if str(folder).endswith("a"):
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"/a: the folder cannot be read: Permission denied"):
        list(walk(tmp_path))


def test_leading_back():
    assert leads_back("/a", ("/a", "/a/b")) and leads_back("/", ("/a",)) and not leads_back("/a/bc", ("/a/b",))


def test_one_name_in_two_ways_of_writing_it(tmp_path):
    path = fill(tmp_path, f"{NFD}/{NFC}.png") / NFC / f"{NFD}.png"
    assert on_disk_as(path).is_file() and on_disk_as(path).samefile(tmp_path / NFD / f"{NFC}.png")
    gone = tmp_path / NFC / "gone.png"
    assert on_disk_as(gone) == tmp_path / NFD / "gone.png" and on_disk_as(tmp_path / "a") == tmp_path / "a"
    assert on_disk_as(tmp_path / NFC / "*.png") == tmp_path / NFD / "*.png"
    member = Path(f"{NFC}.zip", "a", "b.png")
    assert on_disk_as(fill(tmp_path, f"{NFD}.zip") / member) == tmp_path / f"{NFD}.zip" / "a" / "b.png"
    nowhere = tmp_path / f"{NFC}2" / "x"
    assert on_disk_as(nowhere) == nowhere
    assert fits(NFC, f"{NFD[:-1]}?") and fits("[a]", "[a]") and fits("a", "[a]") and not fits("b", "[a]")


def test_partners_by_name_and_by_case_where_that_is_clear():
    partners, by_case = same_names(["IMG_1", "a", "Twice", "TWICE", "odd"], ["img_1", "a", "twice", "other"])
    assert partners == {"a": "a", "IMG_1": "img_1"} and by_case == ["IMG_1"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_texts_of_any_editor(encoding):
    assert text_of(f"one\n{NFC}\n".encode(encoding)) == f"one\n{NFC}\n"


def test_what_zeros_end_is_no_utf16():
    assert text_of(b"photos/one.png\0photos/t\nwo.png\0") == "photos/one.png\0photos/t\nwo.png\0"
    with pytest.raises(UnicodeDecodeError):
        text_of(b"caf\xe9")
    assert text_of(b"caf\xe9", "surrogateescape") == os.fsdecode(b"caf\xe9")
