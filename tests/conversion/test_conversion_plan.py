"""Output names: decided by one rule, never shared, never in the input; trees, patterns and lists of images."""

import os
import random
import socket

import numpy as np
import pytest

from translate.conversion.inputs.lists import read_list
from translate.conversion.inputs.tree import matches
from translate.conversion.names import order, same
from translate.conversion.plan import Plan, plan
from translate.errors import ConfigError
from translate.imaging.io import write


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def targets(work: Plan) -> dict[str, str]:
    return {item.name: item.target for item in work.items if item}


def reasons(work: Plan) -> dict[str, str]:
    return {item.name: item.reason for item in work.items if item and item.reason}


def test_names_that_collide_are_told_apart_by_a_rule_that_stays(tmp_path):
    root = fill(tmp_path / "in", "a.gif", "a.png", "A.PNG", "b.gif", "b.png/x.png", "é.png", "e\u0301.png")
    assert targets(plan(root, tmp_path / "out")) == {
        "A.PNG": "A.PNG",
        "a.gif": "a.gif.png",
        "a.png": "a.png.png",
        "b.gif": "b.gif.png",
        "b.png/x.png": "b.png/x.png",
        "e\u0301.png": "e\u0301.png",
        "é.png": "é.png.png",
    }
    fill(root, "c.png", "c.gif", "c.gif.png", "C.gif")
    again = plan(root, tmp_path / "out")
    assert targets(again)["c.png"] == "c.png" and targets(again)["c.gif.png"] == "c.gif.png"
    assert set(reasons(again)) == {"C.gif", "c.gif"}
    assert all("belongs to another image" in reason for reason in reasons(again).values())


def test_an_image_keeps_its_name_where_another_needs_that_ending(tmp_path):
    root = fill(tmp_path / "in", "a.jpg", "a.png", "b.jpg", "c.JPEG")
    asked = plan(root, tmp_path / "out", ".png")
    assert targets(asked) == {"a.jpg": "a.jpg.png", "a.png": "a.png", "b.jpg": "b.png", "c.JPEG": "c.png"}


def test_folders_whose_names_count_as_the_same_share_their_names(tmp_path):
    root = fill(tmp_path / "in", "A/x.png", "a/X.png", "a/y.png", "A/deep/z.png", "a/Deep/z.png", "b.png")
    work = plan(root, tmp_path / "out")
    assert targets(work) == {
        "A/x.png": "A/x.png",
        "a/X.png": "a/X.png.png",
        "a/y.png": "a/y.png",
        "A/deep/z.png": "A/deep/z.png",
        "a/Deep/z.png": "a/Deep/z.png.png",
        "b.png": "b.png",
    }
    assert [order(item.name) for item in work.items if item] == sorted(order(item.name) for item in work.items if item)


@pytest.mark.parametrize("seed", range(40))
def test_random_trees_give_names_that_no_file_system_takes_for_the_same(seed, tmp_path):
    draw = random.Random(seed)
    parts = ["a", "A", "b", "é", "e\u0301", "ß", "SS", "a.png", "ab"]
    endings = [".png", ".PNG", ".jpg", ".jpeg", ".gif", ".gif.png", ".1.png", ".2.png", ".tif"]
    for _ in range(30):
        folder = "/".join(draw.choice(parts) for _ in range(draw.randrange(3)))
        try:
            fill(tmp_path / "in", f"{folder}/{draw.choice(parts)}{draw.choice(endings)}".lstrip("/"))
        except OSError:  # a folder of that name is a file already
            continue
    for suffix, samples in ((None, 1), (".png", 1), (".jpg", 2)):
        work = plan(tmp_path / "in", tmp_path / "out", suffix, samples)
        listed = [item for item in work.items if item]
        names = [str(t.relative_to(tmp_path)) for item in listed if not item.reason for t in work.targets(item)]
        assert len({same(name) for name in names}) == len(names)
        folders = {same(str(f)) for name in names for f in (tmp_path / name).relative_to(tmp_path).parents}
        assert not folders & {same(name) for name in names}
        keys = [order(item.name) for item in listed]
        assert keys == sorted(keys) and len(set(keys)) == len(keys)
        assert [item for item in work.items if item] == listed, "the same names every time"


def test_links_to_folders_are_not_followed(tmp_path):
    root = fill(tmp_path / "in", "a.png", "notes.txt", ".hidden/b.png")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "link.png").symlink_to(root / "a.png")
    work = plan(root, tmp_path / "out")
    assert set(targets(work)) == {"a.png", "link.png"} and work.count() == (2, 3)


def test_what_is_no_file_is_never_opened(tmp_path, monkeypatch):
    root = fill(tmp_path / "in", "a.png")
    os.mkfifo(root / "pipe.png")
    (root / "circle.png").symlink_to("circle.png")
    (root / "nowhere.png").symlink_to("gone.png")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(root)  # the address of a socket is short
        listener.bind("s.png")
        found = reasons(plan(root, tmp_path / "out"))
    assert found["pipe.png"] == found["s.png"] == "it is no file (a pipe, a socket or a device)"
    assert found["circle.png"] == "Too many levels of symbolic links"
    assert found["nowhere.png"] == "No such file or directory" and "a.png" not in found
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        plan(root / "pipe.png", tmp_path / "out")


def test_names_of_any_bytes(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    for name in (b"\xff\xfe.png", b"new\nline.png", b"x" * 251 + b".png", b"y" * 251 + b".gif", b"z" * 251 + b".PNG"):
        (root / os.fsdecode(name)).write_bytes(b"")
    (root / ("z" * 251 + ".png")).write_bytes(b"")
    found = targets(plan(root, tmp_path / "out"))
    assert found[os.fsdecode(b"\xff\xfe.png")] == os.fsdecode(b"\xff\xfe.png") and found["new\nline.png"]
    assert found["y" * 251 + ".gif"] == "y" * 251 + ".png" and found["x" * 251 + ".png"]
    assert reasons(plan(root, tmp_path / "out")) == {
        "z" * 251 + ".png": "its output name would be longer than 255 bytes; rename it"
    }


def test_patterns(tmp_path):
    root = fill(tmp_path / "in", "a.png", "b.jpg", "x/c.png", "x/y/d.png", "x/y/e.txt")
    assert set(targets(plan(root / "*.png", tmp_path / "out"))) == {"a.png"}
    assert set(targets(plan(root / "**/*.png", tmp_path / "out"))) == {"a.png", "x/c.png", "x/y/d.png"}
    assert set(targets(plan(root / "x/*/[de].*", tmp_path / "out"))) == {"y/d.png"}
    with pytest.raises(ConfigError, match=r"no images that match \*\.webp"):
        plan(root / "*.webp", tmp_path / "out")
    with pytest.raises(ConfigError, match="no such folder"):
        plan(tmp_path / "none/*.png", tmp_path / "out")
    fill(tmp_path, "odd[1].png")
    write(tmp_path / "odd[1].png", np.zeros((2, 2, 3), np.uint8))
    assert targets(plan(tmp_path / "odd[1].png", tmp_path / "out")) == {"odd[1].png": "odd[1].png"}


def test_what_a_pattern_means():
    assert matches(["a", "b", "c.png"], ["**", "c.*"]) and matches(["c.png"], ["**", "c.*"])
    assert matches(["a", "b"], ["a", "**", "b"]) and not matches(["a"], ["a", "**", "b"])
    assert not matches(["a", "b.png"], ["*.png"]) and matches(["a"], [])


def test_lists_keep_the_folders_that_they_name(tmp_path, monkeypatch):
    root = fill(tmp_path / "in", "x/a.png", "x/b.gif", "y/a.png", "x/b.png")
    monkeypatch.chdir(root)
    listed = read_list(b"y/a.png\r\nx/a.png\n\nx/b.gif\nx/b.png\nx/none.png\nx\nx/a.png\n")
    work = plan(listed, tmp_path / "out")
    found = {"x/a.png": "x/a.png", "x/b.gif": "x/b.gif.png", "x/b.png": "x/b.png", "y/a.png": "y/a.png"}
    assert {k: v for k, v in targets(work).items() if v} == found and not work.whole
    assert reasons(work) == {"x/none.png": "there is no such file"}
    far = plan([root / "x/a.png", root / "y/../x/b.png"], tmp_path / "out")
    assert targets(far) == {"a.png": "a.png", "b.png": "b.png"} and far.root == root / "x"
    assert read_list(b"new\nline.png\0b.png\0") == read_list(b"new\nline.png\0b.png")
    assert [str(path) for path in read_list(b"new\nline.png\0b.png\0")] == ["new\nline.png", "b.png"]
    with pytest.raises(ConfigError, match="the list of images is empty"):
        plan([], tmp_path / "out")
    inside = plan([root / "x/a.png", root / "y/a.png"], root)
    assert set(reasons(inside)) == {"x/a.png", "y/a.png"}
    assert all("would overwrite an input" in reason for reason in reasons(inside).values())
