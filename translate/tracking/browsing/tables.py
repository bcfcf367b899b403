"""The tables of a run in MLflow: its description, and files in the form of MLflow's `log_table`.

Those with pictures let two runs be compared image by image. `log_table` itself appends to a table that is there, and
gives every picture a new name: what is sent again, after a server was away, would stand there twice.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from translate.errors import TranslateError
from translate.imaging.thumbnail import thumbnail
from translate.tracking.browsing.description import description, has_pictures, is_picture
from translate.tracking.journal import Event

COMPARED = "images"
"""The table of an `evaluate` stage that has the same images in every run."""
LONGEST = 256
"""Pixels of a picture's longer side in a table."""


Locate = Callable[[str], Path | None]
"""Finds a journaled path as it is now; None for a file that is gone."""


class RunTables:
    """The tables of one run, the last of each name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Event] = {}

    def describe(self, client: Any, run_id: str, note: str) -> None:
        """Writes the description of the run."""
        client.set_tag(run_id, "mlflow.note.content", description(self.by_name.values(), note))

    def send_file(self, client: Any, run_id: str, table: Event, locate: Locate) -> None:
        """Writes a table and its pictures among the artifacts of the run, and lists all tables where MLflow looks."""
        with tempfile.TemporaryDirectory() as scratch:
            content = table_content(table, locate, Path(scratch))
            if has_pictures(table):
                client.log_artifacts(run_id, scratch, images_of(table["name"]))
        client.log_dict(run_id, content, f"tables/{table['name']}.json")
        # MLflow's evaluation view opens with the first one: that is the one in which models can be compared
        names = sorted(self.by_name, key=lambda name: name.rpartition("/")[2] != COMPARED)
        listed = [{"path": f"tables/{name}.json", "type": "table"} for name in names]
        client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(listed))


def table_content(table: Event, locate: Locate, folder: Path) -> dict[str, Any]:
    """A table as `log_table` writes it; its pictures are written below `folder` as `ROW-COLUMN.ENDING`.

    `locate` finds a picture's file. One that is gone, or cannot be read, is an empty cell.
    """
    rows = []
    for y, row in enumerate(table["rows"]):
        rows.append([_cell(cell, locate, folder / f"{y:03d}-{x}", table["name"]) for x, cell in enumerate(row)])
    return {"columns": list(table["columns"]), "data": rows}


def _cell(cell: Any, locate: Locate, path: Path, table: str) -> Any:
    if not is_picture(cell):
        return cell
    file = locate(cell["picture"])
    if file is None:
        return None
    try:
        picture = thumbnail(file, LONGEST)
    except TranslateError:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(path.name + picture.suffix)
    whole.write_bytes(picture.data)
    place = f"{images_of(table)}/{whole.name}"
    return {"type": "image", "filepath": place, "compressed_filepath": place}


def images_of(table: str) -> str:
    """The folder of a table's pictures among the artifacts of a run."""
    return f"table_images/tables/{table}"
