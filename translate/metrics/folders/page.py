"""A page of an evaluation, in one file: the verdict, the scores, and the worst and the best cases with pictures."""

from __future__ import annotations

from html import escape
from pathlib import Path

from translate.imaging.thumbnail import data_uri
from translate.metrics.folders.cases import Case
from translate.metrics.folders.comparing import Evaluation
from translate.metrics.scores import table
from translate.storage.atomic import write_text
from translate.text import number

SHOWN = 4
"""Cases at either end."""
LONGEST = 384
"""Pixels of a picture's longer side."""

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 0 auto; padding: 24px 20px 60px }
.verdict { font-size: 20px } .leaks { border-left: 4px solid #d97706; padding-left: 12px }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 5px 20px 5px 0; border-bottom: 1px solid #8884 }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); gap: 20px }
dt { font-weight: 600 } dd { margin: 0 0 8px }
figure { margin: 0 } .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 4px }
img { width: 100%; display: block; image-rendering: pixelated } figcaption { overflow-wrap: anywhere }
"""


def write_page(path: Path, title: str, evaluation: Evaluation) -> None:
    """Writes the page, which asks nothing of the network."""
    columns, rows = table(evaluation.scores)
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(_row([number(cell) for cell in row]) for row in rows)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><main><h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(evaluation.verdict.text)}</p>',
        *_leaks(evaluation),
        *(f"<p>{escape(warning)}</p>" for warning in evaluation.warnings),
        f"<p>{evaluation.images} images against {evaluation.references}, "
        f"{'pair by pair' if evaluation.paired else 'as two sets'}.</p>",
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
        *_protocols(evaluation),
        *_cases(evaluation),
        "</main></html>",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(parts))


def _row(cells: list[str]) -> str:
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _protocols(evaluation: Evaluation) -> list[str]:
    """What each figure depends on."""
    told = "".join(
        f"<dt>{escape(metric)}</dt><dd>{escape(protocol)}</dd>" for metric, protocol in evaluation.protocols().items()
    )
    return [f"<h2>What the metrics look at</h2><dl>{told}</dl>"] if told else []


def _leaks(evaluation: Evaluation) -> list[str]:
    if not evaluation.leaks:
        return []
    told = "".join(f"<li>{escape(leak.told)}</li>" for leak in evaluation.leaks)
    return [f'<div class="leaks"><p>Differences that have nothing to do with the pictures:</p><ul>{told}</ul></div>']


def _cases(evaluation: Evaluation) -> list[str]:
    """The ends of the list of cases, each picture once."""
    cases = list(evaluation.cases)
    if not cases:
        return []
    half = len(cases) // 2
    worst, best = cases[: min(SHOWN, len(cases) - half)], cases[::-1][: min(SHOWN, half)]
    parts: list[str] = []
    for title, chosen in (("Worst", worst), ("Best", best)):
        if chosen:
            figures = "".join(map(_figure, chosen))
            parts.append(f'<h2>{title} by {escape(chosen[0].metric)}</h2><div class="cases">{figures}</div>')
    return parts


def _figure(case: Case) -> str:
    name = escape(case.name)
    images = "".join(
        f'<img src="{data_uri(path, LONGEST)}" alt="{name}, {what}">'
        for what, path in (("output", case.output), ("real", case.reference))
    )
    caption = f"{name}: {case.score:.4g}; output, real"
    return f'<figure><div class="pair">{images}</div><figcaption>{caption}</figcaption></figure>'
