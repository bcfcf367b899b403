"""`ui`, `track` and `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from translate.cli.common import as_json, console, print_json


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

    A database file that is gone, or whose making broke off, is made anew and gets all runs again.
    """
    from translate.tracking.shipper import sync as ship

    out = console()
    sent = ship(folder, out)
    out.say(f"{sent} records sent" if sent else "nothing was left to send")


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


COMMANDS = (ui, track, doctor)
