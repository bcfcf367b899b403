"""Building the networks that a pipeline names, for methods that ask for them."""

from __future__ import annotations

from typing import Any

from torch import nn

from translate.contracts import Build, Components, NetworkUse


def network_builder(components: Components) -> Build:
    """The `build` that a method's `networks` gets. Its errors: ConfigError, PluginError."""

    def build(use: NetworkUse | str, *, in_channels: int, out_channels: int = 1, **defaults: Any) -> nn.Module:
        use = NetworkUse(uses=use) if isinstance(use, str) else use
        net = components.build(use, in_channels=in_channels, out_channels=out_channels, **defaults)
        assert isinstance(net, nn.Module)
        return net

    return build
