"""`run`, `plan` and `check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from translate.cli.common import ARGUMENTS, as_json, console, print_json, working_console
from translate.distributed.place import place
from translate.errors import Stopped

Command = Callable[..., Any]


def _pipeline(command: Command) -> Command:
    """The arguments that name a pipeline and change it."""
    command = click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one value: stages.train.with.epochs=5."
    )(command)
    command = click.option("--profile", "-p", metavar="NAME", help="A profile of the file, such as quick.")(command)
    return click.argument("file", type=click.Path(path_type=Path))(command)


@click.command()
@_pipeline
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage again although it is current.")
@click.option("--until", metavar="STAGE", help="Run this stage and what it needs, and no more.")
@click.option(
    "--continue", "continue_", metavar="STAGE", help="Go on from its last result although its options changed."
)
@click.option(
    "--sweep", "sweeps", multiple=True, metavar="KEY=V1,V2", help="Run it for each value, and compare: seed=1,2,3."
)
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda, cuda:1, xpu, mps.")
@click.option(
    "--devices", type=click.IntRange(1), metavar="N", help="Train on N devices of this machine, one process on each."
)
@click.option("--debug", is_flag=True, help="Check numbers and gradients on the way (slow).")
@as_json
def run(
    file: Path,
    profile: str | None,
    sets: tuple[str, ...],
    force: tuple[str, ...],
    until: str | None,
    continue_: str | None,
    sweeps: tuple[str, ...],
    device: str,
    devices: int | None,
    debug: bool,
    as_json: bool,
) -> None:
    """Run the stages of a pipeline FILE that are not current.

    A stopped or killed run goes on where it was when the same command is given again. With --sweep the pipeline runs
    once for each combination of values: train.with.optimizer.lr=1e-4,2e-4.
    """
    from translate.pipeline import run as run_pipeline, sweep as run_sweep

    if sweeps and devices:
        raise click.UsageError("--devices trains one model on several devices, and --sweep trains several: give one")
    if devices is not None and _spread(devices):
        return
    if sweeps and continue_:
        raise click.UsageError("--continue goes on with one training, and --sweep makes several: give one of them")
    if sweeps:
        out = working_console(as_json)
        swept = run_sweep(file, sweeps, profile, sets, force, until, device, debug, out)
        if as_json:
            runs = [outcome.to_json() for outcome in swept.outcomes]
            print_json({"folder": swept.folder.as_posix(), "page": swept.page.as_posix(), "runs": runs})
        if swept.failed:
            raise SystemExit(1)
        return
    result = run_pipeline(file, profile, sets, force, until, continue_, device, debug, working_console(as_json))
    if as_json and place().leads:
        stages = {name: path.as_posix() for name, path in result.stages.items()}
        print_json({"folder": result.folder.as_posix(), "stages": stages, "ran": list(result.ran)})


def _spread(devices: int) -> bool:
    """Runs this very command in so many processes, and returns True; in those processes it returns False.

    Errors: Stopped with the exit code of a process that failed.
    """
    where = place()
    if where.shared and where.local_size != devices:
        raise click.UsageError(f"{where.local_size} processes run here already: leave --devices {devices} out")
    if where.shared or devices == 1:
        return False
    from translate.distributed.launch import launch  # late: torch

    if code := launch(devices, click.get_current_context().meta[ARGUMENTS]):
        raise Stopped(code, told=True)
    return True


@click.command()
@_pipeline
@click.option("--until", metavar="STAGE", help="This stage and what it needs, and no more.")
@as_json
def plan(file: Path, profile: str | None, sets: tuple[str, ...], until: str | None, as_json: bool) -> None:
    """Show which stages of a pipeline FILE would run, and why."""
    from translate.pipeline import plan as plan_pipeline

    planned = plan_pipeline(file, profile, sets, until)
    if as_json:
        print_json({"stages": [stage.to_json() for stage in planned]})
        return
    out = console()
    rows = [(p.name, p.outline.uses, p.state, p.reason) for p in planned]
    out.table("", ("stage", "uses", "state", "reason"), rows)
    for p in planned:
        for note in p.notes:
            out.say(f"note: {p.name}: {note}")
        for warning in p.warnings:
            out.warn(f"{p.name}: {warning}")


@click.command()
@_pipeline
@as_json
def check(file: Path, profile: str | None, sets: tuple[str, ...], as_json: bool) -> None:
    """Check a pipeline FILE and say everything that is wrong with it; without --profile, with each of its profiles."""
    from translate.pipeline import check as check_pipeline

    notes = check_pipeline(file, profile, sets)
    if as_json:
        print_json({"file": str(file), "ok": True, "notes": notes})
        return
    out = working_console()
    for note in notes:
        out.say(f"note: {note}")
    out.say(f"{file}: nothing is wrong")


COMMANDS = (run, plan, check)
