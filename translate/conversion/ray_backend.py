"""A conversion as a Ray Data job: a pool of actors, each with the model, on every machine that sees the same files.

The driver plans, keeps the journal and names the outputs, as without Ray: batches, outputs and rows are the same.
"""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, signature
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.conversion.items import Engine, Entry, Item, Outcome
from translate.conversion.options import ConvertOptions
from translate.conversion.worker import Worker
from translate.errors import ConfigError, StageError, TranslateError
from translate.imaging.formats.of_plugins import FORMATS, register_places
from translate.models.load import load_model
from translate.signals import kept
from translate.threads import cores

if TYPE_CHECKING:
    from translate.inference.translator import Translator

ENVIRONMENT = MappingProxyType({"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"})
"""Quiet, and nothing is reported to anybody; what the user has set himself stays."""
WINDOWS = 4
"""Windows that an actor takes at once: it decodes one while another is on the device."""
RESTARTS = MappingProxyType({"max_restarts": 3, "max_task_retries": 3})
"""How often an actor that was killed starts again, and takes up the windows that it was at; Ray's own limit is none."""
JOB = 4096
"""Windows of one Ray Data job, which holds their names in memory."""


class Converter:
    """An actor: loads the model once, and converts windows as a local conversion does."""

    def __init__(
        self, options: ConvertOptions, output: Path, scratch: Path, threads: int, formats: Sequence[str] = ()
    ) -> None:
        import torch

        torch.set_num_threads(threads)  # Ray's own choice could round differently from the driver's
        assert options.model is not None
        register_places(formats)  # of plugins that the driver was told to import
        self._worker = Worker(load_model(options.model), options, output, scratch)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        windows = [pickle.loads(window) for window in batch["window"]]  # noqa: S301 (the driver's own)
        outcomes = chain.from_iterable(self._worker.run(windows))
        return {"outcomes": [pickle.dumps(list(outcomes))]}


def ray_engine(translator: Translator, options: ConvertOptions, output: Path, scratch: Path) -> Engine:
    """An engine for `Conversion`: `translator` is what each actor loads for itself by `options.model`.

    Takes the cluster that `RAY_ADDRESS` names, else one on this machine. Errors: ConfigError (Ray is not installed).
    """
    ray = _ray()
    import torch  # `convert` has imported it; a fresh actor imports it when it starts

    assert options.model is not None
    # The driver has chosen the precision; each actor by itself might choose another one.
    options = replace(options, model=replace(options.model, precision=translator.precision))
    constructor = {
        "options": options,
        "output": output.resolve(),
        "scratch": scratch.resolve(),
        "threads": torch.get_num_threads(),
        "formats": [*FORMATS],
    }
    gpu = translator.device.type == "cuda"
    resources: dict[str, Any] = {"num_gpus": 1} if gpu else {"num_cpus": cores()}

    def run(windows: Iterable[Sequence[Entry]]) -> Iterator[list[Outcome]]:
        _start(ray)
        cluster = ray.cluster_resources()
        pool = max(1, int(cluster.get("GPU", 0) if gpu else cluster.get("CPU", 1) // resources["num_cpus"]))
        left = iter(windows)
        while job := [{"window": pickle.dumps(_absolute(window))} for window in islice(left, JOB)]:
            items = ray.data.from_items(job, override_num_blocks=max(1, len(job) // WINDOWS))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of options that Ray 2.64 takes no more
                data = items.map_batches(
                    Converter,
                    fn_constructor_kwargs=constructor,
                    batch_size=WINDOWS,
                    compute=ray.data.ActorPoolStrategy(min_size=1, max_size=pool),
                    **resources,
                    **_accepted(items.map_batches, RESTARTS),
                )
            try:
                for row in data.iter_rows():
                    yield pickle.loads(row["outcomes"])  # noqa: S301 (an actor's own)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, TranslateError):
                    raise error.cause from None
                raise
            except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
                raise StageError(
                    "a process of Ray that converts was killed again and again, most likely because memory ran out: a "
                    "smaller --batch or --tile takes less; what is converted stays, and the same command goes on"
                ) from error

    return run


def _accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a function takes by name, or all where it takes any."""
    parameters = signature(function).parameters
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: value for name, value in options.items() if takes_any or name in parameters}


def _ray() -> Any:
    """The package, which says nothing by itself. Errors: ConfigError."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray  # an extra
        import ray.data
    except ImportError as error:
        raise ConfigError(f"--engine ray needs Ray ({error}): pip install 'translate-i2i[ray]'") from None
    return ray


def _start(ray: Any) -> None:
    """Connects to the cluster, or starts one, and keeps the order of windows."""
    if not ray.is_initialized():
        with kept():
            ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True


def _absolute(window: Sequence[Entry]) -> list[Entry]:
    """The entries with paths that do not depend on the working directory."""
    return [replace(entry, item=_absolute_item(entry.item)) for entry in window]


def _absolute_item(item: Item) -> Item:
    others = {name: path.absolute() for name, path in item.others.items()}
    return replace(item, source=item.source.absolute(), others=others)
