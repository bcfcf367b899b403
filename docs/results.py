"""Writes `results.md` and its contact sheets from `results.yaml`: runs what is not current, then reads the scores.

    python docs/results.py --data FOLDER      as `make results DATA=FOLDER`; without --data, datasets that were fetched
    python docs/results.py --no-run           only writes the page, from the runs that are there
    python docs/results.py --only inpainting --output FOLDER      a page of one section, in FOLDER
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
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml

from translate.imaging.io import encode, read
from translate.imaging.thumbnail import shrink
from translate.pipeline.schema import load
from translate.storage import manifest
from translate.text import duration, number

HERE = Path(__file__).parent
QUALITY, GAP, LONGEST = 85, 12, 1200


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


def sheet(section: dict[str, Any], runs: dict[str, Run], file: Path) -> None:
    """The contact sheets of some stages side by side, as JPEG."""
    parts = []
    for place in section["sheet"]:
        run, stage = place.split("/")
        pixels = read(runs[run].folder / stage / "contact.png").pixels
        parts.append(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels[..., :3])
    height = max(part.shape[0] for part in parts)
    padded = [
        np.pad(part, ((0, height - part.shape[0]), (0, GAP * (part is not parts[-1])), (0, 0)), constant_values=255)
        for part in parts
    ]
    joined = np.concatenate(padded, 1)
    times = max(1, LONGEST // max(joined.shape))  # pictures of 32 pixels are hard to see
    joined = joined.repeat(times, 0).repeat(times, 1)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(encode(shrink(joined, LONGEST), ".jpg", quality=QUALITY))


def page(section: dict[str, Any], runs: dict[str, Run], output: Path) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", section["title"].partition(" (")[0].lower())
    sheet(section, runs, output / "sheets" / f"{name}.jpg")
    commands = [f"`translate {' '.join(runs[run].arguments)}`" for run in section["runs"]]
    facts = {
        "Command": ", ".join(commands),
        "Data": section["data"],
        "Protocol": section["protocol"],
        "Budget": "; ".join(f"{run}: {runs[run].budget()}" for run in section["runs"]),
        "What differs": section["differs"],
    }
    lines = [f"## {section['title']}", "", *(f"- {title}: {' '.join(text.split())}" for title, text in facts.items())]
    lines += ["", *table(section, runs), "", " ".join(section["seen"].split()), ""]
    return [*lines, f"![{section['title']}](sheets/{name}.jpg)", "", " ".join(section["caption"].split()), ""]


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--no-run", is_flag=True)
@click.option("--only", multiple=True, help="Sections whose title has this in it.")
@click.option("--steps", type=click.IntRange(1))
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=HERE)
def main(data: Path | None, no_run: bool, only: tuple[str, ...], steps: int | None, output: Path) -> None:
    if (only or steps) and output.resolve() == HERE.resolve():
        raise click.UsageError("this makes a part of the page, or no results: give --output FOLDER")
    content = yaml.safe_load((HERE / "results.yaml").read_text())
    sections = [s for s in content["sections"] if not only or any(word.lower() in s["title"].lower() for word in only)]
    if not sections:
        raise click.UsageError(
            f"no section is called so; there are {', '.join(s['title'] for s in content['sections'])}"
        )
    output.mkdir(parents=True, exist_ok=True)
    work = output.resolve() if steps else Path.cwd()
    lines = ["# Results", "", *content["intro"].splitlines(), ""]
    if steps:
        lines += [f"**No results: every training ended after {steps} steps.**", ""]
    for section in sections:
        runs = {name: Run(work, **use) for name, use in section["runs"].items()}
        for run in runs.values():
            if not no_run:
                run.start(data.resolve() if data else None, steps)
            elif not run.folder.is_dir():
                raise click.ClickException(f"{run.folder} is not there; without --no-run it is made")
        lines += page(section, runs, output)
    (output / "results.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
