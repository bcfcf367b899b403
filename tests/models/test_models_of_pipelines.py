"""A pipeline file as the reference of a model: the one that its run has trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from translate.errors import ConfigError
from translate.models.load import locate

FILE = "version: 1\nname: maps\nstages:\n  prepare: {uses: preprocess}\n  train: {uses: train}\n"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("maps.yaml").write_text(FILE)
    return tmp_path


def trained(*folders: str) -> None:
    for folder in folders:
        (Path("runs") / folder / "translator").mkdir(parents=True)
        (Path("runs") / folder / "translator" / "translator.json").write_text("{}")


def test_the_model_of_the_run(work: Path) -> None:
    with pytest.raises(ConfigError, match=r"^maps.yaml: no model of this pipeline is here; `translate run maps.yaml`"):
        locate("maps.yaml")
    trained("maps@quick/train")
    with pytest.raises(ConfigError, match=r"no model of this pipeline is here; for a run with a profile: maps.yaml@qu"):
        locate("maps.yaml")
    assert locate("maps.yaml@quick") == Path("runs/maps@quick/train/translator")
    trained("maps/train")
    assert locate(Path("maps.yaml")) == Path("runs/maps/train/translator")


def test_a_training_that_is_not_finished(work: Path) -> None:
    trained("maps/train-01234567.partial")
    assert locate("maps.yaml") == Path("runs/maps/train-01234567.partial/translator")


def test_several_models_have_to_be_told_apart(work: Path) -> None:
    Path("maps.yaml").write_text(FILE + "  more: {uses: train, matrix: {seed: [1, 2]}}\n")
    trained("maps/more-1", "maps/more-1-89abcdef")
    assert locate("maps.yaml") == Path("runs/maps/more-1/translator")
    trained("maps/train", "maps/more-2")
    with pytest.raises(ConfigError, match=r"give one of runs/maps/train, runs/maps/more-1, runs/maps/more-2"):
        locate("maps.yaml")


def test_a_file_that_extends_another(work: Path) -> None:
    Path("other.yaml").write_text("extends: maps.yaml\nname: other\nstages: {train: {with: {epochs: 2}}}\n")
    trained("other/train", "maps/train")
    assert locate("other.yaml") == Path("runs/other/train/translator")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "x.yaml: is no pipeline that can be read; see `translate check x.yaml`"),
        ("- 1", "x.yaml: is no pipeline: it has no name and stages"),
        ("a: 1", "x.yaml: is no pipeline: it has no name and stages"),
    ],
)
def test_what_is_no_pipeline(text: str, message: str, work: Path) -> None:
    Path("x.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        locate("x.yaml")
    assert str(caught.value) == message
    with pytest.raises(ConfigError, match=r"cannot read none.yaml: No such file"):
        locate("none.yaml")
