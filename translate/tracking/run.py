"""One run of a pipeline, recorded: stage by stage into a journal, from there to MLflow."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import yaml

from translate.contracts import Console
from translate.errors import TranslateError, in_words
from translate.imaging.io import encode
from translate.storage.atomic import write_bytes, write_text
from translate.tracking.browsing.names import names_of
from translate.tracking.browsing.twins import twins
from translate.tracking.browsing.view import told
from translate.tracking.datasets import Origins
from translate.tracking.delivery.killed import end_killed
from translate.tracking.delivery.settle import settle
from translate.tracking.journal import Journal, Runs, image_name
from translate.tracking.redact import flatten, masked, redacted
from translate.tracking.registry.kept import kept_models
from translate.tracking.reports.report import write_report
from translate.tracking.shipper import Shipper
from translate.tracking.store_uri import requested
from translate.tracking.sweep import Member
from translate.tracking.system import Sampler
from translate.version import __version__

COMPARED = ("method", "epochs", "max_steps", "batch_size")
Status = Literal["done", "failed", "stopped"]


def open_tracking(
    mode: Literal["mlflow", "none"],
    pipeline: str,
    folder: Path,
    *,
    recipe: str,
    resolved: str,
    stages: Sequence[str],
    versions: Mapping[str, str],
    console: Console,
    member: Member | None = None,
) -> Tracking:
    """Tracks a run of a pipeline (`name` or `name@profile`) whose outputs lie in `folder`.

    `recipe` is the hash of everything that decides the results: the same recipe continues its MLflow run, another one
    opens a new run, and so does a stage that was already tracked to its end (a forced one). `resolved` is the pipeline
    file after profile and `--set`; `stages` are those that will run, `versions` those of plugins by name. With mode
    `none` the journal and the report are still written. Nothing is opened before the first `stage(...)`, so that a run
    with nothing to do leaves no trace. `member` says that the run is one of a sweep.
    """
    return Tracking(mode, pipeline, folder, recipe, resolved, tuple(stages), dict(versions), console, member)


@dataclass
class Tracking:
    """The record of one run of a pipeline. Leaving it as a context closes it with the status that fits."""

    mode: Literal["mlflow", "none"]
    pipeline: str
    folder: Path
    recipe: str
    resolved: str
    stages: tuple[str, ...]
    versions: dict[str, str]
    console: Console
    member: Member | None = None

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._document: dict[str, Any] = yaml.safe_load(self.resolved) or {}
        self._stages: dict[str, Any] = self._document.get("stages") or {}
        self._runs = Runs(self.folder)
        self._run: dict[str, Any] | None = None
        self._journal: Journal | None = None
        self._shipper: Shipper | None = None
        self._sampler: Sampler | None = None
        self.unsent = 0
        """Records that had not reached the store when the run was closed."""

    @property
    def page(self) -> str | None:
        """Says where the run's page is; None before the store answered."""
        page = self._shipper.page if self._shipper else None
        return told(page) if page else None

    @property
    def url(self) -> str | None:
        """The address of the run on a tracking server; None before it answered, and where the store is a file."""
        return self._shipper.url if self._shipper else None

    def stage(self, name: str) -> StageTracker:
        """The tracker of a stage that starts now; the stages before it are thereby done."""
        self._finish_stages()
        if self._run is None:
            self._run = self._runs.latest(self.recipe)
        if self._run is None or self._run["stages"].get(name) == "done":
            self._begin(self._runs.new(self.recipe))
        elif self._journal is None:
            self._begin(self._run)
        run, journal = self._opened()
        self._runs.update(run, stages={**run["stages"], name: "running"})
        journal.append("stage", name=name)
        origins, twin = Origins(self.folder, self._document), twins(self._stages).get(name)
        return StageTracker(self.folder, journal, name, origins, twin)

    def close(self, status: Status) -> None:
        """Writes the report, ships what is left (a dead server is given up soon) and ends the run. Twice is once."""
        if self._journal is None:
            return
        if status == "done":
            self._finish_stages()
        self._end(status)

    def settle(self) -> None:
        """Ends earlier runs that were killed, where this one has nothing to do: the results of its recipe are there.

        Errors: OSError; TranslateError where the store does not answer.
        """
        settle(self._runs, self.recipe, self._at_work(), self.console, send=self.mode == "mlflow")

    def _at_work(self) -> set[str]:
        """The journals of this run and of its sweep."""
        run = {str(self._run["journal"])} if self._run else set()
        return run | ({self.member.sweep} if self.member else set())

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close("done")
        else:
            # what is no Exception was asked for: Ctrl-C, SIGTERM
            self.close("failed" if issubclass(kind, Exception) else "stopped")

    def _opened(self) -> tuple[dict[str, Any], Journal]:
        assert self._run is not None and self._journal is not None
        return self._run, self._journal

    def _finish_stages(self) -> None:
        if self._journal is not None:
            run, _ = self._opened()
            self._runs.update(run, stages=dict.fromkeys(run["stages"], "done"))

    def _begin(self, run: dict[str, Any]) -> None:
        if self._journal is not None:
            self._end("done")
        self._run = run
        self._runs.update(
            run, mode=self.mode, pipeline=self.pipeline, **redacted({**self._asked(), **self._named(run)})
        )
        self._journal = Journal(self.folder / str(run["journal"]))
        self._start()
        with suppress(OSError):
            end_killed(self._runs, self._at_work())  # whoever was at work here is gone: this run has the folder's lock
        if self.mode == "mlflow":
            self._sampler = Sampler(self._journal)
            self._shipper = Shipper(self._runs, run, self.console)

    def _asked(self) -> dict[str, Any]:
        """The place of the run in the store: as MLflow's variables ask for; below the sweep whose member it is."""
        asked = requested()
        if self.member is None:
            return {"requested": asked}
        # a name and an id belong to the sweep: its runs cannot all have them
        experiment = {key: value for key, value in asked.items() if key == "experiment"}
        return {"requested": {**experiment, "name": self.member.name}, "sweep_of": self.member.sweep}

    def _named(self, run: Mapping[str, Any]) -> dict[str, str]:
        """What the run is called; one that goes on keeps its name."""
        if "title" in run:
            return {}
        return names_of(run, self.pipeline, self.stages, self._stages)

    def _start(self) -> None:
        run, journal = self._opened()
        document = masked(self._document)
        swept = masked(dict(self.member.values)) if self.member else {}
        pipeline = journal.folder / "pipeline.yaml"
        try:
            write_text(pipeline, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
        except OSError as error:
            self.console.warn(f"tracking: {in_words(error)}")
        _note(journal, "start", pipeline=self.pipeline, stages=self.stages)
        _note(journal, "params", v={**flatten(compared(document)), **flatten(swept)})
        ran = {"ran": str(run["note"])} if run.get("note") else {}
        _note(journal, "tags", v=_tags(self.pipeline, self.recipe, self.versions) | ran)
        _note(journal, "file", path=_portable(pipeline, self.folder), folder="")

    def _end(self, status: Status) -> None:
        _, journal = self._opened()
        self._journal = None
        if self._sampler:
            self._sampler.close()
        _note(journal, "end", status=status)
        try:
            report = write_report(self.folder)
        except (TranslateError, OSError) as error:
            self.console.warn(f"no report: {error}")
        else:
            _note(journal, "file", path=_portable(report, self.folder), folder="")
        try:
            journal.flush()
            journal.close()
        except OSError as error:
            self.console.warn(f"tracking: the end of the journal is lost: {error}")
        if self._shipper:
            self.unsent = self._shipper.finish(soon=status != "done")


class StageTracker:
    """What a stage records (`translate.contracts.Tracker`); every name gets the stage's in front: `train/cycle`.

    `twin` is the stage whose pictures look the same (see `twins`).
    """

    def __init__(self, folder: Path, journal: Journal, stage: str, origins: Origins, twin: str | None = None) -> None:
        self._folder, self._journal, self._stage = folder, journal, stage
        self._origins, self._twin = origins, twin
        self._dataset: list[str] = []
        """Name and digest of the data that the stage reads, once it has told them."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Settings, nested or flat, as text. A setting that was recorded before keeps its first value."""
        self._journal.append("params", v=flatten({self._stage: values}))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """One point of each curve. Steps that are already recorded are left out (a resumed training repeats some)."""
        named = {self._named(name): float(value) for name, value in values.items()}
        new = {name: value for name, value in named.items() if self._journal.fresh(name, step)}
        if new:
            self._journal.append("metrics", s=int(step), v=new)

    def image(self, key: str, image: np.ndarray[Any, Any], step: int) -> None:
        """A picture, H x W x 3, uint8, as one step of the slider of that key; none that the twin has recorded."""
        names = [f"{stage}/{key}" for stage in (self._stage, self._twin) if stage]
        if not all(self._journal.fresh(image_name(name), step) for name in names):
            return
        key = names[0]
        path = self._journal.folder / "samples" / key / f"{step:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode(image, ".png"))
        self._journal.append("image", key=key, s=int(step), path=_portable(path, self._folder))

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A small table; the last one of a name is the one that counts. Cells are text, numbers, booleans or None.

        A path stands for the picture in that file.
        """
        cells = [[self._cell(cell) for cell in row] for row in rows]
        self._journal.append("table", name=self._named(name), columns=list(columns), rows=cells)

    def file(self, path: Path, folder: str = "") -> None:
        """A file or folder to keep with the run; it may move from `<stage>.partial` to `<stage>` before it is sent."""
        self._journal.append(
            "file", path=_portable(path, self._folder), folder=self._named(folder) if folder else self._stage
        )

    def tags(self, values: Mapping[str, str]) -> None:
        """Labels of the run, prefixed like everything else."""
        named = {self._named(key): str(value) for key, value in values.items()}
        self._journal.append("tags", v=masked(named))

    def dataset(self, name: str, digest: str, facts: Mapping[str, Any], context: str) -> None:
        """The data that went in: `context` says what for (`train`, `test`)."""
        origin = self._origins.of(self._stage)
        name, digest = origin.name or name, digest[:36]
        if context == "prepare":  # it is made here, and an input of the stages that read it
            return
        self._dataset = [name, digest]
        self._journal.append(
            "dataset", name=name, digest=digest, facts=flatten(facts), context=context, source=origin.source
        )

    def model(self, folder: Path) -> None:
        """The folder of a trained model: its bundle is kept as `translator`, the checkpoints beside it as `step-N`."""
        bundle = _portable(folder, self._folder)
        for model in kept_models(folder, self._stage, self._journal.path):
            place = {"bundle": bundle} if model.is_checkpoint else {}
            about = {"stage": self._stage, "step": model.step, "scores": model.scores, "dataset": self._dataset}
            self._journal.append("model", path=_portable(model.folder, self._folder), **place, **about)

    def flush(self) -> None:
        """Everything so far survives a power cut."""
        self._journal.flush()

    def _named(self, name: str) -> str:
        return f"{self._stage}/{name}"

    def _cell(self, cell: Any) -> Any:
        """A cell that JSON has words for: as it is, a picture as `{"picture": PATH}`, everything else as text."""
        if isinstance(cell, Path):
            return {"picture": _portable(cell, self._folder)}
        return cell if isinstance(cell, (str, int, float, bool, type(None))) else str(cell)


def _note(journal: Journal, kind: str, **fields: Any) -> None:
    """Writes an event; one that cannot be written waits, and the end of the run says so where it never can."""
    with suppress(OSError):
        journal.append(kind, **fields)


def _portable(path: Path, folder: Path) -> str:
    """A path relative to the pipeline's folder where it lies inside, so that the folder may move."""
    path = path.absolute()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def compared(document: Mapping[str, Any]) -> dict[str, Any]:
    """The few settings by which one compares runs: of a training what `COMPARED` names and the rate, of several the
    methods.

    The rest is in the `pipeline.yaml` that is kept with the run. MLflow 3.17 prints every param over the picture on
    the card of an image: with all settings of a training as params the pictures could not be seen.
    """
    trained = {}
    for name, stage in (document.get("stages") or {}).items():
        options = stage.get("with") or {}
        if "method" in options:
            chosen = {key: options[key] for key in COMPARED if options.get(key) is not None}
            rate = {key: value for key, value in (options.get("optimizer") or {}).items() if key == "lr"}
            trained[name] = {**chosen, **rate}
    if len(trained) > 1:
        trained = {name: {"method": options["method"]} for name, options in trained.items()}
    return next(iter(trained.values())) if len(trained) == 1 else trained


def _tags(pipeline: str, recipe: str, versions: Mapping[str, str]) -> dict[str, str]:
    tags = {"profile": pipeline.partition("@")[2] or "none", "recipe": recipe, "version/translate": __version__}
    tags |= {f"version/{name}": version for name, version in versions.items()}
    if git := shutil.which("git"):
        try:
            answer = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return tags
        if answer.returncode == 0:
            tags["mlflow.source.git.commit"] = answer.stdout.strip()
    return tags
