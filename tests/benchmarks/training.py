"""The training engine against a plain eager loop in float32: whole steps at 256 pixels, in turns, in one process.

    python tests/benchmarks/training.py                       pix2pix, one image, in what `fast: auto` takes
    python tests/benchmarks/training.py --game cyclegan --rounds 4
    python tests/benchmarks/training.py --batch 8 --fast '{"layers": "quick", "memory_format": "channels_last"}'
    python tests/benchmarks/training.py --precision fp32 --fast off --json out.json
    python tests/benchmarks/training.py --batch 8 --no-plain --rounds 60      what the engine adds, alone

The loop is written out below, with the networks of the paper, torch's Adam and nothing else. Beside it run the engine
with the method's plugin, and the bare loop in the engine's variant, which shows what the engine itself costs. Ratios
are medians of the rounds. The verdict compares them with what is asked of this kind of processor.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from spread import ratios, spread
from torch import Tensor, nn
from torch.nn import functional as F

from translate.contracts import DataSpec, Step
from translate.networks import separate_calls
from translate.plugins import Registry
from translate.training.build import build_networks
from translate.training.config import FastConfig, TrainConfig
from translate.training.ema import Averages
from translate.training.engine import Engine
from translate.training.fast.apply import as_they_lie, keep_memory
from translate.training.fast.choice import Choice
from translate.training.fast.tuner import Tuner
from translate.training.fast.variant import Variant
from translate.training.length import Length
from translate.training.numerics.generators import seed_global
from translate.training.players import make_players
from translate.training.saving.state import TrainingState

SIDES = {"pix2pix": ("input", "target"), "cyclegan": ("a", "b")}
DATA: dict[str, Any] = {"pix2pix": "paired", "cyclegan": "unpaired"}
ASKED = {
    "amx": {("pix2pix", 1): 2.0, ("pix2pix", 8): 2.8, ("cyclegan", 1): 3.6},
    "avx512_bf16": {("pix2pix", 1): 1.6, ("pix2pix", 8): 2.0, ("cyclegan", 1): 1.8},
    "avx2": {("pix2pix", 1): 1.1, ("pix2pix", 8): 1.1, ("cyclegan", 1): 1.1},
}
"""The least ratio by kind of processor, game and batch size."""
TRIAL = 1200
"""Steps of the training whose trial is made: it may take 20 of them."""
OVERHEAD = 0.03
"""The most that the engine may add to the bare loop of its variant."""


def processor() -> str:
    """The kind of this processor, by what decides which kernels run."""
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        if torch.cpu._is_amx_tile_supported():
            return "amx"
        if torch.cpu._is_avx512_bf16_supported():
            return "avx512_bf16"
        return "avx512"
    return str(torch.backends.cpu.get_cpu_capability()).lower()


# ------------------------------------------------------------------------------------------------- the plain loops


class PlainPix2Pix:
    """pix2pix as the paper's code trains it."""

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        self.gen, self.disc = nets["gen"], nets["disc"]
        self.opt_d = torch.optim.Adam(self.disc.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_g = torch.optim.Adam(self.gen.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(self, batch: Mapping[str, Tensor]) -> None:
        x, y = batch["input"], batch["target"]
        fake = self.gen(x)
        self.disc.requires_grad_(True)
        self.opt_d.zero_grad()
        real_score = self.disc(torch.cat((x, y), 1))
        fake_score = self.disc(torch.cat((x, fake.detach()), 1))
        (0.5 * (F.softplus(-real_score).mean() + F.softplus(fake_score).mean())).backward()  # type: ignore[no-untyped-call]
        self.opt_d.step()
        self.disc.requires_grad_(False)
        self.opt_g.zero_grad()
        adversarial = F.softplus(-self.disc(torch.cat((x, fake), 1))).mean()
        (adversarial + 100 * F.l1_loss(fake, y)).backward()  # type: ignore[no-untyped-call]
        self.opt_g.step()


class PlainCycleGAN:
    """CycleGAN with identity as its authors' code trains it; both pools are those of the method."""

    def __init__(self, nets: Mapping[str, Any]) -> None:
        self.nets, self.rng = nets, torch.Generator()
        generators = [*nets["G_ab"].parameters(), *nets["G_ba"].parameters()]
        critics = [*nets["D_a"].parameters(), *nets["D_b"].parameters()]
        self.opt_g = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(critics, lr=2e-4, betas=(0.5, 0.999))

    def step(self, batch: Mapping[str, Tensor]) -> None:
        ab, ba, critic_a, critic_b = (self.nets[name] for name in ("G_ab", "G_ba", "D_a", "D_b"))
        a, b = batch["a"], batch["b"]
        critic_a.requires_grad_(False)
        critic_b.requires_grad_(False)
        self.opt_g.zero_grad()
        fake_b, same_b, fake_a, same_a = ab(a), ab(b), ba(b), ba(a)
        cycle = F.l1_loss(ba(fake_b), a) + F.l1_loss(ab(fake_a), b)
        identity = F.l1_loss(same_b, b) + F.l1_loss(same_a, a)
        adversarial = ((critic_b(fake_b) - 1) ** 2).mean() + ((critic_a(fake_a) - 1) ** 2).mean()
        (adversarial + 10 * cycle + 5 * identity).backward()
        self.opt_g.step()
        critic_a.requires_grad_(True)
        critic_b.requires_grad_(True)
        self.opt_d.zero_grad()
        for critic, real, fake, pool in ((critic_a, a, fake_a, "pool_a"), (critic_b, b, fake_b, "pool_b")):
            shown = self.nets[pool].query(fake.detach(), self.rng)
            (0.5 * (((critic(real) - 1) ** 2).mean() + (critic(shown) ** 2).mean())).backward()
        self.opt_d.step()


class Bare:
    """The steps of a method in the variant of an engine, without the engine: no checks, meters, norms or clipping."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def step(self, batch: Mapping[str, Tensor]) -> None:
        engine, variant = self.engine, self.engine.choice.variant
        seed_global(0, engine.device)
        engine.rng.manual_seed(0)
        with engine.layers.in_place():
            step = Step(engine.index, 0, {name: p.done for name, p in engine.players.items()}, engine.rng)
            game = iter(engine.method.step(engine.nets, batch, step))
            while (update := self._next(game, variant)) is not None:
                player = engine.players[update.player]
                for param in player.params:
                    param.grad = None
                weights = engine.method.weights
                total = sum(weights[name] * value.float() for name, value in update.losses.items() if weights[name])
                torch.autograd.backward(total, inputs=player.params)
                with as_they_lie(player.optimizer):
                    player.optimizer.step()

    def _next(self, game: Iterator[Any], variant: Variant) -> Any:
        low = torch.autocast("cpu", torch.bfloat16, enabled=variant.precision == "bf16")
        with low, _calls(variant.merge):
            return next(game, None)


@contextmanager
def _calls(merge: bool) -> Iterator[None]:
    if merge:
        yield
    else:
        with separate_calls():
            yield


# ------------------------------------------------------------------------------------------------------ the engine


def build(game: str, config: TrainConfig, registry: Registry, size: int) -> Engine:
    """The engine with the real method, as a train stage builds it."""
    cls = registry.get("methods", game)
    options = registry.config("methods", game, {})
    spec = DataSpec(DATA[game], dict.fromkeys(SIDES[game], 3), (size, size))
    method = cls(options, spec, {**cls.losses})
    torch.manual_seed(0)
    nets = build_networks(method, registry)
    for net in nets.values():
        net.train()
    choice = Choice.of(config, "cpu")
    players = make_players(
        game, method.players, nets, config, registry, Length.of(config, 1000), fused=choice.variant.fused
    )
    return Engine(method, nets, players, device="cpu", seed=0, choice=choice)


def fixed(variant: Variant) -> Any:
    """What a pipeline says to have this variant."""
    options = {key: value for key, value in variant.to_json().items() if key != "precision"}
    return FastConfig.model_validate(options)


def picked(engine: Engine, batch: Mapping[str, Tensor]) -> float:
    """Lets a trial choose the engine's variant, as the first step of a training does; returns its seconds."""
    state = TrainingState(engine, Averages(engine, (), None))
    tuner = Tuner(state, TRIAL, print, lambda: False)
    tuner.choose([batch], 0)
    return tuner.seconds


def turns(contestants: Mapping[str, Callable[[], None]], rounds: int, warmup: int) -> dict[str, list[float]]:
    """Seconds of a step of each, in turns whose order goes back and forth.

    The first step of a turn is not counted: it gets its memory from the system anew, which a training does once.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(warmup + rounds):
        for name in names if number % 2 else names[::-1]:
            contestants[name]()
            began = time.perf_counter()
            contestants[name]()
            if number >= warmup:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def verdict(
    kind: str, game: str, batch: int, precision: str, faster: dict[str, float] | None, added: dict[str, float] | None
) -> list[str]:
    """What is missed, in sentences."""
    missed = []
    asked = ASKED.get(kind, {}).get((game, batch), 1.0) if precision != "fp32" or kind == "avx2" else 1.0
    if faster is not None and faster["median"] < asked:
        missed.append(f"{faster['median']:.2f} times the plain loop, asked are {asked}")
    if added is not None and added["median"] - 1 > OVERHEAD:
        more = added["median"] - 1
        missed.append(f"the engine adds {more:.1%} to its bare loop, at most {OVERHEAD:.0%} are asked")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", choices=[*SIDES], default="pix2pix")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=0)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--fast", default="auto", help="auto, off or a mapping in JSON")
    parser.add_argument("--no-bare", action="store_true", help="leave the bare loop of the variant out")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain loop out")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    fast = chosen.fast if chosen.fast in ("auto", "off") else json.loads(chosen.fast)
    registry = Registry()
    config = TrainConfig.model_validate({"method": chosen.game, "precision": chosen.precision, "fast": fast})
    engine = build(chosen.game, config, registry, chosen.size)
    sides = {side: torch.rand(chosen.batch, 3, chosen.size, chosen.size) * 2 - 1 for side in SIDES[chosen.game]}
    trial = picked(engine, sides)
    config = config.model_copy(update={"fast": fixed(engine.choice.variant), "precision": engine.precision})
    plain: Any = {"pix2pix": PlainPix2Pix, "cyclegan": PlainCycleGAN}[chosen.game](copy.deepcopy(dict(engine.nets)))
    bare = Bare(build(chosen.game, config, registry, chosen.size))

    def with_memory(step: Callable[[], None], keep: bool) -> Callable[[], None]:
        def turn() -> None:
            keep_memory(keep)
            step()

        return turn

    kept = engine.choice.variant.layers == "quick"
    contestants = {"engine": with_memory(lambda: engine.step([sides], 0), kept)}
    if not chosen.no_plain:
        contestants["plain"] = with_memory(lambda: plain.step(sides), False)
    if not chosen.no_bare:
        contestants["bare"] = with_memory(lambda: bare.step(sides), kept)
    seconds = turns(contestants, chosen.rounds, chosen.warmup)
    faster = ratios(seconds["plain"], seconds["engine"]) if "plain" in seconds else None
    added = ratios(seconds["engine"], seconds["bare"]) if "bare" in seconds else None
    variant = engine.choice.variant
    missed = verdict(processor(), chosen.game, chosen.batch, variant.precision, faster, added)
    report = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "game": chosen.game,
        "batch": chosen.batch,
        "size": chosen.size,
        "variant": variant.to_json(),
        "trial": trial,
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "ratios": {"times as fast as the plain loop": faster, "seconds of the bare loop": added},
        "overhead": None if added is None else added["median"] - 1,
        "missed": missed,
    }
    print(f"{chosen.game}, {chosen.batch} images of {chosen.size} pixels, {processor()}, {report['threads']} threads")
    print(f"engine in {variant}")
    for name, values in seconds.items():
        each = spread(values)
        print(f"  {name:8} {each['median']:8.3f} s a step ({each['least']:.3f} to {each['most']:.3f})")
    if faster is not None:
        print(f"  {faster['median']:.2f} times the plain loop ({faster['least']:.2f} to {faster['most']:.2f})")
    if added is not None:
        least, half, most = (added[name] - 1 for name in ("least", "median", "most"))
        print(f"  the engine adds {half:.1%} to its bare loop ({least:.1%} to {most:.1%})")
    print("; ".join(missed) or "as asked")
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
