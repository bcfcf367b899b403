"""Writes `results.md` and its contact sheets from `results.yaml`: runs what is not current, then reads the scores.

    python docs/results.py --data FOLDER      as `make results DATA=FOLDER`; without --data, datasets that were fetched
    python docs/results.py --no-run           only writes the page, from the runs that are there

Each run's folder of images is FOLDER/ROOT, by the name `root` in `results.yaml`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml

from translate.console import duration, number
from translate.data.image import encode, read
from translate.storage import manifest
from translate.tracking.pictures import shrink

HERE = Path(__file__).parent
QUALITY, GAP, LONGEST = 85, 12, 1200


class Run:
    """A recipe with a profile, and what it left under `runs/`."""

    def __init__(self, file: str, profile: str | None = None, root: str | None = None, machine: str = "") -> None:
        self.file, self.profile, self.root, self.machine = HERE.parent / file, profile, root, machine
        name = yaml.safe_load(self.file.read_text())["name"]
        self.folder = Path("runs") / (f"{name}@{profile}" if profile else name)

    @property
    def arguments(self) -> list[str]:
        shown = ["run", f"pipelines/{self.file.name}"]
        return [*shown, "--profile", self.profile] if self.profile else shown

    def start(self, data: Path | None) -> None:
        root = ["--set", f"stages.prepare.with.source.root={data / self.root}"] if data and self.root else []
        arguments = ["run", str(self.file), *self.arguments[2:], *root]
        subprocess.run([sys.executable, "-m", "translate", *arguments], check=True)

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


def sheet(section: dict[str, Any], runs: dict[str, Run], name: str) -> None:
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
    (HERE / "sheets").mkdir(exist_ok=True)
    page = shrink(np.concatenate(padded, 1), LONGEST)
    (HERE / "sheets" / f"{name}.jpg").write_bytes(encode(page, ".jpg", quality=QUALITY))


def page(section: dict[str, Any], runs: dict[str, Run]) -> list[str]:
    name = re.sub(r"[^a-z0-9]+", "-", section["title"].partition(" (")[0].lower())
    sheet(section, runs, name)
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
def main(data: Path | None, no_run: bool) -> None:
    content = yaml.safe_load((HERE / "results.yaml").read_text())
    lines = ["# Results", "", *content["intro"].splitlines(), ""]
    for section in content["sections"]:
        runs = {name: Run(**use) for name, use in section["runs"].items()}
        if not no_run:
            for run in runs.values():
                run.start(data.resolve() if data else None)
        lines += page(section, runs)
    (HERE / "results.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
