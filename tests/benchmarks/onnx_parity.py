"""The largest difference between ONNX and torch for every method and direction, with the methods' default networks.

    python tests/benchmarks/onnx_parity.py                           all methods, as trained on images of 64 pixels
    python tests/benchmarks/onnx_parity.py --methods pix2pix cyclegan --size 256

Each direction is exported as `translate models export` does it, which compares at three sizes (one as the networks take
it, two that are padded) and two batch sizes, from `--size` (rounded up to the networks' multiple) to twice that, and
refuses more than 1e-3. Weights are the networks' initial ones, a little livelier in the norms. Exits with 1 where a
direction is refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from translate.contracts import SIDES, DataSpec
from translate.errors import TranslateError
from translate.models.bundle import write_bundle
from translate.models.load import load
from translate.models.onnx.export import exported
from translate.networks import network_builder
from translate.plugins import Registry

VARIANTS = {"colorization": {"colour": {}, "classes": {"predict": "classes"}}}
"""Options under which a method computes something else than by default."""


def main() -> None:
    registry = Registry()
    every = sorted(registry.all_methods()[0])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=every, choices=every, metavar="NAME")
    parser.add_argument("--size", type=int, default=64, help="of the images of the training")
    args = parser.parse_args()
    refused = 0
    print(f"{'method':<28}{'direction':<22}{'largest difference':>18}{'s':>8}  sizes")
    for name in args.methods:
        for variant, options in VARIANTS.get(name, {"": {}}).items():
            kind = registry.get("methods", name)
            if kind.data == "labelled":
                colours = ((0, 0, 0), (200, 0, 0), (0, 0, 255))
                spec = DataSpec("labelled", {"image": 3}, (args.size, args.size), ("a", "b", "c"), colours)
            else:
                spec = DataSpec(kind.data, dict.fromkeys(SIDES[kind.data], 3), (args.size, args.size))
            method = kind(kind.Config.model_validate(options), spec, dict(kind.losses))
            torch.manual_seed(0)
            nets = method.networks(network_builder(registry))
            for key, value in ((k, v) for net in nets.values() for k, v in net.state_dict().items()):
                if key.endswith(("running_mean", "running_var")):
                    value.uniform_(*((0.5, 1.5) if key.endswith("var") else (-0.3, 0.3)))
            with tempfile.TemporaryDirectory() as folder:
                provider = registry.provider("methods", name)
                write_bundle(Path(folder), method=method, method_name=name, nets=nets, provider=provider, info={})
                translator = load(folder, "cpu", registry, tile="off")
            for direction in translator.routes:
                began = time.perf_counter()
                try:
                    _, export = exported(translator, direction, Path(f"{direction}.onnx"))
                    sizes = " ".join(f"{height}x{width}" for height, width in export.sizes)
                    told = f"{export.difference:>18.1e}{time.perf_counter() - began:>8.1f}  {sizes}"
                except TranslateError as error:
                    refused += 1
                    told = f"  refused: {error}"
                print(f"{f'{name} {variant}':<28}{direction:<22}{told}", flush=True)
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
