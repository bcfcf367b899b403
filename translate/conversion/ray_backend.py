"""A conversion as a Ray Data job: a pool of actors, each with the model, on every machine that sees the same files.

The driver plans, keeps the journal and names the outputs, as without Ray: batches, outputs and rows are the same.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.conversion.job import Engine
from translate.conversion.worker import Entry, Options, Outcome, Worker
from translate.device import cores
from translate.errors import ConfigError, TranslateError
from translate.models.load import load, locate

if TYPE_CHECKING:
    from translate.inference.translator import Translator

ENVIRONMENT = MappingProxyType({"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"})
"""Quiet, and nothing is reported to anybody; what the user has set himself stays."""
WINDOWS = 4
"""Windows that an actor takes at once: it decodes one while another is on the device."""
JOB = 4096
"""Windows of one Ray Data job, which holds their names in memory."""


class Converter:
    """An actor: loads the model once, and converts windows as a local conversion does."""

    def __init__(self, loading: Mapping[str, Any], threads: int, work: tuple[Options, Path, Path]) -> None:
        import torch

        torch.set_num_threads(threads)  # Ray's own choice could round differently from the driver's
        self._worker = Worker(load(**loading), *work)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[bytes]]:
        windows = [pickle.loads(window) for window in batch["window"]]  # noqa: S301 (the driver's own)
        found = chain.from_iterable(self._worker.run(windows))
        return {"outcomes": [pickle.dumps(list(found))]}


def ray_engine(
    translator: Translator, options: Options, output: Path, scratch: Path, *, model: str, how: Mapping[str, Any]
) -> Engine:
    """An engine for `Conversion`: `translator` is what `load(model, **how)` gives, which each actor calls by itself.

    Takes the cluster that `RAY_ADDRESS` names, else one on this machine. Errors: ConfigError (Ray is not installed).
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(f"--engine ray needs Ray ({error}): pip install 'translate-i2i[ray]'") from None
    import torch

    reference = model if model.endswith(".onnx") else str(locate(model, how.get("resolver")))
    loading = {**how, "ref": str(Path(reference).resolve()), "precision": translator.precision}
    gpu = translator.device.type == "cuda"
    settings: dict[str, Any] = {"num_gpus": 1} if gpu else {"num_cpus": cores()}
    constructor = {
        "loading": {key: value for key, value in loading.items() if key != "resolver"},
        "threads": torch.get_num_threads(),
        "work": (options, output.resolve(), scratch.resolve()),
    }

    def run(windows: Iterable[Sequence[Entry]]) -> Iterator[list[Outcome]]:
        if not ray.is_initialized():
            ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        have = ray.cluster_resources()
        pool = max(1, int(have.get("GPU", 0) if gpu else have.get("CPU", 1) // settings["num_cpus"]))
        left = iter(windows)
        while job := [{"window": pickle.dumps(_absolute(window))} for window in islice(left, JOB)]:
            data = ray.data.from_items(job, override_num_blocks=max(1, len(job) // WINDOWS)).map_batches(
                Converter,
                fn_constructor_kwargs=constructor,
                batch_size=WINDOWS,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=pool),
                **settings,
            )
            try:
                for row in data.iter_rows():
                    yield pickle.loads(row["outcomes"])  # noqa: S301 (an actor's own)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, TranslateError):
                    raise error.cause from None
                raise

    return run


def _absolute(window: Sequence[Entry]) -> list[Entry]:
    return [
        replace(
            entry,
            item=replace(
                entry.item,
                source=entry.item.source.absolute(),
                others={name: path.absolute() for name, path in entry.item.others.items()},
            ),
        )
        for entry in window
    ]
