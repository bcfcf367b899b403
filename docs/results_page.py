"""The text of the pages of results: a section with its figures, what an earlier page has of them, and the gallery."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Figures:
    """Everything of a section that comes from its runs; the rest stands in `results.yaml`."""

    budget: str
    table: Sequence[str]
    sheet: str
    caption: str
    """What the sheet shows, and how its rows were chosen."""


def flat(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def section_text(section: Mapping[str, Any], commands: Sequence[str], figures: Figures) -> list[str]:
    """The lines of a section, with an empty one at their end."""
    facts = {
        "Command": ", ".join(f"`translate {command}`" for command in commands),
        "Data": flat(section["data"]),
        "Protocol": flat(section["protocol"]),
        "Budget": figures.budget,
        "What differs": flat(section["differs"]),
    }
    lines = [f"## {section['title']}", "", *(f"- {name}: {text}" for name, text in facts.items())]
    lines += ["", *figures.table, "", flat(section["seen"]), ""]
    return [*lines, f"![{section['title']}]({figures.sheet})", "", figures.caption, ""]


def earlier(page: str, section: Mapping[str, Any]) -> Figures | None:
    """The figures that a page has of a section; None where it has no such section.

    Errors: ClickException where the table has other rows than the section asks for now.
    """
    text = _sections(page).get(section["title"])
    if text is None:
        return None
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    measures = [line.split("|")[1].strip() for line in table[2:]]
    if measures != [row["measure"] for row in section["rows"]]:
        raise click.ClickException(f"{section['title']}: the page has other measures than results.yaml; run it again")
    (budget,) = (line.removeprefix("- Budget: ") for line in lines if line.startswith("- Budget: "))
    (sheet,) = re.findall(r"^!\[.*\]\((\S+)\)$", text, re.MULTILINE)
    return Figures(budget, table, sheet, lines[-1])


def _sections(page: str) -> dict[str, str]:
    """The sections of a page by title."""
    texts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    return {text.partition("\n")[0]: text.strip() for text in texts}


def gallery(page: str, sections: Sequence[Mapping[str, Any]], intro: str) -> str:
    """The page of all sheets, from the page of results: of each section the caption, and where more of it stands."""
    lines = ["# Gallery", "", *intro.splitlines(), ""]
    texts = _sections(page)
    for section in (each for each in sections if each["title"] in texts):
        title, text = section["title"], texts[section["title"]]
        (sheet,) = re.findall(r"^!\[.*\]\((\S+)\)$", text, re.MULTILINE)
        files = dict.fromkeys(run["file"] for run in section["runs"].values())
        links = [f"[scores](results.md#{anchor(title)})"]
        links += [f"[`{file.rpartition('/')[2]}`](../{file})" for file in files]
        lines += [f"## {title}", "", f"{text.splitlines()[-1]} {' · '.join(links)}", "", f"![{title}]({sheet})", ""]
    return "\n".join(lines).rstrip() + "\n"


def anchor(title: str) -> str:
    """The address of a heading within its page."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower()))
