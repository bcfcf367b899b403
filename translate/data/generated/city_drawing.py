"""An invented city drawn twice: as an aerial photograph and as a street map of exactly the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from translate.data.generated.city import Building, City, Colour, Points, Road
from translate.imaging.pixels import rounded

CLASSES = ("land", "building", "street", "arterial", "park", "water")
PALETTE = ((238, 233, 222), (202, 190, 178), (255, 255, 255), (255, 212, 96), (182, 222, 152), (142, 190, 242))
"""RGB of each class in the map: no anti-aliasing, so that each pixel has exactly one of these colours."""

_LAND, _BUILDING, _STREET, _ARTERIAL, _PARK, _WATER = range(6)
_ROUGH = np.array([0.07, 0.035, 0.045, 0.045, 0.16, 0.05], np.float32)
_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Canvas:
    """A square drawing of `pixels`, `scale` pixels per metre, the origin in its middle."""

    pixels: int
    scale: float

    def fixed(self, points: Points) -> Array:
        """Metres to cv2's fixed-point pixels."""
        return np.rint((points * self.scale + self.pixels / 2) * (1 << _SHIFT)).astype(np.int32)

    def fill(self, image: Array, outline: Points, colour: Any) -> None:
        cv2.fillPoly(image, [self.fixed(outline)], colour, shift=_SHIFT)

    def stroke(self, image: Array, line: Points, width: float, colour: Any) -> None:
        thick = max(1, round(width * self.scale))
        cv2.polylines(image, [self.fixed(line)], False, colour, thick, shift=_SHIFT)

    def disc(self, image: Array, at: Points, radius: float, colour: Any) -> None:
        x, y = (int(v) for v in self.fixed(at))
        cv2.circle(image, (x, y), max(1, round(radius * self.scale * (1 << _SHIFT))), colour, -1, shift=_SHIFT)

    def sees(self, points: Points, margin: float) -> bool:
        half = self.pixels / self.scale / 2 + margin
        low, high = points.min(axis=0), points.max(axis=0)
        return bool((low < half).all() and (high > -half).all())


def draw(city: City, size: int, metres: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """(aerial, map) of a city, each `size` x `size` x 3 uint8, `metres` per pixel.

    The aerial picture is drawn finer and averaged; a pixel of the map shows what is in its middle.
    """
    finer = 2 if size > 128 else 3
    canvas = Canvas(size * finer, finer / metres)
    labels = draw_labels(city, canvas)
    aerial = cv2.resize(_aerial(city, canvas, labels, rng), (size, size), interpolation=cv2.INTER_AREA)
    aerial += rng.normal(0, 2.2, aerial.shape).astype(np.float32)
    map_ = np.array(PALETTE, np.uint8)[labels[finer // 2 :: finer, finer // 2 :: finer]]
    return rounded(aerial), map_


def draw_labels(city: City, canvas: Canvas) -> Array:
    """The class of each pixel, uint8, as indexes into `CLASSES`."""
    labels = np.full((canvas.pixels, canvas.pixels), _LAND, np.uint8)
    for park in city.parks:
        canvas.fill(labels, park, _PARK)
    for road in (r for r in city.roads if not r.arterial):
        canvas.stroke(labels, road.line, road.width, _STREET)
    for bank in city.banks:
        canvas.fill(labels, bank, _PARK)
    for water in city.water:
        canvas.fill(labels, water, _WATER)
    for road in (r for r in city.roads if r.arterial):
        canvas.stroke(labels, road.line, road.width, _ARTERIAL)
    for building in city.buildings:
        canvas.fill(labels, building.outline, _BUILDING)
    return labels


# ------------------------------------------------------------------------------------------------ the aerial picture


def _aerial(city: City, canvas: Canvas, labels: Array, rng: np.random.Generator) -> Array:
    """The picture at the canvas's size, float32, 0 to 255 (a little over and under)."""
    sun = rng.normal(2.2, 0.25)
    light = np.array([np.cos(sun), -np.sin(sun)])  # towards the sun, on the ground
    seen = [b for b in city.buildings if canvas.sees(b.outline, 40)]
    trees = np.concatenate([*city.trees, np.zeros((0, 3))])
    half = canvas.pixels / canvas.scale / 2 + 12
    trees = trees[(np.abs(trees[:, :2]) < half).all(axis=1)]

    image = _ground(city, canvas, labels, rng)
    shade = np.zeros(labels.shape, np.uint8)
    for building in seen:
        shadow = np.concatenate([building.outline, building.outline - light * 0.62 * building.height])
        cv2.fillConvexPoly(shade, cv2.convexHull(canvas.fixed(shadow)), 255, shift=_SHIFT)
    for x, y, radius in trees:
        canvas.disc(shade, np.array([x, y]) - light * 1.3 * radius, radius, 210)
    image *= (1 - 0.55 / 255 * cv2.blur(shade, (3, 3)).astype(np.float32))[..., None]
    for building in seen:
        _roof(canvas, image, building, light, rng)
    _texture(image, labels, rng)
    _crowns(canvas, image, trees, light, rng)
    return _grade(image, rng)


def _ground(city: City, canvas: Canvas, labels: Array, rng: np.random.Generator) -> Array:
    image = np.empty((canvas.pixels, canvas.pixels, 3), np.float32)
    image[:] = (146, 138, 116)
    for outline, colour in city.grounds:
        canvas.fill(image, outline, colour)
    green = (84 + rng.normal(0, 5), 112 + rng.normal(0, 5), 62 + rng.normal(0, 4))
    for park in city.parks:
        canvas.fill(image, park, green)
    for path in city.paths:
        canvas.stroke(image, path, 2.2, (178, 164, 138))
    for road in (r for r in city.roads if not r.arterial):
        canvas.stroke(image, road.line, road.width, (158, 154, 150))
        canvas.stroke(image, road.line, road.width - 3.2, (112, 112, 116))
    for bank in city.banks:
        canvas.fill(image, bank, green)
    tone = rng.normal(0, 6)
    for water in city.water:
        canvas.fill(image, water, (44 + tone, 76 + tone, 98 + tone))
    for road in (r for r in city.roads if r.arterial):
        canvas.stroke(image, road.line, road.width, (150, 147, 144))
        canvas.stroke(image, road.line, road.width - 3, (84, 84, 90))
    for road in city.roads:
        _traffic(canvas, image, labels, road, rng)
    return image


def _traffic(canvas: Canvas, image: Array, labels: Array, road: Road, rng: np.random.Generator) -> None:
    """Markings on arterials, and cars on every road (not on the parts of it that a river covers)."""
    steps = np.diff(road.line, axis=0)
    ahead = steps / np.maximum(np.hypot(*steps.T), 1e-6)[:, None]
    side = np.column_stack([-ahead[:, 1], ahead[:, 0]])
    if road.arterial:
        for start, step in zip(road.line[:-1], steps, strict=True):
            canvas.stroke(image, np.array([start, start + 0.5 * step]), 0.7, (205, 202, 190))
    for at in np.flatnonzero(rng.random(len(steps)) < (0.3 if road.arterial else 0.14)):
        lane = 0.21 * road.width * (1 if rng.random() < 0.5 else -1)
        middle = road.line[at] + steps[at] * rng.random() + side[at] * lane
        tone = rng.uniform(40, 235)
        colour = (tone, tone, tone) if rng.random() < 0.75 else tuple(rng.uniform(40, 200, 3))
        x, y = (int(v) for v in np.rint(middle * canvas.scale + canvas.pixels / 2))
        if 0 <= x < canvas.pixels and 0 <= y < canvas.pixels and labels[y, x] in (_STREET, _ARTERIAL):
            long, wide = ahead[at] * 2.3, side[at] * 1.0
            canvas.fill(image, middle + np.array([long + wide, long - wide, -long - wide, -long + wide]), colour)


def _roof(canvas: Canvas, image: Array, building: Building, light: Points, rng: np.random.Generator) -> None:
    a, b, c, d = building.outline
    if not building.pitched:
        canvas.fill(image, building.outline, building.colour)
        middle = building.outline.mean(axis=0)
        inner = middle + (building.outline - middle) * 0.9
        canvas.fill(image, inner, _lit(building.colour, 0.93))
        for _ in range(int(rng.integers(1, 5))):
            weights = rng.dirichlet([2, 2, 2, 2])
            at, arm = weights @ inner, rng.uniform(0.8, 1.9)
            box = at + arm * np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
            canvas.fill(image, box - light * 0.8, _lit(building.colour, 0.6))
            canvas.fill(image, box, _lit(building.colour, 1.08))
        return
    if np.hypot(*(b - a)) < np.hypot(*(c - b)):
        a, b, c, d = b, c, d, a
    inset = 0.5 * np.hypot(*(c - b)) / max(np.hypot(*(b - a)), 1e-6)
    left, right = (a + d) / 2, (b + c) / 2
    ridge = left + (right - left) * min(inset, 0.5), right - (right - left) * min(inset, 0.5)
    middle = building.outline.mean(axis=0)
    for facet in ((a, b, ridge[1], ridge[0]), (c, d, ridge[0], ridge[1]), (b, c, ridge[1]), (d, a, ridge[0])):
        outward = (facet[0] + facet[1]) / 2 - middle
        facing = float(outward @ light / max(np.hypot(*outward), 1e-6))
        canvas.fill(image, np.array(facet), _lit(building.colour, 1 + 0.24 * facing))


def _lit(colour: Colour, light: float) -> Colour:
    r, g, b = colour
    return (r * light, g * light, b * light)


def _crowns(canvas: Canvas, image: Array, trees: Points, light: Points, rng: np.random.Generator) -> None:
    shades = rng.uniform(0.8, 1.15, len(trees))
    for (x, y, radius), shade in zip(trees, shades, strict=True):
        at = np.array([x, y])
        canvas.disc(image, at, radius, _lit((52, 76, 42), shade))
        canvas.disc(image, at + light * 0.3 * radius, 0.62 * radius, _lit((76, 104, 56), shade))


def _texture(image: Array, labels: Array, rng: np.random.Generator) -> None:
    """Roughness by class, in place: fine grain, and for grass and water patches too."""
    grain = _noise(labels.shape[0], 1, rng) * 0.6 + _noise(labels.shape[0], 4, rng)
    image *= (1 + _ROUGH[labels] * grain)[..., None]


def _noise(pixels: int, coarse: int, rng: np.random.Generator) -> Array:
    """Smooth noise of standard deviation about 1, whose grains are `coarse` pixels wide."""
    few = rng.standard_normal((-(-pixels // coarse) + 1,) * 2, np.float32)
    smooth: Array = (
        few[:pixels, :pixels] if coarse == 1 else cv2.resize(few, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
    )
    return smooth


def _grade(image: Array, rng: np.random.Generator) -> Array:
    """The flight's light: slow changes over the picture, exposure, haze, a colour cast."""
    pixels = image.shape[0]
    slow = 1 + 0.05 * _noise(pixels, pixels // 3, rng)
    exposure, haze = rng.normal(1.1, 0.05), rng.uniform(0, 14)
    cast = 1 + rng.normal(0, 0.018, 3).astype(np.float32)
    graded: Array = image * slow[..., None] * cast * np.float32(exposure) * np.float32(1 - haze / 255) + np.float32(
        haze
    )
    return graded
