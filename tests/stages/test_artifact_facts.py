"""Facts of artifacts: what is read from a manifest is written again to the byte, whatever version wrote it."""

import json
from dataclasses import replace

import pytest

from translate.contracts import DatasetFacts, ImagesFacts, ModelFacts, ScoresFacts
from translate.errors import ContractError

PROMISED = {
    "kind": "paired",
    "splits": ["train", "test"],
    "pairs": ["test"],
    "classes": ["x"],
    "palette": [[1, 2, 3]],
    "direction": "b_to_a",
}
WRITTEN = {
    **PROMISED,
    "channels": {"input": 3, "target": 1},
    "counts": {"train": {"input": 2, "target": 2}, "test": {"input": 1, "target": 1}},
    "size": None,
    "bits": 16,
}
ROUTE = {
    "nets": ["gen"],
    "inputs": ["image", "exemplar"],
    "sides": ["with", "without"],
    "target": None,
    "output": "image",
    "scale": 1,
    "tiles": [2, 3],
}
MODEL = {"method": "acme/hats", "data": "attribute", "directions": {"swap": ROUTE}}
START = {"direction": "a_to_b", "split": "test", "source_side": "a"}
IMAGES = {**START, "target_side": "b", "pairs": False, "data": "unpaired", "count": 4}
RETURNED = {**START, "data": "unpaired", "target_side": "a", "pairs": True, "via": ["a_to_b"], "count": 4}
FOLDER = {**START, "split": None, "target_side": "b", "pairs": False, "data": None}


@pytest.mark.parametrize(
    ("kind", "recorded"),
    [
        (DatasetFacts, PROMISED),
        (DatasetFacts, WRITTEN),
        (DatasetFacts, {**WRITTEN, "size": [6, 8]}),
        (ModelFacts, MODEL),
        (ImagesFacts, IMAGES),
        (ImagesFacts, RETURNED),
        (ImagesFacts, FOLDER),
        (ScoresFacts, {}),
    ],
)
def test_facts_are_written_as_they_were_read(kind, recorded):
    facts = kind.from_json(recorded)
    assert json.dumps(facts.to_json()) == json.dumps(recorded)
    assert kind.from_json(facts.to_json()) == facts
    with pytest.raises(AttributeError):
        facts.artifact = "other"


def test_manifests_of_earlier_versions_are_read():
    old = {name: {k: v for k, v in route.items() if k != "tiles"} for name, route in MODEL["directions"].items()}
    assert ModelFacts.from_json({**MODEL, "directions": old}).directions["swap"].tiles == (1, 1)
    assert DatasetFacts.from_json({"kind": "single", "later": 1}) == DatasetFacts("single")


def test_what_is_not_there_is_none_and_what_is_wrong_is_named():
    assert DatasetFacts.of({}, "data") is None and DatasetFacts.of({"data": {}}, "data") is None
    assert DatasetFacts.of({"data": PROMISED}, "data").pairs == ("test",)
    with pytest.raises(ContractError, match="the facts of a model lack 'directions'; there are method, data"):
        ModelFacts.from_json({"method": "m", "data": "paired"})


def test_what_a_method_may_know():
    facts = DatasetFacts.from_json(WRITTEN)
    assert facts.spec().size == (0, 0) and facts.spec((4, 6)).size == (4, 6)
    assert replace(facts, size=(6, 8)).spec().size == (6, 8)
    assert facts.spec().channels == {"input": 3, "target": 1} and facts.spec().palette == ((1, 2, 3),)
    assert ModelFacts.from_json(MODEL).nets == ("gen",)
