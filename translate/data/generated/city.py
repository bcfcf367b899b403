"""The layout of an invented city: roads, blocks, buildings, parks, water and trees, in metres.

A jittered grid of streets, every few of them an arterial, is turned and bent; the blocks between them become houses on
lots, office blocks, parking grounds or parks; a river or a lake may cross. Nothing here knows of pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

Points = np.ndarray[Any, Any]
"""N x 2, metres from the middle of the tile: x to the right, y down."""
Colour = tuple[float, float, float]

STREET_WIDTH, ARTERIAL_WIDTH = (9.0, 11.5), (17.0, 22.0)
ROOFS: tuple[Colour, ...] = ((150, 82, 62), (134, 96, 78), (112, 74, 60), (128, 124, 122), (96, 92, 92), (170, 122, 92))
FLATS: tuple[Colour, ...] = ((206, 204, 200), (184, 180, 176), (160, 160, 164), (222, 218, 208), (142, 140, 138))
LAWNS: tuple[Colour, ...] = ((138, 132, 98), (128, 128, 92), (150, 140, 108), (146, 138, 116), (134, 124, 94))
PAVED: tuple[Colour, ...] = ((172, 166, 156), (162, 158, 150), (180, 172, 160), (154, 150, 146))


@dataclass(frozen=True)
class Road:
    """A line of constant `width`."""

    line: Points
    width: float
    arterial: bool


@dataclass(frozen=True)
class Building:
    """A rectangle, bent a little with its city; `pitched` roofs have a ridge along the longer side."""

    outline: Points
    height: float
    pitched: bool
    colour: Colour


@dataclass
class City:
    """A layout. `grounds` are outlines with a colour; `trees` rows of (x, y, radius); `water` outlines."""

    grounds: list[tuple[Points, Colour]] = field(default_factory=list)
    parks: list[Points] = field(default_factory=list)
    paths: list[Points] = field(default_factory=list)
    roads: list[Road] = field(default_factory=list)
    banks: list[Points] = field(default_factory=list)
    water: list[Points] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Points] = field(default_factory=list)


class _Plan:
    """From the straight plan (u, v) to the ground: turned, then bent by two waves."""

    def __init__(self, rng: np.random.Generator) -> None:
        angle, directions = rng.uniform(-0.8, 0.8), rng.uniform(0, 2 * np.pi, 2)
        c, s = np.cos(angle), np.sin(angle)
        self.turn = np.array([[c, s], [-s, c]])
        self.amplitude, self.phase = rng.uniform(0, 12, 2), rng.uniform(0, 2 * np.pi, 2)
        along = np.stack([np.cos(directions), np.sin(directions)])
        self.numbers = along * (2 * np.pi / rng.uniform(220, 420, 2))
        self.across = np.stack([-along[1], along[0]], axis=1)

    def place(self, uv: Points) -> Points:
        turned = uv @ self.turn
        placed: Points = turned + (self.amplitude * np.sin(turned @ self.numbers + self.phase)) @ self.across
        return placed


Box = tuple[float, float, float, float]
"""u0, v0, u1, v1 in the straight plan."""


def build_city(extent: float, rng: np.random.Generator) -> City:
    """A city that covers a square tile of `extent` metres around the origin; all draws come from `rng`."""
    city = City()
    plan = _Plan(rng)
    reach = 0.75 * extent + 40
    shape = _waters(city, extent, rng)
    u_lines, v_lines = _lines(reach, rng), _lines(reach, rng)
    for axis, lines in enumerate((u_lines, v_lines)):
        for at, width, arterial in lines:
            along = np.arange(-reach, reach + 1, 12.0)
            uv = np.column_stack([np.full_like(along, at), along])
            city.roads.append(Road(plan.place(uv if axis == 0 else uv[:, ::-1]), width, arterial))
    mix = rng.dirichlet([3.0, 2.2, 1.1, 0.4])
    for (ua, wa, _), (ub, wb, _) in pairwise(u_lines):
        for (va, ha, _), (vb, hb, _) in pairwise(v_lines):
            box = (ua + wa / 2, va + ha / 2, ub - wb / 2, vb - hb / 2)
            use = int(rng.choice(4, p=mix))
            if _near(plan, box, extent):
                (_houses, _offices, _park, _parking)[use](city, plan, box, rng)
    _clear(city, shape)
    return city


def _lines(reach: float, rng: np.random.Generator) -> list[tuple[float, float, bool]]:
    """Positions, widths and ranks of parallel roads that cover [-reach, reach]."""
    lines, at, rank = [], -reach + rng.uniform(-30, 10), int(rng.integers(0, 4))
    every, block = int(rng.integers(3, 5)), rng.uniform(52, 82)
    while at < reach + 60:
        arterial = rank % every == 0
        lines.append((at, rng.uniform(*(ARTERIAL_WIDTH if arterial else STREET_WIDTH)), arterial))
        at += block * rng.uniform(0.8, 1.3)
        rank += 1
    return lines


def _near(plan: _Plan, box: Box, extent: float) -> bool:
    """Whether any of a block can be seen: its middle is not further out than its own radius and what bends."""
    u0, v0, u1, v1 = box
    middle = plan.place(np.array([[(u0 + u1) / 2, (v0 + v1) / 2]]))[0]
    return bool(np.abs(middle).max() < extent / 2 + 0.6 * max(u1 - u0, v1 - v0) + 15)


def _outline(plan: _Plan, box: Box, step: float = 0.0) -> Points:
    """The box on the ground; with `step`, its edges follow the bends in steps of that many metres."""
    u0, v0, u1, v1 = box
    corners = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    if step:
        edges = zip(corners, np.roll(corners, -1, axis=0), strict=True)
        parts = max(1, int(max(u1 - u0, v1 - v0) / step))
        weights = np.arange(parts)[:, None] / parts
        corners = np.concatenate([a + (b - a) * weights for a, b in edges])
    return plan.place(corners)


def _pick(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    shade = rng.uniform(0.9, 1.1)
    r, g, b = colours[int(rng.integers(len(colours)))]
    return (r * shade, g * shade, b * shade)


def _scatter(box: Box, count: int, radius: tuple[float, float], rng: np.random.Generator) -> Points:
    """Trees (u, v, radius) inside a box."""
    u0, v0, u1, v1 = box
    return np.column_stack([rng.uniform(u0, u1, count), rng.uniform(v0, v1, count), rng.uniform(*radius, count)])


def _plant(city: City, plan: _Plan, trees: Points, taken: list[Box]) -> None:
    """Plants trees (u, v, radius) that do not stand in one of the boxes."""
    free = np.ones(len(trees), bool)
    for u0, v0, u1, v1 in taken:
        grown = 0.5 * trees[:, 2]
        inside = (trees[:, 0] > u0 - grown) & (trees[:, 0] < u1 + grown)
        free &= ~(inside & (trees[:, 1] > v0 - grown) & (trees[:, 1] < v1 + grown))
    city.trees.append(np.column_stack([plan.place(trees[free, :2]), trees[free, 2]]))


def _houses(city: City, plan: _Plan, box: Box, rng: np.random.Generator) -> None:
    """Two rows of lots back to back, a house on each, gardens and trees."""
    u0, v0, u1, v1 = box
    city.grounds.append((_outline(plan, box, 12), _pick(LAWNS, rng)))
    along_u = u1 - u0 >= v1 - v0
    length, depth = (u1 - u0, v1 - v0) if along_u else (v1 - v0, u1 - u0)
    taken = []
    for row in (0, 1):
        for at, lot in _lots(length, rng):
            front, size = rng.uniform(3, 5.5), min(depth / 2 - 8, rng.uniform(10, 14))
            wide = min(lot - 3.5, rng.uniform(10, 17))
            if size < 6 or wide < 6 or rng.random() < 0.04:
                continue
            a = at + (lot - wide) * rng.uniform(0.3, 0.7)
            b = front if row == 0 else depth - front - size
            house = (u0 + a, v0 + b, u0 + a + wide, v0 + b + size)
            house = house if along_u else (u0 + b, v0 + a, u0 + b + size, v0 + a + wide)
            taken.append(house)
            height, pitched = rng.uniform(5, 8), rng.random() < 0.85
            roof = _pick(ROOFS if pitched else FLATS, rng)
            city.buildings.append(Building(_outline(plan, house), height, pitched, roof))
    _plant(city, plan, _scatter(box, int(length * depth / 170), (1.6, 3.4), rng), taken)


def _lots(length: float, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """Positions and widths of lots along a street front."""
    count = max(1, int(length / rng.uniform(15, 21)))
    cuts = np.linspace(0, length, count + 1)
    cuts[1:-1] += rng.uniform(-1.5, 1.5, count - 1)
    yield from zip(cuts[:-1], np.diff(cuts), strict=True)


def _offices(city: City, plan: _Plan, box: Box, rng: np.random.Generator) -> None:
    """Large flat roofs on paved ground."""
    city.grounds.append((_outline(plan, box, 12), _pick(PAVED, rng)))
    inner = (box[0] + 2.5, box[1] + 2.5, box[2] - 2.5, box[3] - 2.5)
    for part in _split(inner, rng.uniform(26, 44), rng):
        gap = rng.uniform(1.0, 3.0)
        u0, v0, u1, v1 = part[0] + gap, part[1] + gap, part[2] - gap, part[3] - gap
        if min(u1 - u0, v1 - v0) < 7:
            continue
        if rng.random() < 0.12:
            _plant(city, plan, _scatter((u0, v0, u1, v1), 5, (1.8, 3.0), rng), [])
            continue
        flat = rng.random() < 0.88
        colour, height = _pick(FLATS if flat else ROOFS, rng), rng.uniform(9, 26)
        city.buildings.append(Building(_outline(plan, (u0, v0, u1, v1)), height, not flat, colour))


def _split(box: Box, largest: float, rng: np.random.Generator) -> Iterator[Box]:
    u0, v0, u1, v1 = box
    if max(u1 - u0, v1 - v0) <= largest:
        yield box
        return
    share = rng.uniform(0.36, 0.64)
    if u1 - u0 >= v1 - v0:
        cut = u0 + share * (u1 - u0)
        parts: tuple[Box, Box] = ((u0, v0, cut, v1), (cut, v0, u1, v1))
    else:
        cut = v0 + share * (v1 - v0)
        parts = ((u0, v0, u1, cut), (u0, cut, u1, v1))
    for part in parts:
        yield from _split(part, largest, rng)


def _park(city: City, plan: _Plan, box: Box, rng: np.random.Generator) -> None:
    """Grass, paths, many trees, now and then a pond."""
    city.parks.append(_outline(plan, box, 12))
    u0, v0, u1, v1 = box
    middle = np.array([rng.uniform(0.35, 0.65) * (u1 - u0) + u0, rng.uniform(0.35, 0.65) * (v1 - v0) + v0])
    for corner in ((u0, v0), (u1, v1), (u0, v1), (u1, v0)):
        if rng.random() < 0.7:
            ends = np.array([corner, middle])
            city.paths.append(plan.place(ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 6)[:, None]))
    pond: list[Box] = []
    radius = 0.24 * min(u1 - u0, v1 - v0)
    if rng.random() < 0.35 and radius > 6:
        city.water.append(plan.place(middle + _blob(radius, rng)))
        pond = [(middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)]
    _plant(city, plan, _scatter(box, int((u1 - u0) * (v1 - v0) / rng.uniform(55, 130)), (2.0, 4.2), rng), pond)


def _parking(city: City, plan: _Plan, box: Box, rng: np.random.Generator) -> None:
    """A paved ground with one hall."""
    city.grounds.append((_outline(plan, box, 12), _pick(PAVED, rng)))
    u0, v0, u1, v1 = box
    hall = (u0 + 4, v0 + 4, u0 + (u1 - u0) * rng.uniform(0.5, 0.8), v0 + (v1 - v0) * rng.uniform(0.45, 0.7))
    city.buildings.append(Building(_outline(plan, hall), rng.uniform(7, 11), False, _pick(FLATS, rng)))
    _plant(city, plan, _scatter(box, 6, (1.5, 2.5), rng), [hall])


def _blob(radius: float, rng: np.random.Generator) -> Points:
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    size = radius * (
        1 + 0.18 * np.sin(2 * angles + rng.uniform(0, 6.3)) + 0.1 * np.sin(3 * angles + rng.uniform(0, 6.3))
    )
    return np.column_stack([size * np.cos(angles), size * np.sin(angles)])


def _waters(city: City, extent: float, rng: np.random.Generator) -> Points:
    """Adds a river, a lake or nothing; returns circles (x, y, radius) that cover it."""
    kind = rng.choice(3, p=[0.38, 0.2, 0.42])
    if kind == 2:
        return np.zeros((0, 3))
    if kind == 1:
        radius, at = extent * rng.uniform(0.16, 0.3), rng.uniform(-0.5, 0.5, 2) * extent
        blob = _blob(radius, rng)
        city.banks.append(at + blob * (1 + 9 / radius))
        city.water.append(at + blob)
        return np.array([[*at, 1.28 * radius + 9]])
    along = np.linspace(-extent, extent, 60)
    width, angle = rng.uniform(0.1, 0.22) * extent + 8, rng.uniform(0, np.pi)
    across = rng.uniform(-0.35, 0.35) * extent + 0.09 * extent * np.sin(along * rng.uniform(2, 4) / extent * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    line = np.column_stack([along, across])
    for into, half in ((city.banks, width / 2 + 9), (city.water, width / 2)):
        aside = np.array([0, half])
        into.append(np.concatenate([line + aside, (line - aside)[::-1]]) @ turn)
    return np.column_stack([line @ turn, np.full(60, width / 2 + 10)])


def _clear(city: City, shape: Points) -> None:
    """Removes what would stand in the water."""

    def dry(xy: Points, margin: float) -> Any:
        if not len(shape):
            return np.ones(len(xy), bool)
        gaps = np.hypot(*(xy[:, None] - shape[None, :, :2]).transpose(2, 0, 1)) - shape[None, :, 2]
        return gaps.min(axis=1) > margin

    corners = dry(np.array([b.outline for b in city.buildings]).reshape(-1, 2), 0).reshape(-1, 4).all(axis=1)
    city.buildings = [building for building, stands in zip(city.buildings, corners, strict=True) if stands]
    trees = np.concatenate([*city.trees, np.zeros((0, 3))])
    city.trees = [trees[dry(trees[:, :2], -7)]]
