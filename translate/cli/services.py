"""`ui`, `track`, `runs` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from translate.cli.common import as_json, console, print_json, working_console


@click.command()
@click.option("--store", metavar="URI", help="The MLflow store; default: MLFLOW_TRACKING_URI, else ./mlflow.db.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535), help="The port to begin with.")
@click.option("--open", "open_browser", is_flag=True, help="Open it in the browser.")
def ui(store: str | None, host: str, port: int, open_browser: bool) -> None:
    """Browse runs, curves and pictures in the MLflow UI; Ctrl-C ends it."""
    from translate.tracking.ui import serve

    serve(store, host, port, open_browser=open_browser, console=console())


@click.group()
def track() -> None:
    """What was tracked here."""


@track.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True), default="runs")
def sync(folder: Path) -> None:
    """Ship what a tracking server missed while it was away; FOLDER is a pipeline's, or the one of them all.

    That includes what a killed run left behind. What is sent twice is there once. A database file that is gone, or
    whose making broke off, is made anew and gets all runs again.
    """
    from translate.tracking.delivery.sync import sync as ship

    out = console()
    sent = ship(folder, out)
    out.say(f"{sent} records sent" if sent else "nothing was left to send")


@click.group()
def runs() -> None:
    """The runs that were tracked here."""


_below = click.option(
    "--in",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default="runs",
    show_default=True,
    metavar="FOLDER",
    help="A pipeline's folder, or the one of them all.",
)


@runs.command("list")
@_below
@as_json
def list_runs(folder: Path, as_json: bool) -> None:
    """List all runs: state, method, data and a score; the runs of a sweep stand below it."""
    from translate.tracking import listing

    records = listing.list_runs(folder)
    if as_json:
        print_json({"runs": [record.to_json() for record in records]})
    elif records:
        console().table("", *listing.listed(records))
    else:
        console().say(f"{folder}: no run was tracked here")


@runs.command()
@click.argument("names", metavar="[RUN]...", nargs=-1)
@_below
@as_json
def compare(names: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Compare runs: state, method, data, scores with their intervals, and the settings in which they differ.

    RUN is a name of `runs list` or the beginning of its recipe, a pipeline's folder (its newest run or sweep), a sweep
    (its runs), or an id of MLflow; without any, all runs are compared.
    """
    from translate.tracking import listing

    records = listing.find_runs(names, listing.list_runs(folder))
    if as_json:
        print_json(listing.to_json(records))
    elif records:
        console().table("", *listing.compared(records))
    else:
        console().say(f"{folder}: no run was tracked here")


@runs.command()
@click.argument("names", metavar="[RUN]...", nargs=-1)
@_below
@click.option("--yes", is_flag=True, help="Remove it; without this it is only said what would be removed.")
@as_json
def clean(names: tuple[str, ...], folder: Path, yes: bool, as_json: bool) -> None:
    """Remove what nothing needs: results of stages that newer ones replaced, and starts that were not finished since.

    With RUN the records of these runs instead: journal and pictures, here and not in MLflow. What a sweep compares
    stays, and so does what was not sent to the tracking server yet.
    """
    from translate.tracking import listing

    chosen = listing.find_runs(names, listing.list_runs(folder)) if names else []
    found = listing.of_records(chosen) if names else listing.plan(folder)
    out = working_console(as_json)
    for leftover in found.leftovers:
        out.say(f"{leftover.path}: {leftover.reason} ({leftover.bytes / 1e6:,.1f} MB)")
    for sentence in found.kept:
        out.say(f"kept: {sentence}")
    if yes:
        listing.remove(found)
    if as_json:
        leftovers = [leftover.to_json() for leftover in found.leftovers]
        print_json({"removed": yes, "bytes": found.bytes, "leftovers": leftovers, "kept": list(found.kept)})
        return
    count = len(found.leftovers)
    verb = "removed" if yes else "would be removed; add --yes"
    out.say(f"{count} folders, {found.bytes / 1e6:,.1f} MB {verb}" if count else "there is nothing to remove")


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Versions, devices and plugins: what is wrong, and how to mend it."""
    from translate.doctor import diagnose

    findings = diagnose()
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        out = console()
        for finding in findings:
            out.say(f"{finding.status:5} {finding.name}: {finding.detail}")
            if finding.mend:
                out.say(f"      {finding.mend}")
    if any(finding.status == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


COMMANDS = (ui, track, runs, doctor)
