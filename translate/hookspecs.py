"""Every hook of `translate`.

A plugin is a module that an entry point of the group `translate` names. It implements the hooks that it needs, as
functions of the same names, marked with `@translate.hookimpl`. An implementation may leave arguments out, but takes no
others; all are passed by name.

A plugin is imported when a pipeline or a command names it. What it registers is checked at once: an implementation of a
hook that does not exist, an argument that the hook does not have, a class of the wrong shape or a name given twice is a
`PluginError` that names the distribution, and nothing of the plugin stays registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Union

from translate.markers import hookspec

if TYPE_CHECKING:
    from click import Command

    from translate.contracts import (
        DeviceTransform,
        Method,
        Metric,
        Optimizer,
        Schedule,
        Source,
        Stage,
        Tracker,
        Transform,
    )
    from translate.imaging.image_format import ImageFormat
    from translate.models.exporter import Exporter
    from translate.networks import Network
    from translate.objectives import AdversarialLoss, LossTerm

T = TypeVar("T")
Classes = Union[Iterable[type[T]], Mapping[str, type[T]]]  # noqa: UP007 (an alias that takes a parameter)
"""Classes, each registered under its own `name`, or a mapping of names to classes."""


# ---------------------------------------------------------------------------------------------------------------------
# Registration: called once, when the plugin is imported. The result is taken as it is; an error refuses the plugin.
# ---------------------------------------------------------------------------------------------------------------------


@hookspec
def translate_methods() -> Classes[Method[Any]]:
    """Translation methods, subclasses of `translate.Method`, for `method:` of a train stage.

    A method of the plugin's own name is written plainly (`method: cyclegan`), another one as `PLUGIN/NAME`
    (`method: segmentation/colours`); so are the components of all other kinds.

    :return: classes with `data`, `players`, `losses` and `directions`, no abstract method left.
    """
    raise AssertionError


@hookspec
def translate_networks() -> Classes[Network[Any]]:
    """Networks, subclasses of `translate.Network`, for generators, critics and whatever else a method builds.

    :return: classes that are built from their options, `in_channels` and `out_channels`.
    """
    raise AssertionError


@hookspec
def translate_losses() -> Classes[LossTerm[Any]]:
    """Loss terms, subclasses of `translate.LossTerm`, for `extra_losses:` of a train stage.

    Installing them changes no training: a pipeline names each term, its weight, and the views that it reads.

    :return: classes whose `forward` takes views by name and returns a scalar.
    """
    raise AssertionError


@hookspec
def translate_objectives() -> Classes[AdversarialLoss[Any]]:
    """Adversarial objectives, subclasses of `translate.AdversarialLoss`, for the knob `objective:` of methods.

    Every method whose Config has a `translate.Objective` takes them: `options: {objective: acme/softer}`.

    :return: classes with the losses of critic and generator, whose Config derives from `translate.ObjectiveConfig`.
    """
    raise AssertionError


@hookspec
def translate_optimizers() -> Classes[Optimizer[Any]]:
    """Optimizers, subclasses of `translate.Optimizer`, for `optimizer:` of a train stage and of its `players:`.

    :return: classes that make a torch optimizer, whose Config derives from `translate.OptimizerConfig`.
    """
    raise AssertionError


@hookspec
def translate_schedules() -> Classes[Schedule[Any]]:
    """Learning rates over time, subclasses of `translate.Schedule`, for `schedule:` of a train stage and of its
    `players:`.

    :return: classes whose `factor` multiplies the learning rate, whose Config derives from `translate.ScheduleConfig`.
    """
    raise AssertionError


@hookspec
def translate_metrics() -> Classes[Metric[Any]]:
    """Metrics, subclasses of `translate.Metric`, for `evaluate`, `validate:` of a train stage, `translate evaluate`.

    :return: classes that say what they read, which end is better, and whether they compare pairs or sets.
    """
    raise AssertionError


@hookspec
def translate_sources() -> Classes[Source[Any]]:
    """Sources of images, subclasses of `translate.Source`, for `source:` of a preprocess stage.

    :return: classes whose `facts` say what there is, and whose `records` read one image each.
    """
    raise AssertionError


@hookspec
def translate_transforms() -> Classes[Transform[Any]]:
    """Transforms of images, subclasses of `translate.Transform`.

    Those with `random = False` may stand under `transforms:` of a preprocess stage, all of them under `augment:` of a
    train stage.

    :return: classes that change all images of a call with one geometry, drawn from the seed that they are given.
    """
    raise AssertionError


@hookspec
def translate_device_transforms() -> Classes[DeviceTransform[Any]]:
    """Transforms of whole batches on the device, subclasses of `translate.DeviceTransform`, for `device_augment:` of a
    train stage.

    :return: classes that change all sides of a batch with one geometry, drawn from the seed that they are given.
    """
    raise AssertionError


@hookspec
def translate_stages() -> Classes[Stage[Any]]:
    """Kinds of stages, subclasses of `translate.Stage`, for `uses:` of a stage in a pipeline file.

    :return: classes that say what they need and produce.
    """
    raise AssertionError


@hookspec
def translate_formats() -> Classes[ImageFormat]:
    """Formats of image files, subclasses of `translate.ImageFormat`, read and written by suffix and signature.

    They are in use where the plugin is named: `plugins: [acme]` in a pipeline file, `translate --plugin acme convert
    ...`. Built-in formats go first. Where anybody's images are converted, they read in a process that can be killed.

    :return: classes with `suffixes`, `signatures`, `read`, and `write` unless they are for reading alone.
    """
    raise AssertionError


@hookspec
def translate_exporters() -> Classes[Exporter[Any]]:
    """Formats of trained models for other programs, subclasses of `translate.Exporter`, for
    `translate models export REF --format NAME`.

    :return: classes whose `export` writes files.
    """
    raise AssertionError


@hookspec
def translate_commands() -> Iterable[Command] | Mapping[str, Command]:
    """Commands of click, for the command line: `translate NAME`.

    The package says which plugin brings them, so that `translate --help` lists them and imports nothing:
    `gallery = "acme"` under `[project.entry-points."translate.commands"]`. Without that line a command is called by
    `translate acme/gallery`, and one of the plugin's own name by that name. A built-in command goes first.

    :return: `click.Command` objects, each under its own name, or a mapping of names to them.
    """
    raise AssertionError


# ---------------------------------------------------------------------------------------------------------------------
# The tracker: the first plugin that returns one wins.
# ---------------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def translate_tracker(pipeline: str, folder: Path) -> Tracker | None:
    """Where this run is recorded, instead of MLflow. Called once, before the first stage of a run; a run that has
    nothing to do opens none.

    An error here or in the tracker is a warning that names the plugin, and the run goes on without a record.

    :param pipeline: the pipeline's name, with its profile: `maps-cyclegan@quick`.
    :param folder: where its outputs lie: `runs/maps-cyclegan@quick`.
    :return: an object with the methods of `translate.Tracker`, or None to leave the run to the next plugin.
    """


# ---------------------------------------------------------------------------------------------------------------------
# Events: called in the process that runs the pipeline, on all plugins that it names. What they return is not looked at.
# One that raises before the work or in its middle (`run_started`, `stage_started`, `step_finished`, `validated`) fails
# the run, and the message names its plugin. After the work (`checkpoint_saved`, `stage_finished`, `run_finished`) the
# result is safe on disk: then an error is a warning that names the plugin, and the run goes on.
# ---------------------------------------------------------------------------------------------------------------------


@hookspec
def translate_run_started(pipeline: str, folder: Path, stages: list[str]) -> None:
    """A run begins. Called before its first stage; a run that has nothing to do is none.

    :param pipeline: the pipeline's name, with its profile: `maps-cyclegan@quick`.
    :param folder: where its outputs lie.
    :param stages: the names of the stages that will run, in order.
    """


@hookspec
def translate_run_finished(pipeline: str, folder: Path, status: str) -> None:
    """A run ended, also one that failed or was stopped. An error in this hook is a warning: the results are there.

    :param pipeline: as in `translate_run_started`.
    :param folder: as in `translate_run_started`.
    :param status: `done`, `failed` or `stopped` (by a signal or by hand).
    """


@hookspec
def translate_stage_started(pipeline: str, stage: str, folder: Path) -> None:
    """A stage begins, from nothing or where an earlier start left off.

    :param pipeline: as in `translate_run_started`.
    :param stage: its name in the pipeline file.
    :param folder: where it works; the name ends in `.partial`.
    """


@hookspec
def translate_stage_finished(pipeline: str, stage: str, folder: Path, facts: Mapping[str, Any]) -> None:
    """A stage is done, and its folder is complete and has its final name. An error in this hook is a warning.

    :param pipeline: as in `translate_run_started`.
    :param stage: its name in the pipeline file.
    :param folder: where its result lies.
    :param facts: what its manifest records.
    """


@hookspec
def translate_step_finished(pipeline: str, stage: str, step: int, metrics: Mapping[str, float]) -> None:
    """A training fetched its numbers: every `log_every` steps, and with the last one. An error in this hook ends the
    training.

    :param pipeline: as in `translate_run_started`.
    :param stage: its name in the pipeline file.
    :param step: how many steps are done.
    :param metrics: losses, learning rates and what else was logged, by name.
    """


@hookspec
def translate_validated(pipeline: str, stage: str, step: int, scores: Mapping[str, float], folder: Path) -> None:
    """A training looked at its validation images. An error in this hook ends the training.

    :param pipeline: as in `translate_run_started`.
    :param stage: its name in the pipeline file.
    :param step: how many steps are done.
    :param scores: the scores by curve, such as `val/l1`; empty where no metric is asked for.
    :param folder: where the grids of samples lie, as `DIRECTION/STEP.png` with nine digits.
    """


@hookspec
def translate_checkpoint_saved(pipeline: str, stage: str, step: int, folder: Path) -> None:
    """A checkpoint is complete on disk; what was in its place before is gone. An error in this hook is a warning.

    :param pipeline: as in `translate_run_started`.
    :param stage: its name in the pipeline file.
    :param step: how many steps are done.
    :param folder: the checkpoint's folder.
    """
