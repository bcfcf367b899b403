"""GeneGAN: the networks of the spec sheet, losses in closed form, the schedule, and what its directions draw."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from translate_genegan import CORNERS, STEPS, GeneGAN, GeneGANConfig, bilinear, parallelogram, sum_of_squares

from translate.contracts import Step
from translate.networks import count_parameters

SMALL = {"width": 8, "burst": 0}
Pictures = Callable[..., Tensor]


def step_of(index: int = 0, d: int = 0, g: int = 0) -> Step:
    return Step(index, 0, {"D": d, "G": g}, torch.Generator().manual_seed(index))


def test_parameters_are_those_of_the_authors_code(game) -> None:  # type: ignore[no-untyped-def]
    counts = {name: count_parameters(net) for name, net in game("genegan").nets.items()}
    assert counts == {"splitter": 2_629_120, "joiner": 6_305_283, "D_with": 6_832_641, "D_without": 6_832_641}


def test_the_object_is_the_last_quarter_of_the_code(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("genegan")
    code = engine.nets.splitter.eval()(pictures(0, 1))
    background, u = engine.method._parts(code)
    assert code.shape == (1, 512, 8, 8) and background.shape[1] == 384 and torch.equal(u, code[:, 384:])


def test_the_parallelogram_is_zero_at_the_truth_of_additive_images(pictures: Pictures) -> None:
    """Ax = A + object, Be = B: what GeneGAN should draw is Bu = B + object and A0 = A."""
    a, b, thing = (pictures(n).double() / 3 for n in range(3))
    assert float(parallelogram(a + thing, b, b + thing, a)) == pytest.approx(0, abs=1e-15)
    wrong = float(parallelogram(a + thing, b, b, a))
    assert wrong == pytest.approx(float(thing.abs().mean()) / 2)


def test_losses_equal_the_authors_on_images_of_0_to_255(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("genegan", SMALL)
    method, nets = engine.method, engine.nets
    Ax, Be = pictures(1), pictures(2)
    updates = method.step(nets, {"with": Ax, "without": Be}, step_of())
    critics = next(updates).losses
    unclipped = copy.deepcopy(nets.D_with)
    losses = next(updates).losses

    def raw(image: Tensor) -> Tensor:
        return (image + 1) * 127.5

    (A, u), (B, eps) = (method._parts(nets.splitter(x)) for x in (Ax, Be))
    zero = torch.zeros_like(u)
    Ax2, Be2, Bu, A0 = (nets.joiner(torch.cat(c, 1)) for c in ((A, u), (B, zero), (B, u), (A, zero)))
    expected = {
        "reconstruction": (raw(Ax) - raw(Ax2)).abs().mean() / 255 + (raw(Be) - raw(Be2)).abs().mean() / 255,
        "nulling": eps.abs().mean(),
        "adversarial_with": -nets.D_with(Bu).mean(),
        "adversarial_without": -nets.D_without(A0).mean(),
        "parallelogram": 0.01 * (raw(Ax) + raw(Be) - raw(Bu) - raw(A0)).abs().mean(),
    }
    for name, value in expected.items():
        assert float(losses[name].detach() * GeneGAN.losses[name]) == pytest.approx(float(value.detach()), rel=1e-5), (
            name
        )
    wasserstein = unclipped(Bu).mean() - unclipped(Ax).mean()
    assert float(critics["critic_with"].detach()) == pytest.approx(float(wasserstein.detach()), rel=1e-4, abs=1e-7)


def test_weight_decay_counts_each_convolution_once() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ConvTranspose2d(2, 1, 4))
    expected = sum(float(w.detach().square().mean()) / 2 for w in (net[0].weight, net[2].weight))
    assert float(sum_of_squares(net).detach()) == pytest.approx(expected)


@pytest.mark.parametrize(("burst", "every", "critics"), [(100, 500, 1), (3, 2, 1), (0, 5, 2), (4, 3, 5)])
def test_critics_play_bursts(burst: int, every: int, critics: int) -> None:
    """Against the authors' loop: at iteration i the critics play 100 times when i % 500 == 0, else once."""
    config = GeneGANConfig(burst=burst, burst_every=every, critic_steps=critics)
    method = GeneGAN(config, None, {})  # type: ignore[arg-type]
    expected: list[str] = []
    for iteration in range(2 * every + 1):
        expected += ["D"] * (max(burst, critics) if burst and iteration % every == 0 else critics) + ["G"]
    done = {"D": 0, "G": 0}
    played: list[str] = []
    while len(played) < len(expected):
        played.append("D")
        done["D"] += 1
        if done["D"] >= method.critic_updates(done["G"]):
            played.append("G")
            done["G"] += 1
    assert played[: len(expected)] == expected


def test_steps_of_a_game_clip_the_critics_and_train_both_sides(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("genegan", {"width": 8, "burst": 2, "burst_every": 2}, optimizer={"uses": "rmsprop", "lr": 5e-5})
    before = {n: {k: p.clone() for k, p in net.named_parameters()} for n, net in engine.nets.items()}
    batch = {"with": pictures(1), "without": pictures(2)}
    engine.step([batch], 0)
    assert (engine.players["D"].done, engine.players["G"].done) == (1, 0)
    engine.step([batch], 0)
    engine.step([batch], 0)
    assert (engine.players["D"].done, engine.players["G"].done) == (3, 2)
    for name, net in engine.nets.items():
        moved = {k for k, p in net.named_parameters() if not torch.equal(before[name][k], p)}
        constant = {"score.bias"} if name.startswith("D_") else set()  # it cancels in the difference of two scores
        assert moved == {*before[name]} - constant, name
    clipped = [p for name in ("D_with", "D_without") for p in engine.nets[name].parameters()]
    assert max(float(p.detach().abs().max()) for p in clipped) <= 0.01
    engine.check_finite({})


@pytest.mark.parametrize("objective", ["hinge", "wgan-gp", "lsgan"])
def test_other_objectives_play_too(game, pictures: Pictures, objective: str) -> None:  # type: ignore[no-untyped-def]
    options = {**SMALL, "objective": objective, "critic_norm": "instance", "norm": "instance", "code_norm": "none"}
    engine = game("genegan", options, size=32)
    engine.step([{"with": pictures(1, size=32), "without": pictures(2, size=32)}], 0)
    engine.check_finite({})
    assert engine.players["G"].done == 1


def test_a_gradient_penalty_and_batch_norm_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="set `critic_norm`"):
        GeneGANConfig.model_validate({"objective": "wgan-gp"})


def test_corners_of_the_matrix_are_the_exemplars_and_its_middle_their_mean() -> None:
    corners = [torch.rand(1, 4, 2, 2, dtype=torch.float64) for _ in range(4)]
    grid = bilinear(corners)
    last = STEPS - 1
    for (row, column), corner in zip(((0, 0), (0, last), (last, 0), (last, last)), corners, strict=True):
        assert torch.equal(grid[row][column], corner)
    assert torch.allclose(grid[last // 2][last // 2], sum(corners) / 4)  # type: ignore[arg-type]
    assert torch.allclose(torch.stack([c for row in grid for c in row]).mean(0), sum(corners) / 4)  # type: ignore[arg-type]


def test_directions_draw_what_the_codes_say(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("genegan", SMALL)
    method, nets = engine.method, engine.nets
    for net in nets.values():
        net.eval()
    image, others = pictures(0, 1), [pictures(n, 1) for n in range(1, 5)]
    (B, own), *codes = (method._parts(nets.splitter(x)) for x in (image, *others))

    def join(background: Tensor, u: Tensor) -> Tensor:
        drawn: Tensor = nets.joiner(torch.cat((background, u), 1))
        return drawn

    def draw(direction: str, **more: Tensor) -> Tensor:
        return method.translate(nets, {"image": image, **more}, direction, None)

    add = draw("add", exemplar=others[0])
    assert torch.allclose(add, join(B, codes[0][1]))
    assert torch.allclose(draw("remove"), join(B, 0 * own)) and torch.allclose(draw("reconstruct_with"), join(B, own))
    swapped = draw("swap", exemplar=others[0])
    assert torch.allclose(swapped, torch.cat((add, join(codes[0][0], 0 * own)), 3))
    strip = draw("interpolate", exemplar=others[0])
    assert strip.shape[2:] == (64, 64 * STEPS) and torch.allclose(strip[..., -64:], add, atol=1e-6)
    assert torch.allclose(strip[..., :64], join(B, codes[0][1] / STEPS), atol=1e-6)
    matrix = draw("matrix", **dict(zip(CORNERS, others, strict=True)))
    assert matrix.shape[2:] == (64 * STEPS, 64 * STEPS)
    assert torch.allclose(matrix[..., :64, -64:], join(B, codes[1][1]), atol=1e-6)
    assert torch.allclose(matrix[..., -64:, :64], join(B, codes[2][1]), atol=1e-6)


def test_together_the_norms_see_both_sets_and_a_fixed_code_keeps_its_scale(game, pictures: Pictures) -> None:  # type: ignore[no-untyped-def]
    engine = game("genegan", {**SMALL, "together": True, "code_norm": "fixed", "critic_norm": "none"})
    splitter = engine.nets.splitter
    bright, dark = pictures(1, 4) / 4 + 0.7, pictures(2, 4) / 4 - 0.7
    seen: list[Tensor] = []
    norm = next(layer for layer in splitter.layers[2] if isinstance(layer, nn.BatchNorm2d))
    assert not list(norm.parameters())
    norm.register_forward_hook(lambda _layer, _inputs, codes: seen.append(codes.detach()))
    losses = next(engine.method.step(engine.nets, {"with": bright, "without": dark}, step_of())).losses
    assert set(losses) == {"critic_with", "critic_without"}
    (codes,) = seen
    assert len(codes) == 8
    assert codes.mean((0, 2, 3)).abs().max() < 1e-5
    assert codes.var((0, 2, 3), unbiased=False) == pytest.approx(torch.ones(codes.shape[1]), abs=0.05)
    apart = game("genegan", {**SMALL, "critic_norm": "none"}).method
    with torch.no_grad():
        assert torch.equal(apart._both(splitter, bright, dark)[0], splitter(bright))
