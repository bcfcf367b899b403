"""Games in float64 that one process plays with a joined batch, and several play with a part of it each.

As a script, `torchrun shared_games.py FOLDER`, it plays all of them and writes the weights of every rank.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from translate.contracts import SIDES, DataSpec, Method
from translate.distributed.draws import RankGenerator, per_image
from translate.distributed.world import World, join
from translate.plugins import Registry
from translate.training.build import build_networks
from translate.training.config import TrainConfig
from translate.training.critics.augment import CriticAugment
from translate.training.engine import Engine
from translate.training.health.critics import SEPARATION
from translate.training.length import Length
from translate.training.players import make_players

IMAGES, SIZE, STEPS = 4, 32, 4
"""Images of the joined batch, their side, and steps."""
_CRITIC = {"uses": "patchgan", "filters": 4, "layers": 2}
_UNET = {"uses": "unet", "levels": 4, "filters": 4}
_RESNET = {"uses": "resnet", "blocks": 1, "filters": 4}
PIX2PIX = {"generator": _UNET, "discriminator": _CRITIC, "norm": "instance", "dropout": False}
GAMES: Mapping[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "pix2pix": ("pix2pix", PIX2PIX, {}),
    "cyclegan": ("cyclegan", {"generator": _RESNET, "discriminator": _CRITIC, "pool": 0}, {}),
    "genegan": ("genegan", {"width": 4, "norm": "instance", "critic_norm": "instance", "burst": 1}, {}),
    "wgan-gp": ("pix2pix", {**PIX2PIX, "objective": "wgan-gp"}, {}),
    # clipping sees the gradient of the joined batch, and critics see each image changed as it is there
    "augmented": ("pix2pix", PIX2PIX, {"clip": 0.5, "critic_augment": {"adapt": {"target": -0.9, "images": 100}}}),
}


def engine_of(game: str, registry: Registry, world: World | None = None) -> Engine:
    name, options, config = GAMES[game]
    cls: type[Method[Any]] = registry.get("methods", name)
    spec = DataSpec(cls.data, dict.fromkeys(SIDES[cls.data], 3), (SIZE, SIZE))
    method = cls(registry.config("methods", name, options), spec, dict(cls.losses))
    train = TrainConfig.model_validate({"method": name, **config})
    torch.manual_seed(0)
    nets = {each: net.double().train() for each, net in build_networks(method, registry).items()}
    players = make_players(name, method.players, nets, train, registry, Length.of(train, 1), fused=False)
    changes = train.critic_augment
    augment = CriticAugment(changes, method, nets, "cpu", 7, world) if changes else None
    return Engine(
        method, nets, players, device="cpu", precision="fp32", seed=7, merge=False, critic_augment=augment, world=world
    )


def play(game: str, registry: Registry, world: World | None = None, accumulate: int = 1) -> dict[str, Tensor]:
    """The weights after some steps, the mean losses, and the share of changed images."""
    engine = engine_of(game, registry, world)
    part, parts = (world.rank, world.size) if world else (0, 1)
    rng = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        shape = (IMAGES, 3, SIZE, SIZE)
        joined = {s: torch.rand(shape, generator=rng, dtype=torch.float64) * 2 - 1 for s in engine.method.spec.sides}
        # micro-batches first, each of which the processes share: the order in which the sampler hands images out
        chunks = [{side: images.chunk(accumulate)[k] for side, images in joined.items()} for k in range(accumulate)]
        engine.step([{side: images.chunk(parts)[part] for side, images in chunk.items()} for chunk in chunks], 0)
    weights = {f"{n}.{key}": p.detach() for n, net in engine.nets.items() for key, p in net.named_parameters()}
    # A share of pairs of scores is that of the images of one process: its mean is not that of the joined batch.
    means = {name: value for name, value in engine.read_meters().items() if name != SEPARATION}
    losses = {f"loss/{name}": torch.tensor(value, dtype=torch.float64) for name, value in means.items()}
    share = {"share": engine.critic_augment.p} if engine.critic_augment else {}
    return {**weights, **losses, **share}


def shared_facts(world: World) -> dict[str, Any]:
    """What the calls of a world give this process."""
    # a gradient of rank 0 alone, one of both, and one of none; rank 1 has a loss that is not finite
    params = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    params[1].grad = torch.full((2,), 1.0 + world.rank)
    if world.leads:
        params[0].grad = torch.full((2,), 4.0)
    finite = world.average(params, torch.tensor(world.leads))
    handed = torch.full((2, 3, 4, 4), float(world.rank)).to(memory_format=torch.channels_last)
    world.hand_out([handed])
    done: list[int] = []

    def work(item: int) -> int:
        done.append(item)
        return item**2

    return {
        "gradients": [None if p.grad is None else p.grad.tolist() for p in params],
        "finite": bool(finite),
        "all finite": bool(world.average(params[1:2], torch.tensor(True))),
        "handed out": float(handed.sum()),
        "spread": world.spread(list(range(5)), work),
        "worked on": done,
        "decided": world.decided(lambda: f"by {world.rank}"),
        "largest": world.largest(world.rank, 3 - world.rank),
        "gathered": world.gather(world.rank),
        "draws": per_image(3, engine_rng(world)).flatten().tolist(),
    }


def engine_rng(world: World) -> torch.Generator:
    """The generator that a method is given, at some step."""
    rng = RankGenerator("cpu")
    rng.manual_seed(100 + world.rank)
    rng.share(100, world.place)
    return rng


def main(folder: Path) -> None:
    world, registry = join(), Registry()
    torch.set_num_threads(1)
    (folder / f"facts-{world.rank}.json").write_text(json.dumps(shared_facts(world)))
    for game in GAMES:
        for accumulate in (1, 2):
            save_file(play(game, registry, world, accumulate), folder / f"{game}-{accumulate}-{world.rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
