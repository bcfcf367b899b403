"""Draws the plots of `docs/theory.md`: `python docs/tools/theory_pictures.py`. Equal versions draw equal files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("svg")
from matplotlib import pyplot as plt  # after the choice of what it draws with

FOLDER = Path(__file__).resolve().parents[1] / "pictures"
X = np.linspace(-5, 7, 97)
BLUE, RED, GREY = "#4c72b0", "#c44e52", "#8c8c8c"


def normal(x: Any, mean: float = 0.0, deviation: float = 1.0) -> Any:
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def critic(axes: Any) -> None:
    """Two distributions and the best critic between them."""
    p, q = normal(X), normal(X, 2)
    axes.plot(X, p, color=BLUE, label="real, p")
    axes.plot(X, q, color=RED, label="made, q")
    axes.plot(X, p / (p + q), color="black", label="best critic, p / (p + q)")
    axes.axhline(0.5, color=GREY, linewidth=0.6)
    axes.set_xlabel("x")


def costs(axes: Any) -> None:
    """The slopes of three costs by the critic's score of a fake."""
    score = np.linspace(-6, 2.2, 83)
    axes.plot(score, sigmoid(score), color=RED, label="saturating: D")
    axes.plot(score, 1 - sigmoid(score), color=BLUE, label="non-saturating: 1 - D")
    axes.plot(score, np.exp(score) / 2, color="black", label="likelihood: exp(score) / 2")
    axes.set_ylim(0, 2)
    axes.set_xlabel("score of a fake; left: the critic is sure")
    axes.set_ylabel("pull on the generator")


def directions(axes: Any) -> None:
    """The best normal distribution in each direction of the divergence."""
    x = np.linspace(-9, 9, 145)
    axes.fill_between(x, (normal(x, -3, 0.5) + normal(x, 3, 0.5)) / 2, color=GREY, alpha=0.4, label="real")
    axes.plot(x, normal(x, 0, math.sqrt(9.25)), color=BLUE, label="least KL(real, made)")
    axes.plot(x, normal(x, 3, 0.5) / 2, color=RED, label="least KL(made, real), half its height")
    axes.set_xlabel("x")


def moves(axes: Any) -> None:
    """The paths of two players on xy."""
    for name, colour in (("simultaneous", RED), ("alternating", BLUE), ("looking ahead", "black")):
        x, y = 1.0, 0.0
        path = [(x, y)]
        for _ in range(60):
            if name == "simultaneous":
                x, y = x - 0.1 * y, y + 0.1 * x
            elif name == "alternating":
                x = x - 0.1 * y
                y = y + 0.1 * x
            else:
                x, y = x - 0.1 * (y + 0.1 * x), y + 0.1 * (x - 0.1 * y)
            path.append((x, y))
        axes.plot(*np.array(path).T, color=colour, label=name)
    axes.plot(0, 0, "+", color=GREY)
    axes.set_aspect("equal")
    axes.set_xlabel("x, which is to lower xy")
    axes.set_ylabel("y, which is to raise it")


def curves(axes: Any) -> None:
    """What the critic's curve says of a distribution that comes nearer."""
    shift = np.linspace(0, 4, 81)
    axes.plot(shift, shift, color=BLUE, label="Wasserstein, as the curve of wgan")
    log_losses = np.where(shift > 0, math.log(2), 0.0)
    axes.plot(shift, log_losses, color=RED, label="Jensen-Shannon, as that of minimax")
    axes.set_xlabel("distance of two points")
    axes.set_ylabel("distance of the distributions")


def collisions(axes: Any) -> None:
    """The chance that two of some draws are alike."""
    people = np.arange(1, 61)
    for size, colour in ((365, BLUE), (1000, RED)):
        apart = np.cumprod(1 - (people - 1) / size)
        axes.plot(people, 1 - apart, color=colour, label=f"{size} different images")
    axes.axhline(0.5, color=GREY, linewidth=0.6)
    axes.set_xlabel("images looked at")
    axes.set_ylabel("chance that two are alike")


PLOTS: tuple[Callable[[Any], None], ...] = (critic, costs, directions, moves, curves, collisions)


def main() -> None:
    style = {"svg.hashsalt": "theory", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}
    with mpl.rc_context(style):
        for plot in PLOTS:
            figure, axes = plt.subplots(figsize=(5.2, 3.0), layout="constrained")
            plot(axes)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=8)
            figure.savefig(FOLDER / f"theory-{plot.__name__}.svg", metadata={"Date": None}, facecolor="white")
            plt.close(figure)


if __name__ == "__main__":
    main()
