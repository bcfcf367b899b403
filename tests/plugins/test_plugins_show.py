"""`plugins list` and `plugins show`: everything that is installed, with every option."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

from click.testing import CliRunner, Result
from plugin_sources import method
from pydantic import BaseModel

from translate.cli import main
from translate.contracts import Use
from translate.plugins import ENGINE, KINDS, Registry
from translate.plugins.catalogue import options
from translate.plugins.options import models

Install = Callable[..., Registry]


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def fields(config: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of all options, those of nested models too; of steps that `uses` names, once for each name."""
    chosen: set[type[BaseModel]] = set()
    for name, field in config.model_fields.items():
        key = prefix + (field.alias or name)
        step = name_of_step(config)
        if not (name == "uses" and step):
            yield key
        for model in models(field.annotation):
            if issubclass(model, Use) or model in chosen:
                continue
            if inner := name_of_step(model):
                chosen.add(model)
            yield from fields(model, f"{key}.{inner}." if inner else f"{key}.")


def name_of_step(model: type[BaseModel]) -> str:
    """`blur` of a model with `uses: Literal["blur"]`; else nothing."""
    uses = model.model_fields.get("uses")
    return str(get_args(uses.annotation)[0]) if uses and get_origin(uses.annotation) is Literal else ""


def test_every_option_of_every_method_is_shown() -> None:
    registry = Registry()
    methods, failures = registry.all_methods()
    assert not failures
    for name, found in methods.items():
        plugin = registry.provider("methods", name)["plugin"]
        shown = json.loads(cli("plugins", "show", plugin, "--json").stdout)
        (entry,) = (each for each in shown["provides"]["methods"] if each["name"] == name)
        assert [o["name"] for o in entry["options"]] == list(fields(found.Config)), name
        assert all(o["type"] and "typing" not in o["type"] and "[<" not in o["type"] for o in entry["options"])


def test_defaults_are_those_that_act() -> None:
    """A nested default of the method goes before that of the nested class: WGAN clips in GeneGAN."""
    found = {o["name"]: o for o in options(Registry().get("methods", "genegan").Config)}
    assert found["objective"]["default"] == {"uses": "wgan"}
    assert found["objective"]["type"] == "objective"
    assert (found["width"]["default"], found["width"]["type"]) == (128, "int")


def test_show_as_text_has_a_line_an_option() -> None:
    lines = cli("plugins", "show", "pix2pix").stdout.splitlines()
    assert re.fullmatch(r"pix2pix  \(translate-i2i \S+, .*translate_pix2pix/__init__.py, \d+ ms\)", lines[0])
    assert lines[1] == "hooks: translate_methods"
    assert any(re.fullmatch(r"generator +network +unet_256 +The generator G, .*", line) for line in lines)
    assert any(re.fullmatch(r"norm +batch \| instance \| none +batch +The norm of .*", line) for line in lines)


def test_show_of_the_engine_has_every_built_in_component() -> None:
    shown = json.loads(cli("plugins", "show", "translate", "--json").stdout)
    registry = Registry([])
    for kind in KINDS:
        assert [each["name"] for each in shown["provides"][kind]] == registry.names(kind)
    undescribed = [f"{kind}/{e['name']}" for kind, of in shown["provides"].items() for e in of if not e["about"]]
    assert not [name for name in undescribed if not name.startswith("networks/")], (
        "presets have no docstring of their own"
    )


def test_list_has_a_line_a_component_and_the_time_of_the_import(install: Install, site: Path) -> None:
    install(acme=method("acme", "Paper").replace("    name,", '    """Does\n    this. And that."""\n    name,', 1))
    listed = cli("plugins", "list")
    lines = listed.stdout.splitlines()
    (head,) = (n for n, line in enumerate(lines) if line.startswith("acme  "))
    assert re.fullmatch(rf"acme  \(acme-translate 1\.2, {re.escape(str(site))}/acme\.py, \d+ ms\)", lines[head])
    assert lines[head + 1] == "  method     acme  Does this"
    found = {
        p["name"]: p
        for p in json.loads(cli("plugins", "--help").stdout and cli("plugins", "list", "--json").stdout)["plugins"]
    }
    assert found["acme"]["provides"] == {"methods": {"acme": "Does\nthis. And that."}}
    assert 0 < found["acme"]["seconds"] < 5
    assert found["acme"]["module"] == "acme"


def test_file_of_a_plugin_that_cannot_be_imported(install: Install, site: Path) -> None:
    (site / "package").mkdir()
    (site / "package" / "__init__.py").write_text("raise SystemExit")
    (site / "package" / "part.py").write_text("")
    install("acme-translate", "one = package.part\ntwo = package\nthree = nowhere.at.all")
    found = {p["name"]: p for p in json.loads(cli("plugins", "list", "--json").stdout)["plugins"]}
    files = {name: found[name]["file"] for name in ("one", "two", "three")}
    assert files == {"one": f"{site}/package/part.py", "two": f"{site}/package/__init__.py", "three": None}
    assert cli("plugins", "list").stdout.count("is broken") == 3


def test_unknown_plugin_gets_a_suggestion() -> None:
    done = cli("plugins", "show", "pix2pxi")
    assert (done.exit_code, done.stderr) == (2, "error: there is no plugin 'pix2pxi'; did you mean 'pix2pix'?\n")


def test_every_option_of_every_shipped_component_has_words() -> None:
    registry = Registry()
    registry.load_all()
    silent, spoken = [], 0
    for kind in KINDS:
        for name in registry.names(kind):
            if registry.provider(kind, name)["distribution"] != ENGINE:
                continue
            described = list(options(registry.get(kind, name).Config))
            silent += [f"{kind}/{name}: {option['name']}" for option in described if not option["about"].strip()]
            spoken += len(described)
    assert not silent and spoken > 400
