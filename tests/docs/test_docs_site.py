"""The site of documentation: complete, up to date, built without a warning and without the network."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import translate
import translate.contracts
import translate.testing
from translate.plugins import ENGINE, Registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    shown = re.findall(r"^::: translate\.([\w.]+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE)
    public = {*translate.__all__} - {"__version__"}
    assert sorted(shown) == sorted([*public, *(f"testing.{name}" for name in translate.testing.__all__)])


def test_every_method_is_on_the_page_of_methods() -> None:
    registry = Registry()
    registry.load_all()
    page = (DOCS / "methods.md").read_text("utf-8")
    ours = [name for name in registry.names("methods") if registry.provider("methods", name)["distribution"] == ENGINE]
    assert len(ours) > 10
    assert [name for name in ours if f"`{name}`" not in page] == []
    recipes = {file.name for file in (ROOT / "pipelines").glob("*.yaml")}
    assert set(re.findall(r"`(\w+\.yaml)`", page)) == recipes


def test_the_reference_of_the_contract_is_complete_and_up_to_date() -> None:
    tool = runpy.run_path(str(DOCS / "tools" / "contract.py"))
    assert (DOCS / "contract.md").read_text("utf-8") == tool["page"]()
    assert tool["undescribed"]() == []
    shown = set(re.findall(r"^### (\w+)$", tool["page"](), re.MULTILINE))
    classes = {name for name in translate.contracts.__all__ if inspect.isclass(getattr(translate.contracts, name))}
    assert shown == classes
    for name in (each for each in classes if dataclasses.is_dataclass(getattr(translate.contracts, each))):
        section = tool["page"]().split(f"### {name}\n")[1].split("\n### ")[0]
        for field in dataclasses.fields(getattr(translate.contracts, name)):
            assert f"| `{field.name}` |" in section, (name, field.name)


def test_the_picture_of_the_rooms_is_up_to_date() -> None:
    command = [sys.executable, "docs/tools/architecture.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 12
    for page in pages:
        html = page.read_text("utf-8")
        assert re.findall(r"<(?:script|img|iframe)[^>]*\bsrc=\"?(?:https?:)?//", html) == [], page
        assert re.findall(r"<link[^>]*rel=\"?stylesheet\"?[^>]*href=\"?(?:https?:)?//", html) == [], page
