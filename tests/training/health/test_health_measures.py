"""What is measured of a game has known values on sets and series that were made for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate.metrics.distances.patterns import checkerboard
from translate.objectives.forms import OBJECTIVES
from translate.training.health import health, pictures
from translate.training.health.activations import Activations
from translate.training.health.alarms import PATIENCE, Alarms
from translate.training.health.critics import ACCURACY, SATURATION, SEPARATION, Scores
from translate.training.health.memory import Memory
from translate.training.health.swings import swing
from translate.training.health.victories import victory
from translate.training.meters import FOLLOWED, Meters


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------------- critics


@pytest.mark.parametrize(
    ("saturation", "accuracy", "answered", "bad"),
    [(0.88, 0.98, True, True), (0.88, 0.98, False, False), (0.95, 0.999, False, True), (0.8, 0.98, True, False)],
)
def test_how_a_critic_wins_depends_on_what_its_generator_learns_from(
    saturation: float, accuracy: float, answered: bool, bad: bool
) -> None:
    means = {SATURATION: saturation, ACCURACY: accuracy, SEPARATION: 0.999}
    found = victory(means, 0.0, answered)
    assert found is not None
    assert found.bad == bad


# ------------------------------------------------------------------------------------------------- series


@pytest.mark.parametrize("period", [10.0, 31.4, 63.0, 77.7])
@pytest.mark.parametrize("growth", [-0.01, 0.0, 0.01])
def test_a_wave_has_its_period(period: float, growth: float) -> None:
    steps = np.arange(280)
    wave = 3 + 0.01 * steps + np.exp(growth * steps) * np.sin(2 * np.pi * steps / period + 1)
    found = swing(wave)
    assert found is not None
    assert found.period == pytest.approx(period, rel=0.03)
    assert found.strength > 0.85


@pytest.mark.parametrize("count", [100, 280, 720])
@pytest.mark.parametrize("memory", [0.0, 0.9, 0.98, 1.0])
def test_noise_and_walks_are_no_waves(count: int, memory: float) -> None:
    """Also those that remember, as the losses of networks do."""
    strengths = []
    for seed in range(30):
        draws = np.random.default_rng(seed).standard_normal(count)
        walk = np.zeros(count)
        for step in range(1, count):
            walk[step] = memory * walk[step - 1] + draws[step]
        found = swing(5 + walk)
        strengths.append(found.strength if found else 0.0)
    assert max(strengths) < 0.78


def test_spikes_of_a_lazy_penalty_are_no_wave() -> None:
    draws = np.random.default_rng(0).standard_normal(280)
    found = swing(1 + 0.05 * draws + 3.0 * (np.arange(280) % 16 == 0))
    assert found is not None and found.strength < 0.4


def test_nothing_is_said_of_what_is_short_or_constant() -> None:
    assert swing(np.sin(np.arange(40))) is None
    assert swing(np.ones(200)) is None
    assert swing(np.full(200, np.nan)) is None


def test_meters_remember_each_step() -> None:
    meters = Meters(torch.device("cpu"))
    for step in range(FOLLOWED + 5):
        meters.follow("D/critic", torch.tensor(float(step)), torch.tensor(step) if step % 2 else step)
    series = meters.series(["D/critic"], FOLLOWED + 5)["D/critic"]
    assert series.tolist() == [float(step) for step in range(5, FOLLOWED + 5)]


# --------------------------------------------------------------------------------------------------- sets


def test_diversity_is_the_mean_distance_of_two() -> None:
    black, white = torch.zeros(1, 32, 32), torch.ones(1, 32, 32)
    assert pictures.diversity([black, white]) == pytest.approx(16.0)  # 256 pixels, each 1 apart
    assert pictures.diversity([black, white, white]) == pytest.approx(16 * 2 / 3)
    assert pictures.diversity([black, black]) == 0


def test_the_use_of_an_input_is_the_slope_of_what_comes_out() -> None:
    inputs = [noise(3, 16, 16, seed=n) for n in range(6)]
    use, share = pictures.input_use(inputs, [0.5 * image for image in inputs], [])
    assert (use, share) == (pytest.approx(0.5), pytest.approx(1.0))
    assert pictures.input_use(inputs, [inputs[0]] * 6, [])[0] == pytest.approx(0, abs=1e-6)


def test_what_noise_makes_is_no_use_of_an_input() -> None:
    inputs = [noise(3, 16, 16, seed=n) for n in range(6)]
    noises = [noise(3, 16, 16, seed=n) for n in range(10, 16)]
    use, share = pictures.input_use(inputs, noises, [noises[0]] * 6)
    assert (use, share) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    half = [(image + other) / 2 for image, other in zip(inputs, noises, strict=True)]
    alike = [(image + noises[0]) / 2 for image in inputs]
    use, share = pictures.input_use(inputs, half, alike)
    assert use == pytest.approx(0.5, abs=0.001)  # exact, however few inputs: all have the same noise
    assert share == pytest.approx(0.5, abs=0.1)


def test_colours_are_compared_by_their_means() -> None:
    grey, dark = [torch.full((3, 8, 8), 0.5)] * 4, [torch.full((3, 8, 8), 0.1)] * 4
    assert pictures.colour_distance(grey, dark, paired=True) == (pytest.approx(0.4), 0.0)


@pytest.mark.parametrize("paired", [True, False])
def test_negatives_are_nearer_when_they_are_inverted(paired: bool) -> None:
    real = [0.4 * noise(3, 16, 16, seed=n) for n in range(6)]
    as_is, negative = pictures.inversion([1 - image for image in real], real, paired=paired)
    assert as_is > 0.5 and negative < 0.02
    as_is, negative = pictures.inversion(real, real, paired=paired)
    assert as_is == 0 and negative > 0.5


def scene(size: int, seed: int) -> torch.Tensor:
    """An image whose spectrum falls as that of photos does, with a grain of one step of 8 bits; 3 x size x size."""
    rng = torch.Generator().manual_seed(seed)
    rows, columns = torch.fft.fftfreq(size)[:, None], torch.fft.fftfreq(size)[None]
    falling = 1 / (rows.square() + columns.square()).clamp(min=1 / size**2) ** 0.6
    image = torch.fft.ifft2(torch.fft.fft2(torch.randn(3, size, size, generator=rng)) * falling).real
    image = 0.5 + 0.2 * image / image.std() + torch.randn(3, size, size, generator=rng) / 255
    return image.clamp(0, 1)


def board(size: int, period: int, amplitude: float) -> torch.Tensor:
    """Squares of half a period, whose root mean square is the amplitude."""
    rows, columns = (torch.arange(size) // (period // 2) for _ in range(2))
    return amplitude * ((rows[:, None] + columns[None]) % 2 * 2 - 1)


@pytest.mark.parametrize(
    ("size", "period", "amplitude"), [(64, 2, 0.01), (61, 4, 0.025), (128, 8, 0.025), (128, 16, 0.05)]
)
def test_a_checkerboard_is_a_peak_of_known_strength(size: int, period: int, amplitude: float) -> None:
    plain = [scene(size, seed) for seed in range(6)]
    found = checkerboard(
        [image + board(size, period, amplitude) for image in plain], [scene(size, 6 + n) for n in range(9)]
    )
    assert found is not None and found.ratio > health.PEAK
    assert found.period == period
    assert found.strength == pytest.approx(amplitude, rel=0.2)


@pytest.mark.parametrize(("size", "period"), [(32, 4), (32, 8), (64, 4), (64, 8), (64, 16)])
def test_a_checkerboard_is_told_from_texture_from_a_known_strength_on(size: int, period: int) -> None:
    """From 64 / n of 255 steps on, n being its periods along a side; the texture of photos has more below."""
    line = 64 / (size / period) / 255
    for amplitude, named in ((0.5 * line, False), (1.5 * line, True)):
        plain = [scene(size, seed) + board(size, period, amplitude) for seed in range(6)]
        found = checkerboard(plain, [scene(size, 6 + n) for n in range(24)])
        assert found is not None
        assert (found.ratio > health.PEAK and found.strength > health.PATTERN) == named


@pytest.mark.parametrize("size", [16, 32, 64, 100])
def test_slopes_edges_noise_and_scenes_have_no_checkerboard(size: int) -> None:
    rows = torch.arange(size)[:, None].expand(size, size)
    plain = [[(rows / size)[None]], [(rows > size // 2 - 1).float()[None]]]
    for images in [*plain, [noise(1, size, size, seed=n) for n in range(6)], [scene(size, n) for n in range(6)]]:
        found = checkerboard(images, [])
        assert found is not None and not (found.ratio > health.PEAK and found.strength > health.PATTERN)
    assert checkerboard([torch.zeros(3, 6, 6)], []) is None  # too small to tell


def test_a_texture_that_real_images_have_is_no_checkerboard() -> None:
    ours, real = ([scene(64, seed) + board(64, 4, 0.05) for seed in range(at, at + 6)] for at in (0, 6))
    found = checkerboard(ours, real)
    assert found is not None and found.ratio < health.PEAK and found.strength < health.TIMES * found.usual


def test_a_pattern_is_like_itself_in_the_same_place_alone() -> None:
    def planted(period: int, seed: int, shift: int = 0) -> Any:
        pattern = board(64, period, 0.025).roll(shift, 1)
        return checkerboard([scene(64, seed + n) + pattern for n in range(6)], [])

    assert planted(4, 0).likeness(planted(4, 6).shape) > health.ALIKE
    assert planted(2, 0).likeness(planted(2, 6, shift=1).shape) < -0.9
    assert planted(4, 0).likeness(planted(2, 6).shape) < 0.5
    assert planted(4, 0).likeness({}) == 0


# ------------------------------------------------------------------------------------------------- layers


class Net(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self[1](F.leaky_relu(self[0](x), 0.2))
        return y


def test_dead_channels_and_large_values_are_seen_and_nothing_is_changed() -> None:
    torch.manual_seed(0)
    net, other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True)), Net(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 1, 3))
    with torch.no_grad():
        net[0].bias[:3] = -50  # three of four channels
        other[1].weight.mul_(1e6)
    x = noise(2, 3, 12, 12)
    plain = [net(x), other(x)]
    activations = Activations({"net": net, "other": other})
    state = torch.get_rng_state()
    with activations:
        seen = [net(x), other(x)]
    assert all(torch.equal(one, two) for one, two in zip(plain, seen, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    layers = activations.read()
    assert layers["net"].dead == 0.75 and layers["other"].dead == 0
    assert layers["other"].largest == pytest.approx(float(plain[1].detach().square().mean().sqrt()), rel=1e-5)
    assert not net._forward_hooks and not net._forward_pre_hooks
    assert Activations({}).read() == {}


# -------------------------------------------------------------------------------------------------- critics


@pytest.mark.parametrize("uses", sorted(OBJECTIVES))
def test_scores_tell_accuracy_and_saturation(uses: str) -> None:
    kind: Any = OBJECTIVES[uses]
    losses = kind(kind.Config())
    boundary = losses.boundary() or 0.0
    known = losses.boundary() is not None

    def told(real: float, fake: float) -> dict[str, float]:
        meters = Meters(torch.device("cpu"))
        scores = Scores(meters, Judged())  # type: ignore[arg-type]
        a, b = torch.full((4, 1), real), torch.full((4, 1), fake)
        scores.note(losses, a, b, losses.critic(a, b))
        return {name: float(total / count) for name, (total, count) in meters.sums.items()}

    assert told(boundary + 9, boundary - 9).get(ACCURACY) == (1 if known else None)
    assert told(boundary - 9, boundary + 9).get(ACCURACY) == (0 if known else None)
    guess = told(boundary, boundary)
    if SATURATION in guess:
        assert guess[SATURATION] == pytest.approx(0, abs=1e-6)


class Judged:
    """A method with a critic."""

    players, directions, views = {"D": ("disc",)}, {}, None


# ------------------------------------------------------------------------------------------------- warnings


class Ear:
    """A console and a tracker."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.tagged: dict[str, str] = {}

    def warn(self, text: str) -> None:
        self.told.append(text)

    def tags(self, values: dict[str, str]) -> None:
        self.tagged.update(values)


def test_a_warning_waits_for_looks_in_a_row_and_is_given_once() -> None:
    ear, memory = Ear(), Memory()
    alarms: Any = Alarms(memory, ear, ear)  # type: ignore[arg-type]
    for step, bad in enumerate([True, True, False, True, True, True, True]):
        alarms.judge(step, "collapse", "a_to_b", "alike", bad=bad)
    assert [text.split(";")[0] for text in ear.told] == ["step 5: alike"]
    assert ear.tagged == {"health/collapse/a_to_b": "step 5: alike", "health": "collapse/a_to_b"}
    assert Memory(**memory.take()) == memory


def test_what_becomes_better_is_let_alone() -> None:
    ear = Ear()
    alarms: Any = Alarms(Memory(), ear, ear)  # type: ignore[arg-type]
    for step in range(3 * PATIENCE):
        alarms.judge(step, "collapse", "", "alike", bad=True, measure=0.01 * 1.3**step, limit=0.01, better="higher")
    assert ear.told == []


def test_what_becomes_better_by_next_to_nothing_is_not() -> None:
    ear = Ear()
    alarms: Any = Alarms(Memory(), ear, ear)  # type: ignore[arg-type]
    for step in range(PATIENCE):
        alarms.judge(step, "collapse", "", "alike", bad=True, measure=0.001 * 2**step, limit=0.15, better="higher")
    assert len(ear.told) == 1
