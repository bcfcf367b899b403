"""What a notebook shows for a model or a result: a title, facts in a table, and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from translate.webpages.elements import Html, Picture, img, text

CELL = "text-align:left;padding:2px 14px 2px 0;vertical-align:top"
WIDEST = 640
"""Pixels over which a picture is shown, at most."""


def facts_html(title: str, facts: Mapping[str, Any], picture: Picture | None = None, alt: str = "") -> str:
    """A small piece of HTML without scripts; facts that are empty are left out, `Html` is taken as it is."""
    rows = [
        f'<tr><th scope="row" style="{CELL}">{text(name)}</th><td style="{CELL}">{_shown(value)}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "")
    ]
    shown = f'<div style="max-width:{WIDEST}px">{img(picture, alt)}</div>' if picture else ""
    return f"<div><p><strong>{text(title)}</strong></p><table>{''.join(rows)}</table>{shown}</div>"


def _shown(value: Any) -> str:
    return value if isinstance(value, Html) else text(str(value))


def link(address: str, words: str) -> Html:
    """A link to a file or a page."""
    return Html(f'<a href="{text(address)}">{text(words)}</a>')
