"""The record of a sweep: a run of its own, of which the runs of its members are children in the tracking store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from translate.storage.atomic import digest
from translate.tracking.journal import Journal, Runs
from translate.tracking.redact import flatten, masked
from translate.tracking.shipper import Shipper
from translate.tracking.store_uri import requested
from translate.version import __version__

if TYPE_CHECKING:
    from translate.contracts import Console


@dataclass(frozen=True)
class Member:
    """A run as a member of a sweep: the journal of the sweep's record, and the run's name and values there."""

    sweep: str
    name: str
    values: Mapping[str, str] = field(default_factory=dict)


class SweepRecord:
    """The record of one sweep of a pipeline (`name` or `name@profile`) whose outputs lie in `folder`.

    The same sweep, given again, goes on in the same record. Nothing is held open while its members run, since they
    write the same list of tracked runs. `shared` says that a plugin has a tracker too, which may get the members: then
    the record goes to the store only once it has some there.
    """

    def __init__(
        self,
        mode: Literal["mlflow", "none"],
        pipeline: str,
        folder: Path,
        members: Sequence[str],
        console: Console,
        *,
        shared: bool = False,
    ) -> None:
        self.mode, self.pipeline, self.folder, self.console = mode, pipeline, folder.absolute(), console
        self.shared = shared
        self.recipe = digest({"sweep": list(members)})
        self.members = list(members)
        self.journal = ""
        """The name of its journal, once it has begun."""

    def begin(self, values: Mapping[str, str]) -> None:
        """Opens the record; `values` are those that each key takes."""
        runs = Runs(self.folder)
        run = runs.latest(self.recipe) or runs.new(self.recipe)
        self.journal = str(run["journal"])
        title = f"{self.journal.rpartition('/')[2]} sweep of {len(self.members)} runs"
        runs.update(run, mode=self.mode, pipeline=self.pipeline, requested=requested(), sweep=True, title=title)
        journal = Journal(self.folder / self.journal)
        journal.append("start", pipeline=self.pipeline, stages=[])
        journal.append("params", v=flatten(masked(dict(values))))
        tags = {"recipe": self.recipe, "sweep": f"{len(self.members)} runs", "version/translate": __version__}
        journal.append("tags", v=tags)
        journal.close()
        # The parent has to be there before its children are, which take over its id.
        if not self.shared:
            self._ship(runs, run)

    def end(self, status: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], page: Path) -> None:
        """Closes the record with the table that compares the members."""
        runs = Runs(self.folder)
        run = runs.latest(self.recipe)
        if run is None:
            return
        journal = Journal(self.folder / self.journal)
        members = [other["journal"] for other in runs if other.get("sweep_of") == self.journal]
        for member in members:
            journal.append("child", journal=member)
        journal.append("table", name="sweep", columns=list(columns), rows=[list(row) for row in rows])
        path = page.absolute()
        inside = path.is_relative_to(self.folder)
        journal.append("file", path=path.relative_to(self.folder).as_posix() if inside else path.as_posix(), folder="")
        journal.append("end", status=status)
        journal.flush()
        journal.close()
        if members or not self.shared:
            self._ship(runs, run)
        else:
            runs.update(run, mode="none")

    def _ship(self, runs: Runs, run: dict[str, Any]) -> None:
        if self.mode == "mlflow":
            Shipper(runs, run, self.console).finish()
