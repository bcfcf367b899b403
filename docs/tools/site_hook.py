"""For mkdocs: the pipelines' files are part of the site, since pages link to them as they lie in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PIPELINES = Path(__file__).parents[2] / "pipelines"
WIDE = ("gallery.md",)
"""Pages of pictures, which take the room of the table of contents."""


def on_files(files: Files, *, config: Any) -> Files:
    for file in sorted(PIPELINES.glob("*.yaml")):
        files.append(File.generated(config, f"pipelines/{file.name}", abs_src_path=str(file)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]
    return markdown.replace("](../pipelines/", "](pipelines/")
