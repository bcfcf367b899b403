"""`docs/losses.md` against the registry: every term and every view has its place there, and the examples hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from translate.contracts import Use
from translate.pipeline.yamlfile import parse
from translate.plugins import Registry
from translate.stages.train import TrainStage
from translate.training.config import TrainConfig

PAGE = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def rows(title: str) -> Iterator[list[str]]:
    """The cells of the first table below a heading."""
    table = PAGE.split(f"\n## {title}\n")[1].split("\n|---")[1]
    for line in table.splitlines()[1:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_term_has_a_row_with_its_arguments_and_options(registry: Registry) -> None:
    found = {}
    for name, arguments, options, meaning, _ in rows("Terms"):
        assert meaning
        found[name] = (arguments, quoted(options))
    expected: dict[str, Any] = {}
    for name in registry.names("losses"):
        term = registry.get("losses", name)
        arguments = ", ".join(
            f"`{each}`" + ("" if needed else " (optional)") for each, needed in term.arguments().items()
        )
        defaults = {option: field.default for option, field in term.Config.model_fields.items()}
        shown = [f"{option}: {d.uses if isinstance(d, Use) else d}" for option, d in defaults.items()]
        expected[f"`{name}`"] = (arguments, shown)
    assert found == expected


def test_every_method_has_rows_with_its_views(registry: Registry) -> None:
    ours = {plugin.name for plugin in registry.plugins() if plugin.distribution == "translate-i2i"}
    methods, failed = registry.all_methods()
    assert not ours & failed.keys()
    expected = {}
    for name, method in methods.items():
        if name.partition("/")[0] in ours and method.players:
            assert method.views is not None, f"{name} does not declare its views"
            assert set(method.views) == set(method.players), name
            expected |= {(f"`{name}`", f"`{player}`"): list(views) for player, views in method.views.items()}
    assert {(method, player): quoted(views) for method, player, views in rows("Views")} == expected


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split()[1])
def test_examples_are_right(registry: Registry, text: str) -> None:
    config = TrainConfig.model_validate(parse(text, "losses.md").plain())
    assert config.extra_losses
    assert not list(TrainStage(config, registry, 0).check({}))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2
