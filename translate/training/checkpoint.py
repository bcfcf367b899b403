"""Checkpoints: a directory `checkpoints/<step>`, every tensor in safetensors, the rest in JSON, a manifest last.

No pickle. The directory is written beside its final name and renamed, so that a checkpoint either is whole or is not.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from translate.errors import StageError
from translate.storage.atomic import replace_dir, sha256_file, write_json
from translate.storage.checkpoint import (
    FOLDER,
    FORMAT,
    MANIFEST,
    STATE,
    TENSORS,
    name_of,
    reached,
    read,
    state_under,
    steps,
)
from translate.storage.tensor_files import save_tensors
from translate.training.engine import Engine
from translate.training.players import Player

__all__ = ["FOLDER", "name_of", "prune", "reached", "read", "restore", "save", "steps"]

_OURS = re.compile(r"\.?\d{9,}(\..+)?")


def save(
    folder: Path,
    engine: Engine,
    ema: Mapping[str, nn.Module],
    progress: Mapping[str, Any],
    total: int | None = None,
    others: Sequence[Mapping[str, Tensor]] = (),
) -> Path:
    """Writes the whole state of a training after `engine.index` steps; returns the new directory.

    `progress` is what the trainer keeps beside the engine (best value, history); it has to be JSON. `total` is the step
    at which the training ends; it is for reading alone (`translate plan`). `others` are the `own_state` of the further
    processes that train together, by rank from 1 on.
    """
    tensors: dict[str, Tensor] = {}
    for name, net in engine.nets.items():
        tensors.update({f"net/{name}/{k}": v for k, v in net.state_dict().items()})
    for name, net in ema.items():
        tensors.update({f"ema/{name}/{k}": v for k, v in net.state_dict().items()})
    numbers: dict[str, Any] = {}
    # of the others, what differs: pools of past images, running averages of batch norms
    mine = own_state(engine, ema) if others else {}
    for rank, own in enumerate(others, 1):
        tensors.update({f"rank/{rank}/{k}": v for k, v in own.items() if not _same(v, mine.get(k))})
    for name, player in engine.players.items():
        own_tensors, own_numbers = optimizer_state(player.optimizer)
        tensors.update({f"opt/{name}/{key}": value for key, value in own_tensors.items()})
        numbers.update({f"{name}/{key}": value for key, value in own_numbers.items()})
    tensors.update({f"meter/{name}": v for name, v in engine.meters.sums.items()})
    if engine.critic_augment:
        tensors.update({f"critic_augment/{name}": v for name, v in engine.critic_augment.state().items()})
    state = {
        "format": FORMAT,
        "step": engine.index,
        "total": total,
        "updates": {name: p.done for name, p in engine.players.items()},
        "progress": dict(progress),
        **({"optimizers": numbers} if numbers else {}),
        **({"processes": 1 + len(others)} if others else {}),
    }
    final = folder / name_of(engine.index)
    partial = folder / f"{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    # safetensors refuses tensors that share memory or have gaps (tied weights, channels-last)
    save_tensors({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, partial / TENSORS)
    write_json(partial / STATE, state)
    write_json(partial / MANIFEST, {f: sha256_file(partial / f) for f in (TENSORS, STATE)})
    replace_dir(partial, final)  # a checkpoint of the same step goes when this one is there
    return final


def restore(folder: Path, engine: Engine, ema: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Puts the state of a checkpoint into the engine and the averaged networks; returns the trainer's own progress.

    Errors: StageError for one that is damaged, does not fit, or is of another number of processes.
    """
    tensors, state = read(folder)
    _check_processes(folder, state.get("processes", 1), engine.world.size)
    if engine.world.rank:
        tensors |= state_under(tensors, f"rank/{engine.world.rank}/")
    numbers: dict[str, Any] = state.get("optimizers", {})
    for name, net in engine.nets.items():
        _load(net, state_under(tensors, f"net/{name}/"), folder, name)
    for name, net in ema.items():
        _load(net, state_under(tensors, f"ema/{name}/"), folder, name)
    for name, player in engine.players.items():
        restore_optimizer(player, state_under(tensors, f"opt/{name}/"), state_under(numbers, f"{name}/"))
        player.done = state["updates"][name]
    engine.meters.sums = {k: v.to(engine.device) for k, v in state_under(tensors, "meter/").items()}
    if engine.critic_augment:
        engine.critic_augment.restore(state_under(tensors, "critic_augment/"))
    engine.index = state["step"]
    progress: dict[str, Any] = state["progress"]
    return progress


def own_state(engine: Engine, ema: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """The state in which processes that train together differ: buffers of networks, and sums for the next log."""
    own: dict[str, Tensor] = {}
    for kind, nets in (("net", engine.nets), ("ema", ema)):
        for name, net in nets.items():
            parameters = {key for key, _ in net.named_parameters(remove_duplicate=False)}
            own.update({f"{kind}/{name}/{k}": v for k, v in net.state_dict().items() if k not in parameters})
    own.update({f"meter/{name}": v for name, v in engine.meters.sums.items()})
    if engine.critic_augment:
        own.update({f"critic_augment/{name}": v for name, v in engine.critic_augment.state().items()})
    return {key: value.detach().cpu() for key, value in own.items()}


def _same(value: Tensor, other: Tensor | None) -> bool:
    return (
        other is not None and value.dtype == other.dtype and value.shape == other.shape and bool((value == other).all())
    )


def _check_processes(folder: Path, saved: int, now: int) -> None:
    if saved != now:
        raise StageError(
            f"checkpoint {folder} is of a training on {_devices(saved)}, and this one is on {_devices(now)}: each has "
            f"its own part of the images. Run it with `--devices {saved}`, which goes on exactly, or start anew from "
            f"its weights with `init: {folder}`"
        )


def _devices(count: int) -> str:
    return f"{count} devices" if count > 1 else "one device"


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What an optimizer keeps: tensors and plain numbers by `INDEX/SLOT` of its parameters, and, as `group/NAME`, those
    of its group that it has changed itself (the engine sets the learning rate)."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, values in optimizer.state_dict()["state"].items():
        tensors.update({f"{index}/{k}": v for k, v in values.items() if isinstance(v, Tensor)})
        numbers.update({f"{index}/{k}": v for k, v in values.items() if _plain(v)})
    for key, value in optimizer.param_groups[0].items():
        if key not in ("params", "lr", "initial_lr") and _plain(value) and value != optimizer.defaults.get(key):
            numbers[f"group/{key}"] = value
    return tensors, numbers


def restore_optimizer(player: Player, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Puts back what `optimizer_state` gave."""
    per_param: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, _, slot = key.partition("/")
        like = player.params[int(index)]
        # fused kernels walk memory in order: a moment has to lie like its parameter (channels-last)
        alike = slot != "step" and value.shape == like.shape and value.dtype == like.dtype
        per_param.setdefault(int(index), {})[slot] = torch.empty_like(like).copy_(value) if alike else value
    optimizer = player.optimizer
    groups = optimizer.state_dict()["param_groups"]
    for key, value in numbers.items():
        place, _, slot = key.partition("/")
        if place == "group":
            groups[0][slot] = value
        else:
            per_param.setdefault(int(place), {})[slot] = value
    optimizer.load_state_dict({"state": per_param, "param_groups": groups})
    for number, values in per_param.items():
        param = player.params[number]
        slots = optimizer.state[param]
        for slot, value in values.items():
            if isinstance(value, Tensor) and slots[slot].dtype != value.dtype:
                # torch makes floats of all that a floating parameter has, of counters and masks too
                slots[slot] = value.to(param.device)


def _plain(value: Any) -> bool:
    """Whether a value is one that JSON gives back as it is."""
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _load(net: nn.Module, state: Mapping[str, Tensor], folder: Path, name: str) -> None:
    try:
        with torch.no_grad():
            net.load_state_dict(dict(state))
    except RuntimeError as error:
        raise StageError(f"checkpoint {folder}: network {name} has another structure now: {error}") from error


def prune(folder: Path, keep: Iterable[int]) -> None:
    """Removes all checkpoints but those of the steps in `keep`, and what interrupted saves and removals left."""
    names = {name_of(step) for step in keep}
    for path in folder.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in names:
            shutil.rmtree(path)
