"""my-plugin: a command that makes a page of the images in a folder."""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import quote

import click
from translate import ConfigError, hookimpl

translate_contract = ">=2,<3"

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
"""What browsers show."""

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>figure {{ display: inline-block; margin: 8px }} figcaption {{ text-align: center }}</style>
{figures}
"""
FIGURE = '<figure><img src="{address}" width="{width}" alt=""><figcaption>{name}</figcaption></figure>'


@click.command("my-plugin")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--width", type=click.IntRange(16, 4096), default=256, help="Of each image, in pixels.")
def gallery(folder: Path, width: int) -> None:
    """Write FOLDER/index.html, a page with the images of FOLDER and of the folders in it."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES]
    if not names:  # errors of `translate` are shown as one line
        raise ConfigError(f"{folder}: no images here; the page shows {', '.join(SUFFIXES)}")
    figures = [FIGURE.format(address=quote(name), width=width, name=html.escape(name)) for name in names]
    page = folder / "index.html"
    page.write_text(PAGE.format(title=html.escape(folder.name), figures="\n".join(figures)), "utf-8")
    click.echo(f"{page}: {len(names)} images")


@hookimpl
def translate_commands() -> list[click.Command]:
    return [gallery]
