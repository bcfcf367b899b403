"""Several answers to one image: names, seeds, how far they are apart, and methods that have one answer alone."""

import json
from itertools import combinations

import numpy as np
import pytest
from torch import nn

from translate.contracts import TestTime
from translate.conversion.batches import diversity
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.conversion.plan import plan
from translate.errors import ConfigError
from translate.imaging.io import Image, read, write

DRAW = np.random.default_rng(5)


@pytest.fixture
def noisy(make):
    """noisy(seed) -> a translator that keeps its dropout on."""
    return lambda seed=3: make(
        nets={"gen": nn.Sequential(nn.Dropout(0.5))}, test_time=TestTime(dropout=True), seed=seed
    )


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "b/c.jpg", "b/d.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "in" / name, DRAW.integers(0, 256, (12, 9, 3), dtype=np.uint8))
    return tmp_path / "in"


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*g")}


def rows(folder):
    return {row["input"]: row for row in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}


def test_samples_are_numbered_and_depend_on_seed_name_and_number_alone(noisy, photos, tmp_path, told):
    out = tmp_path / "out"
    summary = convert(photos, out, noisy(), ConvertOptions(samples=3), console=told)
    made = files(out)
    assert set(made) == {
        f"{stem}.{n}.{end}" for n in (1, 2, 3) for stem, end in (("a", "png"), ("b/c", "jpg"), ("b/d", "png"))
    }
    assert len(set(made.values())) == 9 and summary.done == 3
    convert(photos, tmp_path / "again", noisy(), ConvertOptions(samples=3), console=told)
    assert files(tmp_path / "again") == made
    (photos / "a.png").rename(tmp_path / "moved.png")  # the others go first now
    convert(photos, tmp_path / "fewer", noisy(), ConvertOptions(samples=2), console=told)
    assert files(tmp_path / "fewer") == {k: v for k, v in made.items() if k[:2] == "b/" and ".3." not in k}
    convert(photos, tmp_path / "one", noisy(), console=told)
    assert files(tmp_path / "one")["b/d.png"] == made["b/d.1.png"]
    convert(photos, tmp_path / "other", noisy(4), ConvertOptions(samples=3), console=told)
    assert not set(files(tmp_path / "other").values()) & set(made.values())


def test_diversity_is_the_mean_distance_of_pairs(noisy, photos, tmp_path, told):
    out = tmp_path / "out"
    summary = convert(photos, out, noisy(), ConvertOptions(samples=4), console=told)
    found = rows(out)
    for name, row in found.items():
        if name.endswith("png"):
            images = [read(out / target).pixels.astype(float) for target in row["output"]]
            wanted = [np.abs(a - b).mean() / 255 for a, b in combinations(images, 2)]
            assert len(wanted) == 6 and row["diversity"] == pytest.approx(np.mean(wanted), rel=1e-6)
        assert len(row["sha256"]) == 4
    assert summary.diversity == pytest.approx(np.mean([row["diversity"] for row in found.values()]))
    assert convert(photos, tmp_path / "one", noisy(), console=told).diversity is None


def test_diversity_of_label_maps_counts_pixels():
    palette = [(0, 0, 0)] * 256
    a, b, c = (Image(np.array([[[0], [i]]], np.uint8), mode="palette", palette=palette) for i in (0, 200, 200))
    assert diversity([a, b, c]) == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_one_answer_alone_is_not_asked_for_several_times(make, photos, tmp_path, told):
    with pytest.raises(ConfigError, match="method 'tiny' draws nothing at inference: 2 samples would be the same"):
        convert(photos, tmp_path / "out", make(), ConvertOptions(samples=2), console=told)
    assert not (tmp_path / "out").exists()


def test_an_input_with_all_its_samples_is_skipped_and_with_some_is_not(noisy, photos, tmp_path, told):
    out = tmp_path / "out"
    convert(photos, out, noisy(), ConvertOptions(samples=2), console=told)
    before = files(out)
    (out / "a.2.png").unlink()
    summary = convert(photos, out, noisy(), ConvertOptions(samples=2), console=told)
    assert (summary.done, summary.kept) == (3, 2) and files(out) == before


def test_numbered_names_belong_to_one_input_each(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    for name in ("a.png", "a.1.png", "A.2.1.png", "A.2.png", "a.gif"):
        (root / name).write_bytes(b"")
    work = plan(root, tmp_path / "out", samples=2)
    names = [str(target).casefold() for item in work.items if item and not item.reason for target in work.targets(item)]
    assert len(names) == len(set(names)) and len(names) >= 8
    write(root / "b.1.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match="the output would overwrite the input"):
        plan(root / "b.1.png", root / "b.png", samples=2)
