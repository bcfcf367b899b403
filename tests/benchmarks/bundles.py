"""Models to measure with: a network of the engine with its initial weights, or one that changes nothing.

python tests/benchmarks/bundles.py unet_256 models/unet        then: translate convert IN OUT --model models/unet
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from translate.contracts import DataSpec
from translate.models.bundle import write_bundle
from translate.models.single_network import SingleNetwork, SingleNetworkConfig
from translate.networks import network_builder
from translate.plugins import Registry

TINY = {"uses": "resnet", "blocks": 1, "filters": 2}
"""A network for measuring everything else."""


def write(folder: Path, network: Any = TINY, channels: int = 3) -> Path:
    """Writes a bundle of one network, drawn from a fixed seed, and gives its folder."""
    torch.manual_seed(0)
    config = SingleNetworkConfig(network=network, dropout=False)
    method = SingleNetwork(config, DataSpec("single", {"image": channels}, (32, 32)), {})
    nets: dict[str, nn.Module] = method.networks(network_builder(Registry()))
    write_bundle(folder, method=method, method_name="single-network", nets=nets, provider={}, info={"metrics": {}})
    return folder


if __name__ == "__main__":
    print(write(Path(sys.argv[2]), TINY if sys.argv[1] == "tiny" else sys.argv[1]))
