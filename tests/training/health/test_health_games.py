"""Each failure that is planted into a game is told by its own warning within 300 steps, and healthy games are not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import health_games as games
import pytest
import torch
from health_games import SOON, STEPS, Played, make_data

from translate.contracts import Artifact
from translate.objectives.forms import OBJECTIVES
from translate.training.health import victories, waiting
from translate.training.saving import checkpoint

Won = tuple[Any, Played]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_data(tmp_path_factory.mktemp("images") / "data", games.images(0, 256))


@pytest.fixture(scope="module")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_data(tmp_path_factory.mktemp("images") / "data", games.images(0, 90))


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_data(tmp_path_factory.mktemp("images") / "data", games.ring_image, "single", train=200)


PLANTED: dict[str, tuple[Any, list[str], str]] = {
    "input ignored": (games.Ignoring, ["input-ignored"], "a_to_b ignores its input"),
    "input ignored for noise": (games.Noisy, ["input-ignored"], "a_to_b ignores its input"),
    "checkerboard": (games.Boarded, ["checkerboard"], "a_to_b have a checkerboard of 13 of 255 steps"),
    "faint checkerboard": (games.FinelyBoarded, ["checkerboard"], "a_to_b have a checkerboard of 3 of 255 steps"),
    "coarse checkerboard": (games.CoarselyBoarded, ["checkerboard"], "which repeats every 4 pixels"),
    "dead critic": (games.Dead, ["dead-activations"], "a layer of network disc gives no signal in 100%"),
    "dead generator": (
        games.DeadWithoutModules,
        ["dead-activations", "input-ignored"],
        "a layer of network gen gives no signal in 100%",
    ),
    "drift": (games.Brightening, ["colour-drift"], "the mean colour of a_to_b is"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_failure_is_named(name: str, data: Artifact, tmp_path: Path) -> None:
    game, kinds, words = PLANTED[name]
    played = Played(tmp_path / "out", data, game)
    assert played.kinds == kinds
    assert len(played.warned) == len(kinds)
    assert any(words in line for line in played.warned)
    assert all("; try " in line or "; look " in line for line in played.warned)
    assert played.tracker.tagged["health"].split("/")[0] in kinds


@pytest.mark.parametrize("log_every", [7, 1000])
def test_warnings_do_not_wait_for_the_log(log_every: int, data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.Ignoring, log_every=log_every)
    assert played.kinds == ["input-ignored"]
    assert "step 220: a_to_b ignores its input" in played.warned[0]


QUICK = {"D": {"optimizer": {"uses": "adam", "lr": 4e-3}}}


@pytest.fixture(scope="module", params=[games.Winning, games.WinningAlone])
def won(request: pytest.FixtureRequest, data: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Won:
    """A game whose critic wins, and what was played of it."""
    folder = tmp_path_factory.mktemp("won")
    return request.param, Played(folder / "out", data, request.param, players=QUICK, steps=SOON)


def test_a_winning_critic_is_named_whatever_the_log(won: Won, data: Artifact, tmp_path: Path) -> None:
    game, played = won
    again = Played(tmp_path / "out", data, game, players=QUICK, steps=SOON, log_every=1000)
    told = [[line for line in each.warned if "the critic always wins" in line] for each in (played, again)]
    assert len(told[0]) == 1
    assert told[0] == told[1]


def test_a_classifier_that_learns_alone_beats_nobody(data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.LearningAlone, players=QUICK, steps=SOON)
    assert "critic-wins" not in played.kinds
    assert played.tracker.last("health/critic_saturation") > 0.9


def test_values_that_have_grown_are_named(data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.Exploding)
    assert "exploding-activations" in played.kinds  # and their gradients with them
    assert any("values in network gen have grown to" in line for line in played.warned)


def test_a_critic_that_always_wins_is_named(won: Won) -> None:
    game, played = won
    assert "critic-wins" in played.kinds
    assert any("the critic always wins" in line for line in played.warned)
    assert played.tracker.last("health/critic_saturation") > 0.9
    if game is games.Winning:
        assert played.tracker.last("health/critic_accuracy") > 0.99


@pytest.mark.parametrize("uses", sorted({*OBJECTIVES} - {"non-saturating"}))
def test_a_critic_that_always_wins_is_named_with_each_objective(uses: str, data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.winning(uses), players=QUICK, steps=SOON)
    assert "critic-wins" in played.kinds
    assert played.tracker.last("health/critic_separation") > 0.95


@pytest.mark.parametrize(("game", "wins"), [(games.Winning, True), (games.Matching, False)])
def test_a_critic_that_tells_all_apart_wins_over_a_generator_of_its_scores_alone(
    game: Any, wins: bool, data: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(victories, "SATURATED", 2.0)  # nothing is left of its loss here: judged by the answers alone
    played = Played(tmp_path / "out", data, game, players=QUICK, steps=SOON)
    assert played.tracker.last("health/critic_separation") > victories.APART
    assert ("critic-wins" in played.kinds) == wins


def test_negatives_are_named(dark: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", dark, games.Negative)
    assert played.kinds == ["inverted-colours"]
    assert "the colours of a_to_b seem inverted" in played.warned[0]


@pytest.mark.parametrize(("game", "rate"), [(games.Product, 0.06), (games.Together, 0.15)])
def test_players_that_turn_around_each_other_are_named_with_their_period(
    game: Any, rate: float, data: Artifact, tmp_path: Path
) -> None:
    played = Played(tmp_path / "out", data, game, optimizer={"uses": "torch/SGD", "lr": rate}, steps=SOON)
    assert played.kinds == ["oscillation"]
    assert played.tracker.last("health/period/down") == pytest.approx(game.period(rate), rel=0.03)
    assert played.tracker.last("health/swing/down") > 0.9
    assert f"every {game.period(rate):.0f} steps" in played.warned[0]


def test_gradients_out_of_all_proportion_are_named(data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.Copy, losses={"critic": 1e7})
    assert {"gradient-ratio", "exploding-gradient"} <= {*played.kinds}
    assert any("player D is huge" in line for line in played.warned)
    assert played.tracker.last("health/gradient_ratio") > 1e4


def test_slow_data_is_named(data: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SECONDS", 0.3)
    played = Played(tmp_path / "out", data, games.Copy, augment=["acme/slow"], steps=STEPS)
    assert played.kinds == ["slow-data"]
    assert "of the time the training waits for data" in played.warned[0]
    assert played.tracker.last("health/data_wait") > 0.5


def test_a_healthy_game_is_left_alone(data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.Copy)
    assert (played.kinds, played.warned) == ([], [])
    curves = {name for name, _ in played.tracker.curves if name.startswith("health/")}
    assert curves == {
        "health/gradient_ratio",
        "health/critic_accuracy",
        "health/critic_saturation",
        "health/critic_separation",
        "health/critic_loss/D",
        "health/data_wait",
        *(f"health/{kind}/{name}" for kind in ("period", "swing") for name in ("critic", "adversarial", "l1")),
        *(f"health/{kind}/{net}" for kind in ("dead", "activation") for net in ("gen", "disc")),
        *(f"health/{kind}/a_to_b" for kind in ("input_use", "diversity", "colour_drift", "checkerboard")),
    }
    looks = sorted(step for name, step in played.tracker.curves if name == "health/diversity/a_to_b")
    assert looks == [100, 160, 220]


def test_a_texture_of_the_data_is_left_alone(tmp_path: Path) -> None:
    """The generator keeps what it is given."""
    data = make_data(tmp_path / "data", games.textured)
    played = Played(tmp_path / "out", data, games.Copy)
    assert played.tracker.last("health/checkerboard/a_to_b") > 5 / 255
    assert "checkerboard" not in played.kinds


def test_directions_that_nobody_trains_are_not_looked_at(data: Artifact, tmp_path: Path) -> None:
    played = Played(tmp_path / "out", data, games.Resting)
    assert "input-ignored" not in played.kinds
    assert not [name for name, _ in played.tracker.curves if name.endswith("/a_to_b")]


def test_a_resumed_training_warns_as_if_it_had_never_been_away(data: Artifact, tmp_path: Path) -> None:
    """Also from a checkpoint between two bad looks."""
    cut = 170
    whole = Played(tmp_path / "whole", data, games.Ignoring, keep={"every": {"steps": cut}})
    place = Path(checkpoint.FOLDER) / checkpoint.name_of(cut)
    shutil.copytree(tmp_path / "whole" / place, tmp_path / "again" / place)
    again = Played(tmp_path / "again", data, games.Ignoring, keep={"every": {"steps": cut}})
    assert f"resuming at step {cut}" in again.said
    assert (again.warned, again.tracker.tagged) == (whole.warned, whole.tracker.tagged)
    assert len(again.warned) == 1
    curves = {key: value for key, value in whole.tracker.curves.items() if key[1] > cut and is_timeless(key[0])}
    assert {key: value for key, value in again.tracker.curves.items() if is_timeless(key[0])} == curves
    assert any(name == "health/diversity/a_to_b" for name, _ in curves)


def is_timeless(curve: str) -> bool:
    return not any(word in curve for word in ("second", "wait", "peak"))


CALM = {"wgan": {"betas": [0.0, 0.99]}, "wgan-gp": {"lr": 2e-3}, "loss-sensitive": {"betas": [0.0, 0.99]}}
"""The generator's optimizer, where it is another one than for the rest."""
LONGER = 600
"""Steps in which a generator gets round the ring."""


@pytest.mark.parametrize("uses", sorted(OBJECTIVES))
def test_a_ring_of_eight_modes_is_left_alone(uses: str, ring: Artifact, tmp_path: Path) -> None:
    game = games.ring_of(uses)
    critic = {"uses": "adam", "lr": 4e-3, "betas": CALM.get(uses, {}).get("betas", [0.5, 0.99])}
    optimizer = {"uses": "adam", "lr": 1e-3, "betas": [0.5, 0.99], **CALM.get(uses, {})}
    players = {"D": {"optimizer": critic}}
    played, points = played_ring(game, ring, tmp_path, players=players, optimizer=optimizer, steps=LONGER)
    assert games.modes(points) >= 5  # most of the eight, on any processor
    assert not {"collapse", "critic-wins"} & {*played.kinds}
    assert played.tracker.last("health/diversity/sample") > 0.5


def test_a_ring_that_collapsed_is_named(ring: Artifact, tmp_path: Path) -> None:
    played, points = played_ring(games.Collapsed, ring, tmp_path)
    assert games.modes(points) <= 1
    assert "collapse" in played.kinds
    assert any("the outputs of sample stay nearly alike" in line for line in played.warned)


def played_ring(game: Any, ring: Artifact, folder: Path, **options: Any) -> tuple[Played, torch.Tensor]:
    """A ring game that was played, and a thousand points of its generator."""
    played = Played(folder / "out", ring, game, **{"players": {}, **options})
    tensors, _ = checkpoint.read(checkpoint_of(folder / "out"))
    nets = game.networks(game, None)  # which reads facts of the class alone
    nets["gen"].load_state_dict({k.removeprefix("net/gen/"): v for k, v in tensors.items() if k.startswith("net/gen/")})
    scale = 0.01 if issubclass(game, games.Collapsed) else 1.0
    with torch.no_grad():
        noise = torch.randn(1000, game.noise, generator=torch.Generator().manual_seed(1))
        return played, nets["gen"](scale * noise)


def checkpoint_of(folder: Path) -> Path:
    steps = checkpoint.steps(folder / checkpoint.FOLDER)
    return folder / checkpoint.FOLDER / checkpoint.name_of(steps[-1])
