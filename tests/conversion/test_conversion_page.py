"""`contact.html`: every input of a conversion, how far its output is from it, and what converted it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import AXE, MISSING, Browser, browser

from translate.conversion.batches import change
from translate.conversion.convert import convert
from translate.conversion.report import page as contact
from translate.imaging.image import Image
from translate.imaging.io import write

SIDE = 40


def rows_of(page: Path) -> list[Any]:
    found = re.search(r'id="rows">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    rows: list[Any] = json.loads(found[1])["rows"]
    return rows


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "my photos"
    root.mkdir()
    for number in range(30):
        write(root / f"{number:02d} &.png", np.full((SIDE, SIDE, 3), 8 * number, np.uint8))
    (root / "broken.png").write_bytes(b"\x89PNG no more")
    return root


def test_the_change_is_the_mean_difference_whatever_the_sizes() -> None:
    grey = np.random.default_rng(0).integers(0, 200, (64, 64, 1), np.uint8)
    assert change(Image(grey), Image(grey)) == 0
    assert change(Image(grey), Image(grey + 51)) == pytest.approx(0.2)
    assert change(Image(grey), Image(np.repeat(grey + 51, 3, axis=2))) == pytest.approx(0.2)
    assert change(Image(grey), Image((grey + 51).repeat(4, 0).repeat(4, 1))) == pytest.approx(0.2)
    assert change(Image(grey.astype(np.uint16) * 257), Image(grey)) == 0
    label = Image(grey, mode="palette", palette=[(0, 0, 0)] * 256)
    assert change(Image(grey), label) is None


def test_the_page_has_every_input_once(photos: Path, tmp_path: Path, make: Any, told: Any) -> None:
    out = tmp_path / "out"
    summary = convert(photos, out, make(), console=told)
    assert (summary.done, summary.failed) == (30, 1)
    page = out / "contact.html"
    rows = rows_of(page)
    assert [row[0] for row in rows] == [*(f"{number:02d} &.png" for number in range(30)), "broken.png"]
    name, address, status, reason, changed, outputs = rows[3]
    assert (name, address, status, reason, changed) == ("03 &.png", "03%20%26.png", "done", "", 0)
    assert outputs == [["03 &.png", "03%20%26.png"]]
    assert rows[-1][2] == "failed" and "PNG" in rows[-1][3] and rows[-1][5] == []
    text = page.read_text("utf-8")
    assert "../my%20photos/" in text and "method tiny" in text and "direction a_to_b" in text
    assert "<script>alert" not in text


def test_of_many_inputs_the_failures_stay_in_the_list(
    photos: Path, tmp_path: Path, make: Any, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "LISTED", 5)
    convert(photos, tmp_path / "out", make(), console=told)
    rows = rows_of(tmp_path / "out/contact.html")
    assert len(rows) == 5 and rows[-1][0] == "broken.png"
    assert "ends after 5 of 31" in (tmp_path / "out/contact.html").read_text("utf-8")


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_person_turns_pages_filters_and_enlarges(photos: Path, tmp_path: Path, make: Any, told: Any) -> None:
    out = tmp_path / "out"
    convert(photos, out, make(), console=told)
    names = "return [...document.querySelectorAll('#all figcaption div:first-child')].map(e => e.textContent)"
    with browser() as window:
        window.requests()  # of the page that a browser begins with
        window.open((out / "contact.html").as_uri())
        assert len(window.run(names)) == 24
        loaded = "return [...document.querySelectorAll('#all img')].filter(i => i.naturalWidth == 40).length"
        assert window.wait(loaded) > 0
        next_page = "[...document.querySelectorAll('#all button')].find(b => b.textContent == 'Next').click()"
        window.run(next_page)
        assert [line[:6] for line in window.run(names)] == [*(f"{n:02d} &.p"[:6] for n in range(24, 30)), "broken"]
        choose = (
            "const [field, value] = arguments; const s = document.querySelectorAll('#all select')[field];"
            "s.value = value; s.dispatchEvent(new Event('input'))"
        )
        window.run(choose, 0, "failed")
        assert window.run(names) == ["broken.png"]
        window.run(choose, 0, "every")
        window.run(choose, 1, "most")
        assert len(window.run(names)) == 24
        window.click("#all .zoom")
        assert window.run("return document.querySelector('dialog').open")
        _drags(window)
        window.press("\ue00c")
        assert not window.run("return document.querySelector('dialog').open")
        window.resize(320, 700)
        assert window.run("return document.documentElement.scrollWidth") <= 320
        assert window.errors() == []
        assert all(address.startswith(("file:", "data:")) for address in window.requests())


def _drags(window: Browser) -> None:
    box = window.box("dialog .wipe")
    middle = box["y"] + box["height"] / 2
    window.drag((box["x"] + box["width"] / 2, middle), (box["x"] + 0.25 * box["width"], middle))
    assert window.run("return document.querySelector('dialog .wipe').style.getPropertyValue('--x')") == "25%"


PAPER = {"media": "print"}
DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_on_paper_the_page_has_its_pictures_and_nothing_to_press(
    photos: Path, tmp_path: Path, make: Any, told: Any
) -> None:
    convert(photos, tmp_path / "out", make(), console=told)
    seen = "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetHeight > 0).length"
    with browser() as window:
        window.open((tmp_path / "out/contact.html").as_uri())
        window.devtools("Emulation.setEmulatedMedia", PAPER)
        assert window.run(seen, ".pairs .zoom img") == 24
        assert window.run(seen, "#all .zoom img") == 48
        assert window.run(seen, "button:not(.zoom), select, input, figcaption a") == 0


@pytest.mark.skipif(not AXE or bool(MISSING), reason=MISSING or "TRANSLATE_TEST_AXE names no axe.min.js")
def test_no_serious_fault_of_accessibility(photos: Path, tmp_path: Path, make: Any, told: Any) -> None:
    convert(photos, tmp_path / "out", make(), console=told)
    with browser() as window:
        window.open((tmp_path / "out/contact.html").as_uri())
        for emulated in ({"features": []}, DARK):
            window.devtools("Emulation.setEmulatedMedia", emulated)
            assert window.faults() == []
            window.click("#all .zoom")
            assert window.faults() == []
            window.run("document.querySelector('dialog').close()")
