"""What is built from the repository holds what it should, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

from translate.version import __version__

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def build(source: Path, target: str, output: Path) -> Path:
    """Builds as `make wheel` and `make sdist` do, and returns the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (file,) = output.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source package, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build(ROOT, "sdist", folder / "built")) as packed:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and newer
            packed.extractall(folder, filter="data")
        else:
            packed.extractall(folder)
    return folder / f"translate_i2i-{__version__}"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as packed:
        return set(packed.namelist())


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as packed:
        return Parser().parsestr(packed.read(f"translate_i2i-{__version__}.dist-info/METADATA").decode())


def test_the_wheel_holds_the_engine_the_plugins_the_recipes_and_the_cards(wheel: Path) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "translate").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for file in (ROOT / "plugins").rglob("*.py"):
        expected.add(file.relative_to(ROOT / "plugins").as_posix())
    for folder in ("pipelines", "datasets"):
        expected |= {f"translate/_share/{folder}/{file.name}" for file in (ROOT / folder).glob("*.yaml")}
    info = {name for name in names(wheel) if ".dist-info/" in name}
    assert names(wheel) - info == expected
    assert "translate/py.typed" in expected
    assert f"translate_i2i-{__version__}.dist-info/licenses/LICENSE" in info


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    told = metadata(wheel)
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("translate-i2i", __version__, "Apache-2.0")
    assert told["License-File"] == "LICENSE"
    assert told["Description-Content-Type"] == "text/markdown"
    assert told["Requires-Python"] == ">=3.11"
    assert {"docs", "onnx", "ray"} <= set(told.get_all("Provides-Extra") or [])


def test_the_source_package_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert names(build(sdist, "wheel", tmp_path)) == names(wheel)
    for file in ("LICENSE", "README.md", "CHANGELOG.md", "docs/index.md", "tests/packaging/test_packaging.py"):
        assert (sdist / file).is_file()
    for folder in (".venv", "runs", "site", "dist"):
        assert not (sdist / folder).exists()


def test_what_a_container_is_built_from_is_enough(wheel: Path, tmp_path: Path) -> None:
    """The files that `.dockerignore` lets through build the same wheel, and the Dockerfile names no others."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert rules[0] == "*"
    context = tmp_path / "context"
    context.mkdir()
    for name in allowed:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, context / name)
    assert names(build(context, "wheel", tmp_path / "built")) == names(wheel)
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            *sources, _ = line.split()[1:]
            assert set(sources) <= {".", *allowed}


@pytest.mark.parametrize("file", ["CITATION.cff", "CHANGELOG.md"])
def test_the_version_is_the_same_everywhere(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert f"version: {__version__}" in text or f"## [{__version__}]" in text


def test_workflows_are_right() -> None:
    """GitHub shows mistakes in these files only once they are there: at least they are YAML, and cover the systems."""
    others = (".pre-commit-config.yaml", "mkdocs.yml", "CITATION.cff")
    for file in (*(ROOT / ".github").rglob("*.yml"), *(ROOT / name for name in others)):
        assert yaml.safe_load(file.read_text("utf-8")), file
    tests = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))
    systems = {each["os"] for each in tests["jobs"]["platforms"]["strategy"]["matrix"]["include"]}
    assert systems == {"ubuntu-latest", "macos-latest", "windows-latest"}
    assert (ROOT / "tests/tools/try_installed.py").is_file()
