"""Every option has words, and the pages that are made of these words are up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from translate.contracts import ComponentKind
from translate.pipeline.schema import Frame, Profile, StageFrame, StagePatch
from translate.plugins import ENGINE, KINDS, Registry
from translate.plugins.catalogue import options

ROOT = Path(__file__).resolve().parents[2]
SENTENCE = 12
"""Characters of the shortest description that says something."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    registry = Registry()
    assert not registry.load_all()
    return registry


def wordless(config: type[BaseModel]) -> list[str]:
    return [option["name"] for option in options(config) if len(option["about"]) < SENTENCE]


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_a_component_has_words(kind: ComponentKind, registry: Registry) -> None:
    wordless_options = {}
    for name in registry.names(kind):
        if registry.provider(kind, name)["distribution"] == ENGINE:
            wordless_options[name] = wordless(registry.get(kind, name).Config)
    assert not {name: missing for name, missing in wordless_options.items() if missing}


@pytest.mark.parametrize("frame", [Frame, StageFrame, StagePatch, Profile])
def test_every_key_of_a_pipeline_file_has_words(frame: type[BaseModel]) -> None:
    assert not wordless(frame)


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_says_what_it_is(kind: ComponentKind, registry: Registry) -> None:
    for name in registry.names(kind):
        component = registry.get(kind, name)
        assert component.__dict__.get("__doc__") or component.__doc__, name
        assert not (component.__doc__ or "").startswith("What "), name


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "docs/tools/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_up_to_date() -> None:
    for path, text in generator().pages().items():
        assert path.read_text("utf-8") == text, f"docs/{path.name} is not up to date; run `make docs`"


def test_a_page_shows_type_range_default_and_meaning() -> None:
    row = {"name": "size", "type": "int | none", "range": "at least 8", "required": False, "default": 256}
    table = generator().table([{**row, "about": "Side of a square,\nin pixels."}])
    assert table.splitlines()[-1] == "| `size` | int \\| none, at least 8 | `256` | Side of a square, in pixels. |"


class Blank(BaseModel):
    """Options without words."""

    width: int = 3


def test_an_option_without_words_is_seen() -> None:
    assert wordless(Blank) == ["width"]
