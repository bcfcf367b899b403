"""Two processes that share a batch compute what one process does with all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import forking_launcher
import pytest
import shared_games
import torch
import warm
from safetensors.torch import load_file
from torch import Tensor
from two_processes import TORCHRUN

from translate.plugins import Registry

GAMES = list(shared_games.GAMES)
Joined = Callable[[str], dict[str, Tensor]]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have computed."""
    folder = tmp_path_factory.mktemp("shared")
    torchrun = [forking_launcher.FILE, *TORCHRUN[2:-2]]
    done = warm.run([*torchrun, shared_games.__file__, str(folder)], folder, timeout=200)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def joined(registry: Registry) -> Joined:
    """What one process computes with the joined batch."""
    return cache(lambda game: shared_games.play(game, registry))


def assert_equal(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal to 1e-6 of the largest value of each tensor, or of how far the steps could move it: the gradients of biases
    in front of norms are nothing but rounding."""
    assert result.keys() == expected.keys()
    moved = 2e-4 * shared_games.STEPS
    for name, value in expected.items():
        assert (result[name] - value).abs().max() <= 1e-6 * max(moved, float(value.abs().max())), name


@pytest.mark.parametrize("game", GAMES)
def test_two_processes_equal_one_with_the_joined_batch(game: str, shared: Path, joined: Joined) -> None:
    expected = joined(game)
    for rank in (0, 1):
        assert_equal(load_file(shared / f"{game}-1-{rank}.safetensors"), expected)


@pytest.mark.parametrize("game", GAMES)
def test_with_accumulation_as_well(game: str, shared: Path, joined: Joined) -> None:
    expected = joined(game)
    for rank in (0, 1):
        assert_equal(load_file(shared / f"{game}-2-{rank}.safetensors"), expected)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulation_in_one_process_equals_the_joined_batch(
    game: str, accumulate: int, registry: Registry, joined: Joined
) -> None:
    expected = joined(game)
    assert_equal(shared_games.play(game, registry, accumulate=accumulate), expected)


@pytest.mark.parametrize("game", GAMES)
def test_processes_stay_bit_equal(game: str, shared: Path) -> None:
    for accumulate in (1, 2):
        one, other = (load_file(shared / f"{game}-{accumulate}-{rank}.safetensors") for rank in (0, 1))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_calls_of_a_world(shared: Path) -> None:
    first, second = (json.loads((shared / f"facts-{rank}.json").read_text()) for rank in (0, 1))
    draws = torch.rand(6, generator=torch.Generator().manual_seed(100)).tolist()
    assert first.pop("draws") + second.pop("draws") == draws
    assert (first.pop("worked on"), second.pop("worked on")) == ([0, 2, 4], [1, 3])
    assert (first.pop("spread"), second.pop("spread")) == ([0, 1, 4, 9, 16], [])
    assert (
        first
        == second
        == {
            "gradients": [[2.0, 2.0], [1.5, 1.5], None],
            "finite": False,
            "all finite": True,
            "handed out": 0.0,
            "decided": "by 0",
            "largest": [1, 3],
            "gathered": [0, 1],
        }
    )
