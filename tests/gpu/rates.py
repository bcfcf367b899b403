"""Images per second of the papers' networks at 256 pixels, as a share of the peak of the device, which is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from games import PAPER, SMALL, Training, training
from section import Options, Row
from torch.utils.flop_counter import FlopCounterMode

from translate.device import precision
from translate.training.numerics.precision import HALVES
from translate.training.numerics.tf32 import tf32
from translate.training.replay.stepper import step_problem

WARM = 6
"""Steps before the clock runs: more than are computed before one is recorded."""


def rates(options: Options) -> Iterator[Row]:
    """pix2pix and CycleGAN at batch 1 and 8, in the precision that `auto` takes."""
    kind = precision("auto", options.device)
    highest = peak(options, kind)
    yield Row(f"peak of matrix products in {kind}", None, f"{highest / 1e12:.2f} TFLOP/s")
    size, networks = (32, SMALL) if options.tiny else (256, PAPER)
    torch.backends.cudnn.benchmark = True
    for method in networks:
        for images in (1, 2 if options.tiny else 8):
            ways = ["eager", "graph"] + ["compile"] * (method == "pix2pix" and images > 1 and not options.tiny)
            for way in ways:
                what = f"{method}, batch {images}, {way}"
                if why := step_problem(way, options.device):  # type: ignore[arg-type]
                    yield Row(what, None, why)
                    continue
                fast = {"step": way}
                game = training(
                    method, options.device, networks[method], size=size, images=images, precision=kind, fast=fast
                )
                work = operations(game)
                rate = images / seconds_of_a_step(game, options)
                failed = game.engine.stepper.failed if game.engine.stepper else ""
                detail = f"{rate:.1f} images/s, {100 * rate / images * work / highest:.0f} % of the peak"
                yield Row(what, not failed, detail + (f"; {failed}" if failed else ""))


def operations(game: Training) -> int:
    """Floating point operations of a step: two for each multiplication of convolutions and products."""
    counter = FlopCounterMode(display=False)
    stepper, game.engine.stepper = game.engine.stepper, None
    with counter:
        game.step()
    game.engine.stepper = stepper
    return int(counter.get_total_flops())


def seconds_of_a_step(game: Training, options: Options) -> float:
    """The mean over some seconds."""
    with tf32(game.shorter):
        for _ in range(WARM):
            game.step()
        return repeated(game.step, options, 0.3 if options.tiny else 4.0)


def peak(options: Options, kind: str) -> float:
    """Operations per second of one large product of matrices, the best of a few."""
    side = 512 if options.tiny else 8192
    a, b = (torch.randn(side, side, device=options.device).to(HALVES.get(kind, torch.float32)) for _ in range(2))
    with tf32(True):
        a @ b
        best = min(repeated(lambda: a @ b, options, 0.05 if options.tiny else 0.5) for _ in range(3))
    return 2 * side**3 / best


def repeated(work: Callable[[], object], options: Options, seconds: float) -> float:
    """Mean seconds of one piece of work, queued as fast as it goes."""
    count, began = 0, 0.0
    finish(options.device)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(4):
            work()
        count += 4
        finish(options.device)
    return (time.perf_counter() - began) / count


def finish(device: str) -> None:
    """Waits until all that was queued is done."""
    if device != "cpu":
        torch.accelerator.synchronize(torch.device(device))
