"""Images of all sizes from 1 x 1 to 40 x 40, and 1 x 20,000, through real networks: the right size, or a refusal.

    python tests/benchmarks/sizes.py                  narrow unet_256 and resnet_6, about two minutes on two cores

The images are converted as a folder. The exit code is 1 if an output has another size than its input, or an input is
refused without a reason that names it.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS: dict[str, dict[str, Any]] = {"unet_256": {"filters": 4}, "resnet_6": {"filters": 4}}
LONG = 20_000

Size = tuple[int, int]
"""(height, width)"""


def check(network: str, sizes: Iterable[Size], folder: Path) -> tuple[int, dict[str, str]]:
    """(how many came out with the right size, reason by name for those that were refused). Errors: AssertionError."""
    import torch

    from translate.console import PlainConsole
    from translate.contracts import DataSpec
    from translate.conversion.convert import convert
    from translate.imaging.io import probe, write
    from translate.inference.translator import Translator
    from translate.models.single_network import SingleNetwork, SingleNetworkConfig
    from translate.networks import network_builder
    from translate.plugins import Registry

    torch.manual_seed(0)
    config = SingleNetworkConfig.model_validate({"network": {"uses": network, **NETWORKS[network]}, "dropout": False})
    method = SingleNetwork(config, DataSpec("single", {"image": 3}, (32, 32)), {})
    translator = Translator(method, method.networks(network_builder(Registry())), {})
    rng, wanted = np.random.default_rng(0), {}
    (folder / "in").mkdir()
    for height, width in sizes:
        name = f"{height}x{width}.png"
        wanted[name] = (height, width)
        write(folder / "in" / name, rng.integers(0, 256, (height, width, 3), np.uint8), compression=1)
    convert(folder / "in", folder / "out", translator, console=PlainConsole(io.StringIO(), io.StringIO()))
    rows = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == len(wanted) and {row["input"] for row in rows} == set(wanted)
    refused = {}
    for row in rows:
        if row["status"] == "done":
            header = probe(folder / "out" / row["output"])
            found = (header.height, header.width)
            assert found == wanted[row["input"]], f"{network}: {row['input']} came out as {found}"
            assert header.channels == 3 and header.bits == 8
        else:
            assert row["status"] == "failed" and row["reason"], row
            refused[row["input"]] = row["reason"]
    return len(rows) - len(refused), refused


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    sizes = [(height, width) for height in range(1, 41) for width in range(1, 41)] + [(1, LONG), (LONG, 1)]
    wrong = 0
    for network in NETWORKS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                done, refused = check(network, sizes, Path(folder))
            except AssertionError as error:
                print(f"{network}: {error}")
                wrong += 1
                continue
        seconds = time.perf_counter() - began
        print(f"{network}: {done} of {len(sizes)} sizes right, {len(refused)} refused, {seconds:.0f} s")
        for name, reason in list(refused.items())[:5]:
            print(f"  {name}: {reason}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
