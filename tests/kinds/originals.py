"""Nothing that a conversion did not write is ever overwritten, by whatever way an output would lead there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from kinds.images import noise, plain, read, save
from kinds.lab import Lab, case

LINKED, OWN, TWICE = "linked_output.py", "own_files.py", "single_twice.py"


@case(script=LINKED, quick=True)
def linked_output(lab: Lab) -> None:
    """A folder of OUTPUT that is a link into INPUT: the photo stays, and the refusal names the output."""
    root = lab.script(LINKED)
    with lab.unchanged(root / "in"):
        lab.refused(lab.convert(root / "in", root / "out", "--overwrite", direction="negative"), "a.png")
        lab.refused(lab.convert(root / "in", root / "out", direction="negative"), "a.png")


def tree(lab: Lab) -> tuple[Path, Path]:
    """in/sub/a.png, and an empty folder out."""
    save(lab.folder / "in/sub/a.png", noise())
    (lab.folder / "out/sub").mkdir(parents=True)
    return lab.folder / "in", lab.folder / "out"


@case(of=LINKED)
def hard_link_as_output(lab: Lab) -> None:
    """An output that is a hard link to its photo: the photo stays what it was."""
    source, output = tree(lab)
    os.link(source / "sub/a.png", output / "sub/a.png")
    with lab.unchanged(source):
        lab.orderly(lab.convert(source, output, "--overwrite", direction="negative"))


@case(of=LINKED)
def file_link_as_output(lab: Lab) -> None:
    """An output that is a link to its photo: the photo stays what it was."""
    source, output = tree(lab)
    (output / "sub/a.png").symlink_to("../../in/sub/a.png")
    with lab.unchanged(source):
        lab.orderly(lab.convert(source, output, "--overwrite", direction="negative"))


@case(of=LINKED)
def link_to_a_parent(lab: Lab) -> None:
    """A folder of OUTPUT that is a link to the parent of both: nothing is written outside OUTPUT."""
    source, output = tree(lab)
    (output / "sub").rmdir()
    (output / "sub").symlink_to("../..")
    with lab.unchanged(source):
        lab.refused(lab.convert(source, output, "--overwrite", direction="negative"), "a.png")
    strangers = sorted(path.name for path in lab.folder.parent.glob("*.png"))
    lab.check("written outside", [], strangers)


@case(of=LINKED, quick=True)
def link_outside(lab: Lab) -> None:
    """A folder of OUTPUT that is a link to somebody else's pictures: they stay."""
    source, output = tree(lab)
    save(lab.folder / "hers/a.png", plain(7))
    (output / "sub").rmdir()
    (output / "sub").symlink_to("../hers")
    with lab.unchanged(source, lab.folder / "hers"):
        lab.refused(lab.convert(source, output, "--overwrite", direction="negative"), "a.png")


@case(of=LINKED)
def file_link_outside(lab: Lab) -> None:
    """An output that is a link to a file outside OUTPUT: that file stays."""
    source, output = tree(lab)
    save(lab.folder / "hers.png", plain(7))
    (output / "sub/a.png").symlink_to("../../hers.png")
    before = (lab.folder / "hers.png").read_bytes()
    lab.orderly(lab.convert(source, output, "--overwrite", direction="negative"))
    lab.same_file("hers.png", lab.folder / "hers.png", before)


@case(of=LINKED)
def output_is_a_link_to_input(lab: Lab) -> None:
    """OUTPUT itself is a link to INPUT: it is refused."""
    source, _ = tree(lab)
    link = lab.folder / "elsewhere"
    link.symlink_to(source)
    with lab.unchanged(source):
        lab.refused(lab.convert(source, link, "--overwrite", direction="negative"))


@case(of=LINKED)
def one_image_into_a_link_to_itself(lab: Lab) -> None:
    """A single OUTPUT that is a link to the photo: the photo stays."""
    source, _ = tree(lab)
    link = lab.folder / "b.png"
    link.symlink_to("in/sub/a.png")
    with lab.unchanged(source):
        lab.refused(lab.convert(source / "sub/a.png", link, "--overwrite", direction="negative"))


@case(of=LINKED)
def photos_that_link_to_each_other(lab: Lab) -> None:
    """INPUT holds links into OUTPUT, as a deduplicating backup leaves them: what they show stays."""
    source, output = tree(lab)
    save(output / "sub/b.png", plain(9))
    (source / "sub/b.png").symlink_to("../../out/sub/b.png")
    before = (output / "sub/b.png").read_bytes()
    lab.orderly(lab.convert(source, output, "--overwrite", direction="negative"))
    lab.same_file("out/sub/b.png", output / "sub/b.png", before)


@case(of=LINKED)
def two_inputs_one_overwrites_the_other(lab: Lab) -> None:
    """Two photos as inputs, and an OUTPUT in which one of them lies: both stay."""
    save(lab.folder / "a.png", noise())
    save(lab.folder / "out/a.png", plain(3))
    with lab.unchanged(lab.folder):
        lab.orderly(lab.convert("a.png", "out/a.png", "out", "--overwrite", direction="negative"))
        for name in ("results.jsonl", "results.settings.json", "contact.html"):
            (lab.folder / "out" / name).unlink(missing_ok=True)


@case(script=OWN, quick=True)
def own_files(lab: Lab) -> None:
    """An address book called contact.html in OUTPUT stays, and the picture is converted."""
    root = lab.script(OWN)
    before = (root / "out/contact.html").read_bytes()
    done = lab.convert(root / "in", root / "out")
    lab.same_file("contact.html", root / "out/contact.html", before)
    lab.near("a.png", np.zeros((32, 32, 3)), read(root / "out/a.png"))
    lab.says(done, "contact.html")


def beside(lab: Lab, name: str, content: bytes) -> tuple[Path, Path]:
    """in/a.png, and OUTPUT with a file of somebody else's."""
    save(lab.folder / "in/a.png", plain(50))
    path = lab.folder / "out" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return lab.folder / "in", lab.folder / "out"


@case(of=OWN)
def own_results(lab: Lab) -> None:
    """A results.jsonl of the user's own experiment stays: it is moved nowhere and nothing is appended."""
    source, output = beside(lab, "results.jsonl", b'{"my": "experiment"}\n')
    lab.orderly(lab.convert(source, output))
    lab.same_file("results.jsonl", output / "results.jsonl", b'{"my": "experiment"}\n')


@case(of=OWN)
def own_results_overwritten(lab: Lab) -> None:
    """Even with --overwrite a results.jsonl that is no table of ours stays."""
    source, output = beside(lab, "results.jsonl", b"my measurements\n")
    lab.orderly(lab.convert(source, output, "--overwrite"))
    lab.same_file("results.jsonl", output / "results.jsonl", b"my measurements\n")


@case(of=OWN)
def own_settings(lab: Lab) -> None:
    """A results.settings.json of the user's stays."""
    source, output = beside(lab, "results.settings.json", b'{"font": "large"}')
    lab.orderly(lab.convert(source, output))
    lab.same_file("results.settings.json", output / "results.settings.json", b'{"font": "large"}')


@case(of=OWN)
def own_partial_rows(lab: Lab) -> None:
    """A results.partial.jsonl of the user's stays."""
    source, output = beside(lab, "results.partial.jsonl", b"mine")
    lab.orderly(lab.convert(source, output))
    lab.same_file("results.partial.jsonl", output / "results.partial.jsonl", b"mine")


@case(of=OWN)
def own_report_after_a_run(lab: Lab) -> None:
    """A contact.html that the user wrote after a first conversion stays in the second one."""
    source, output = beside(lab, "readme", b"x")
    lab.works(lab.convert(source, output))
    (output / "contact.html").write_bytes(b"<p>my notes")
    save(source / "b.png", plain(60))
    lab.orderly(lab.convert(source, output))
    lab.same_file("contact.html", output / "contact.html", b"<p>my notes")


@case(of=OWN)
def own_picture(lab: Lab) -> None:
    """A picture of the user's under the name of an output stays, and its row says why."""
    source, output = beside(lab, "a.png", b"my picture")
    done = lab.convert(source, output)
    lab.same_file("a.png", output / "a.png", b"my picture")
    row = lab.rows(output).get("a.png", {})
    lab.check("row", "skipped, with a reason", f"{row.get('status')}, {row.get('reason')}", bool(row.get("reason")))
    lab.says(done, "skipped")


@case(of=OWN)
def own_report_is_a_link(lab: Lab) -> None:
    """OUTPUT/contact.html is a link to a page outside: the page stays."""
    source, output = beside(lab, "readme", b"x")
    (lab.folder / "page.html").write_bytes(b"<p>mine")
    (output / "contact.html").symlink_to("../page.html")
    lab.orderly(lab.convert(source, output))
    lab.same_file("page.html", lab.folder / "page.html", b"<p>mine")


@case(of=OWN)
def own_rows_are_a_link(lab: Lab) -> None:
    """OUTPUT/results.jsonl is a link to a file outside: the file stays."""
    source, output = beside(lab, "readme", b"x")
    (lab.folder / "rows").write_bytes(b"mine\n")
    (output / "results.jsonl").symlink_to("../rows")
    lab.orderly(lab.convert(source, output))
    lab.same_file("rows", lab.folder / "rows", b"mine\n")


@case(script=TWICE, quick=True)
def single_twice(lab: Lab) -> None:
    """Another picture for an OUTPUT that is there: not made, said why, and no exit code 0."""
    root = lab.script(TWICE)
    lab.works(lab.convert(root / "a.png", root / "out.png"))
    lab.refused(lab.convert(root / "b.png", root / "out.png"), "out.png")
    lab.near("out.png", plain(30), read(root / "out.png"))


@case(of=TWICE)
def single_same_again(lab: Lab) -> None:
    """The same picture again for the same OUTPUT: exit code 0, or not made and said why."""
    save(lab.folder / "a.png", plain(30))
    lab.works(lab.convert("a.png", "out.png"))
    again = lab.convert("a.png", "out.png")
    lab.orderly(again)
    lab.check("exit code", "0, or out.png named", again.code, again.code == 0 or "out.png" in again.text)
    lab.near("out.png", plain(30), read(lab.folder / "out.png"))


@case(of=TWICE)
def single_over_a_stranger(lab: Lab) -> None:
    """A single OUTPUT that the user wrote: it stays, and the exit code says that nothing was made."""
    save(lab.folder / "a.png", plain(30))
    before = save(lab.folder / "out.png", plain(99)).read_bytes()
    lab.refused(lab.convert("a.png", "out.png"), "out.png")
    lab.same_file("out.png", lab.folder / "out.png", before)


@case(of=TWICE)
def single_other_settings(lab: Lab) -> None:
    """The same picture with another direction: the exit code says that OUTPUT was not made."""
    save(lab.folder / "a.png", plain(30))
    lab.works(lab.convert("a.png", "out.png"))
    lab.refused(lab.convert("a.png", "out.png", direction="negative"))
    lab.near("out.png", plain(30), read(lab.folder / "out.png"))
    lab.works(lab.convert("a.png", "out.png", "--overwrite", direction="negative"))
    lab.near("overwritten", plain(225), read(lab.folder / "out.png"))


@case(of=TWICE)
def single_into_a_folder_twice(lab: Lab) -> None:
    """Two pictures of one name from two folders, one after the other into one folder: the second is not lost in
    silence."""
    for folder, value in (("one", 30), ("two", 220)):
        save(lab.folder / folder / "a.png", plain(value))
    (lab.folder / "out").mkdir()
    lab.works(lab.convert("one/a.png", "out/a.png"))
    lab.refused(lab.convert("two/a.png", "out/a.png"))
    lab.near("out/a.png", plain(30), read(lab.folder / "out/a.png"))


@case(of=TWICE)
def single_changed_input(lab: Lab) -> None:
    """The picture was changed since: it is converted again, or the exit code is not 0."""
    save(lab.folder / "a.png", plain(30))
    lab.works(lab.convert("a.png", "out.png"))
    save(lab.folder / "a.png", plain(90))
    done = lab.convert("a.png", "out.png")
    lab.orderly(done)
    value = int(read(lab.folder / "out.png")[0, 0, 0])
    lab.check("code and value", "0 and 90, or not 0", f"{done.code} and {value}", value == 90 or done.code != 0)


@case(of=TWICE)
def single_missing_input(lab: Lab) -> None:
    """An input that is not there: an error by its name, and no OUTPUT."""
    lab.refused(lab.convert("none.png", "out.png"), "none.png")
    lab.check("out.png", False, (lab.folder / "out.png").exists())


@case(of=TWICE)
def single_input_is_output(lab: Lab) -> None:
    """INPUT and OUTPUT are one file, also by another way to write its path: refused."""
    save(lab.folder / "a.png", plain(30))
    with lab.unchanged(lab.folder):
        lab.refused(lab.convert("a.png", "./x/../a.png", "--overwrite", direction="negative"))
        lab.refused(lab.convert("a.png", lab.folder / "a.png", "--overwrite", direction="negative"))
    Image.open(lab.folder / "a.png").close()
