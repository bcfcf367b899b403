from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import AXE, MISSING, Browser, browser


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    if MISSING:
        pytest.skip(MISSING)
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def axe(window: Browser) -> Browser:
    if not AXE:
        pytest.skip("TRANSLATE_TEST_AXE names no axe.min.js")
    return window
