"""The way in which a device gets the work of a step, as a variant names it."""

from __future__ import annotations

from translate.training.fast.variant import Steps
from translate.training.replay.compiled import Compiled, plain_networks
from translate.training.replay.recording import Game
from translate.training.replay.replayer import Replayer

Stepper = Replayer | Compiled
DOES = {Replayer: "recorded", Compiled: "compiled"}


def stepper_of(kind: Steps, engine: Game) -> Stepper | None:
    """What computes the steps of an engine; None for one that computes them as they come."""
    plain_networks(engine)
    if kind == "graph":
        return Replayer(engine)
    return Compiled(engine) if kind == "compile" else None


def shortfall(stepper: Stepper | None) -> str:
    """Once: a sentence on why steps are computed as they come, where that was not asked for; else nothing."""
    if stepper is None or not stepper.failed or stepper.told:
        return ""
    stepper.told = True
    return f"steps are computed as they come and not {DOES[type(stepper)]}, since {stepper.failed}"


def step_problem(kind: Steps, device: str) -> str:
    """The reason why a device cannot get its work so, as a sentence; empty where it can."""
    if kind == "graph" and not device.startswith("cuda"):
        return f"only CUDA records steps, not {device}: use `step: eager`, or `compile`"
    if kind == "compile" and device == "mps":
        return "networks are compiled for CUDA, XPU and processors, not for mps: use `step: eager`"
    return ""
