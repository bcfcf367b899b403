"""Images per second of `convert` on a folder, against a plain serial loop and the network's own forward rate.

    python tests/benchmarks/folder.py                                       unet_256 and resnet_9 on the CPU
    python tests/benchmarks/folder.py --network unet_256 --images 500 --device cuda --precision bf16

All in one process, in turns (each round in the opposite order), with the network's initial weights; the figures are
medians, the ratios medians of those of the rounds. `serial` decodes with Pillow, runs the plain network on one image in
float32 under `no_grad`, and writes a PNG with Pillow's own settings. `convert` is the product, into a fresh folder each
round. `forward` is the network alone as `convert` runs it, in its batches, on tensors that are there; `plain forward`
as `serial` runs it, and `plain, ...` in batches of eight, in channels-last order (`last`) and bf16. Outputs of the two
loops are compared. `cpu`: of the seconds of the processor, which other work on the machine disturbs less. A single
image, its start included, is measured by `startup.py`.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from spread import ratios

from translate.console import PlainConsole
from translate.contracts import DataSpec, TestTime
from translate.conversion.convert import convert, prepare
from translate.conversion.options import ConvertOptions
from translate.device import resolve
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig
from translate.networks import network_builder, prepare_for_inference
from translate.plugins import Registry


def photographs(folder: Path, count: int, size: int) -> list[Path]:
    """Images of coarse shapes with fine grain, which compress about as photographs do."""
    folder.mkdir()
    for n in range(count):
        draw = np.random.default_rng(n)
        coarse = Pillow.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((size, size), 3)
        grain = draw.normal(0, 6, (size, size, 3))
        Pillow.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{n:05}.png")
    return sorted(folder.iterdir())


def measure(network: str, files: list[Path], base: Path, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Prints the table of one network; returns the ratios of `convert` with their spread."""
    device = torch.device(resolve(args.device))
    torch.manual_seed(0)
    config = SingleNetworkConfig(network=network, dropout=False)
    method = SingleNetwork(config, DataSpec("single", {"image": 3}, (args.size, args.size)), {})
    nets = method.networks(network_builder(Registry()))
    translator = Translator(
        method, nets, {}, str(device), precision="fp32" if args.precision == "auto" else args.precision
    )
    torch.manual_seed(0)
    net = method.networks(network_builder(Registry()))["net"]
    plain = prepare_for_inference(net, TestTime(norm="image")).to(device)
    console = PlainConsole(io.StringIO(), io.StringIO())
    choice: Any = "auto" if args.precision == "auto" else None
    if args.batch:
        translator.streamer.batch_size = lambda route, pixels: args.batch  # type: ignore[method-assign]
    rounds = iter(range(1 << 30))

    def to_input(path: Path) -> torch.Tensor:
        pixels = np.array(Pillow.open(path).convert("RGB"))
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(127.5).sub(1).to(device)

    def serial() -> None:
        folder = base / f"{network}-serial"
        folder.mkdir(exist_ok=True)
        for path in files:
            with torch.no_grad():
                made = plain(to_input(path))
            pixels = made[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
            Pillow.fromarray(pixels).save(folder / path.name)

    def product() -> None:
        summary = convert(
            files[0].parent,
            base / f"{network}-{next(rounds)}",
            translator,
            ConvertOptions(precision=choice),
            console=console,
        )
        assert summary.done == len(files), summary

    # The precision that `convert` takes, which is the first to find it.
    options = ConvertOptions(precision=choice)
    chosen = prepare(files[0].parent, base / "none", translator, options, console=console).translator
    ready = torch.cat([to_input(path) for path in files[: min(len(files), 32)]])

    def forward() -> None:
        batch = chosen.batch_size(None, (args.size, args.size))
        with torch.inference_mode(), chosen.program.autocast():
            for first in range(0, len(files), batch):
                at = [n % len(ready) for n in range(first, min(first + batch, len(files)))]
                chosen.method.translate(chosen.program.optimized_nets, {"image": ready[at]}, "translate", None)
        if device.type == "cuda":
            torch.cuda.synchronize()

    def alone() -> None:
        with torch.no_grad():
            for n in range(len(files)):
                plain(ready[n % len(ready)][None])
        if device.type == "cuda":
            torch.cuda.synchronize()

    def variant(low: bool, last: bool) -> Callable[[], None]:
        """The plain network in batches of eight, in bf16 or float32, in channels-last order or not."""
        changed = copy.deepcopy(plain).to(torch.bfloat16 if low else torch.float32)
        order = torch.channels_last if last else torch.contiguous_format
        changed = changed.to(memory_format=order)
        given = ready.to(torch.bfloat16 if low else torch.float32).contiguous(memory_format=order)

        def run() -> None:
            with torch.inference_mode():
                for first in range(0, len(files), 8):
                    changed(given[[n % len(given) for n in range(first, min(first + 8, len(files)))]])

        return run

    ways: dict[str, Callable[[], None]] = {
        "serial": serial,
        "convert": product,
        "forward": forward,
        "plain forward": alone,
        "plain, 8": variant(False, False),
        "plain, last, 8": variant(False, True),
        "plain, bf16, 8": variant(True, True),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    processor: dict[str, list[float]] = {way: [] for way in ways}
    files, every = files[:2], files
    for run in (serial, forward, alone, *list(ways.values())[4:]):
        run()
    files = every
    product()
    for number in range(args.rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            began, used = time.perf_counter(), time.process_time()
            ways[way]()
            processor[way].append(time.process_time() - used)
            seconds[way].append(time.perf_counter() - began)
    apart = [
        np.abs(_pixels(base / f"{network}-serial" / f.name) - _pixels(base / f"{network}-0" / f.name)) for f in files
    ]
    batch = chosen.batch_size(None, (args.size, args.size))
    print(f"\n{network}, {len(files)} images of {args.size} pixels, {device}, {chosen.precision}, batch {batch}")
    print(f"difference of convert to serial: mean {np.mean(apart):.4f}/255, largest {max(a.max() for a in apart)}/255")
    print(f"{'':<16}{'images/s':>10}{'x serial':>10}{'% of forward':>14}{'x serial, cpu':>15}")
    for way, took in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(seconds["serial"], took, strict=True))
        less = statistics.median(a / b for a, b in zip(processor["serial"], processor[way], strict=True))
        share = statistics.median(a / b for a, b in zip(seconds["forward"], took, strict=True))
        print(
            f"{way:<16}{len(files) / statistics.median(took):>10.2f}{ratio:>10.2f}{100 * share:>14.0f}{less:>15.2f}",
            flush=True,
        )
    print(console._stream.getvalue().strip().splitlines()[:1])  # type: ignore[attr-defined]
    title = f"convert, {network}, {len(files)} images"
    return {
        f"{title}: times as fast as the plain loop": ratios(seconds["serial"], seconds["convert"]),
        f"{title}: rate as a share of the forward's": ratios(seconds["forward"], seconds["convert"]),
    }


def _pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Pillow.open(path).convert("RGB")).astype(int)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", default=["unet_256", "resnet_9"])
    parser.add_argument("--images", type=int, nargs="+", default=[64, 8])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=0, help="default: the translator's choice")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in args.images:
            base = Path(folder) / str(count)
            base.mkdir()
            files = photographs(base / "in", count, args.size)
            for network in args.network:
                figures |= measure(network, files, base, args)
    if args.json:
        args.json.write_text(json.dumps({"ratios": figures}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
