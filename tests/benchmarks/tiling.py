"""Time, memory and difference of images in strips against whole images, and of naive tiles against both.

    python tests/benchmarks/tiling.py                                      resnet_9 and unet_256 at 2048 x 1536
    python tests/benchmarks/tiling.py --size 12000x9000 --ways strips      what does not fit whole

Each row of the table is a process of its own. Its memory is what it takes at most beyond what it held before, without
the output; seconds are those of the clock and of the processor, the best of `--repeat`. Differences, in 1/255, are to
the whole image. Naive tiles of 512 x 512 do not overlap. Weights are the networks' initial ones.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TILE = 512


def picture(height: int, width: int) -> np.ndarray:
    """A mosaic of six scenes of different colour, contrast and texture, H x W x 3 uint8."""
    rng = np.random.default_rng(0)
    image = np.empty((height, width, 3), np.uint8)
    for n in range(6):
        top, left = n // 3 * height // 2, n % 3 * width // 3
        part = image[top : (n // 3 + 1) * height // 2, left : (n % 3 + 1) * width // 3]
        level, contrast, length = rng.uniform(60, 190, 3), rng.uniform(10, 60), rng.uniform(5, 60)
        columns = np.sin(np.arange(part.shape[1]) / length)[:, None]
        for row in range(len(part)):
            wave = columns * np.cos(row / length) * contrast
            part[row] = (level + wave + rng.normal(0, contrast / 4, (part.shape[1], 1))).clip(0, 255)
    return image


def one(network: str, way: str, height: int, width: int, repeat: int, tile: int, folder: Path) -> None:
    """One measurement; its figures go to stdout, and what was made to the folder."""
    import torch

    from translate.contracts import DataSpec
    from translate.imaging.io import Image
    from translate.inference.translator import Translator
    from translate.models.single_network import SingleNetwork, SingleNetworkConfig
    from translate.networks import network_builder
    from translate.plugins import Registry

    torch.manual_seed(0)
    config = SingleNetworkConfig(network=network, dropout=False)
    method = SingleNetwork(config, DataSpec("single", {"image": 3}, (32, 32)), {})
    translator = Translator(method, method.networks(network_builder(Registry())), {})
    image = picture(height, width)

    def make() -> np.ndarray:
        if way == "strips":
            return translator.translate_image(Image(image), tile=tile or "auto").pixels
        if way == "whole":
            return translator.translate_image(Image(image), tile="off").pixels
        made = np.empty_like(image)
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                cut = (slice(y, y + TILE), slice(x, x + TILE))
                made[cut] = translator.translate_image(Image(image[cut]), tile="off").pixels
        return made

    if way == "strips" and not tile:
        translator.streamer.fits = lambda route, pixels: False  # type: ignore[method-assign]
    translator(picture(256, 256))
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    clock, processor = [], []
    made = np.empty(0)
    for _ in range(repeat):
        made = np.empty(0)
        wall, used = time.perf_counter(), time.process_time()
        made = make()
        clock.append(time.perf_counter() - wall)
        processor.append(time.process_time() - used)
    memory = (_status("VmHWM") - before) / 1e6 - made.nbytes / 1e6
    np.save(folder / f"{network}-{way}.npy", made)
    print(json.dumps({"seconds": min(clock), "cpu": min(processor), "memory": memory}))


def _status(key: str) -> int:
    """Bytes of this process, from the kernel's own count."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet_9", "unet_256"])
    parser.add_argument("--ways", nargs="+", default=["whole", "strips", "naive"], choices=["whole", "strips", "naive"])
    parser.add_argument("--size", default="2048x1536", metavar="WxH")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--tile", type=int, default=0, help="height of strips; default: the engine's choice")
    parser.add_argument("--one", nargs=3, metavar=("NETWORK", "WAY", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    if args.one:
        network, way, folder = args.one
        one(network, way, height, width, args.repeat, args.tile, Path(folder))
        return
    print(f"{args.size}\n{'network':<12}{'way':<8}{'s':>8}{'cpu s':>9}{'x whole':>9}{'MB':>9}{'max':>8}{'mean':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for network in args.networks:
            whole = None
            for way in args.ways:
                command = [sys.executable, __file__, "--one", network, way, folder, "--size", args.size]
                command += ["--repeat", str(args.repeat), "--tile", str(args.tile)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                made = np.load(Path(folder) / f"{network}-{way}.npy", mmap_mode="r")
                if way == "whole":
                    whole, seconds = made, found["cpu"]
                line = f"{network:<12}{way:<8}{found['seconds']:>8.1f}{found['cpu']:>9.1f}"
                ratio = f"{found['cpu'] / seconds:.2f}" if whole is not None else "-"
                apart = "       -        -"
                if whole is not None:
                    rows = [np.abs(whole[n].astype(int) - made[n]) for n in range(height)]
                    apart = f"{max(r.max() for r in rows):>8}{np.mean([r.mean() for r in rows]):>9.3f}"
                print(f"{line}{ratio:>9}{found['memory']:>9.0f}{apart}", flush=True)


if __name__ == "__main__":
    main()
