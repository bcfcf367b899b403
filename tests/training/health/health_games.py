"""Games with a known answer, and small data to play them on, through the whole `train` stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from duel import Console, Tracker
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Direction, Method, NoOptions, Objective, Transform, Update
from translate.contracts import Artifact, StageContext
from translate.data.dataset import write_index
from translate.imaging.io import write
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig

SIZE = 16
MODES, RADIUS, POINTS = 8, 0.6, 64
"""The ring: colours (red, green) at eight angles, in values from -1 to 1."""
STEPS = 240
"""Within so many steps most failures are told, and all of them within `SOON`."""
SOON = 300


class Small(nn.Sequential):
    """A generator that keeps the size, and learns to copy."""

    multiple = 1

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 3, 3, padding=1))


class Copy(Method[NoOptions]):
    """A healthy game: a critic on patches, and a generator that has to stay near its input."""

    name, data = "copy", "unpaired"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "adversarial": 1.0, "l1": 10.0}
    directions = {"a_to_b": Direction(nets=("gen",))}
    objective = Objective(uses="non-saturating")

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"gen": self.generator(), "disc": self.critic()}

    def generator(self) -> nn.Module:
        return Small()

    def critic(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 4, 2), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 3))

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], fake, step)})
        adversarial = self.objective.generator(nets.disc, fake, batch["b"], step)
        yield Update("G", {"adversarial": adversarial, "l1": F.l1_loss(fake, batch["a"])})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        output: Tensor = nets.gen(inputs["image"])
        return output


class Changed(nn.Module):
    """A generator in front of or behind which something fixed is done."""

    multiple = 1

    def __init__(self, before: Any = None, after: Any = None) -> None:
        super().__init__()
        self.inner, self.before, self.after = Small(), before, after

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(self.before(x) if self.before else x)
        return self.after(y) if self.after else y


class Resting(Copy):
    """Its critic plays alone, so that the generator makes noise to the end."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], fake, step)})

    def generator(self) -> nn.Module:
        return Changed(before=always_the_same)


class Ignoring(Copy):
    """Its generator sees nothing of the input."""

    def generator(self) -> nn.Module:
        return Changed(before=always_the_same)


def always_the_same(x: Tensor) -> Tensor:
    rows, columns = (torch.linspace(-1, 1, size) for size in x.shape[-2:])
    return (rows[:, None] * columns[None]).expand_as(x)


class Noisy(Copy):
    """Its generator makes images of noise, which differ, and sees nothing of the input."""

    directions = {"a_to_b": Direction(nets=("gen",), draws=True)}

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        output: Tensor = nets.gen(draw.normal(*inputs["image"].shape[1:]))
        return output


class Boarded(Copy):
    """Its generator adds a checkerboard, as transposed convolutions do."""

    amplitude, period = 0.1, 2

    def generator(self) -> nn.Module:
        return Changed(after=lambda y: y + self.amplitude * board(y, self.period))


class FinelyBoarded(Boarded):
    amplitude = 0.02


class CoarselyBoarded(Boarded):
    amplitude, period = 0.05, 4


def board(y: Tensor, period: int) -> Tensor:
    """Squares of half a period, 1 and -1."""
    rows, columns = (torch.arange(size) // (period // 2) for size in y.shape[-2:])
    return ((rows[:, None] + columns[None]) % 2 * 2 - 1).to(y)


class Dead(Copy):
    """The hidden layer of its critic is never above zero."""

    def critic(self) -> nn.Module:
        net = nn.Sequential(nn.Conv2d(3, 8, 4, 2), nn.ReLU(), nn.Conv2d(8, 1, 3))
        nn.init.constant_(net[0].bias, -100.0)  # type: ignore[arg-type]
        return net


class DeadWithoutModules(Copy):
    """The same of a generator that calls functions."""

    class Net(Small):
        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self[2](F.relu(self[0](x) - 100.0, inplace=True))
            return y

    def generator(self) -> nn.Module:
        return self.Net()


class Exploding(Copy):
    """The values within its generator have grown beyond measure."""

    def generator(self) -> nn.Module:
        net = Small()
        with torch.no_grad():
            net[0].weight.mul_(1e7)
            net[2].weight.mul_(1e-7)
        return net


class Winning(Copy):
    """Its generator makes black, which the real images are not, and cannot learn from the critic."""

    losses = {"critic": 1.0, "adversarial": 0.0, "l1": 1.0}

    def generator(self) -> nn.Module:
        return Changed(after=lambda y: y.clamp(-1, 1) * 0.05 - 0.95)


def winning(uses: str) -> type[Winning]:
    """The same under an objective."""

    class Constrained(Winning):
        objective = Objective(uses=uses)

        def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
            for update in super().step(nets, batch, step):
                yield update
                if update.player == "D":
                    self.objective.constrain(nets.disc)

    return Constrained


class WinningAlone(Winning):
    """The same with losses of its own, of which the engine knows no scores."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        real, made = nets.disc(batch["b"]), nets.disc(fake.detach())
        yield Update("D", {"critic": F.softplus(-real).mean() + F.softplus(made).mean()})
        yield Update("G", {"adversarial": F.softplus(-nets.disc(fake)).mean(), "l1": F.l1_loss(fake, batch["a"])})


class Matching(Winning):
    """Its generator has no loss of the scores: it matches the critic's features, as in semi-supervised learning."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], fake, step)})
        features = nets.disc[0](fake).mean() - nets.disc[0](batch["b"]).mean().detach()
        yield Update("G", {"adversarial": features.square(), "l1": F.l1_loss(fake, batch["a"])})


class LearningAlone(WinningAlone):
    """Its critic is a classifier whose loss vanishes, and no generator plays."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield next(super().step(nets, batch, step))


class Brightening(Copy):
    """Its generator becomes brighter and brighter, and keeps the shapes."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        a, fake = batch["a"], nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], fake, step)})
        shapes = F.l1_loss(fake - fake.mean(), 0.3 * (a - a.mean()))
        yield Update("G", {"adversarial": 3 * (fake.mean() - 0.9).square(), "l1": shapes})


class Negative(Copy):
    """Its generator learns to make negatives."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        fake = nets.gen(batch["a"])
        yield Update("D", {"critic": self.objective.critic(nets.disc, batch["b"], fake, step)})
        yield Update("G", {"l1": F.l1_loss(fake, -batch["a"])})


class Point(nn.Module):
    """One number."""

    multiple = 1

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


class Product(Method[NoOptions]):
    """min over x, max over y of x y: gradient steps turn around the only equilibrium.

    In turns, as here, the angle of a step of rate r has the cosine 1 - r^2 / 2; x y comes back twice in a turn.
    """

    name, data = "product", "unpaired"
    players = {"x": ("x",), "y": ("y",)}
    losses = {"down": 1.0, "up": 1.0}
    directions = {"a_to_b": Direction(nets=("x",))}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"x": Point(1.0), "y": Point(0.0)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        yield Update("x", {"down": nets.x.value * nets.y.value.detach()})
        yield Update("y", {"up": -nets.x.value.detach() * nets.y.value})

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        image: Tensor = inputs["image"]
        return image

    @staticmethod
    def period(rate: float) -> float:
        """Steps from one peak of x y to the next."""
        return math.pi / math.acos(1 - rate**2 / 2)


class Together(Product):
    """The same at once, which spirals outwards: the angle has the tangent r."""

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        x = nets.x.value.detach().clone()
        yield Update("x", {"down": nets.x.value * nets.y.value.detach()})
        yield Update("y", {"up": -x * nets.y.value})

    @staticmethod
    def period(rate: float) -> float:
        return math.pi / math.atan(rate)


class Ring(Method[NoOptions]):
    """Colours out of two numbers of noise, against a critic of colours."""

    name, data = "ring", "single"
    players = {"D": ("disc",), "G": ("gen",)}
    losses = {"critic": 1.0, "adversarial": 1.0}
    directions = {"sample": Direction(nets=("gen",), inputs=(), target="image", draws=True)}
    objective = Objective(uses="non-saturating")
    noise = 4

    def networks(self, build: Any) -> dict[str, nn.Module]:
        def net(inputs: int, outputs: int) -> nn.Module:
            return nn.Sequential(
                nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
            )

        return {"gen": net(self.noise, 2), "disc": net(2, 1)}

    def step(self, nets: Any, batch: Any, step: Any) -> Iterator[Update]:
        objective = self.objective
        real = on_the_ring(POINTS, step.rng)  # of which the images of the data are some
        fake = nets.gen(self.drawn(len(real), step))
        yield Update("D", {"critic": objective.critic(nets.disc, real, fake, step)})
        objective.constrain(nets.disc)
        yield Update("G", {"adversarial": objective.generator(nets.disc, fake, real, step)})

    def drawn(self, count: int, step: Any) -> Tensor:
        return torch.randn(count, self.noise, generator=step.rng)

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return shown(nets.gen(draw.normal(self.noise)))


BOUNDS = {"wgan": {"clip": 0.3}, "wgan-gp": {"penalty": 0.1}, "loss-sensitive": {"slack": 30.0, "r1": 0.1}}
"""Options of objectives that bound a critic, which suit the size of the ring."""


def ring_of(uses: str) -> type[Ring]:
    """The ring under an objective."""
    objective = Objective(uses=uses, **BOUNDS.get(uses, {}))
    return type("RingOf", (Ring,), {"objective": objective})


def on_the_ring(count: int, rng: torch.Generator) -> Tensor:
    angles = 2 * math.pi * torch.randint(MODES, (count,), generator=rng) / MODES
    return RADIUS * torch.stack((angles.cos(), angles.sin()), 1) + 0.02 * torch.randn(count, 2, generator=rng)


def shown(points: Tensor) -> Tensor:
    """Points N x 2 as images of one colour."""
    colours = torch.cat((points, torch.zeros_like(points[:, :1])), 1)
    return colours[:, :, None, None].expand(-1, -1, SIZE, SIZE)


class Collapsed(Ring):
    """Its generator hardly listens to the noise, and chases one mode."""

    def drawn(self, count: int, step: Any) -> Tensor:
        return 0.01 * super().drawn(count, step)

    def translate(self, nets: Any, inputs: Any, direction: str, draw: Any) -> Tensor:
        return shown(nets.gen(0.01 * draw.normal(self.noise)))


def modes(points: Tensor) -> int:
    """How many modes of the ring at least a twentieth of the points lie near to."""
    angles = 2 * math.pi * torch.arange(MODES) / MODES
    centres = RADIUS * torch.stack((angles.cos(), angles.sin()), 1)
    near = torch.cdist(points, centres) < 0.15
    return int((near.float().mean(0) >= 0.05).sum())


class Slow(Transform[NoOptions]):
    """Takes its time."""

    name = "acme/slow"
    seconds = 0.02

    def __call__(self, images: Any, seed: int) -> Any:
        import time

        time.sleep(self.seconds)
        return images


class Shop(Registry):
    """A registry with one more method."""

    def __init__(self, method: type[Method[Any]]) -> None:
        super().__init__([])
        self.method = method

    def get(self, kind: Any, name: str) -> Any:
        mine = {"game": self.method, "acme/slow": Slow}
        return mine.get(name) or super().get(kind, name)

    def provider(self, kind: Any, name: str) -> dict[str, str]:
        return {}


class Curves(Tracker):
    """Remembers tags as well."""

    def __init__(self) -> None:
        super().__init__()
        self.tagged: dict[str, str] = {}

    def tags(self, values: Mapping[str, str]) -> None:
        self.tagged.update(values)

    def last(self, name: str) -> float:
        """The last point of a curve."""
        return max((step, value) for (curve, step), value in self.curves.items() if curve == name)[1]


def images(low: int, high: int) -> Any:
    """Draws images whose pixels are like their neighbours, so that small ones still differ."""

    def draw(rng: np.random.Generator) -> Any:
        coarse = torch.from_numpy(rng.integers(low, high, (1, 3, 5, 5))).float()
        fine = F.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
        return fine[0].permute(1, 2, 0).round().numpy().astype(np.uint8)

    return draw


def textured(rng: np.random.Generator) -> Any:
    """The same with a grid, as screens and weaves have one."""
    grid = 12.0 * board(torch.zeros(SIZE, SIZE), 2)[..., None].numpy()
    return (images(20, 235)(rng) + grid).astype(np.uint8)


def ring_image(rng: np.random.Generator) -> Any:
    (point,) = on_the_ring(1, torch.Generator().manual_seed(int(rng.integers(1 << 40))))
    colour = np.array([*point.tolist(), 0.0])
    return np.full((SIZE, SIZE, 3), (colour + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def make_data(folder: Path, draw: Any, kind: str = "unpaired", train: int = 40, val: int = 24) -> Artifact:
    rng = np.random.default_rng(0)
    sides = {"unpaired": ("a", "b"), "single": ("image",)}[kind]
    keys: dict[str, dict[str, list[str]]] = {}
    for split, count in (("train", train), ("val", val)):
        keys[split] = {side: [f"{n:03d}" for n in range(count)] for side in sides}
        for side in sides:
            (folder / split / side).mkdir(parents=True)
            for name in keys[split][side]:
                write(folder / split / side / f"{name}.png", draw(rng))
    facts = {
        "kind": kind, "splits": ["train", "val"], "pairs": [], "classes": [], "palette": [],
        "channels": dict.fromkeys(sides, 3), "size": [SIZE, SIZE], "bits": 8,
    }  # fmt: skip
    write_index(folder, facts, keys, dict.fromkeys(keys, [[SIZE, SIZE]] * 2))
    return Artifact("dataset", folder, facts, "hash")


class Played:
    """A training that is over: its warnings, curves and tags."""

    def __init__(self, folder: Path, data: Artifact, method: type[Method[Any]], **options: Any) -> None:
        config = {
            "method": "game", "workers": 0, "precision": "fp32", "fast": "off", "steps": STEPS, "batch_size": 1,
            "optimizer": {"uses": "adam", "lr": 2e-3}, "validate": {"every": {"steps": 10_000}, "samples": 1},
            # a critic that does not win in these small games
            "players": {"D": {"optimizer": {"uses": "adam", "lr": 1e-4}}} if "D" in method.players else {},
            **options,
        }  # fmt: skip
        shop = Shop(method)
        stage = TrainStage(TrainConfig.model_validate(config), shop, 5)
        assert not list(stage.check({"data": data.facts}))
        console, self.tracker = Console(), Curves()
        folder.mkdir(parents=True, exist_ok=True)
        stage.run(
            StageContext(
                "p", "train", folder, {"data": data}, 5, "cpu", self.tracker, console, shop, lambda *_, **__: None
            )
        )
        self.said = console.said()
        self.warned = [line for line in console.warned().splitlines() if line]
        self.kinds = sorted({name.split("/")[1] for name in self.tracker.tagged if "/" in name})
