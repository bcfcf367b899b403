"""Inputs as people give them: lists of any editor, folders, what a shell makes of a star, links, and systems' junk."""

import os
import unicodedata
from pathlib import Path

import pytest

from translate.conversion.inputs.lists import Arguments, read_list
from translate.conversion.plan import plan
from translate.errors import ConfigError

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def targets(work):
    return {item.name: item.target for item in work.items if item and not item.reason}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_of_any_editor(encoding, end, here):
    fill("in/a.jpg", f"in/{NFC}.jpg", "in/two words.png")
    lines = ["in/a.jpg", f"in/{NFC}.jpg", "in/two words.png", ""]
    listed = read_list(end.join(lines).encode(encoding))
    assert [str(path) for path in listed] == lines[:3]


@pytest.mark.parametrize(
    "line", ['"in/a b.jpg"', "'in/a b.jpg'", "in/a b.jpg \t", "  in/a b.jpg", '"in/a b.jpg" ', "in\\a b.jpg", "{url}"]
)
def test_lines_of_a_list_that_are_not_quite_the_name(line, here):
    fill("in/a b.jpg")
    (path,) = read_list(f"{line}\n".format(url=(here / "in/a b.jpg").as_uri()).encode())
    assert path.samefile("in/a b.jpg")


def test_names_that_look_like_quotes_blanks_and_comments_are_names_where_they_are_there(here):
    names = ["#1.png", "'q'.png", '"w".png', " lead.png", "a\\b.png", "trail.png "]
    fill(*names)
    assert [str(path) for path in read_list("\n".join([*names, "# a comment", "  "]).encode())] == names
    assert read_list(b"gone.png \n") == [Path("gone.png")]


def test_letters_that_a_mac_takes_apart_are_found(here):
    fill(f"in/{NFD}/{NFD}.png", f"in/{NFC}2.png")
    for line in (f"in/{NFC}/{NFC}.png", f"in/{NFD}2.png"):
        (path,) = read_list(line.encode())
        assert path.is_file()


def test_names_of_bytes_in_lists_and_those_of_an_older_windows(here):
    fill(os.fsdecode(b"in/caf\xe9.png"), f"in/{NFC}2.png")
    raw, older = read_list(b"in/caf\xe9.png\nin/caf\xe92.png\n")
    assert raw.is_file() and os.fsencode(raw) == b"in/caf\xe9.png"
    assert older == Path(f"in/{NFC}2.png")


def test_folders_files_and_what_a_shell_makes_of_a_star(here):
    fill("one/a.jpg", "one/deep/c.png", "two/b.jpg", "mix/a.jpg", "mix/notes.txt", "mix/sub/d.png", "out/old.png")
    work = plan([Path("one"), Path("two")], Path("out"))
    same = {name: name for name in ("one/a.jpg", "one/deep/c.png", "two/b.jpg")}
    assert targets(work) == same and set(work.folders) == {Path("one"), Path("two")}
    work = plan(Arguments(Path("mix") / name for name in ("a.jpg", "notes.txt", "sub")), Path("out"))
    assert targets(work) == {"mix/a.jpg": "mix/a.jpg", "mix/sub/d.png": "mix/sub/d.png"} and work.count() == (2, 1)
    # In a list, what is named is meant.
    assert {item.name for item in plan([Path("mix/notes.txt")], Path("out")).items if item} == {"mix/notes.txt"}
    # `translate convert * out`, a second time.
    work = plan(Arguments(map(Path, ("mix", "out"))), Path("out"))
    assert set(targets(work)) == {"mix/a.jpg", "mix/sub/d.png"} and work.count() == (2, 2)


def test_folders_anywhere_and_twice(here):
    fill("x/one/a.jpg", "x/two/a.jpg")
    work = plan([here / "x/one", here / "x/two", here / "x/one/a.jpg", here / "x/one"], Path("out"))
    assert targets(work) == {"one/a.jpg": "one/a.jpg", "two/a.jpg": "two/a.jpg"}
    assert targets(plan([Path(), Path("x/one/a.jpg")], here.parent / f"{here.name}-out")) == {
        "x/one/a.jpg": "x/one/a.jpg",
        "x/two/a.jpg": "x/two/a.jpg",
    }


def test_several_folders_that_cannot_be(here):
    fill("one/a.jpg", "two/notes.txt", "one/out/b.jpg")
    with pytest.raises(ConfigError, match="must not lie inside the input folder one"):
        plan([Path("one"), Path("two")], Path("one/out"))
    with pytest.raises(ConfigError, match=r"there are no images .* among 1 other files"):
        plan(Arguments([Path("two")]), Path("out"))
    work = plan([Path("one"), Path("none")], Path())
    reasons = {item.name: item.reason for item in work.items if item}
    assert reasons["none"] == "there is no such file"
    assert reasons["one/a.jpg"] == "its output one/a.jpg would lie in the input folder"


def test_a_path_that_is_there_is_no_pattern(here):
    fill("shoot [2020] 100%/a.jpg", "shoot [2020] 100%/sub [x]/b.png", "s/[ab].jpg", "s/a.jpg", "shoot 2/no.jpg")
    assert set(targets(plan(Path("shoot [2020] 100%"), Path("out")))) == {"a.jpg", "sub [x]/b.png"}
    assert set(targets(plan(Path("shoot [2020] 100%/*.jpg"), Path("out")))) == {"a.jpg"}
    assert set(targets(plan(Path("shoot [2020] 100%/*/b.png"), Path("out")))) == {"sub [x]/b.png"}
    assert set(targets(plan(Path("*/sub [x]/*.png"), Path("../out")))) == {"shoot [2020] 100%/sub [x]/b.png"}
    assert set(targets(plan(Path("s/[ab].jpg"), Path("out")))) == {"[ab].jpg"}
    Path("s/[ab].jpg").unlink()
    assert set(targets(plan(Path("s/[ab].jpg"), Path("out")))) == {"a.jpg"}


def test_links_to_folders_are_followed_but_never_in_a_circle(here):
    fill("store/a.png", "store/deep/b.png", "in/own.png")
    Path("in/more").symlink_to("../store")
    Path("store/deep/up").symlink_to("..")  # leads back
    Path("in/all").symlink_to("..")  # holds `in`
    Path("in/mutual").symlink_to("../other")
    fill("other/c.png")
    Path("other/again").symlink_to("../in")
    work = plan(Path("in"), Path("out"))
    assert set(targets(work)) == {"own.png", "more/a.png", "more/deep/b.png", "mutual/c.png"}
    assert work.count() == (4, 3)


def test_a_link_to_the_outputs_is_no_input(here):
    fill("in/a.png", "out/a.png", "out/sub/b.png")
    Path("in/results").symlink_to("../out")
    Path("in/part").symlink_to("../out/sub")
    work = plan(Path("in"), Path("out"))
    assert set(targets(work)) == {"a.png"} and work.count() == (1, 2)


def test_what_pipelines_write_beside_the_photos_is_no_photo(here):
    fill("a.png", "runs/x/prepare/train/a.png", "x.yaml", "mlflow.db", "deep/runs/b.png")
    work = plan(Path(), here.parent / f"{here.name}-out")
    assert set(targets(work)) == {"a.png", "deep/runs/b.png"} and work.count() == (2, 3)
    assert set(targets(plan(Path("runs/x/prepare"), Path("out")))) == {"train/a.png"}


def test_what_systems_leave_is_passed_over_and_counted(here):
    junk = (
        ".DS_Store",
        "._a.png",
        "Thumbs.db",
        "desktop.ini",
        "__MACOSX/._a.png",
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.png",
    )
    fill("in/a.png", *(f"in/{name}" for name in junk), "in/sub/__MACOSX/x.png", "in/sub/#recycle/y.png", "in/sub/b.png")
    work = plan(Path("in"), Path("out"))
    assert set(targets(work)) == {"a.png", "sub/b.png"} and work.count() == (2, 8)
