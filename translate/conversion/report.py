"""`contact.html`: what became of a folder, at a glance; one file that needs no network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from pathlib import Path

from translate.conversion.inputs.own_files import MARK, is_own_page
from translate.conversion.items import Row, listed
from translate.conversion.journal import rows
from translate.conversion.summary import Summary
from translate.errors import TranslateError
from translate.imaging.io import probe
from translate.imaging.thumbnail import data_uri
from translate.storage.atomic import write_text
from translate.text import legible

PAGE_NAME = "contact.html"
PAIRS, SIDE, FAILURES = 12, 384, 50
LARGEST = 1 << 25
"""Pixels of images that are shown, at most: larger ones take long to read again."""

PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>
<meta name=viewport content="width=device-width">{mark}
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }}
body {{ margin: 2rem auto; max-width: 76rem; padding: 0 1rem }}
table {{ border-collapse: collapse }} td, th {{ padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top }}
.n {{ text-align: right; font-variant-numeric: tabular-nums }}
.pairs {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem }}
figure {{ margin: 0 }} figure div {{ display: flex; gap: 4px }} figure img {{ width: 50%; object-fit: contain }}
figcaption {{ font-size: 13px; overflow-wrap: anywhere; opacity: .8 }}
</style>
<h1>{title}</h1>{counts}<h2>Before and after</h2><div class=pairs>{pairs}</div>{failures}</html>
"""


def write_report(summary: Summary, root: Path, output: Path) -> Path | None:
    """Writes the page beside the results that it is about: counts, images spread over the set, the first failures.

    None, and nothing is written, where the page that is there is somebody else's.
    """
    assert summary.journal is not None
    path = output / PAGE_NAME
    if os.path.lexists(path) and (path.is_symlink() or not is_own_page(path)):
        return None
    page = PAGE.format(
        mark=MARK,
        title=_text(output.resolve().name or str(output)),
        counts=f"<table>{''.join(_counts(summary))}</table>",
        pairs="".join(_pairs(summary.journal, summary.done, root, output)),
        failures=_failures(summary.journal, summary.failed),
    )
    write_text(path, page)
    return path


def _counts(summary: Summary) -> Iterator[str]:
    counts = {
        "converted": summary.done - summary.kept,
        "converted before": summary.kept,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "passed over (no images)": summary.ignored,
    }
    for name, count in counts.items():
        if count or name == "converted":
            yield f"<tr><th>{name}<td class=n>{count:,}"


def _failures(journal: Path, count: int) -> str:
    failed = list(islice(_of(journal, "failed"), FAILURES))
    if not failed:
        return ""
    lines = "".join(f"<tr><td>{_text(row['input'])}<td>{_text(row['reason'])}" for row in failed)
    more = f"<p>and {count - len(failed):,} more" if count > len(failed) else ""
    return f"<h2>Failed</h2><table>{lines}</table>{more}"


def _pairs(journal: Path, done: int, root: Path, output: Path) -> Iterator[str]:
    """At most `PAIRS` inputs with their outputs, at equal distances in the list."""
    step, shown = max(1, done // PAIRS), 0
    for number, row in enumerate(_of(journal, "done")):
        if number % step or shown == PAIRS:
            continue
        files = [root / row["input"], *(output / name for name in listed(row["output"])[:1])]
        try:
            if _too_large(files):
                continue
            pictures = "".join(f"<img src='{data_uri(file, SIDE)}' alt=''>" for file in files)
        except TranslateError:  # gone since
            continue
        shown += 1
        yield f"<figure><div>{pictures}</div><figcaption>{_text(row['input'])}</figcaption></figure>"


def _too_large(files: Iterable[Path]) -> bool:
    headers = map(probe, files)
    return any(header.width * header.height > LARGEST for header in headers)


def _of(journal: Path, status: str) -> Iterator[Row]:
    return (row for row in rows(journal) if row["status"] == status)


def _text(text: str) -> str:
    """Names that are not UTF-8 have to go into a page that is."""
    return escape(legible(text))
