"""The page beside the results of a conversion: examples that stand in the page, and a list of every input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from translate.conversion.inputs.own_files import MARK, is_own_page
from translate.conversion.items import Row, listed
from translate.conversion.journal import rows
from translate.conversion.summary import Summary
from translate.errors import TranslateError
from translate.imaging.io import probe
from translate.imaging.thumbnail import thumbnail
from translate.storage.atomic import write_text
from translate.text import legible
from translate.webpages.document import document, part
from translate.webpages.elements import img, table, text

PAGE_NAME = "contact.html"
PAIRS, SIDE = 12, 384
"""Examples whose pictures stand in the page, and the longer side of these in pixels."""
LISTED = 50_000
"""Inputs in the list, at most; failures go first."""
LARGEST = 1 << 25
"""Pixels of images that are shown, at most: larger ones take long to read again."""
SOURCES = "file: 'self'"
"""The list shows the files themselves, which lie on the same disk or server as the page."""


def write_report(summary: Summary, root: Path, output: Path, about: Mapping[str, str] | None = None) -> Path | None:
    """Writes the page beside the results: what converted them (`about`), counts, examples, and all inputs.

    None, and nothing is written, where the page that is there is somebody else's.
    """
    assert summary.journal is not None
    path = output / PAGE_NAME
    if os.path.lexists(path) and (path.is_symlink() or not is_own_page(path)):
        return None
    title = legible(output.resolve().name or str(output))
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    facts = " · ".join(text(f"{name} {value}") for name, value in {**(about or {}), "date": date}.items() if value)
    examples = "".join(_examples(summary.journal, summary.done, root, output))
    body = "\n".join(
        [
            f"<header><h1>{text(title)}</h1><small>{facts}</small></header>",
            f"<section><h2>Counts</h2>{table(['what', 'images'], list(_counts(summary)), 'counts')}</section>",
            f'<section><h2>Before and after</h2><div class="pairs">{examples}</div></section>',
            _all(summary, root, output),
        ]
    )
    package = "translate.conversion.report"
    style, script = part("contact.css", package), part("contact.js", package)
    write_text(path, document(title, body, style=style, script=script, head=f"{MARK}\n", images=SOURCES))
    return path


def _counts(summary: Summary) -> Iterator[list[Any]]:
    counts = {
        "converted": summary.done - summary.kept,
        "converted before": summary.kept,
        "failed": summary.failed,
        "skipped": summary.skipped,
        "passed over (no images)": summary.ignored,
    }
    for name, count in counts.items():
        if count or name == "converted":
            yield [name, count]


def _examples(journal: Path, done: int, root: Path, output: Path) -> Iterator[str]:
    """At most `PAIRS` inputs with their outputs, at equal distances in the list."""
    step, shown, number = max(1, done // PAIRS), 0, -1
    for row in rows(journal):
        if row["status"] != "done":
            continue
        number += 1
        if number % step or shown == PAIRS:
            continue
        files = [root / row["input"], *(output / name for name in listed(row["output"])[:1])]
        try:
            if _too_large(files):
                continue
            titles = ["before", "after"][: len(files)]
            pictures = [img(thumbnail(file, SIDE), what) for what, file in zip(titles, files, strict=True)]
        except TranslateError:  # gone since
            continue
        shown += 1
        name = text(row["input"])
        yield (
            f'<figure><button type="button" class="zoom" aria-label="enlarge {name}">{"".join(pictures)}</button>'
            f"<figcaption>{name}{_change(row)}</figcaption></figure>"
        )


def _change(row: Row) -> str:
    return "" if row.get("change") is None else f" · changed by {100 * row['change']:.1f} %"


def _too_large(files: Iterable[Path]) -> bool:
    headers = map(probe, files)
    return any(header.width * header.height > LARGEST for header in headers)


def _all(summary: Summary, root: Path, output: Path) -> str:
    """The list of all inputs, which a script shows in pages, and the failures as text."""
    assert summary.journal is not None
    total = summary.done + summary.failed + summary.skipped
    entries = [_entry(row) for row in _first(summary.journal)]
    content = {"input": _address(root, output), "rows": entries}
    data = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    more = f"<p>The list ends after {LISTED:,} of {total:,}; results.jsonl has all.</p>" if total > LISTED else ""
    failed = [[entry[0], entry[3]] for entry in entries if entry[2] == "failed"][:PAIRS]
    told = f"<h3>First failures</h3>{table(['input', 'reason'], failed, 'first failures')}" if failed else ""
    return (
        f"<section><h2>All images</h2>{told}"
        '<noscript><p>Without JavaScript, see <a href="results.jsonl">results.jsonl</a>.</p></noscript>'
        f'<div id="all"></div>{more}</section><script type="application/json" id="rows">{data}</script>'
    )


def _first(journal: Path) -> Iterator[Row]:
    """At most `LISTED` rows in their order, all failures among them as far as there is room."""
    failed = sum(1 for row in rows(journal) if row["status"] == "failed")
    others = max(0, LISTED - failed)
    shown = 0
    for row in rows(journal):
        is_failure = row["status"] == "failed"
        if shown < LISTED and (is_failure or others > 0):
            shown += 1
            others -= not is_failure
            yield row


def _entry(row: Row) -> list[Any]:
    """A row as the script reads it: name, address below the input folder, status, reason, change, outputs."""
    outputs = [[legible(name), quote(os.fsencode(name))] for name in listed(row["output"])]
    reason = row["reason"] or row.get("note") or ""
    name = legible(row["input"])
    return [name, quote(os.fsencode(row["input"])), row["status"], legible(reason), row.get("change"), outputs]


def _address(root: Path, output: Path) -> str:
    """The address of the input folder as the page sees it, with a slash at its end."""
    try:
        path = os.path.relpath(root.resolve(), output.resolve())
    except ValueError:  # on another drive
        return root.resolve().as_uri() + "/"
    return quote(os.fsencode(Path(path).as_posix())) + "/"
