"""Metrics in spaces of features: what Inception sees, what random convolutions see, and what is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from translate.contracts import DatasetFacts, EvaluationContext, MetricUse
from translate.errors import ConfigError, DataError
from translate.metrics.bootstrap import Drawn
from translate.metrics.distances.frechet import frechet_distance, moments_of
from translate.metrics.distances.neighbours import support
from translate.metrics.features.equal_sets import MMD, Memorised, NearestNeighbour, SupportSize, Wasserstein
from translate.metrics.features.inception import Inception, resized
from translate.metrics.features.of_sets import (
    FID,
    KID,
    FDRandom,
    KDRandom,
    PrecisionInception,
    PrecisionRandom,
)
from translate.metrics.features.spaces import InceptionSpace, Pixels, RandomConvolutions
from translate.metrics.scores import metric_problems
from translate.networks import count_parameters
from translate.plugins import Registry


class Kept(Sequence[Tensor]):
    """A set that counts how often its images are read."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        self.images, self.reads = images, 0

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):
        self.reads += 1
        return self.images[index]


def noise(count: int, seed: int, brightness: float = 0.5, size: int = 24) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return list((torch.rand(count, 3, size, size, generator=rng) * 0.5 + brightness / 2).clamp(0, 1))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights in the published form."""
    torch.manual_seed(0)
    net = Inception()
    for name, value in net.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file(net.state_dict(), path)
    return path


def test_inception_has_the_published_layers() -> None:
    net = Inception()
    assert count_parameters(net) == 23_850_960
    assert len(net.state_dict()) == 94 * 6 + 2, "94 convolutions with their norms, and the classes' layer"
    with torch.no_grad():
        assert net.eval()(torch.zeros(1, 3, 40, 30)).shape == (1, 2048)


def test_resizing_starts_at_the_corner_and_averages_nothing() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 4, 8)
    wide = resized(ramp, 16)
    assert wide.shape == (1, 1, 16, 16)
    torch.testing.assert_close(wide[0, 0, 0], (torch.arange(16) / 2).clamp(max=7.0))
    small = resized(torch.arange(16.0).expand(1, 1, 16, 16), 4)
    torch.testing.assert_close(small[0, 0, 0], torch.tensor([0.0, 4.0, 8.0, 12.0]))


def test_fid_is_the_distance_of_inceptions_features(weights: Path) -> None:
    fid, kid = FID(FID.Config(weights=weights)), KID(KID.Config(weights=weights, subsets=3))
    near, far = Kept(noise(4, 1)), Kept(noise(4, 2, brightness=0.9))
    space = fid.space()
    vectors = [space.vectors(images) for images in (near, far)]
    direct = space.net(torch.stack(near.images).mul(255).round())
    torch.testing.assert_close(vectors[0], direct, rtol=1e-4, atol=1e-5)
    expected = frechet_distance(*(moments_of(v) for v in vectors))
    assert fid.score(near, far) == pytest.approx(expected, rel=1e-6)
    assert fid.score(near, near) == pytest.approx(0, abs=1e-6 * expected)
    assert kid.score(near, far) == pytest.approx(kid.score(far, near), rel=1e-9) and near.reads == 4
    assert kid.details(near, far).keys() == {"kid/deviation", "kid/images in a subset"}
    whole = KID(KID.Config(weights=weights, size=4))
    assert whole.details(near, far) == {"kid/images in a subset": 4}, "one subset has no deviation"
    precision = PrecisionInception(PrecisionInception.Config(weights=weights, k=2))
    found = support(vectors[1], vectors[0], 2)
    assert precision.score(near, far) == found.precision
    assert precision.details(near, far)["precision/recall"] == found.recall


def test_other_files_are_no_inception(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; it should be weights-inception"):
        FID(FID.Config(weights=tmp_path / "none.pth")).score(noise(2, 1), noise(2, 2))
    save_file({"fc.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="not the weights of Inception that FID is defined by"):
        FID(FID.Config(weights=tmp_path / "other.safetensors")).score(noise(2, 1), noise(2, 2))


def test_without_a_network_the_error_says_what_to_take_instead(monkeypatch, tmp_path: Path) -> None:
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"no route to host; get the file .* whose name ends in `-random`"):
        InceptionSpace().vectors(noise(2, 1))


def test_random_features_tell_sets_apart() -> None:
    same, other = noise(40, 1), noise(40, 2)
    dark = noise(40, 3, brightness=0.1)
    for kind in (FDRandom, KDRandom):
        metric = kind(kind.Config())
        assert abs(metric.score(same, other)) < 0.1 * metric.score(dark, other)
    precision = PrecisionRandom(PrecisionRandom.Config())
    assert precision.score(dark, other) == 0
    details = precision.details(same, other)
    assert precision.score(same, other) > 0.5 and details["precision-random/coverage"] > 0.5
    assert details["precision-random/coverage of equal sets"] == pytest.approx(0.88, abs=0.02)
    with pytest.raises(DataError, match=r"needs more than 3 images of each set; say a smaller `k`"):
        precision.score(same[:3], other)


def test_a_set_that_lives_is_looked_at_once() -> None:
    space = RandomConvolutions()
    images = Kept(noise(5, 1))
    first = space.vectors(images)
    drawn = space.vectors(Drawn(images, [4, 0, 0]))
    assert images.reads == 5
    torch.testing.assert_close(drawn, first[[4, 0, 0]])


def test_images_of_several_sizes_and_grey_ones() -> None:
    mixed = [*noise(2, 1, size=24), *noise(2, 2, size=40), *noise(1, 3, size=24)]
    space = RandomConvolutions()
    for image, vector in zip(mixed, space.vectors(mixed), strict=True):
        torch.testing.assert_close(space.vectors([image])[0], vector, rtol=1e-4, atol=1e-5)
    grey = [image[:1] for image in mixed]
    torch.testing.assert_close(space.vectors(grey), space.vectors([image.expand(3, -1, -1) for image in grey]))
    with pytest.raises(DataError, match="not at 5 channels"):
        space.vectors([torch.zeros(5, 8, 8)])
    assert Pixels(4).vectors(mixed).shape == (5, 48)
    torch.testing.assert_close(Pixels(4).vectors(mixed)[0], F.avg_pool2d(mixed[0], 6).flatten())


def context(training: Sequence[Tensor]) -> EvaluationContext:
    return EvaluationContext("image", "image", [], [], [], lambda side: training)


def test_equal_sets_and_others_as_metrics_say_it() -> None:
    same, other, dark = noise(30, 1), noise(30, 2), noise(30, 3, brightness=0.1)
    for kind, equal, apart in ((MMD, 0.0, 0.1), (NearestNeighbour, 0.5, 1.0)):
        metric = kind(kind.Config(permutations=99))
        assert metric.score(same, other) == pytest.approx(equal, abs=0.2)
        assert metric.score(dark, other) >= apart
        assert metric.details(dark, other)[f"{metric.name}/p"] == 1 / 100
        assert metric.details(same, other)[f"{metric.name}/p"] > 0.02
    distance = Wasserstein(Wasserstein.Config(splits=3, projections=5))
    parts = distance.details(dark, other)
    assert 0 < parts["wasserstein/low"] < distance.score(dark, other)
    assert parts["wasserstein/projected"] < parts["wasserstein/largest"] < distance.score(dark, other)
    assert distance.details(same, other)["wasserstein/low"] < 0.1 * distance.score(same, other)


def test_few_answers_and_copies_are_counted() -> None:
    real, training = noise(60, 1), noise(60, 2)
    size = SupportSize(SupportSize.Config())
    answers = noise(4, 3) * 10
    assert size.score(answers, real) == pytest.approx(40 * 39 / 2 / (4 * 45)), "each of the four ten times"
    assert size.score(noise(60, 4), real) > 40
    memorised = Memorised(Memorised.Config())
    copied = [*training[:30], *noise(30, 5)]
    assert memorised.score(copied, real, context(training)) == pytest.approx(50, abs=8)
    assert memorised.score(noise(60, 6), real, context(training)) < 8


def test_missing_weights_are_told_when_a_pipeline_is_planned(tmp_path: Path, weights: Path) -> None:
    names = ("fid", "kid", "precision", "lpips", "dists", "mmd")
    missing = [MetricUse.model_validate({"uses": name, "weights": tmp_path / "none.pth"}) for name in names[:5]]
    missing.append(MetricUse.model_validate({"uses": "mmd", "features": "inception", "weights": tmp_path / "none.pth"}))
    facts = DatasetFacts("paired", ("test",), pairs=("test",))
    found = dict(metric_problems(missing, facts, "test", Registry([])))
    assert [*found] == list(range(len(missing)))
    for number, name in enumerate(names):
        assert found[number].startswith(f"{name}: {tmp_path / 'none.pth'}: there is no such file; it should be ")
    there = [MetricUse.model_validate({"uses": "fid", "weights": weights})]
    assert not list(metric_problems(there, facts, "test", Registry([])))


def test_nothing_is_downloaded_beside_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FID, "fetch", lambda self: pytest.fail("weights are asked for"))
    uses = [MetricUse(uses="fid"), MetricUse(uses="fidd")]
    found = dict(metric_problems(uses, DatasetFacts("paired", ("test",), pairs=("test",)), "test", Registry([])))
    assert found == {1: "there is no metric 'fidd'; did you mean 'fid'?"}
