"""Curves as static SVG: they need no script, no network and no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby, pairwise

from translate.text import number

WIDTH, HEIGHT = 340, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 18
POINTS = 300
"""At most so many points of a curve are drawn; each stands for the mean of its stretch of steps."""
SMOOTH = 60
"""From so many points on, a running mean is drawn over the curve."""

Point = tuple[float, float]


def chart(name: str, curve: Mapping[int, float], mark: int | None = None) -> str:
    """One curve as a figure: its name, last value, and the line over the steps. Points that are not finite are gaps.

    `mark` is the step of the weights that were kept.
    """
    strokes = stretches(curve)
    points = [point for stroke in strokes for point in stroke]
    lost = len(curve) - sum(map(math.isfinite, curve.values()))
    last = curve[max(curve)]
    note = f' <i class="bad">{lost} not finite</i>' if lost else ""
    data = " ".join(f"{step:g},{value:.5g}" for step, value in points)
    picture = _svg(name, strokes, (min(curve), max(curve)), mark) if points else ""
    return (
        f'<figure class="chart" data-points="{data}"><figcaption>{escape(name)}{note}'
        f"<output>{number(last)}</output></figcaption>{picture}</figure>"
    )


def stretches(curve: Mapping[int, float]) -> list[list[Point]]:
    """The parts of a curve between points that are not finite, thinned; one part where there are too many to show."""
    points = [(float(step), value) for step, value in sorted(curve.items())]
    parts = [list(group) for finite, group in groupby(points, lambda point: math.isfinite(point[1])) if finite]
    if len(parts) > POINTS // 2:
        parts = [[point for part in parts for point in part]]
    total = sum(map(len, parts))
    if total <= POINTS:
        return parts
    return [thin(part, max(1, POINTS * len(part) // total)) for part in parts]


def thin(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most so many points: the means of equal stretches; few points stay as they are."""
    if len(points) <= most:
        return list(points)
    edges = [round(i * len(points) / most) for i in range(most + 1)]
    means = []
    for start, stop in pairwise(edges):
        steps, values = zip(*points[start:stop], strict=True)
        means.append((sum(steps) / len(steps), sum(values) / len(values)))
    return means


def smooth(values: Sequence[float], keep: float = 0.8) -> list[float]:
    """The exponential running mean, corrected for its start (Kingma and Ba 2015, section 3)."""
    mean, weight, out = 0.0, 0.0, []
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers between two bounds: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    # the tolerances keep a tick that rounding errors put just beside a bound or a factor
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _svg(name: str, strokes: Sequence[Sequence[Point]], ends: Point, mark: int | None) -> str:
    points = [point for stroke in strokes for point in stroke]
    values = [value for _, value in points]
    first, final = ends[0], max(ends[1], ends[0] + 1)
    low, high = min(values), max(values)
    about = f"{name}: " + ", ".join(f"{number(y)} at step {x:,.0f}" for x, y in (points[0], points[-1]))
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    # the axis begins at zero where that costs little of the height, so that curves can be compared by eye
    low, high = (0.0 if 0 <= low < 0.3 * high else low - margin), high + margin

    def place(step: float, value: float) -> str:
        x = LEFT + (step - first) / (final - first) * (WIDTH - LEFT - RIGHT)
        # SVG counts downwards
        y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    lines = []
    for value in ticks(low, high):
        y = place(first, value).split(",")[1]
        lines.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 5}" y="{y}" dy="3.5" text-anchor="end">{number(value)}</text>')
    for step, anchor in ((first, "start"), (final, "end")):
        x = place(step, low).split(",")[0]
        lines.append(f'<text x="{x}" y="{HEIGHT - 4}" text-anchor="{anchor}">{step:,.0f}</text>')
    if mark is not None and first <= mark <= final:
        x = place(mark, low).split(",")[0]
        title = f"<title>step {mark:,}, the weights that were kept</title>"
        lines.append(f'<path class="kept" d="M{x} {TOP}V{HEIGHT - BOTTOM}">{title}</path>')
    for stroke in strokes:
        drawn = " ".join(place(x, y) for x, y in stroke)
        if len(points) >= SMOOTH:
            lines.append(f'<polyline class="raw" points="{drawn}"/>')
            means = smooth([y for _, y in stroke])
            drawn = " ".join(place(x, y) for (x, _), y in zip(stroke, means, strict=True))
        lines.append(f'<polyline class="line" points="{drawn}"/>')
    if len(points) <= 30:
        lines += ['<circle r="2.2" cx="{}" cy="{}"/>'.format(*place(x, y).split(",")) for x, y in points]
    box = f"{first:g},{final:g},{low:.6g},{high:.6g}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" data-box="{box}" role="img" aria-label="{escape(about)}">'
        f"{''.join(lines)}</svg>"
    )
