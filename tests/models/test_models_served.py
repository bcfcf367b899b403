"""A bundle as MLflow's python function: what the files say, and every form of a picture in and out."""

from __future__ import annotations

import base64
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from translate.contracts import Config, DataSpec, Direction
from translate.imaging.io import decode, encode
from translate.inference.translator import Translator
from translate.models.bundle import write_bundle
from translate.models.served.signature import signature

pandas = pytest.importorskip("pandas")


class Strange:
    """A type that JSON has no words for."""


class Odd(Config, arbitrary_types_allowed=True):
    what: Strange | None = None
    number: int = 3


class Knobs(Config):
    strength: float = 1.0
    times: int = 2
    kind: str | None = None


@pytest.fixture
def two(tiny: Any) -> Any:
    """A method of two directions, one of which has a further image and options."""

    class Two(tiny):  # type: ignore[misc]
        name = "two"
        directions = {
            "a_to_b": Direction(nets=("gen",)),
            "mixed": Direction(nets=("gen",), inputs=("image", "style"), options=Knobs),
        }

        def translate(self, nets: Any, inputs: Any, direction: Any, draw: Any) -> Any:
            image = nets.gen(inputs["image"])
            if direction == "a_to_b":
                return image
            return (image + direction.options.strength * inputs["style"]) / 2

    return Two


@pytest.fixture
def method(two: Any) -> Any:
    spec = DataSpec("paired", {"input": 3, "target": 3}, (32, 32))
    return two(two.Config(), spec, {"l1": 1.0})


@pytest.fixture
def folder(tmp_path: Path, method: Any) -> Path:
    nets = method.networks(None)
    provider = {"distribution": "numpy", "version": "x", "module": "y"}
    write_bundle(tmp_path / "m", method=method, method_name="two", nets=nets, provider=provider, info={})
    return tmp_path / "m"


@pytest.fixture
def served(method: Any) -> Any:
    from translate.models.served.loader import Served

    nets = method.networks(None)
    nn.init.constant_(nets["gen"].mix.weight, 0.3)
    return Served(Translator(method, nets, {}))


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 256, (13, 22, 3), np.uint8)


def text(image: np.ndarray[Any, Any], suffix: str = ".png") -> str:
    return base64.b64encode(encode(image, suffix)).decode()


def table(*cells: Any, **others: Any) -> Any:
    return pandas.DataFrame({"image": list(cells), **{name: [value] for name, value in others.items()}})


def pixels(cell: str) -> np.ndarray[Any, Any]:
    return decode(base64.b64decode(cell), "answer").pixels


def test_the_files_say_how_it_is_loaded_and_what_it_takes(folder: Path) -> None:
    said = yaml.safe_load((folder / "MLmodel").read_text())
    function = said["flavors"]["python_function"]
    assert function["loader_module"] == "translate.models.served.loader" and "code" not in function
    inputs, outputs, params = (json.loads(said["signature"][part]) for part in ("inputs", "outputs", "params"))
    assert [(column["name"], column["required"]) for column in inputs] == [("image", True), ("style", False)]
    assert [column["name"] for column in outputs] == ["image"]
    assert {param["name"]: param["default"] for param in params} == {
        "direction": "a_to_b",
        "seed": 0,
        "strength": 1.0,
        "times": 2,
    }
    packages = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split())
    assert packages["mlflow"] == metadata.version("mlflow") and "translate-i2i" in packages
    assert packages["torch"] == torch.__version__.partition("+")[0]
    conda = yaml.safe_load((folder / "conda.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == [f"{name}=={version}" for name, version in packages.items()]


def test_mlflow_reads_the_signature(folder: Path) -> None:
    from mlflow.models import Model

    signature = Model.load(str(folder / "MLmodel")).signature
    assert signature.inputs.required_input_names() == ["image"]
    assert [param.name for param in signature.params] == ["direction", "seed", "strength", "times"]


def test_every_form_of_a_picture(served: Any, image: Any) -> None:
    expected = served.model(image)
    for cell in (text(image), "data:image/png;base64," + text(image), encode(image, ".png"), text(image).encode()):
        assert np.array_equal(pixels(served.predict(table(cell))["image"][0]), expected)
    assert np.array_equal(pixels(served.predict(table(text(image, ".bmp")))["image"][0]), expected)
    assert np.array_equal(served.predict(table(image))["image"][0], expected)
    assert np.array_equal(served.predict(table(image.tolist()))["image"][0], expected)


def test_sixteen_bits_and_transparency_stay(served: Any) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (8, 8, 3), np.uint16)
    assert pixels(served.predict(table(text(deep)))["image"][0]).dtype == np.uint16
    clear = np.random.default_rng(2).integers(0, 256, (8, 8, 4), np.uint8)
    answer = decode(base64.b64decode(served.predict(table(text(clear)))["image"][0]), "answer")
    assert np.array_equal(answer.alpha, clear[..., 3])


def test_rows_of_several_sizes_and_none(served: Any, image: Any) -> None:
    answers = served.predict(table(text(image), text(image[:5]), text(image)))["image"]
    assert [pixels(answer).shape for answer in answers] == [(13, 22, 3), (5, 22, 3), (13, 22, 3)]
    assert len(served.predict(pandas.DataFrame({"image": []}))) == 0


def test_another_direction_with_a_further_image_and_options(served: Any, image: Any) -> None:
    params = {"direction": "mixed", "strength": 0.5, "times": 2}
    answer = served.predict(table(text(image), style=text(255 - image)), params)
    expected = served.model(image, "mixed", style=255 - image, strength=0.5)
    assert np.array_equal(pixels(answer["image"][0]), expected)


@pytest.mark.parametrize(
    ("cells", "params", "message"),
    [
        ({"image": ["no base64!"]}, {}, "row 0, column 'image': an image is the base64 of its file"),
        ({"image": [base64.b64encode(b"text").decode()]}, {}, "row 0, column 'image'"),
        ({"image": [None]}, {}, "row 0: there is no image"),
        ({"picture": ["x"]}, {}, "row 0: there is no image in the column 'image'"),
        ({"image": ["/etc/passwd"]}, {}, "row 0, column 'image'"),
        ({"image": ["x"]}, {"direction": "b_to_a"}, "b_to_a"),
    ],
)
def test_what_is_wrong_is_said(served: Any, cells: Any, params: Any, message: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=message) as raised:
        served.predict(pandas.DataFrame(cells), params)
    assert raised.value.get_http_status_code() == 400


def test_a_further_image_that_lacks_is_said(served: Any, image: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="direction 'mixed' needs the column 'style'"):
        served.predict(table(text(image)), {"direction": "mixed"})


def test_options_that_json_cannot_tell_do_no_harm(served: Any) -> None:
    said = signature(served.model.routes, {"a_to_b": Odd})
    assert [param["name"] for param in said["params"]] == ["direction", "seed"]
