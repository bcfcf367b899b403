"""Writes `results.md`, its sheets, `gallery.md` and the README's first row of pictures from `results.yaml`: runs what
is not current, then reads the scores.

    python docs/results.py --data FOLDER      as `make results DATA=FOLDER`; without --data, datasets that were fetched
    python docs/results.py --only inpainting  one section, whose place on the page it takes
    python docs/results.py --no-run           from the runs that are there; what has none stays as the page has it
    python docs/results.py --steps 2 --output FOLDER              tries the command: trainings end after two steps

Each run's folder of images is FOLDER/ROOT, by the name `root` in `results.yaml`. Runs lie in the working directory;
those of `--steps`, which are no results, beside their page.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import yaml
from results_cases import ROWS, Case, Conversion, by_name, by_score, single_images
from results_page import Figures, earlier, flat, gallery, section_text
from results_sheet import Block, Row, draw

from translate.imaging.io import encode
from translate.pipeline.schema import load
from translate.storage import manifest
from translate.text import duration, number

HERE = Path(__file__).parent
BESIDE = 16
"""Letters of a line beside a row."""
FIRST_ROW = 1260
"""Pixels of the width of the README's first row of pictures."""


class Run:
    """A recipe with a profile, and what it left under `runs/`."""

    def __init__(
        self, work: Path, file: str, profile: str | None = None, root: str | None = None, machine: str = ""
    ) -> None:
        self.work, self.file, self.profile, self.root, self.machine = work, HERE.parent / file, profile, root, machine
        self.recipe = load(self.file).root.plain()
        name = self.recipe["name"]
        self.folder = work / "runs" / (f"{name}@{profile}" if profile else name)

    @property
    def arguments(self) -> list[str]:
        shown = ["run", f"pipelines/{self.file.name}"]
        return [*shown, "--profile", self.profile] if self.profile else shown

    def start(self, data: Path | None, steps: int | None) -> None:
        """Runs it as a user would; with `steps`, its trainings end after so many."""
        told = [f"stages.prepare.with.source.root={data / self.root}"] if data and self.root else []
        trained = [name for name, stage in self.recipe["stages"].items() if stage["uses"] == "train"]
        told += [f"stages.{name}.with.max_steps={steps}" for name in trained if steps]
        arguments = [*self.arguments[2:], *(word for each in told for word in ("--set", each))]
        command = [sys.executable, "-m", "translate", "run", str(self.file), *arguments]
        env = {"TRANSLATE_DATA": str(Path("data").resolve()), **os.environ}
        if code := subprocess.run(command, check=False, cwd=self.work, env=env).returncode:
            raise click.ClickException(f"translate {' '.join(self.arguments)} ended with exit code {code}")

    def score(self, stage: str, metric: str) -> dict[str, Any]:
        path = self.folder / stage / "scores.json"
        found = {score["metric"]: score for score in json.loads(path.read_text())["scores"]}
        if metric not in found:
            raise click.ClickException(f"{path} has no {metric}; it has {', '.join(found)}")
        return found[metric]

    def budget(self) -> str:
        """Steps, batch size and time of each training."""
        told = []
        for stage in sorted(self.folder.iterdir()):
            content = manifest.read(stage) if stage.is_symlink() or stage.is_dir() else None
            if content and content["uses"] == "train" and content["stage"] == stage.name:
                steps = max(int(path.name) for path in (stage / "checkpoints").iterdir() if path.name.isdigit())
                batch = content["recipe"]["with"]["batch_size"]
                told.append(f"{stage.name} {steps:,} steps of {batch} in {duration(content['seconds'])}")
        return f"{'; '.join(told)} ({self.machine})" if self.machine else "; ".join(told)


def between(interval: list[float]) -> str:
    return " to ".join(map(number, interval))


def table(section: dict[str, Any], runs: dict[str, Run]) -> list[str]:
    """The section's rows: baselines, our columns, the paper's figure."""
    names = section.get("baselines", {"copy": "input copied", "constant": "best constant"})
    rows = []
    for row in section["rows"]:
        cells: dict[str, str] = {"measure": row["measure"]}
        known = {}
        for column, place in row["ours"].items():
            run, stage, *field = place.split("/")
            score = runs[run].score(stage, row["metric"])
            known = known or score
            value = score[field[0] if field else "score"]
            cells[column] = between(value) if isinstance(value, list) else number(value)
            if not field and score.get("interval"):
                cells[column] += f" ({between(score['interval'])})"
        cells |= {title: number(known[key]) for key, title in names.items() if known.get(key) is not None}
        cells["paper"] = str(row.get("paper", ""))
        rows.append(cells)
    ours = list(dict.fromkeys(column for row in section["rows"] for column in row["ours"]))
    columns = [c for c in ("measure", *names.values(), *ours, "paper") if any(row.get(c) for row in rows)]
    lines = [columns, ["---"] * len(columns), *([row.get(c) or "-" for c in columns] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


# -------------------------------------------------------------------------------------------------------------- sheets


def cases_of(block: dict[str, Any], runs: dict[str, Run]) -> tuple[list[Case], str]:
    """The rows of a block, and how they were chosen."""
    run, stage, *_ = next(iter(block["columns"].values())).split("/")
    images, beside = Conversion(runs[run].folder, stage), block.get("beside", 1)
    if "by" not in block:
        return by_name(images, block.get("rows", ROWS), beside)
    ((title, place),) = block["by"].items()
    run, stage, metric = place.split("/")
    scores, higher = single_images(runs[run].folder, stage, metric)
    return by_score(images, scores, higher, title, beside)


def row_of(case: Case, block: dict[str, Any], runs: dict[str, Run]) -> Row:
    """The pictures of a case. Of several answers to one input, the input stands there once."""
    columns = []
    for place in block["columns"].values():
        run, stage, *part = place.split("/")
        images, name = Conversion(runs[run].folder, stage), part[0] if part else "output"
        keys = case.keys if name in ("output", "target") else case.keys[:1]
        columns.append([images.picture(name, key) for key in keys])
    label = [case.title, *textwrap.wrap(case.score, BESIDE), *textwrap.wrap(case.name, BESIDE)]
    return Row([line for line in label if line], columns)


def sheet(section: dict[str, Any], runs: dict[str, Run], file: Path) -> str:
    """Draws the sheet of a section; the sentence that says how its rows were chosen."""
    blocks, choices = [], []
    for block in section["sheet"]:
        cases, choice = cases_of(block, runs)
        title = block.get("title", "")
        blocks.append(Block(list(block["columns"]), [row_of(case, block, runs) for case in cases], title))
        choices.append(f"{title}: {choice}" if title else choice)
    save(file, draw(blocks))
    return f"Rows: {'; '.join(dict.fromkeys(choices))}."


def draw_first_row(use: dict[str, str], section: dict[str, Any], runs: dict[str, Run], output: Path) -> None:
    """Draws the rows of a section's first block beside each other, if it is the section whose picture that is."""
    block, blocks = section["sheet"][0], []
    needed = {place.partition("/")[0] for place in block["columns"].values()}
    if section["title"] != use["section"] or not all(runs[run].folder.is_dir() for run in needed):
        return
    for case in cases_of(block, runs)[0]:
        row = replace(row_of(case, block, runs), label=[])
        blocks.append(Block(list(block["columns"]), [row], f"{case.title or case.name} ({case.score})"))
    save(output / use["picture"], draw(blocks, FIRST_ROW))


def save(file: Path, pixels: Any) -> None:
    """Writes a PNG. Earlier sheets were JPEGs: such a one goes, and pages that show it show the new one."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(encode(pixels, ".png", compression=9))
    former = file.with_suffix(".jpg")
    if not former.exists():
        return
    for page in file.parents[1].glob("*.md"):
        text = page.read_text("utf-8")
        page.write_text(text.replace(f"sheets/{former.name}", f"sheets/{file.name}"), "utf-8")
    former.unlink()


# --------------------------------------------------------------------------------------------------------------- pages


def figures(section: dict[str, Any], runs: dict[str, Run], output: Path) -> Figures:
    """The figures of a section from its runs, with its sheet."""
    name = re.sub(r"[^a-z0-9]+", "-", section["title"].partition(" (")[0].lower())
    choice = sheet(section, runs, output / "sheets" / f"{name}.png")
    budget = "; ".join(f"{run}: {runs[run].budget()}" for run in section["runs"])
    return Figures(budget, table(section, runs), f"sheets/{name}.png", f"{flat(section['caption'])} {choice}")


def chosen_sections(sections: list[dict[str, Any]], words: tuple[str, ...]) -> list[str]:
    """The titles that have one of the words in them; all of them without words."""
    titles = [section["title"] for section in sections]
    chosen = [title for title in titles if not words or any(word.lower() in title.lower() for word in words)]
    if not chosen:
        raise click.UsageError(f"no section is called so; there are {', '.join(titles)}")
    return chosen


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--no-run", is_flag=True)
@click.option("--only", multiple=True, help="Sections whose title has this in it; others stay as the page has them.")
@click.option("--steps", type=click.IntRange(1))
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=HERE)
def main(data: Path | None, no_run: bool, only: tuple[str, ...], steps: int | None, output: Path) -> None:
    if steps and output.resolve() == HERE.resolve():
        raise click.UsageError("these are no results: give --output FOLDER")
    content = yaml.safe_load((HERE / "results.yaml").read_text("utf-8"))
    chosen = chosen_sections(content["sections"], only)
    output.mkdir(parents=True, exist_ok=True)
    page = output / "results.md"
    before = page.read_text("utf-8") if page.exists() else ""
    work = output.resolve() if steps else Path.cwd()
    lines = ["# Results", "", *content["intro"].splitlines(), ""]
    if steps:
        lines += [f"**No results: every training ended after {steps} steps.**", ""]
    for section in content["sections"]:
        runs = {name: Run(work, **use) for name, use in section["runs"].items()}
        missing = [run.folder for run in runs.values() if not run.folder.is_dir()]
        is_chosen, kept = section["title"] in chosen, earlier(before, section)
        if is_chosen and not no_run:
            for run in runs.values():
                run.start(data.resolve() if data else None, steps)
            kept = figures(section, runs, output)
        elif is_chosen and not missing:
            kept = figures(section, runs, output)
        elif is_chosen and kept is None:
            raise click.ClickException(f"{missing[0]} is not there; without --no-run it is made")
        draw_first_row(content["first_row"], section, runs, output)
        if kept is not None:
            lines += section_text(section, [" ".join(run.arguments) for run in runs.values()], kept)
    text = "\n".join(lines).rstrip() + "\n"
    page.write_text(text, "utf-8")
    (output / "gallery.md").write_text(gallery(text, content["sections"], content["gallery"]), "utf-8")


if __name__ == "__main__":
    main()
