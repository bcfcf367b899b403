"""Names and places: accents, brackets, lists, several folders, links, what cameras and servers leave lying about."""

from __future__ import annotations

import os
import unicodedata
import zipfile
from pathlib import Path

from kinds.images import noise, plain, read, save
from kinds.lab import Lab, case

PAIRS, BRACKET, LISTS, NAMES = "pairs_unicode.py", "bracket_folder.py", "lists.py", "names.py"
FOLDERS, LINKS = "folders_as_inputs.py", "linked_folders.py"


def pipeline(lab: Lab, source: str, name: str = "p") -> Path:
    """A pipeline file that only prepares data."""
    path = lab.folder / f"{name}.yaml"
    path.write_text(f"version: 1\nname: {name}\nstages:\n  prepare: {{uses: preprocess, with: {{source: {source}}}}}\n")
    return path


def outputs(folder: Path) -> list[str]:
    """The pictures below a folder, in letters composed as NFC."""
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".tif")]
    return sorted(unicodedata.normalize("NFC", path.relative_to(folder).as_posix()) for path in paths)


# ------------------------------------------------------------------------------------------------------------- accents


@case(script=PAIRS)
def pairs_unicode(lab: Lab) -> None:
    """Pairs of which a Mac wrote one side match: 4 pairs, and check finds nothing wrong."""
    root = lab.script(PAIRS)
    file = pipeline(lab, f"{{uses: pairs, a: '{root}/trainA', b: '{root}/trainB'}}")
    done = lab.translate("run", file)
    lab.works(done)
    lab.says(done, "4")


@case(of=PAIRS)
def table_with_other_accents(lab: Lab) -> None:
    """A table names files in NFC that lie on the disk in NFD: found."""
    (lab.folder / "in").mkdir()
    for name in ("café", "Zürich"):
        for side in "ab":
            save(lab.folder / "in" / unicodedata.normalize("NFD", f"{name}_{side}.png"), noise(32, 32))
    rows = "".join(f"in/{name}_a.png,in/{name}_b.png\n" for name in ("café", "Zürich"))
    (lab.folder / "t.csv").write_text("a,b\n" + unicodedata.normalize("NFC", rows), "utf-8")
    file = pipeline(lab, "{uses: table, path: t.csv, columns: {input: a, target: b}}")
    lab.works(lab.translate("run", file))


@case(of=PAIRS)
def list_with_other_accents(lab: Lab) -> None:
    """A list in NFC of files in NFD: converted."""
    save(lab.folder / "in" / unicodedata.normalize("NFD", "café.png"), plain(40))
    (lab.folder / "l.txt").write_text(unicodedata.normalize("NFC", "in/café.png\n"), "utf-8")
    lab.works(lab.convert("@l.txt", "out"))
    lab.check("outputs", 1, len(outputs(lab.folder / "out")))


@case(of=PAIRS, quick=True)
def argument_with_other_accents(lab: Lab) -> None:
    """A file in NFD that is typed in NFC is found, as on a Mac."""
    save(lab.folder / unicodedata.normalize("NFD", "café.png"), plain(40))
    lab.works(lab.convert(unicodedata.normalize("NFC", "café.png"), "out.png"))
    lab.check("out.png", True, (lab.folder / "out.png").is_file())


@case(of=PAIRS)
def labels_with_other_accents(lab: Lab) -> None:
    """Photos in NFC and label maps in NFD match."""
    import numpy as np

    for name in ("é", "ö"):
        save(lab.folder / "i" / unicodedata.normalize("NFC", f"{name}.png"), noise(32, 32))
        save(lab.folder / "m" / unicodedata.normalize("NFD", f"{name}.png"), noise(32, 32, 1) // np.uint8(128))
    file = pipeline(lab, "{uses: labelled, images: i, labels: m, classes: [a, b]}")
    lab.works(lab.translate("run", file))


@case(of=PAIRS)
def both_forms_in_one_folder(lab: Lab) -> None:
    """One folder holds a name in both forms: both are converted, neither overwrites the other."""
    for form, value in (("NFC", 10), ("NFD", 20)):
        save(lab.folder / "in" / unicodedata.normalize(form, "é.png"), plain(value))
    lab.works(lab.convert("in", "out"))
    values = sorted(int(read(path)[0, 0, 0]) for path in (lab.folder / "out").glob("*.png"))
    lab.check("values", [10, 20], values)


# ------------------------------------------------------------------------------------------------------------ brackets


@case(script=BRACKET)
def bracket_folder(lab: Lab) -> None:
    """A folder with [ ] in its name is literal, alone and before a pattern."""
    root = lab.script(BRACKET)
    folder = root / "shoot [2020] 100%"
    lab.works(lab.convert(folder, lab.folder / "one"))
    lab.works(lab.convert(f"{folder}/*.jpg", lab.folder / "two"))
    lab.works(lab.convert(folder / "a.jpg", lab.folder / "three.jpg"))
    lab.check("outputs", (["a.jpg"], ["a.jpg"]), (outputs(lab.folder / "one"), outputs(lab.folder / "two")))


@case(of=BRACKET)
def bracket_file(lab: Lab) -> None:
    """A file called a[1].png beside a1.png is the one that is converted."""
    save(lab.folder / "a[1].png", plain(10))
    save(lab.folder / "a1.png", plain(20))
    lab.works(lab.convert("a[1].png", "out.png"))
    lab.near("out.png", plain(10), read(lab.folder / "out.png"))


@case(of=BRACKET)
def star_in_a_name(lab: Lab) -> None:
    """A folder whose name holds * and ? is literal where it exists."""
    save(lab.folder / "best *** of?/a.png", plain(10))
    save(lab.folder / "best abc ofx/b.png", plain(20))
    lab.works(lab.convert("best *** of?", "out"))
    lab.check("outputs", ["a.png"], outputs(lab.folder / "out"))
    lab.works(lab.convert("best *** of?/*.png", "out2"))
    lab.check("outputs of the pattern", ["a.png"], outputs(lab.folder / "out2"))


@case(of=BRACKET)
def bracket_of_a_pattern(lab: Lab) -> None:
    """[ ] is a pattern where no such path exists, below a literal folder with [ ], too."""
    for name in ("a1.png", "a2.png", "a9.png"):
        save(lab.folder / "x [1]" / name, plain(10))
    lab.works(lab.convert("x [1]/a[12].png", "out"))
    lab.check("outputs", ["a1.png", "a2.png"], outputs(lab.folder / "out"))


@case(of=BRACKET)
def bracket_in_training_folders(lab: Lab) -> None:
    """A source whose folders have [ ], % and # in their names is read."""
    for side in "AB":
        save(lab.folder / f"set [1] 100% #{side}" / "a.png", noise(32, 32))
    file = pipeline(lab, "{uses: folders, a: 'set [1] 100% #A', b: 'set [1] 100% #B'}")
    lab.works(lab.translate("run", file))


# --------------------------------------------------------------------------------------------------------------- lists


@case(script=LISTS, quick=True)
def lists(lab: Lab) -> None:
    """Lists with a mark, with quotes, with blanks and empty lines each name two pictures."""
    root = lab.script(LISTS)
    for name in ("utf8bom", "quoted", "blank"):
        lab.works(lab.convert(f"@{root}/{name}.txt", lab.folder / name))
        lab.check(f"outputs of {name}", ["a.jpg", "b.jpg"], outputs(lab.folder / name))


def two(lab: Lab) -> str:
    """Two pictures, and a list of them."""
    for name in "ab":
        save(lab.folder / "in" / f"{name}.jpg", plain(30))
    return f"{lab.folder}/in/a.jpg\n{lab.folder}/in/b.jpg\n"


@case(of=LISTS)
def list_of_powershell(lab: Lab) -> None:
    """UTF-16 with a mark, of both byte orders, as PowerShell's > writes it."""
    text = two(lab).replace("\n", "\r\n")
    for name, codec, mark in (("le", "utf-16-le", b"\xff\xfe"), ("be", "utf-16-be", b"\xfe\xff")):
        (lab.folder / f"{name}.txt").write_bytes(mark + text.encode(codec))
        lab.works(lab.convert(f"@{name}.txt", name))
        lab.check(f"outputs of {name}", ["a.jpg", "b.jpg"], outputs(lab.folder / name))


@case(of=LISTS)
def list_on_stdin(lab: Lab) -> None:
    """The list on stdin with a mark and Windows line ends, and one ended by zero bytes."""
    text = two(lab)
    lab.works(lab.convert("-", "one", stdin=text.replace("\n", "\r\n").encode("utf-8-sig")))
    lab.works(lab.convert("-", "two", stdin=text.replace("\n", "\0").encode()))
    lab.check("outputs", ["a.jpg", "b.jpg"] * 2, outputs(lab.folder / "one") + outputs(lab.folder / "two"))


@case(of=LISTS)
def list_with_single_quotes(lab: Lab) -> None:
    """Quotes of one sort or the other, also where a file's own name has one within."""
    save(lab.folder / "in/it's.jpg", plain(30))
    save(lab.folder / "in/b c.jpg", plain(30))
    (lab.folder / "l.txt").write_text(f"'{lab.folder}/in/b c.jpg'\n{lab.folder}/in/it's.jpg\n")
    lab.works(lab.convert("@l.txt", "out"))
    lab.check("outputs", ["b c.jpg", "it's.jpg"], outputs(lab.folder / "out"))


@case(of=LISTS)
def list_with_a_comment(lab: Lab) -> None:
    """A line that begins with # and names no file is a comment, or is said to be missing by its name; the rest is
    made."""
    text = "# my best ones\n" + two(lab)
    (lab.folder / "l.txt").write_text(text)
    done = lab.convert("@l.txt", "out")
    lab.orderly(done)
    lab.check("code", "0, or # named", done.code, done.code == 0 or "# my best" in done.text)
    lab.check("pictures", 2, len(list((lab.folder / "out").rglob("*.jpg"))))


@case(of=LISTS)
def list_twice_the_same(lab: Lab) -> None:
    """A list that names a picture twice, and once by another way to write it, makes it once."""
    (lab.folder / "l.txt").write_text(two(lab) + f"{lab.folder}/in/a.jpg\n{lab.folder}/in/../in/b.jpg\n")
    lab.works(lab.convert("@l.txt", "out"))
    lab.check("pictures", 2, len(list((lab.folder / "out").rglob("*.jpg"))))


@case(of=LISTS)
def list_of_one(lab: Lab) -> None:
    """An empty list is an error that names it; one with a missing file makes the rest, exit code 3."""
    text = two(lab)
    (lab.folder / "empty.txt").write_text("\n\n")
    lab.refused(lab.convert("@empty.txt", "out"), "empty.txt")
    (lab.folder / "gone.txt").write_text(text + f"{lab.folder}/in/gone.jpg\n")
    done = lab.convert("@gone.txt", "out2")
    lab.check("exit code", 3, done.code)
    lab.says(done, "gone.jpg")


# --------------------------------------------------------------------------------------------------------------- names


@case(script=NAMES)
def names(lab: Lab) -> None:
    """Each of 28 odd names comes out under the same name, and terminals are not steered by them."""
    root = lab.script(NAMES)
    done = lab.convert(root, lab.folder / "out")
    lab.works(done)
    wanted_set = {path.name for path in root.iterdir()} - {"..a.png"}  # Hidden, since it begins with a dot.
    wanted = sorted(wanted_set)
    lab.check("names", wanted, sorted(wanted_set & {path.name for path in (lab.folder / "out").iterdir()}))
    lab.check("control letters", "none", "none" if "\u202e" not in done.text and "\t" not in done.text else "some")


@case(of=NAMES)
def names_of_bytes(lab: Lab) -> None:
    """Names that are not UTF-8, as unpacking a Windows zip leaves them, are converted under the same bytes."""
    folder = os.fsencode(lab.folder)
    save(lab.folder / "in/x.png", plain(30))
    place = Path(os.fsdecode(folder + b"/in/d\xe9j\xe0"))
    place.mkdir()
    (lab.folder / "in/x.png").rename(place / os.fsdecode(b"caf\xe9.png"))
    save(lab.folder / "in/y.png", plain(31))
    lab.works(lab.convert("in", "out"))
    lab.check("there", True, Path(os.fsdecode(folder + b"/out/d\xe9j\xe0/caf\xe9.png")).exists())
    lab.works(lab.convert(b"in/d\xe9j\xe0/caf\xe9.png", "one.png"))
    (lab.folder / "l.txt").write_bytes(folder + b"/in/d\xe9j\xe0/caf\xe9.png\n")
    lab.works(lab.convert("@l.txt", "listed"))


@case(of=NAMES)
def long_names(lab: Lab) -> None:
    """A name of 255 bytes and a path of 900 are converted under the same names."""
    deep = Path(*["d" * 200] * 4)
    save(lab.folder / "in" / deep / "a.png", plain(30))
    save(lab.folder / "in" / ("x" * 251 + ".png"), plain(30))
    lab.works(lab.convert("in", "out"))
    lab.check("there", True, (lab.folder / "out" / deep / "a.png").exists())
    lab.check("long", True, (lab.folder / "out" / ("x" * 251 + ".png")).exists())


@case(of=NAMES)
def suffix_only_differs(lab: Lab) -> None:
    """a.png, a.jpg, A.PNG and a.png.png into one format: four outputs, none over another."""
    for number, name in enumerate(("a.png", "a.bmp", "A.PNG", "a.png.png")):
        save(lab.folder / "in" / name, plain(10 * number), format="PNG" if name != "a.bmp" else "BMP")
    lab.works(lab.convert("in", "out", "--format", "png"))
    values = sorted(
        int(read(path)[0, 0, 0]) for path in (lab.folder / "out").iterdir() if path.suffix.lower() == ".png"
    )
    lab.check("values", [0, 10, 20, 30], values)


@case(of=NAMES)
def names_like_ours(lab: Lab) -> None:
    """Pictures called results.png, and folders called contact.html and results.jsonl in INPUT, are no trouble."""
    save(lab.folder / "in/results.png", plain(1))
    save(lab.folder / "in/contact.html/a.png", plain(2))
    save(lab.folder / "in/results.jsonl/b.png", plain(3))
    lab.orderly(lab.convert("in", "out"))
    made = [path.name for path in (lab.folder / "out").rglob("*.png")]
    lab.check("results.png", True, "results.png" in made)
    lab.check("rows or a word", True, (lab.folder / "out").exists())


@case(of=NAMES)
def an_option_as_a_name(lab: Lab) -> None:
    """A file called --help.png is converted behind --, and by ./--help.png."""
    save(lab.folder / "--help.png", plain(44))
    lab.works(lab.convert("./--help.png", "out.png"))
    lab.works(lab.convert("--", "--help.png", "out2.png"))
    lab.near("out2.png", plain(44), read(lab.folder / "out2.png"))


# ------------------------------------------------------------------------------------------------------------- folders


@case(script=FOLDERS)
def folders_as_inputs(lab: Lab) -> None:
    """Two folders as inputs are both converted; of mix/* the picture is made and the text is named; @eaDir is passed
    over."""
    root = lab.script(FOLDERS)
    lab.works(lab.convert("one", "two", "out", cwd=root))
    lab.check("outputs", ["a.jpg", "b.jpg"], sorted(Path(name).name for name in outputs(root / "out")))
    done = lab.convert("mix/a.jpg", "mix/notes.txt", "mix/sub", "mixed", cwd=root)
    lab.orderly(done)
    lab.check("mixed", ["a.jpg"], sorted(Path(name).name for name in outputs(root / "mixed")))
    lab.works(lab.convert(root / "nas", root / "clean"))
    lab.check("clean", ["a.jpg"], outputs(root / "clean"))


@case(of=FOLDERS)
def same_names_in_two_folders(lab: Lab) -> None:
    """Two folders with pictures of the same name: two outputs."""
    for folder, value in (("one", 10), ("two", 20)):
        save(lab.folder / folder / "a.png", plain(value))
    lab.works(lab.convert("one", "two", "out"))
    values = sorted(int(read(path)[0, 0, 0]) for path in (lab.folder / "out").rglob("*.png"))
    lab.check("values", [10, 20], values)


@case(of=FOLDERS)
def folder_and_picture(lab: Lab) -> None:
    """A folder and a picture beside it, and a folder within a folder that is named, too: each picture is made once."""
    save(lab.folder / "one/a.png", plain(10))
    save(lab.folder / "one/sub/b.png", plain(20))
    save(lab.folder / "c.png", plain(30))
    lab.works(lab.convert("one", "one/sub", "c.png", "out"))
    values = sorted(int(read(path)[0, 0, 0]) for path in (lab.folder / "out").rglob("*.png"))
    lab.check("values", [10, 20, 30], values)


@case(of=FOLDERS)
def what_systems_leave(lab: Lab) -> None:
    """.DS_Store, Thumbs.db, desktop.ini, ._a.png, __MACOSX, @eaDir, .thumbnails, $RECYCLE.BIN are passed over and
    counted."""
    save(lab.folder / "in/a.png", plain(10))
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", "__MACOSX/._a.png", "@eaDir/a.png/THUMB.png"):
        path = lab.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7junk")
    save(lab.folder / "in/.thumbnails/a.png", plain(3))
    done = lab.convert("in", "out")
    lab.works(done)
    lab.check("outputs", ["a.png"], outputs(lab.folder / "out"))
    lab.says(done, "passed over")


@case(of=FOLDERS)
def folders_as_inputs_in_a_list(lab: Lab) -> None:
    """A list that names a folder converts the folder, or names it in an error; it never drops it in silence."""
    save(lab.folder / "one/a.png", plain(10))
    save(lab.folder / "b.png", plain(20))
    (lab.folder / "l.txt").write_text("one\nb.png\n")
    done = lab.convert("@l.txt", "out")
    lab.orderly(done)
    made = [path.name for path in (lab.folder / "out").rglob("*.png")]
    named = "one" in done.text and done.code != 0
    lab.check("folder", "converted or named", f"{made}, code {done.code}", "a.png" in made or named)


@case(of=FOLDERS)
def empty_folder(lab: Lab) -> None:
    """A folder without a picture is an error that says what was passed over; a folder of Photoshop files is, too."""
    (lab.folder / "in").mkdir()
    (lab.folder / "in/a.txt").write_text("x")
    lab.refused(lab.convert("in", "out"), "in")
    (lab.folder / "psd").mkdir()
    (lab.folder / "psd/a.psd").write_bytes(b"8BPS\0\1" + bytes(100))
    lab.refused(lab.convert("psd", "out2"), "psd")


# --------------------------------------------------------------------------------------------------------------- links


@case(script=LINKS)
def linked_folders(lab: Lab) -> None:
    """Pictures behind links to folders are followed (24 of 24), or counted aloud, in preparing and in converting."""
    root = lab.script(LINKS)
    file = pipeline(lab, f"{{uses: folders, a: '{root}/data/trainA', b: '{root}/data/trainB'}}")
    done = lab.translate("run", file)
    lab.works(done)
    lab.check("preparing", "24, or a word on links", done.last, "24" in done.text or "link" in done.text.lower())
    done = lab.convert(root / "data/trainA", lab.folder / "out")
    lab.works(done)
    made = len(outputs(lab.folder / "out"))
    lab.check("converting", "24, or a word on links", f"{made}", made == 24 or "link" in done.text.lower())


@case(of=LINKS)
def link_in_a_circle(lab: Lab) -> None:
    """A link to a parent ends, and no picture is made twice."""
    save(lab.folder / "in/a.png", plain(10))
    (lab.folder / "in/again").symlink_to("..")
    (lab.folder / "in/self").symlink_to(".")
    done = lab.convert("in", "out", seconds=60)
    lab.works(done)
    lab.check("pictures", ["a.png"], outputs(lab.folder / "out"))


@case(of=LINKS)
def broken_links(lab: Lab) -> None:
    """Links that lead nowhere, to a folder or a file, are named or counted, and the rest is made."""
    save(lab.folder / "in/a.png", plain(10))
    (lab.folder / "in/gone").symlink_to("../nowhere")
    (lab.folder / "in/gone.png").symlink_to("../nowhere.png")
    done = lab.convert("in", "out")
    lab.orderly(done)
    lab.check("a.png", True, (lab.folder / "out/a.png").is_file())
    lab.says(done, "gone.png")


@case(of=LINKS)
def input_is_a_link(lab: Lab) -> None:
    """INPUT itself is a link to a folder, and a picture within is a link to a file: both are followed."""
    save(lab.folder / "real/a.png", plain(10))
    save(lab.folder / "other.png", plain(20))
    (lab.folder / "real/b.png").symlink_to("../other.png")
    (lab.folder / "in").symlink_to("real")
    lab.works(lab.convert("in", "out"))
    lab.check("pictures", ["a.png", "b.png"], outputs(lab.folder / "out"))


@case(of=LINKS)
def link_into_output(lab: Lab) -> None:
    """INPUT holds a link to OUTPUT: a second run does not convert what the first has made."""
    save(lab.folder / "in/a.png", plain(10))
    (lab.folder / "out").mkdir()
    (lab.folder / "in/done").symlink_to("../out")
    for _ in range(3):
        lab.orderly(lab.convert("in", "out"))
    lab.check("pictures", ["a.png"], outputs(lab.folder / "out"))


@case(of=LINKS)
def zip_of_a_mac(lab: Lab) -> None:
    """A zip with __MACOSX and names in NFD is a source of pairs with one in NFC."""
    save(lab.folder / "a.png", noise(32, 32))
    data = (lab.folder / "a.png").read_bytes()
    with zipfile.ZipFile(lab.folder / "z.zip", "w") as archive:
        for name in ("é.png", "b.png"):
            archive.writestr("A/" + unicodedata.normalize("NFD", name), data)
            archive.writestr("B/" + unicodedata.normalize("NFC", name), data)
            archive.writestr(f"__MACOSX/A/._{name}", b"junk")
            archive.writestr(f"A/._{name}", b"junk")
    file = pipeline(lab, "{uses: pairs, a: z.zip/A, b: z.zip/B}")
    lab.works(lab.translate("run", file))
