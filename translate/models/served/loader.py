"""The function that MLflow calls: images in as text, bytes or arrays, images out in the same form.

MLflow imports this module by the name in `MLmodel`; nothing else does. It runs no code of a bundle, and opens no file
that a request names.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from translate.contracts import Route
from translate.errors import ConfigError, TranslateError
from translate.inference.translator import Translator
from translate.models.load import load
from translate.models.served.pictures import answer, is_missing, picture
from translate.models.served.signature import IMAGE, is_picture, output_column


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Served:
    """The model of the bundle in `path`; `model_config` may hold `device` and `precision`. Errors: MlflowException."""
    config = dict(model_config or {})
    try:
        return Served(load(Path(path), config.get("device", "auto"), precision=config.get("precision", "fp32")))
    except TranslateError as error:
        raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error


class Served:
    """A model for MLflow. One request is answered at a time: what another one asks for waits."""

    def __init__(self, model: Translator) -> None:
        self.model = model
        self._lock = threading.Lock()

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pandas.DataFrame:
        """A row of answers for each row of `data`, a table with the columns of the signature.

        `params` are `direction`, `seed`, and the options of the direction. Errors: MlflowException that says which row
        and column is wrong, and how.
        """
        try:
            with self._lock:
                return self._answers(pandas.DataFrame(data), dict(params or {}))
        except TranslateError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error

    def _answers(self, table: pandas.DataFrame, params: dict[str, Any]) -> pandas.DataFrame:
        route = self.model.route(params.pop("direction", None))
        seed = int(params.pop("seed", None) or 0)
        fields = self.model.method.directions[route.name].options.model_fields
        options = {name: value for name, value in params.items() if name in fields and value is not None}
        rows: list[dict[str, Any]] = table.to_dict(orient="records")
        images = [self._main(route, row, number) for number, row in enumerate(rows)] if route.main else []
        given: dict[str, Any] = {name: self._others(route, name, rows) for name in route.others}
        if not rows:
            results: Sequence[Any] = []
        elif route.main:
            results = self.model(images, route.name, seed=seed, **options, **given)
        else:
            results = self.model.sample(len(rows), route.name, seed=seed, **options, **given)
        return pandas.DataFrame([_columns(route, result) for result in results])

    def _main(self, route: Route, row: Mapping[str, Any], number: int) -> Any:
        value = row.get(IMAGE)
        if is_missing(value):
            raise ConfigError(f"row {number}: there is no image in the column {IMAGE!r}")
        return picture(value, f"row {number}, column {IMAGE!r}", labels=_is_labels(route, route.main or ""))

    def _others(self, route: Route, name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """A further input of all rows: images, and classes and numbers as they are."""
        values: list[Any] = []
        for number, row in enumerate(rows):
            value = row.get(name)
            if is_missing(value):
                raise ConfigError(f"row {number}: direction {route.name!r} needs the column {name!r}")
            if is_picture(route, name):
                value = picture(value, f"row {number}, column {name!r}", labels=_is_labels(route, name))
            values.append(value)
        return values


def _is_labels(route: Route, name: str) -> bool:
    return name in route.types and route.types[name].type == "labels"


def _columns(route: Route, result: Any) -> dict[str, Any]:
    """The columns of one answer."""
    outputs = result if isinstance(result, Mapping) else {output_column(route): result}
    named = {output_column(route) if name == "output" else name: value for name, value in outputs.items()}
    return {name: answer(value, name) for name, value in named.items()}
