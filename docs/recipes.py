"""Compares recipes of a method in equal time, over seeds, and writes `recipes.md` from `recipes.yaml`.

    python docs/recipes.py --data FOLDER                        runs what is not there, then writes the page (days)
    python docs/recipes.py --data FOLDER --only facades         one section; the page stays as it is
    python docs/recipes.py --only maps --variant paper --variant recommended --seeds 1,2,3 --jobs 2
    python docs/recipes.py --no-run                             only writes the page, from the runs that are there

Each run has one thread, and `--jobs` of them run beside each other. Runs lie in the working directory, under
`recipes/SECTION/VARIANT/SEED`, and a stage that is current is not run again. What a row says is the mean over the seeds
and, behind it, half of the 95 % interval by Student's t. `minutes` are those of the training, with its validations.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import torch
import yaml
from scipy.stats import t as student
from torch import Tensor

from translate.imaging.io import read
from translate.metrics import SWD
from translate.pipeline.schema import load
from translate.text import number

HERE = Path(__file__).parent
PIPELINES = HERE.parent / "pipelines"


@dataclass
class Run:
    """One training of a variant by a seed, with what follows in its pipeline."""

    section: dict[str, Any]
    variant: dict[str, Any]
    seed: int
    folder: Path

    @property
    def profile(self) -> str:
        return str(self.variant.get("profile", self.section["profile"]))

    @property
    def stages(self) -> Path:
        """Where its finished stages are."""
        pipeline = load(PIPELINES / self.section["pipeline"], self.profile)
        return self.folder / "runs" / pipeline.title

    @property
    def done(self) -> bool:
        return all((self.stages / measure["stage"] / "scores.json").exists() for measure in self.section["measures"])

    def start(self, data: Path | None) -> None:
        """Runs the pipeline, or what of it is not current. Errors: ClickException where it fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = ["tracking=none", f"seed={self.seed}", *self.section.get("set", []), *self.variant.get("set", [])]
        if data is not None and "root" in self.section:
            told.append(f"stages.prepare.with.source.root={data / self.section['root']}")
        file = PIPELINES / self.section["pipeline"]
        command = [sys.executable, "-m", "translate", "run", str(file), "--profile", self.profile, "--device", "cpu"]
        for each in told:
            command += ["--set", each]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.folder / "log.txt").open("w") as log:
            done = subprocess.run(command, cwd=self.folder, env=environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            raise click.ClickException(f"{self.folder}: exit code {done.returncode}; see log.txt there")

    def score(self, measure: dict[str, Any]) -> float:
        """One number of the scores: of a metric, of its details, or of a level of `swd`, 0 being the finest. With
        `over: copy` it is that of a metric less what the inputs score."""
        if "level" in measure:
            stage = measure.get("images", "convert")
            return levels(self.stages / stage / "images", self.stages / self.section["real"][stage])[measure["level"]]
        path = self.stages / measure["stage"] / "scores.json"
        found: dict[str, float] = {}
        for score in json.loads(path.read_text("utf-8"))["scores"]:
            found[score["metric"]] = score["score"]
            if measure.get("over") == "copy" and score["metric"] == measure["metric"]:
                found[score["metric"]] -= score["copy"]
            found |= score.get("details") or {}
        if measure["metric"] not in found:
            raise click.ClickException(f"{path} has no {measure['metric']}; it has {', '.join(found)}")
        return float(found[measure["metric"]])

    @property
    def minutes(self) -> float:
        """Minutes of all its trainings."""
        seconds = 0.0
        for stage in self.section["trainings"]:
            seconds += json.loads((self.stages / stage / "MANIFEST.json").read_text("utf-8"))["seconds"]
        return seconds / 60


@cache
def levels(ours: Path, real: Path) -> list[float]:
    """The sliced Wasserstein distance of the images of two folders, level by level."""
    return SWD(SWD.Config()).levels(pictures(ours), pictures(real))


def pictures(folder: Path) -> list[Tensor]:
    """The images of a folder by name, each C x H x W in [0, 1]."""
    return [torch.from_numpy(read(path).pixels / 255).permute(2, 0, 1).float() for path in sorted(folder.glob("*.png"))]


def runs_of(name: str, section: dict[str, Any], work: Path, seeds: list[int], only: tuple[str, ...] = ()) -> list[Run]:
    """The runs of a section, seed by seed, so that what is unfinished holds all variants alike."""
    if missing := set(only) - set(section["variants"]):
        raise click.UsageError(f"{name} has no variant {', '.join(missing)}; it has {', '.join(section['variants'])}")
    chosen = [key for key in section["variants"] if not only or key in only]
    return [
        Run(section, variant_of(section, key), seed, work / name / key / str(seed)) for seed in seeds for key in chosen
    ]


def variant_of(section: dict[str, Any], key: str) -> dict[str, Any]:
    """What a variant says, behind what the variant says that it extends."""
    variant = section["variants"][key] or {}
    if "extends" not in variant:
        return dict(variant)
    base = variant_of(section, variant["extends"])
    return {**base, **variant, "set": [*base.get("set", []), *variant.get("set", [])]}


def cell(values: list[float]) -> str:
    """The mean, and half of the 95 % interval where there are several seeds."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return number(mean)
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{number(mean)} ± {number(float(half))}"


def table(name: str, section: dict[str, Any], work: Path, seeds: list[int]) -> list[str]:
    """A row for each variant of which there are runs."""
    titles = ["recipe", "seeds", *(measure["title"] for measure in section["measures"]), "minutes", "what it says"]
    rows = [titles, ["---"] * len(titles)]
    for key, variant in section["variants"].items():
        runs = [run for run in runs_of(name, section, work, seeds, (key,)) if run.done]
        if runs:
            cells = [cell([run.score(measure) for run in runs]) for measure in section["measures"]]
            minutes = number(statistics.mean(run.minutes for run in runs))
            verdict = (variant or {}).get("verdict", "")
            rows.append([(variant or {}).get("title", key), str(len(runs)), *cells, minutes, verdict])
    return [f"| {' | '.join(row)} |" for row in rows]


def paragraph(text: str) -> list[str]:
    return [" ".join(text.split()), ""] if text else []


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="The folder of real images."
)
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("recipes"))
@click.option("--only", help="One section.")
@click.option("--variant", "variants", multiple=True, help="One of its variants; several times for several.")
@click.option("--seeds", help="Numbers, with commas between them, instead of a section's own, which are 1,2,3 in most.")
@click.option("--jobs", type=click.IntRange(1), default=2, help="Runs beside each other.")
@click.option("--no-run", is_flag=True, help="Only writes what is there.")
def main(
    data: Path | None,
    work: Path,
    only: str | None,
    variants: tuple[str, ...],
    seeds: str | None,
    jobs: int,
    no_run: bool,
) -> None:
    """Runs the variants of `recipes.yaml` and writes `recipes.md`."""
    content = yaml.safe_load((HERE / "recipes.yaml").read_text("utf-8"))
    sections = {key: value for key, value in content["sections"].items() if only in (None, key)}
    if not sections:
        raise click.UsageError(f"no section {only}; there are {', '.join(content['sections'])}")
    work, data = work.resolve(), data.resolve() if data else None
    told = [int(seed) for seed in seeds.split(",")] if seeds else []
    lines = ["# Recipes", "", *content["intro"].splitlines(), ""]
    for key, section in sections.items():
        numbers = told or section.get("seeds", [1, 2, 3])
        if not no_run:
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(lambda run: run.start(data), runs_of(key, section, work, numbers, variants)))
        lines += [f"## {section['title']}", "", *paragraph(section["says"])]
        lines += [*table(key, section, work, numbers), "", *paragraph(section.get("found", ""))]
    if only:
        click.echo("\n".join(lines))
    else:
        (HERE / "recipes.md").write_text("\n".join(lines).rstrip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
