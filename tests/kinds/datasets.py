"""Data sets as people have them: names of bytes, links to folders, what a Mac or a server leaves lying about."""

from __future__ import annotations

import os
import re

from kinds.lab import Lab, case
from kinds.pipelines import PREPARE, pairs, prepare, train, two_sets

CAFE = os.fsdecode(b"caf\xe9.png")
"""A name that is not UTF-8."""

BYTES, LINKS, MAC = "f05_name_not_utf8.sh", "f06_links_to_folders.sh", "f13_macosx.sh"


@case(script=BYTES)
def f05(lab: Lab) -> None:
    """A name that is not UTF-8 in a folder to train on works, or is named with what to do."""
    done = lab.shell(BYTES)
    lab.orderly(done)
    lab.check("works, or named", "no codec error", done.last, "codec" not in done.text and "surrogate" not in done.text)


@case(of=BYTES)
def bytes_in_pairs(lab: Lab) -> None:
    """Pairs whose names are not UTF-8 match, are prepared, and train."""
    pairs(lab, 3)
    for side in "AB":
        place = lab.folder / "d/train" / side
        (place / "000.png").rename(place / CAFE)
    lab.works(lab.translate("run", train(lab, "max_steps: 2")))


@case(of=BYTES)
def bytes_of_a_damaged_file(lab: Lab) -> None:
    """A damaged file whose name is not UTF-8 is named in the error, readable."""
    two_sets(lab)
    (lab.folder / "A/0.png").rename(lab.folder / "A" / CAFE)
    (lab.folder / "A" / CAFE).write_bytes(b"\x89PNG\r\n\x1a\n no")
    lab.refused(lab.translate("run", prepare(lab, "{uses: folders, a: A, b: B}")), "caf")


@case(of=BYTES)
def bytes_in_the_folder(lab: Lab) -> None:
    """The working folder's own name is not UTF-8: init, check and run work, or say so."""
    two_sets(lab)
    place = lab.folder / os.fsdecode(b"proj\xe9t")
    place.mkdir()
    for side in "AB":
        (lab.folder / side).rename(place / side)
    (place / "p.yaml").write_text(PREPARE.format(name="p", source="{uses: folders, a: A, b: B}", more=""))
    for command in ("check", "run"):
        done = lab.translate(command, "p.yaml", cwd=place)
        lab.works(done)
        lab.orderly(done)


@case(script=LINKS)
def f06(lab: Lab) -> None:
    """Links to folders in a data set are followed (7 pictures), or said."""
    done = lab.shell(LINKS)
    lab.check(
        "followed, or said", "7, or link", done.last, re.search(r"\b7\b", done.text) is not None or "link" in done.text
    )
    lab.orderly(done)


@case(of=LINKS)
def linked_side(lab: Lab) -> None:
    """A side that itself is a link, and pictures that are links, are read."""
    two_sets(lab, a="store/x", b="B")
    (lab.folder / "A").symlink_to("store/x")
    (lab.folder / "B/more.png").symlink_to("../store/x/0.png")
    lab.works(lab.translate("run", prepare(lab, "{uses: folders, a: A, b: B}")))


@case(of=LINKS)
def linked_circle(lab: Lab) -> None:
    """A link to its own parent in a data set ends, and no picture counts twice."""
    two_sets(lab)
    (lab.folder / "A/again").symlink_to("..")
    (lab.folder / "A/self").symlink_to(".")
    done = lab.translate("run", prepare(lab, "{uses: folders, a: A, b: B}"), seconds=60)
    lab.orderly(done)
    lab.check("exit code", "0, or a word on links", f"{done.code}: {done.last}", done.code == 0 or "link" in done.text)


@case(of=LINKS)
def broken_link(lab: Lab) -> None:
    """A link in a data set that leads nowhere is named, or passed over with a word."""
    two_sets(lab)
    (lab.folder / "A/gone.png").symlink_to("../nowhere.png")
    done = lab.translate("run", prepare(lab, "{uses: folders, a: A, b: B}"))
    lab.says(done, "gone.png")


@case(script=MAC)
def f13(lab: Lab) -> None:
    """`init` passes over the __MACOSX of a zip that a Mac made."""
    done = lab.shell(MAC)
    lab.works(done)
    lab.says(done, "a.yaml")


@case(of=MAC)
def nas(lab: Lab) -> None:
    """`init` passes over @eaDir, .DS_Store, Thumbs.db and ._ files, and `check` finds nothing wrong."""
    two_sets(lab, 6)
    for side in "AB":
        for name in (".DS_Store", "Thumbs.db", "._0.png", "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "desktop.ini"):
            path = lab.folder / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"junk")
    lab.works(lab.translate("init", ".", "--method", "cyclegan", "--output", "a.yaml"))
    lab.works(lab.translate("check", "a.yaml"))
    done = lab.translate("run", "a.yaml", "--until", "prepare")
    lab.works(done)


@case(of=MAC)
def macosx_with_pairs(lab: Lab) -> None:
    """`init` for pairs passes over __MACOSX in each split."""
    pairs(lab, 4)
    for name in ("d/__MACOSX/train/A/._000.png", "d/train/__MACOSX/A/._000.png", "d/train/A/._000.png"):
        path = lab.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    lab.works(lab.translate("init", "d", "--method", "pix2pix", "--output", "a.yaml"))
    lab.works(lab.translate("check", "a.yaml"))


@case(of=MAC)
def other_files_about(lab: Lab) -> None:
    """`init` of a folder with a readme, a licence and a script beside A and B writes a pipeline."""
    two_sets(lab, 6)
    for name in ("README.md", "LICENSE", "run.sh", "A/notes.txt"):
        (lab.folder / name).write_text("x")
    lab.works(lab.translate("init", ".", "--method", "cyclegan", "--output", "a.yaml"))
