"""Sections on numbers: does a GPU compute what a processor computes, and its fast ways what its plain way computes?"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from games import SMALL, difference, drift, training
from section import Options, Row

from translate.device import precision_problem
from translate.training.replay.stepper import step_problem
from translate.training.saving import checkpoint

STEPS = 4


def correctness(options: Options) -> Iterator[Row]:
    """The first steps in float32 beside those of the processor."""
    for method, networks in SMALL.items():
        here = training(method, options.device, networks).steps(STEPS)
        there = training(method, "cpu", networks).steps(STEPS)
        gap = difference(here, there)
        yield Row(f"{method}: {STEPS} steps in fp32 as on the processor", gap.small, str(gap))


def resume(options: Options) -> Iterator[Row]:
    """Steps after a checkpoint beside those without one."""
    for kind in ("fp32", "fp16"):
        if precision_problem(kind, options.device):
            continue
        first = training("cyclegan", options.device, SMALL["cyclegan"], precision=kind)
        first.steps(STEPS)
        with tempfile.TemporaryDirectory() as folder:
            saved = checkpoint.save(Path(folder), first.state())
            again = training("cyclegan", options.device, SMALL["cyclegan"], precision=kind)
            checkpoint.restore(saved, again.state())
        gap = difference(first.steps(STEPS), again.steps(STEPS))
        yield Row(f"resume in {kind} after {STEPS} steps", gap.small, str(gap))


def precisions(options: Options) -> Iterator[Row]:
    """Each precision beside float32 on the same device."""
    count = 6 if options.tiny else 40
    exact = training("pix2pix", options.device, SMALL["pix2pix"]).steps(count)
    for kind, fast in (("fp32", {"tf32": True}), ("bf16", {}), ("fp16", {})):
        name = "TF32" if kind == "fp32" else kind
        if why := precision_problem(kind, options.device):
            yield Row(f"{name} near fp32", None, why)
            continue
        other = training("pix2pix", options.device, SMALL["pix2pix"], precision=kind, fast=fast)
        losses = other.steps(count)
        finite = all(math.isfinite(value) for row in losses for value in row.values())
        other.engine.check_finite({})
        gap = drift(losses, exact)
        yield Row(f"{name}: median loss of {count} steps near fp32", finite and gap < 0.1, f"{gap:.1e}")


def graphs(options: Options) -> Iterator[Row]:
    """Recorded steps and compiled networks beside steps as they come."""
    count = 6 if options.tiny else 12
    for method, networks in SMALL.items():
        for way in ("graph", "compile"):
            what = f"{method}: {'recorded steps' if way == 'graph' else 'compiled networks'} as they come"
            if why := step_problem(way, options.device):  # type: ignore[arg-type]
                yield Row(what, None, why)
                continue
            if way == "compile" and method == "cyclegan":  # a compilation takes a minute
                continue
            eager = training(method, options.device, networks, fast={}).steps(count)
            other = training(method, options.device, networks, fast={"step": way})
            gap = difference(other.steps(count), eager)
            failed = other.engine.stepper.failed if other.engine.stepper else "there is no stepper"
            yield Row(what, gap.small and not failed, f"{gap}{'; ' if failed else ''}{failed}")


def waits(options: Options) -> Iterator[Row]:
    """Steps between two log steps, while CUDA reports what waits."""
    if not options.device.startswith("cuda"):
        yield Row("no step waits for the device", None, "only CUDA tells; tests/benchmarks/waits.py does without")
        return
    for method, networks in SMALL.items():
        game = training(method, options.device, networks, precision="auto", fast={})
        game.steps(2)
        torch.cuda.set_sync_debug_mode("error")
        try:
            game.step()
            error = ""
        except RuntimeError as failure:
            error = str(failure).partition("\n")[0]
        finally:
            torch.cuda.set_sync_debug_mode("default")
        yield Row(f"{method}: a step waits for nothing", not error, error)
