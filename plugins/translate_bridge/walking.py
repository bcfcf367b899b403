"""The parts that the bridge and its one-step student share: options, the network's guess, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Build, Config, Method, NetworkUse
from translate_bridge.process import BrownianBridge


class BridgeConfig(Config):
    """Knobs of the bridge."""

    network: NetworkUse = NetworkUse(uses="bridge/unet")
    """The network, by name or with options: it is called with x_t, the time and the input."""
    conditional: bool = True
    """Shows the network the input y beside x_t at every time. Without it, it sees x_t alone, which is y only at the
    start."""
    variance: PositiveFloat = 1.0
    """The factor s of the noise: the variance in the middle of the way is s / 2. 1 in the paper; more noise makes
    answers differ more."""
    times: PositiveInt = 1000
    """Moments that the way is divided into for training, T in the paper."""
    distance: Literal["l1", "l2"] = "l2"
    """How the guess is compared with the truth: by squares, `l2`, or `l1`."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Steps of a conversion whose own option `steps` says nothing (200 in the paper); of `bridge/distilled`, the steps
    of the teacher."""


class Walking(Method[BridgeConfig]):
    """A method that walks over a Brownian bridge from the input to the target."""

    data = "paired"

    def network(self, build: Build) -> nn.Module:
        x, y = self.spec.channels["target"], self.spec.channels["input"]
        return build(self.config.network, in_channels=x + y * self.config.conditional, out_channels=x)

    @property
    def process(self) -> BrownianBridge:
        return BrownianBridge(self.config.variance)

    def start(self, y: Tensor) -> Tensor:
        """The input as an end of the bridge, with as many channels as the target: as it is, or their mean for each."""
        channels = self.spec.channels["target"]
        return y if y.shape[1] == channels else y.mean(1, keepdim=True).expand(-1, channels, -1, -1)

    def guess(self, net: nn.Module, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The network's x_t - x_0, float32; t: N in [0, 1]."""
        output: Tensor = net(x_t, t, y) if self.config.conditional else net(x_t, t)
        return output.float()

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        return F.mse_loss(a, b) if self.config.distance == "l2" else F.l1_loss(a, b)

    def walk(self, net: nn.Module, y: Tensor, draw: Callable[[], Tensor], steps: int, eta: float) -> Tensor:
        """Outputs for inputs y in so many steps; `draw()` gives noise of the targets' shape."""

        def predict(x_t: Tensor, t: float) -> Tensor:
            # Images end at -1 and 1, and a guess beyond them would be carried on by every later step.
            return (x_t - self.guess(net, x_t, x_t.new_full((x_t.shape[0],), t), y)).clamp(-1, 1)

        return self.process.walk(self.start(y), predict, draw, steps, eta)
