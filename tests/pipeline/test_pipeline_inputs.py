"""What counts as the input of a stage: linked folders, older replacements, names in two forms; not junk, nor `runs`."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from translate.cli import main
from translate.data.dataset import Dataset
from translate.imaging.io import write

LONG_AGO = 1_500_000_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grey(path: str, value: int = 99) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, np.full((32, 32, 3), value, np.uint8))
    return file


def prepare(source: str) -> str:
    """Runs the one stage of a pipeline; what was said."""
    stage = f"prepare: {{uses: preprocess, with: {{source: {source}}}}}"
    Path("x.yaml").write_text(f"version: 1\nname: x\ntracking: none\nstages:\n  {stage}\n", "utf-8")
    done = CliRunner().invoke(main, ["run", "x.yaml"])
    assert done.exit_code == 0, done.output
    return done.output


def plan() -> str:
    return CliRunner().invoke(main, ["plan", "x.yaml"]).stdout


def test_images_of_linked_folders_are_read_and_watched(here: Path) -> None:
    grey("A/own.png")
    grey("B/b.png")
    grey("store/deep/linked.png")
    Path("A/more").symlink_to("../store")
    Path("store/deep/back").symlink_to("..")
    said = prepare("{uses: folders, a: A, b: B}")
    assert Dataset(here / "runs/x/prepare").keys("train", "a") == ["more/deep/linked", "own"]
    assert "1 files and folders are passed over (hidden, left by a system, or lead back): more/deep/back" in said
    assert "nothing changed" in plan()
    os.utime(grey("older.png", 9), (LONG_AGO, LONG_AGO))
    Path("older.png").replace("store/deep/linked.png")  # another picture, of long ago
    assert "stale" in plan() and "A/more/deep/linked.png changed" in plan()


def test_another_picture_of_the_same_size_and_times_is_seen(here: Path) -> None:
    for name in ("A/a.bmp", "B/b.bmp"):
        os.utime(grey(name), (LONG_AGO, LONG_AGO))
    prepare("{uses: folders, a: A, b: B}")
    assert "nothing changed" in plan()  # and now the hashes are remembered
    os.utime(grey("A/a.bmp", 9), (LONG_AGO, LONG_AGO))
    assert "input A/a.bmp changed" in plan()


def test_what_systems_and_pipelines_leave_makes_nothing_stale(here: Path) -> None:
    grey("a.png")
    prepare("{uses: single, root: .}")
    assert Dataset(here / "runs/x/prepare").keys("train", "image") == ["a"]
    for name in (".DS_Store", "._a.png", "Thumbs.db", "@eaDir/a.png/thumb.png", "__MACOSX/._a.png", "other.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")
    assert "nothing changed" in plan()


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_one_name_in_two_forms_is_a_pair_in_folders_and_tables(forms: tuple[str, str], here: Path) -> None:
    names = {form: unicodedata.normalize(form, "Zürich café") for form in ("NFC", "NFD")}
    grey(f"A/{names[forms[0]]}.png")
    grey(f"B/{names[forms[1]]}.png")
    prepare("{uses: pairs, a: A, b: B}")
    assert Dataset(here / "runs/x/prepare").keys("train", "target") == [names["NFC"]]
    Path("t.csv").write_text(f"a,b\nA/{names[forms[1]]}.png,B\\{names[forms[0]]}.png\n", "utf-16")
    prepare("{uses: table, path: t.csv, columns: {a: a, b: b}}")
    assert Dataset(here / "runs/x/prepare").keys("train", "b") == [f"A/{names['NFC']}"]


def test_names_that_differ_in_case_are_a_pair_and_it_is_said(here: Path) -> None:
    grey("A/IMG_1.png")
    grey("B/img_1.jpg")
    said = prepare("{uses: pairs, a: A, b: B}")
    assert "train: 1 pairs differ in upper and lower case of their names: IMG_1" in said
    assert Dataset(here / "runs/x/prepare").keys("train", "target") == ["IMG_1"]


def test_a_folder_that_is_there_is_no_pattern(here: Path) -> None:
    grey("shoot [2020]/a.png")
    prepare('{uses: single, folders: {train: "shoot [2020]"}}')
    grey("shoot [2020]/[b].png")
    prepare('{uses: single, folders: {train: "shoot [2020]/[b].png"}}')
    assert Dataset(here / "runs/x/prepare").keys("train", "image") == ["[b]"]


def test_classes_and_sides_are_one_name_in_two_forms(here: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Blüte") for form in ("NFC", "NFD"))
    for split, name in (("train", nfd), ("val", nfc)):
        grey(f"root/{split}/{name}/a.png")
        grey(f"root/{split}/plain/b.png")
    prepare(f"{{uses: domains, root: root, names: [{nfc}, plain]}}")
    assert Dataset(here / "runs/x/prepare").keys("val", "image") == [f"{nfc}/a", "plain/b"]
    Path("t.csv").write_text(f"file,kind\nroot/train/{nfc}/a.png,{nfd}\nroot/train/plain/b.png,plain\n", "utf-8-sig")
    kind = f"{{column: kind, type: class, names: [plain, {nfc}]}}"
    prepare(f"{{uses: table, path: t.csv, columns: {{image: file, kind: {kind}}}}}")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_folders_of_a_pipeline_are_one_name_in_two_forms(forms: tuple[str, str], here: Path) -> None:
    disk, yaml = (unicodedata.normalize(form, "Größe café") for form in forms)
    for name in ("a/1_x", "a/1_y", "b/1", "kinds/plain/1", f"kinds/{disk}/2"):
        grey(f"{disk}/{name}.png")
    sources = {
        f"{{uses: folders, a: {yaml}/a, b: {yaml}/b}}": "b",
        f"{{uses: pairs, a: '{yaml}/a/*_x', b: '{yaml}/a/*_y', test: {{a: {yaml}/b, b: {yaml}/b}}}}": "target",
        f"{{uses: single, folders: {{train: {yaml}/b}}}}": "image",
        f"{{uses: single, folders: {{train: [{yaml}/b]}}}}": "image",
    }
    for source, side in sources.items():
        prepare(source)
        assert Dataset(here / "runs/x/prepare").keys("train", side) == ["1"]
        assert "nothing changed" in plan()
    grey(f"{disk}/b/1.png", 9)
    assert "b/1.png changed" in plan()
    prepare(f"{{uses: domains, root: {yaml}/kinds}}")
    prepare(f"{{uses: domains, domains: {{one: {yaml}/kinds/plain, two: {yaml}/kinds/{yaml}}}}}")
    assert Dataset(here / "runs/x/prepare").keys("train", "image") == ["one/1", "two/2"]


def test_names_on_the_command_line(here: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "Blüte") for form in ("NFC", "NFD"))
    grey(f"A/{nfd}.png")
    grey(f"B/{nfc}.png")
    done = CliRunner().invoke(main, ["evaluate", "A", "B", "--metrics", "l1", "--json"])
    assert done.exit_code == 0 and '"score": 0.0' in done.stdout
