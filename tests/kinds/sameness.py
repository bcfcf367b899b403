"""Up to date means the same and not newer: an input that was replaced, mended or touched is seen for what it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kinds.images import Array, plain, read, save
from kinds.lab import Lab, case

OLDER, FIXED = "older_replacement.py", "fixed_file.py"


@case(script=OLDER, quick=True)
def older_replacement(lab: Lab) -> None:
    """A picture that was replaced by another one of an older time is converted again."""
    root = lab.script(OLDER)
    lab.works(lab.convert(root / "in", root / "out"))
    lab.near("before", plain(20), read(root / "out/a.png"))
    lab.script(OLDER, "replace")
    os.utime(root / "in/a.png", (1_500_000_000, 1_500_000_000))
    lab.works(lab.convert(root / "in", root / "out"))
    lab.near("after", plain(230), read(root / "out/a.png"))


def photo(lab: Lab, value: int, when: int, name: str = "a.png") -> Path:
    """in/NAME of one grey, with a time."""
    path = save(lab.folder / "in" / name, plain(value))
    os.utime(path, (when, when))
    return path


def after(lab: Lab, name: str = "a.png") -> Array:
    return read(lab.folder / "out" / name)


@case(of=OLDER)
def same_size_same_second(lab: Lab) -> None:
    """A replacement of equal size with a time that differs by a second is converted again."""
    first = photo(lab, 20, 1_600_000_000)
    size = first.stat().st_size
    lab.works(lab.convert("in", "out"))
    second = photo(lab, 21, 1_600_000_001)
    lab.check("sizes", size, second.stat().st_size)
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", plain(21), after(lab))


@case(of=OLDER)
def exchanged_names(lab: Lab) -> None:
    """Two pictures exchange their names, times included, as a rename does: both are converted again."""
    photo(lab, 20, 1_600_000_000)
    photo(lab, 230, 1_600_000_500, "b.png")
    lab.works(lab.convert("in", "out"))
    folder = lab.folder / "in"
    (folder / "a.png").rename(folder / "c")
    (folder / "b.png").rename(folder / "a.png")
    (folder / "c").rename(folder / "b.png")
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", plain(230), after(lab))
    lab.near("b.png", plain(20), after(lab, "b.png"))


@case(of=OLDER)
def touched_only(lab: Lab) -> None:
    """A picture that was only touched (backups, git checkout) stays right, and the folder ends with 0."""
    photo(lab, 20, 1_600_000_000)
    lab.works(lab.convert("in", "out"))
    os.utime(lab.folder / "in/a.png", (1_700_000_000, 1_700_000_000))
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", plain(20), after(lab))


@case(of=OLDER)
def nothing_to_do(lab: Lab) -> None:
    """A second run with nothing to do changes no output's time."""
    photo(lab, 20, 1_600_000_000)
    lab.works(lab.convert("in", "out"))
    before = (lab.folder / "out/a.png").stat().st_mtime_ns
    lab.works(lab.convert("in", "out"))
    lab.check("time of the output", before, (lab.folder / "out/a.png").stat().st_mtime_ns)


@case(of=OLDER, quick=True)
def copied_folder(lab: Lab) -> None:
    """The whole project is copied with new times (cp -r): the outputs are up to date, or the refusal names both
    folders."""
    photo(lab, 20, 1_600_000_000)
    lab.works(lab.convert("in", "out"))
    shutil.copytree(lab.folder / "in", lab.folder / "copy/in", copy_function=shutil.copyfile)
    shutil.copytree(lab.folder / "out", lab.folder / "copy/out", copy_function=shutil.copyfile)
    done = lab.convert("in", "out", cwd=lab.folder / "copy")
    lab.orderly(done)
    named = str(lab.folder / "in") in done.text and str(lab.folder / "copy/in") in done.text
    lab.check("code", "0, or both folders named", f"{done.code}: {done.last}", done.code == 0 or named)
    lab.near("a.png", plain(20), read(lab.folder / "copy/out/a.png"))


@case(of=OLDER)
def replaced_by_an_alias(lab: Lab) -> None:
    """The photo becomes a link to another one with an older time: converted again."""
    photo(lab, 20, 1_600_000_000)
    lab.works(lab.convert("in", "out"))
    other = save(lab.folder / "other.png", plain(99))
    os.utime(other, (1_500_000_000, 1_500_000_000))
    (lab.folder / "in/a.png").unlink()
    (lab.folder / "in/a.png").symlink_to("../other.png")
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", plain(99), after(lab))


@case(script=FIXED, quick=True)
def fixed_file(lab: Lab) -> None:
    """A damaged picture that was mended is converted by the same command, without --retry-failed."""
    root = lab.script(FIXED)
    lab.refused(lab.convert(root / "in", root / "out"), "a.png")
    lab.script(FIXED, "mend")
    lab.works(lab.convert(root / "in", root / "out"))
    lab.near("a.png", plain(90), read(root / "out/a.png"))


@case(of=FIXED)
def mended_with_an_old_time(lab: Lab) -> None:
    """The mended picture comes from a backup, with an older time than the damaged one: converted."""
    path = photo(lab, 90, 1_600_000_000)
    path.write_bytes(path.read_bytes()[:60])
    lab.refused(lab.convert("in", "out"), "a.png")
    photo(lab, 90, 1_500_000_000)
    lab.works(lab.convert("in", "out"))
    lab.near("a.png", plain(90), after(lab))


@case(of=FIXED)
def still_damaged(lab: Lab) -> None:
    """A damaged picture that is still the same fails again with its reason, exit code 3."""
    path = photo(lab, 90, 1_600_000_000)
    path.write_bytes(path.read_bytes()[:60])
    first = lab.convert("in", "out")
    second = lab.convert("in", "out")
    lab.check("exit codes", (3, 3), (first.code, second.code))
    lab.check("reason", True, bool(lab.rows(lab.folder / "out").get("a.png", {}).get("reason")))


@case(of=FIXED)
def damaged_afterwards(lab: Lab) -> None:
    """A picture that was good and is damaged now fails by name; its old output is not called up to date."""
    path = photo(lab, 90, 1_600_000_000)
    lab.works(lab.convert("in", "out"))
    path.write_bytes(path.read_bytes()[:60])
    lab.refused(lab.convert("in", "out"), "a.png")


@case(of=FIXED)
def mended_among_shards(lab: Lab) -> None:
    """The mended picture is converted in shards, too."""
    path = photo(lab, 90, 1_600_000_000)
    photo(lab, 91, 1_600_000_000, "b.png")
    path.write_bytes(path.read_bytes()[:60])
    for shard in ("1/2", "2/2"):
        lab.orderly(lab.convert("in", "out", "--shard", shard))
    photo(lab, 90, 1_600_000_100)
    for shard in ("1/2", "2/2"):
        lab.works(lab.convert("in", "out", "--shard", shard))
    lab.near("a.png", plain(90), after(lab))
