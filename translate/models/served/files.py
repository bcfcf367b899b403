"""What makes a bundle an MLflow model as well: `MLmodel`, which names its loader, and the packages that it needs.

They are written without MLflow, which a training need not have, and hold neither code nor a clock.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from translate.contracts import Method
from translate.inference.directions import routes
from translate.models.served.signature import signature
from translate.storage.atomic import write_text
from translate.version import __version__

MLMODEL, REQUIREMENTS, PYTHON_ENV, CONDA = "MLmodel", "requirements.txt", "python_env.yaml", "conda.yaml"
FILES = (MLMODEL, REQUIREMENTS, PYTHON_ENV, CONDA)
LOADER = "translate.models.served.loader"
DISTRIBUTION = "translate-i2i"
CONFIG: Mapping[str, str] = {"device": "auto", "precision": "fp32"}
"""How the model computes; `mlflow.pyfunc.load_model(..., model_config={"device": "cpu"})` says otherwise."""


def write_mlflow_files(folder: Path, method: Method[Any], provider: Mapping[str, str]) -> None:
    """Writes them into a bundle's folder. `provider` is what the registry says of the method."""
    packages = pinned(provider)
    python = platform.python_version()
    write_text(folder / REQUIREMENTS, "".join(f"{package}\n" for package in packages))
    tools = ["pip", "setuptools", "wheel"]
    environment = {"python": python, "build_dependencies": tools, "dependencies": [f"-r {REQUIREMENTS}"]}
    write_text(folder / PYTHON_ENV, _yaml(environment))
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": packages}],
    }
    write_text(folder / CONDA, _yaml(conda))
    write_text(folder / MLMODEL, _yaml(_mlmodel(method, python)))


def _mlmodel(method: Method[Any], python: str) -> dict[str, Any]:
    function = {
        "loader_module": LOADER,
        "python_version": python,
        "env": {"conda": CONDA, "virtualenv": PYTHON_ENV},
        "config": dict(CONFIG),
    }
    version = _version("mlflow")
    columns = signature(routes(method), {name: each.options for name, each in method.directions.items()})
    return {
        "flavors": {"python_function": function},
        **({"mlflow_version": version} if version else {}),
        "signature": {part: json.dumps(value) if value else None for part, value in columns.items()},
    }


def pinned(provider: Mapping[str, str]) -> list[str]:
    """The packages that a model needs, in the versions that are installed: this one with all that it depends on, and
    the plugin of the method. One that no package brings is left out."""
    names = {DISTRIBUTION: __version__}
    for name in (*_dependencies(), provider.get("distribution", "")):
        if name and name not in names and (version := _version(name)):
            names[name] = version
    return [f"{name}=={version}" for name, version in names.items()]


def _dependencies() -> Iterator[str]:
    """The packages that this one depends on without extras; none where it runs without being installed."""
    try:
        stated: Iterable[str] = metadata.requires(DISTRIBUTION) or ()
    except metadata.PackageNotFoundError:
        stated = ("torch", "mlflow", "numpy", "safetensors", "pydantic")
    for text in sorted(stated):
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


@cache
def _version(name: str) -> str:
    """The installed version as an index has it, without `+cpu`; empty where the package is not installed."""
    try:
        return Version(metadata.version(name)).public
    except metadata.PackageNotFoundError:
        return ""


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=1_000_000)
