"""False alarms: no shipped recipe, and no first run on one's own images, is told that its game is ill.

    python tests/benchmarks/health.py                            quick profiles of all pipelines, three seeds (hours)
    python tests/benchmarks/health.py maps_cyclegan --seeds 1    this one, once
    python tests/benchmarks/health.py --folders                  the first run after `init` on ten small folders
    python tests/benchmarks/health.py --folders --profile hour   the second one (hours)
    python tests/benchmarks/health.py --keep FOLDER              runs and logs stay there
    python tests/benchmarks/health.py colorize -- --set K=V      what follows `--` goes to `translate run`

Prints a row for each run, with the ends of the curves that are judged, and each warning. Exit code 1 if there was a
warning, or if a run failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from quick import PIPELINES

from translate.imaging.io import write
from translate.tracking.journal import read

KINDS = {
    "critic_accuracy": max, "critic_saturation": max, "gradient_ratio": max, "swing": max, "diversity": min,
    "input_use": min, "colour_drift": max, "dead": max, "activation": max, "checkerboard": max, "data_wait": max,
}  # fmt: skip
"""The curves that are judged, and the end of each that is the worse one."""

Draw = np.random.Generator
Picture = np.ndarray[Any, Any]


class Ran(NamedTuple):
    """A run: its exit code, its warnings, and the worst value of each kind of curve at a look."""

    name: str
    code: int
    warnings: list[str]
    worst: dict[str, float]

    def rows(self) -> Iterator[str]:
        told = "  ".join(f"{kind} {value:.3g}" for kind, value in sorted(self.worst.items()))
        yield f"{self.name:34}exit {self.code}, {len(self.warnings)} warnings  {told}"
        yield from (f"    {text}" for text in self.warnings)


def run(name: str, file: Path | str, folder: Path, arguments: list[str]) -> Ran:
    """Runs a pipeline in a folder; what it prints goes to `log.txt` there."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "translate", "run", str(file), "--device", "cpu", *arguments]
    with (folder / "log.txt").open("w") as log:
        done = subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False)
    warnings: list[str] = []
    worst: dict[str, float] = {}
    for journal in folder.glob("runs/*/.tracking/*/journal.jsonl"):
        for event, _ in read(journal):
            if event["e"] == "tags":
                warnings += [f"{key}: {text}" for key, text in event["v"].items() if "/health/" in key]
            if event["e"] == "metrics":
                _note(worst, event["v"], event["s"])
    return Ran(name, done.returncode, warnings, worst)


def _note(worst: dict[str, float], values: dict[str, float], step: int) -> None:
    """Notes the values of curves `STAGE/health/KIND` and `STAGE/health/KIND/NAME` from the first look on."""
    for curve, value in values.items():
        _, found, rest = curve.partition("/health/")
        kind = rest.partition("/")[0]
        if found and kind in KINDS and step >= 100:
            worst[kind] = KINDS[kind](value, worst.get(kind, value))


# ---------------------------------------------------------------------------------------------------- ten folders


def photo(draw: Draw, size: int = 96, low: int = 0, high: int = 256) -> Picture:
    """A sky, a ground and a few discs, in colours from `low` on."""
    rows, columns = np.mgrid[:size, :size]
    image = np.empty((size, size, 3))
    horizon = draw.integers(size // 4, 3 * size // 4)
    image[:horizon], image[horizon:] = draw.integers(low, high, 3), draw.integers(low, high, 3)
    image += (rows / size * draw.integers(-40, 40))[:, :, None]
    for _ in range(draw.integers(2, 6)):
        y, x, r = draw.integers(0, size), draw.integers(0, size), draw.integers(4, size // 3)
        image[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = draw.integers(low, high, 3)
    noisy: Picture = (image + draw.normal(0, 4, image.shape)).clip(0, 255).astype(np.uint8)
    return noisy


def drawing(image: Picture) -> Picture:
    """The edges of an image, dark on white."""
    grey = image.mean(2)
    edges = np.abs(np.diff(grey, axis=0, prepend=grey[:1])) + np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    return np.repeat(np.where(edges > 25, 20, 250)[:, :, None], 3, 2).astype(np.uint8)


def classes(image: Picture) -> Picture:
    """Three classes by brightness, as grey levels."""
    return (image.mean(2) // 86).astype(np.uint8)[:, :, None]


def beside(one: Picture, other: Picture) -> Picture:
    return np.concatenate([one, other], 1)


def save(file: Path, image: Picture) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write(file, image)


def two_sets(a: Callable[[Draw], Picture], b: Callable[[Draw], Picture], names: tuple[str, str], count: int) -> Any:
    def fill(folder: Path, draw: Draw) -> None:
        for name, make in zip(names, (a, b), strict=True):
            for number in range(count):
                save(folder / name / f"{number:02d}.png", make(draw))

    return fill


def one_set(make: Callable[[Draw], Picture], count: int) -> Any:
    def fill(folder: Path, draw: Draw) -> None:
        for number in range(count):
            save(folder / f"{number:02d}.png", make(draw))

    return fill


def labelled(folder: Path, draw: Draw) -> None:
    for number in range(12):
        image = photo(draw)
        save(folder / "images" / f"{number:02d}.png", image)
        save(folder / "labels" / f"{number:02d}.png", classes(image))


def pair(draw: Draw) -> Picture:
    image = photo(draw)
    return beside(drawing(image), image)


FOLDERS: dict[str, tuple[str, Any]] = {
    "photos-drawings": ("cyclegan", two_sets(photo, lambda d: drawing(photo(d)), ("trainA", "trainB"), 12)),
    "night-day": ("cyclegan", two_sets(lambda d: photo(d, 80, 0, 70), lambda d: photo(d, 80, 150), ("A", "B"), 10)),
    "few": ("cyclegan", two_sets(photo, photo, ("A", "B"), 3)),
    "cut": ("cut", two_sets(lambda d: drawing(photo(d)), photo, ("trainA", "trainB"), 12)),
    "pairs": ("pix2pix", one_set(pair, 12)),
    "pairs-again": ("pix2pix", one_set(lambda d: beside(photo(d, 64), photo(d, 64)[::-1]), 20)),
    "labels": ("segmentation", labelled),
    "colours": ("colorization", one_set(photo, 12)),
    "sharper": ("srresnet", one_set(lambda d: photo(d, 128), 12)),
    "hats": ("genegan", two_sets(photo, lambda d: photo(d, 96, 60, 200), ("with", "without"), 12)),
}
"""Ten small folders, each with a method that suits it, and what makes it."""


def first_runs(home: Path, seeds: int, profile: str, passed: list[str]) -> Iterator[Ran]:
    """The runs that `init` proposes first, on each folder."""
    for name, (method, fill) in FOLDERS.items():
        for seed in range(seeds):
            place = home / f"{name}-{seed}"
            images = place / name
            images.mkdir(parents=True)
            fill(images, np.random.default_rng(seed))
            init = [sys.executable, "-m", "translate", "init", "--method", method, str(images), "--output", "own.yaml"]
            done = subprocess.run(init, cwd=place, capture_output=True, text=True, check=False)
            if done.returncode:
                yield Ran(f"{name} {method}: {done.stderr.strip()}", done.returncode, [], {})
                continue
            arguments = ["--profile", profile, "--set", f"seed={seed}", *passed]
            yield run(f"{name}, {method}, seed {seed}", "own.yaml", place, arguments)


def quick_profiles(home: Path, names: list[str], seeds: int, passed: list[str]) -> Iterator[Ran]:
    for name in names:
        for seed in range(seeds):
            arguments = ["--profile", "quick", "--set", f"seed={seed}", *passed]
            yield run(f"{name}, seed {seed}", PIPELINES / f"{name}.yaml", home / f"{name}-{seed}", arguments)


def main() -> int:
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given, passed = sys.argv[1:cut], sys.argv[cut + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folders", action="store_true")
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args(given)
    names = chosen.names or sorted(path.stem for path in PIPELINES.glob("*.yaml"))
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        home = chosen.keep.resolve() if chosen.keep else Path(scratch)
        runs = (
            first_runs(home, chosen.seeds, chosen.profile, passed)
            if chosen.folders
            else quick_profiles(home, names, chosen.seeds, passed)
        )
        for done in runs:
            print("\n".join(done.rows()), flush=True)
            bad += bool(done.code or done.warnings)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
