"""A whole HTML page in one file, which works from a disk, in the dark, on paper, and on a screen of 320 pixels."""

from __future__ import annotations

from html import escape
from importlib.resources import files

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""What a browser may fetch for a page: nothing but what stands in it."""


def document(title: str, body: str, *, style: str = "", script: str = "", head: str = "", images: str = "") -> str:
    """A page. `style` and `script` come behind those of all pages, `head` is more HTML for its head.

    `images` are further places that pictures may come from, as a Content-Security-Policy names them.
    """
    policy = f"{POLICY} {images}".strip()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{head}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{part("base.css")}{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>
{part("wipe.js")}{script}</script>
</body>
</html>
"""


def part(name: str, package: str = "translate.webpages") -> str:
    """A style or a script that lies beside the code of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")
