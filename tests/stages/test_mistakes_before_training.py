"""Mistakes of `infer` and `evaluate` show before a training: when a pipeline is checked, or once its data is there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from translate import hookimpl
from translate.data.sources.attribute_domains import domain_sides
from translate.errors import ConfigError
from translate.pipeline import check, run
from translate.plugins import Registry
from translate.stages.preprocess import PreprocessStage

HAIR = {"uses": "portraits", "kind": "classes", "attribute": "hair", "size": 16, "train": 8, "val": 4, "test": 4}
SMALL_STAR = {
    "generator": {"uses": "stargan/generator", "filters": 4, "blocks": 1},
    "discriminator": {"uses": "stargan/critic", "filters": 4, "layers": 2},
}


class Late(PreprocessStage):
    """A stage that knows what its data holds after its work alone."""

    name = "late"

    def promise(self, parents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        return {}


@hookimpl
def translate_stages() -> list[type[Late]]:
    return [Late]


def with_late() -> Registry:
    """What is installed, and this module as the plugin `late`."""
    return Registry([*entry_points(group="translate"), EntryPoint("late", __name__, "translate")])


def pipeline(method: str, prepare: str = "preprocess", **stages: Any) -> dict[str, Any]:
    """A pipeline on portraits with four kinds of hair: `stages` come after the training."""
    train = {"method": method, "max_steps": 1, "batch_size": 2, "workers": 0, **stages.pop("training", {})}
    if method == "stargan":
        train["options"] = SMALL_STAR
    first = {
        "prepare": {"uses": prepare, "with": {"source": HAIR}},
        "train": {"uses": "train", "needs": {"data": "prepare"}, "with": train},
    }
    return {"version": 1, "name": "early", "tracking": "none", "stages": {**first, **stages}}


def infer(**options: Any) -> dict[str, Any]:
    return {"uses": "infer", "needs": {"model": "train", "data": "prepare"}, "with": options}


def evaluate(*metrics: str, images: str = "convert", **options: Any) -> dict[str, Any]:
    needs = {"images": images, "data": "prepare"}
    return {"uses": "evaluate", "needs": needs, "with": {"metrics": list(metrics), **options}}


def mistakes(file: Mapping[str, Any], registry: Registry | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        check(file, registry=registry)
    return str(error.value)


def test_pairs_of_samples_are_refused() -> None:
    of_data, of_nothing = infer(direction="generate"), infer(direction="generate", count=3)
    del of_nothing["needs"]["data"]
    for convert in (of_data, of_nothing):
        text = mistakes(pipeline("latent/dcgan", convert=convert, score=evaluate("swd", "l1")))
        assert "stages.score.with.metrics.1: l1 compares pairs, and these images were made from nothing" in text
        check(pipeline("latent/dcgan", convert=convert, score=evaluate("swd")))
    text = mistakes(pipeline("latent/dcgan", training={"validate": {"metrics": ["psnr"]}}))
    assert "train.with.validate.metrics.0: psnr compares pairs, and generate makes images from nothing" in text


def test_pairs_with_another_split_are_refused() -> None:
    convert = infer(direction="to", split="test")
    text = mistakes(pipeline("stargan", convert=convert, score=evaluate("l1", split="val")))
    assert "score.with.metrics.0: l1 compares pairs, and these images were made of split 'test', and not of" in text
    check(pipeline("stargan", convert=convert, score=evaluate("l1")))


def test_a_training_may_score_what_each_image_has_beside_it() -> None:
    check(pipeline("stargan", training={"validate": {"metrics": ["l1"]}}))


def test_samples_and_images_are_no_rivals() -> None:
    made = infer(direction="generate")
    score = evaluate("swd")
    score["needs"]["rival"] = "other"
    check(pipeline("latent/dcgan", convert=made, other=made, score=score))
    file = pipeline("latent/bigan", convert=made, other=infer(direction="reconstruct"), score=score)
    assert "score.needs.rival: one of the two was made from nothing" in mistakes(file)


WRONG: list[tuple[dict[str, Any], str]] = [
    (infer(direction="to_blonde"), "with.direction: there is no direction 'to_blonde'"),
    (infer(direction="to", others={"class": "blonde"}), "with.others.class: input 'class' has no class 'blonde'"),
    (infer(direction="to_blond", options={"strength": 2}), "with.options: direction 'to_blond' has no option"),
    (infer(direction="to", others={"klass": "blond"}), "with.others.klass: to has no such input; it has class"),
]


@pytest.mark.parametrize(("convert", "message"), WRONG)
def test_names_that_the_source_knows_are_checked_at_once(convert: dict[str, Any], message: str) -> None:
    assert f"stages.convert.{message}" in mistakes(pipeline("stargan", convert=convert))


@pytest.mark.parametrize(("convert", "message"), WRONG[:3])
def test_names_that_the_data_brings_are_checked_before_the_training(
    convert: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = pipeline("stargan", "late/late", convert=convert, score=evaluate("l1"))
    check(file, registry=with_late())
    for _ in range(2):  # the second time the data is there already
        with pytest.raises(ConfigError, match="convert") as error:
            run(file, device="cpu", registry=with_late())
        assert message in str(error.value) and "stages.train" not in str(error.value)
        assert (tmp_path / "runs/early/prepare").exists()
        assert not [*tmp_path.glob("runs/early/train*")], "the training has not begun"


def test_what_the_data_brings_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stages = {
        "one": infer(direction="to_blond"),
        "named": infer(direction="to", others={"class": "blond"}),
        "score": evaluate("l1", images="one"),
    }
    result = run(pipeline("stargan", "late/late", **stages), device="cpu", registry=with_late())
    pictures = [sorted(result.stages[name].glob("images/**/*.png")) for name in ("one", "named")]
    assert len(pictures[0]) == 4 and [p.read_bytes() for p in pictures[0]] == [p.read_bytes() for p in pictures[1]]


def test_classes_of_an_absent_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = pipeline("stargan", convert=infer(direction="to_cta"))
    file["stages"]["prepare"]["with"] = {"source": {"uses": "dataset", "name": "afhq"}}
    file["stages"]["convert"]["with"]["split"] = "val"
    assert "no direction 'to_cta'; this model has to, to_cat, to_dog, to_wild" in mistakes(file)
    unknown = "translate.data.sources.card_source.domain_sides"
    monkeypatch.setattr(unknown, lambda names, classes: domain_sides(names, ()))
    check(file)  # a card that names no classes: the data will tell


def test_classes_of_samples_are_checked() -> None:
    file = pipeline("stargan", convert=infer(direction="generate", count=2, others={"class": "blonde"}))
    file["stages"]["train"]["with"] = {"method": "latent/conditional"}
    assert "convert.with.others.class: input 'class' has no class 'blonde'; did you mean 'blond'" in mistakes(file)
