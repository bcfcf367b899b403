"""`report.html` in a browser: what a person does with it, and what it asks for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsed_runs import BLUE, RED, prepared, record
from browser import Browser
from PIL import Image

ARROW_LEFT, ARROW_RIGHT, HOME = "\ue012", "\ue014", "\ue011"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny@quick"
    prepared(folder)
    record(folder, "none")
    return folder / "report.html"


@pytest.fixture
def opened(window: Browser, page: Path) -> Iterator[Browser]:
    window.errors(), window.requests()
    window.resize(1280, 800)
    window.open(page.as_uri())
    yield window
    assert window.errors() == []
    asked = window.requests()
    assert asked and all(address.startswith(("file:", "data:")) for address in asked)


def seen(window: Browser) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(window.picture())).convert("RGB"))


def colour(window: Browser, box: dict[str, float], share: float) -> str:
    """Whether red (before) or blue (after) is seen at a share of a wipe's width."""
    x, y = round(box["x"] + share * box["width"]), round(box["y"] + 0.6 * box["height"])
    pixel = seen(window)[y, x].astype(int)
    near = {name: np.abs(pixel - value).sum() for name, value in (("before", RED), ("after", BLUE))}
    return min(near, key=lambda name: near[name])


def test_the_divider_follows_the_mouse_from_where_it_stands(opened: Browser) -> None:
    box = opened.box(".compare:not([hidden]) .wipe")
    middle = box["y"] + box["height"] / 2
    assert [colour(opened, box, share) for share in (0.3, 0.7)] == ["before", "after"]
    opened.drag((box["x"] + box["width"] / 2, middle), (box["x"] + 0.2 * box["width"], middle))
    assert [colour(opened, box, share) for share in (0.1, 0.3)] == ["before", "after"]
    opened.drag((box["x"] + 0.2 * box["width"], middle), (box["x"] + 0.9 * box["width"], middle))
    assert [colour(opened, box, share) for share in (0.8, 0.97)] == ["before", "after"]


def test_the_divider_follows_the_keys_and_shows_that_it_has_the_focus(opened: Browser) -> None:
    opened.run("document.querySelector('.wipe input').focus()")
    opened.press(HOME, ARROW_RIGHT, ARROW_RIGHT)
    facts = opened.run(
        "const w = document.querySelector('.wipe');"
        "return [w.style.getPropertyValue('--x'), getComputedStyle(w).outlineStyle,"
        "w.querySelector('input').getAttribute('aria-valuetext')]"
    )
    assert facts == ["2%", "solid", "2 % before, 98 % after"]


def test_the_slider_shows_another_step_and_the_kept_one_has_a_button(opened: Browser) -> None:
    shown = "return [...document.querySelectorAll('.steps img')].filter(i => i.offsetHeight).map(i => i.alt)"
    assert opened.run(shown) == ["step 40"]
    opened.run("document.querySelector('.steps input').focus()")
    opened.press(ARROW_LEFT, ARROW_LEFT)
    assert opened.run(shown) == ["step 0"]
    opened.click(".steps button")
    assert opened.run(shown) == ["step 20, kept"]
    assert opened.run("return document.querySelector('.steps output').textContent") == "step 20, kept"


def test_a_button_chooses_the_pair(opened: Browser) -> None:
    shown = "return [...document.querySelectorAll('.compare')].map(c => c.offsetHeight > 0)"
    assert opened.run(shown) == [True, False]
    opened.click(".thumbs button:nth-child(2)")
    assert opened.run(shown) == [False, True]


def test_the_verdict_and_a_picture_are_on_the_first_screen(opened: Browser) -> None:
    bottom = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom"
    assert opened.run(bottom, ".verdict p") < 800 and opened.run(bottom, ".wipe") < 800
    words = opened.run("return document.querySelector('.top').innerText")
    assert "better than a copy of the input by l1 and psnr" in words and "0.08 to 0.12" in words


def test_a_narrow_screen_needs_no_scrolling_sideways(opened: Browser) -> None:
    opened.resize(320, 700)
    assert opened.run("return document.documentElement.scrollWidth") <= 320


def test_it_is_dark_where_the_system_is(opened: Browser) -> None:
    background = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert min(opened.run(background)) > 200
    opened.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    try:
        assert max(opened.run(background)) < 60
    finally:
        opened.devtools("Emulation.setEmulatedMedia", {"features": []})


def test_on_paper_nothing_is_folded_cut_off_or_to_be_pressed(opened: Browser) -> None:
    seen = "return [...document.querySelectorAll(arguments[0])].filter(e => e.offsetHeight > 0).length"
    cut = "return [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth).length"
    opened.resize(718, 1000)  # a sheet of A4 between its margins
    opened.devtools("Emulation.setEmulatedMedia", {"media": "print"})
    opened.run("dispatchEvent(new Event('beforeprint'))")
    try:
        assert opened.run("return document.querySelectorAll('details:not([open])').length") == 0
        assert opened.run(cut) == 0
        assert opened.run(seen, "button, input") == 0
    finally:
        opened.run("dispatchEvent(new Event('afterprint'))")
        opened.devtools("Emulation.setEmulatedMedia", {"media": ""})
    assert opened.run("return document.querySelectorAll('details[open]').length") == 0


def test_no_serious_fault_of_accessibility(axe: Browser, opened: Browser) -> None:
    assert opened.faults() == []
    opened.devtools("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    assert opened.faults() == []
    opened.devtools("Emulation.setEmulatedMedia", {"features": []})
