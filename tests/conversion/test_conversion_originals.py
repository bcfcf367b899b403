"""Never over an original: whatever links are in the way, and whoever's files lie where a conversion keeps its own."""

import os

import numpy as np
import pytest
from PIL import Image as Pillow

from translate.conversion import job as conversions
from translate.conversion.convert import convert, preview
from translate.conversion.options import ConvertOptions
from translate.conversion.worker import Worker
from translate.errors import ConfigError, StageError
from translate.imaging.io import write

OVER = ConvertOptions(overwrite=True)
DRAW = np.random.default_rng(29)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, DRAW.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return path.read_bytes()


@pytest.fixture
def photos(tmp_path):
    picture(tmp_path / "in/sub/a.png")
    picture(tmp_path / "in/b.png")
    (tmp_path / "out").mkdir()
    return tmp_path / "in"


def said(console):
    return console._errors.getvalue()


def link_of_folder(photos, out):
    (out / "sub").symlink_to("../in/sub")


def link_of_folder_above(photos, out):
    (out / "sub").symlink_to(photos.parent / "in/sub/../sub", target_is_directory=True)


def link_of_file(photos, out):
    (out / "sub").mkdir()
    (out / "sub/a.png").symlink_to(photos / "sub/a.png")


def hard_link(photos, out):
    (out / "sub").mkdir()
    os.link(photos / "sub/a.png", out / "sub/a.png")


def link_elsewhere(photos, out):
    (photos.parent / "elsewhere").mkdir()
    (out / "sub").symlink_to("../elsewhere")


@pytest.mark.parametrize("link", [link_of_folder, link_of_folder_above, link_of_file, hard_link, link_elsewhere])
def test_no_link_leads_an_output_onto_an_input_or_out_of_its_folder(link, photos, make, told):
    out, before = photos.parent / "out", (photos / "sub/a.png").read_bytes()
    link(photos, out)
    summary = convert(photos, out, make(), OVER, console=told)
    assert (summary.done, summary.failed) == (1, 1)
    ((name, reason),) = summary.failures
    assert name == "sub/a.png" and (
        "out of the output folder, where a link" in reason or "overwrite an input" in reason
    )
    assert (photos / "sub/a.png").read_bytes() == before
    if link is link_elsewhere:
        assert not any((photos.parent / "elsewhere").iterdir())
    (dry,) = [row for item, row in preview(photos, out, make(), OVER, console=told) if item.name == "sub/a.png"]
    assert dry["reason"] == reason, "a dry run says it as well"


@pytest.mark.parametrize("moment", ["before the folder is made", "after the file is written"])
def test_a_link_that_is_made_meanwhile_is_seen(moment, photos, make, told, monkeypatch):
    out, before = photos.parent / "out", (photos / "sub/a.png").read_bytes()
    step = "_encoded" if moment.startswith("before") else "_written"
    real = getattr(Worker, step)

    def linked(self, *args):
        result = real(self, *args)
        if not (out / "sub").is_symlink() and (step == "_encoded" or (out / "sub").is_dir()):
            if (out / "sub").is_dir():
                (out / "sub").rmdir()
            (out / "sub").symlink_to("../in/sub")
        return result

    monkeypatch.setattr(Worker, step, linked)
    summary = convert(photos, out, make(), OVER, console=told)
    assert summary.failed == 1 and "where a link leads" in summary.failures[0][1]
    assert (photos / "sub/a.png").read_bytes() == before
    assert not any((out / ".results.scratch").parent.glob(".results.scratch/*"))


def test_a_link_of_the_last_moment_ends_the_conversion(photos, make, told, monkeypatch):
    out, before = photos.parent / "out", (photos / "sub/a.png").read_bytes()
    monkeypatch.setattr(conversions, "_safe", lambda outcome, originals: outcome)
    link_of_folder(photos, out)
    monkeypatch.setattr("translate.conversion.backlog.Backlog._to_convert", _without_looking)
    monkeypatch.setattr(Worker, "_check_place", lambda self, target: None)
    with pytest.raises(StageError, match="start again"):
        convert(photos, out, make(), OVER, console=told)
    assert (photos / "sub/a.png").read_bytes() == before


def _without_looking(self, item, targets, *, may_replace):
    from translate.conversion.items import Entry

    return Entry(item, replace=may_replace)


def test_further_inputs_are_originals_too(photos, make, told):
    out = photos.parent / "out"
    before = picture(out / "b.png")
    summary = convert(photos, out, make(), ConvertOptions(overwrite=True, originals=(out / "b.png",)), console=told)
    assert summary.failed == 1 and "overwrite an input" in summary.failures[0][1]
    assert (out / "b.png").read_bytes() == before


def test_an_input_that_is_a_link_into_the_outputs_stays(photos, make, told):
    out = photos.parent / "out"
    before = picture(out / "b.png")
    (photos / "c.png").symlink_to("../out/b.png")
    summary = convert(photos, out, make(), OVER, console=told)
    assert (summary.done, summary.failed) == (2, 1) and (out / "b.png").read_bytes() == before


@pytest.mark.parametrize("name", ["results.jsonl", "results.partial.jsonl", "results.settings.json", "contact.html"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_of_the_users_that_are_called_as_ours_stay(name, overwrite, photos, make, told):
    out = photos.parent / "out"
    (out / name).write_text("my address book\n")
    options = ConvertOptions(overwrite=overwrite)
    if name == "contact.html":
        summary = convert(photos, out, make(), options, console=told)
        assert summary.done == 2 and summary.report is None
    else:
        with pytest.raises(ConfigError, match=f"{name}: is there, and no conversion wrote it"):
            convert(photos, out, make(), options, console=told)
        assert {path.name for path in out.iterdir()} == {name}, "nothing was written"
    assert (out / name).read_text() == "my address book\n"


@pytest.mark.parametrize(
    "name", ["results.jsonl", "results.partial.jsonl", "results.settings.json", ".results.lock", ".results.scratch"]
)
def test_links_in_the_place_of_our_own_files_are_not_followed(name, photos, make, told):
    out, precious = photos.parent / "out", photos.parent / "precious"
    precious.write_text("{}\n")
    (out / name).symlink_to(precious)
    with pytest.raises(ConfigError, match="is a link"):
        convert(photos, out, make(), OVER, console=told)
    assert precious.read_text() == "{}\n" and (out / name).is_symlink()


def test_the_rows_of_all_shards_are_not_joined_into_a_file_of_the_users(photos, make, told):
    out = photos.parent / "out"
    (out / "results.jsonl").write_text("mine\n")
    with pytest.raises(ConfigError, match="no conversion wrote it"):
        convert(photos, out, make(), ConvertOptions(shard=(1, 2)), console=told)


def test_our_own_page_and_rows_are_written_again(photos, make, told):
    out = photos.parent / "out"
    convert(photos, out, make(), console=told)
    page = out / "contact.html"
    page.write_text(page.read_text().replace("<title>out", "<title>older"))
    assert convert(photos, out, make(), OVER, console=told).report == page and "<title>out" in page.read_text()
    (out / "results.jsonl").write_text("")  # of a full disk
    assert convert(photos, out, make(), OVER, console=told).done == 2


def test_scratch_files_of_the_users_stay(photos, make, told):
    mine = photos.parent / "out/.results.scratch/mine"
    mine.parent.mkdir()
    mine.write_text("x")
    with pytest.raises(ConfigError, match="no scratch file"):
        convert(photos, photos.parent / "out", make(), console=told)
    assert mine.read_text() == "x"


def test_what_is_skipped_says_why(photos, make, told):
    picture(photos.parent / "out/b.png")
    summary = convert(photos, photos.parent / "out", make(), console=told)
    assert summary.skipped == 1 and "b.png is there, and this conversion did not write it" in said(told)


@pytest.mark.parametrize("seed", range(9))
def test_no_tangle_of_links_costs_an_original(seed, tmp_path, make, told):
    """Folders, links and hard links at random: what is outside OUTPUT stays, and so does what was in it before."""
    draw = np.random.default_rng([7, seed])
    names = ["a.png", "b.bmp", "c.png", "sub/a.png", "sub/deep/b.bmp"]
    places = [tmp_path / place for place in ("in", "other", "out")]
    files = [place / name for place in places for name in names if draw.random() < 0.6]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(draw.integers(0, 256, (8, 12, 3), dtype=np.uint8)).save(file)
    picture(tmp_path / "in/always.png")
    folders = [*places, *(place / "sub" for place in places), *(place / "sub/deep" for place in places)]
    for _ in range(8):
        link = folders[draw.integers(len(folders))] / ("sub", "more", "a.png", "d.png")[draw.integers(4)]
        target = [*folders, *files][draw.integers(len(folders) + len(files))]
        if os.path.lexists(link) or not link.parent.is_dir():
            continue
        if target.is_file() and draw.random() < 0.5:
            os.link(target, link)
        else:
            link.symlink_to(target)
    out = tmp_path / "out"
    outside = contents(tmp_path / "in") | contents(tmp_path / "other")
    before = contents(out)
    inputs = [tmp_path / "in", [tmp_path / "in", tmp_path / "other"], [p for p in files if out not in p.parents]]
    given = inputs[seed % 3] or inputs[0]
    for options in (ConvertOptions(), ConvertOptions(overwrite=True, format="png")):
        try:
            convert(given, tmp_path / "out", make(), options, console=told)
        except ConfigError:  # OUTPUT lies in an input folder, or holds images that were converted otherwise
            continue
        finally:
            assert contents(tmp_path / "in") | contents(tmp_path / "other") == outside
            if not options.overwrite:
                assert before.items() <= contents(out).items()


def contents(folder):
    """What is at each path below a folder, and where its links lead."""
    found = {}
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        if path.is_symlink():
            found[path] = path.readlink()
        elif path.is_file():
            found[path] = path.read_bytes()
    return found
