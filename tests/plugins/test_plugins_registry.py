"""Discovery by metadata, isolation of broken plugins, and the words for what is wrong with them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from plugin_sources import method

from translate.contracts import Config, NetworkUse, TransformUse
from translate.errors import ConfigError, PluginError
from translate.networks import network_builder
from translate.plugins import KINDS, Registry, resolve, switched, validate
from translate.plugins.catalogue import describe_method
from translate.plugins.discovery import plain_names

Install = Callable[..., Registry]


def test_installed_plugin_is_found_by_metadata_and_imported_when_named(install: Install) -> None:
    registry = install(acme=method("acme"), idle="raise SystemExit('never')")
    assert {"acme", "idle"} <= {p.name for p in registry.plugins()}
    assert "acme" not in sys.modules
    assert registry.get("methods", "acme").name == "acme"
    assert "idle" not in sys.modules
    assert registry.provider("methods", "acme") == {
        "distribution": "acme-translate",
        "version": "1.2",
        "module": "acme",
        "plugin": "acme",
        "revision": "1",
    }
    assert registry.get("methods", "acme") is registry.get("methods", "acme/acme")


def test_qualified_names_and_mappings(install: Install) -> None:
    source = method("second", returns='{"acme": Paper, "second": Paper}')
    registry = install(acme=source)
    assert registry.get("methods", "acme/second") is registry.get("methods", "acme")
    assert [n for n in registry.names("methods") if "acme" in n] == ["acme", "acme/second"]
    with pytest.raises(
        ConfigError, match=r"plugin 'acme' .* provides no method 'third'; it provides method acme/acme, "
    ):
        registry.get("methods", "acme/third")
    with pytest.raises(ConfigError, match=r"provides no transform 'acme'"):
        registry.get("transforms", "acme")


def test_two_entry_points_of_one_module(install: Install) -> None:
    source = method("x", returns='{"one": Paper, "two": Paper}')
    registry = install("acme-translate", "one = shared\ntwo = shared", shared=source)
    assert registry.get("methods", "one") is registry.get("methods", "two")


def test_unknown_names_get_a_suggestion_without_importing(install: Install) -> None:
    registry = install(acme=method("acme"))
    with pytest.raises(ConfigError, match=r"^there is no method 'acmee'; did you mean 'acme'\?$"):
        registry.get("methods", "acmee")
    with pytest.raises(ConfigError, match=r"^there is no plugin 'amce'; did you mean 'acme'\?$"):
        registry.get("losses", "amce/edge")
    with pytest.raises(ConfigError, match=r"^there is no transform 'resise'; did you mean 'resize'\?$"):
        registry.get("transforms", "resise")
    with pytest.raises(ConfigError, match=r"^there is no metric 'beauty'; there are [a-z0-9, -]+, l1, [a-z0-9, -]+$"):
        registry.get("metrics", "beauty")
    assert "acme" not in sys.modules


BROKEN = {
    "import": ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError: No module named"),
    "syntax": ("def (", "cannot be imported: SyntaxError: "),
    "exit": ("raise SystemExit('no licence')", "cannot be imported: SystemExit: no licence"),
    "unknown hook": (
        "from translate import hookimpl\n@hookimpl\ndef translate_method(): return []",
        "cannot be registered: there is no hook 'translate_method'; did you mean 'translate_methods'?",
    ),
    "unknown argument": (
        "from translate import hookimpl\n@hookimpl\ndef translate_stage_started(stag): pass",
        "cannot be registered: translate_stage_started has no argument 'stag'; did you mean 'stage'?",
    ),
    "raises": (
        "from translate import hookimpl\n@hookimpl\ndef translate_losses(): raise KeyError('x')",
        "cannot be registered: KeyError: 'x'",
    ),
    "no list": (
        "from translate import hookimpl\n@hookimpl\ndef translate_losses(): return 3",
        "cannot be registered: returned 3, not a list of classes or a mapping of names to classes",
    ),
    "not a method": (
        "from translate import hookimpl\n@hookimpl\ndef translate_methods(): return [dict]",
        "cannot be registered: dict in translate_methods is not a subclass of translate.Method",
    ),
    "instance": (
        method("acme", returns="[3]"),
        "cannot be registered: 3 in translate_methods is not a subclass of translate.Method",
    ),
    "no name": (method(""), "Paper in translate_methods needs a `name` of letters, digits, '-', '_' and '.', not ''"),
    "name twice": (method("acme", returns="[Paper, Paper]"), "has the name 'acme', which Paper has too"),
    "no losses": (method("acme").replace("    losses", "    lozzes"), "needs `losses`, a mapping of loss names"),
    "no players": (method("acme").replace("    players", "    player"), "needs `players`, a mapping of players"),
    "player as text": (
        method("acme").replace('("gen",)}', '"gen"}'),
        "has players without a tuple of network names: G",
    ),
    "no directions": (method("acme").replace("    directions", "    ways"), "needs `directions`, a mapping of names"),
    "direction as text": (
        method("acme").replace('Direction(nets=("gen",))', '"gen"'),
        "has directions that are not a translate.Direction: a_to_b",
    ),
    "data kind": (
        method("acme").replace('"paired"', '"pairs"'),
        "needs `data`, a translate.Sides or one of paired, unpaired",
    ),
    "abstract": (method("acme").replace("def step", "def stap"), "does not define step"),
    "observe": (
        method("acme").replace(
            "    def step", "    def observe(self, truth, direction, rng): return truth\n    def step"
        ),
        "Paper in translate_methods defines `observe`, which is called `degrade(self, target, direction, rng)` now",
    ),
    "config": (
        method("acme").replace("[NoOptions]", "").replace("    def step", "    Config = dict\n    def step"),
        "has a Config that is not a subclass of translate.Config",
    ),
    "revision": (
        method("acme").replace("    def step", "    revision = 'b'\n    def step"),
        "has the revision 'b', which is not a whole number",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_plugin_is_named_and_breaks_nothing_else(case: str, install: Install) -> None:
    source, message = BROKEN[case]
    registry = install(acme=source, good=method("good"))
    with pytest.raises(PluginError) as caught:
        registry.load("acme")
    text = str(caught.value)
    assert text.startswith("plugin 'acme' (acme-translate 1.2, entry point acme = acme) ")
    assert message in text
    assert registry.loaded() == {}
    assert registry.hook.translate_stage_started.get_hookimpls() == []
    assert registry.get("methods", "good").name == "good"
    methods, failures = registry.all_methods()
    assert "good" in methods
    assert [name for name in failures if name in ("acme", "good")] == ["acme"]


def test_name_given_by_two_distributions(install: Install) -> None:
    install("first", acme=method("acme"))
    registry = install("second", "acme = acme")
    with pytest.raises(
        PluginError, match=r"the plugin name 'acme' is given by (first|second) 1\.2 and (first|second) 1\.2"
    ):
        registry.get("methods", "acme")
    assert "acme" in registry.all_methods()[1]


def test_builtin_goes_before_a_plugin_of_its_name(install: Install) -> None:
    source = (
        "from translate import NoOptions, Transform, hookimpl\n"
        "class Mine(Transform[NoOptions]):\n    name = 'resize'\n    def __call__(self, images, seed): return images\n"
        "@hookimpl\ndef translate_transforms(): return [Mine]\n"
    )
    registry = install(resize=source)
    assert registry.get("transforms", "resize").__module__ == "translate.data.transforms"
    assert "resize" not in sys.modules
    assert registry.provider("transforms", "resize")["distribution"] == "translate-i2i"
    assert registry.get("transforms", "resize/resize").__name__ == "Mine"
    assert {"resize", "resize/resize"} <= set(registry.names("transforms"))


def test_build_gives_networks_defaults_that_options_override() -> None:
    registry = Registry([])
    plain = registry.build("unet_64", in_channels=3, out_channels=1, norm="instance", unheard_of=1)
    assert plain.config.norm == "instance"
    use = NetworkUse.model_validate({"uses": "unet_64", "norm": "batch"})
    assert network_builder(registry)(use, in_channels=3, out_channels=1, norm="instance").config.norm == "batch"
    with pytest.raises(ConfigError, match=r"unet_64: nrm: unknown key; did you mean 'norm'\?"):
        registry.build(NetworkUse.model_validate({"uses": "unet_64", "nrm": "batch"}), in_channels=3, out_channels=3)


class Inner(Config):
    rate: float = 0.5


class Outer(Config):
    inner: Inner = Inner()
    path: Path = Path("a/b")
    either: int | None = None
    kinds: frozenset[str] = frozenset({"b", "a"})
    steps: tuple[TransformUse, ...] = (TransformUse(uses="horizontal-flip"),)


def test_resolve_fills_in_defaults_of_the_components_that_are_used() -> None:
    registry = Registry([])
    flip = registry.get("transforms", "horizontal-flip").Config().model_dump()
    found, problems = resolve(Outer(), registry)
    assert problems == []
    assert found == {
        "inner": {"rate": 0.5},
        "path": "a/b",
        "either": None,
        "kinds": ["a", "b"],
        "steps": [{"uses": "horizontal-flip", **flip}],
    }
    outer, _ = validate(Outer, {"steps": ["resize", {"uses": "nothing"}, {"uses": "horizontal-flip", "pp": 1}]})
    _, problems = resolve(outer, registry)
    assert [(p.path, p.message.partition(";")[0]) for p in problems] == [
        (("steps", 0, "size"), "is required"),
        (("steps", 1, "uses"), "there is no transform 'nothing'"),
        (("steps", 2, "pp"), "unknown key"),
    ]


class Union(Config):
    workers: int | str = 1
    both: Inner | float = 1.0


def test_members_of_a_union_are_named_together() -> None:
    _, problems = validate(Union, {"workers": [1], "both": "x"})
    assert {p.path: p.message for p in problems} == {
        ("workers",): "must be a whole number or text, not a list",
        ("both",): "must be a mapping (key: value) or a number, not 'x'",
    }


def test_events_reach_named_plugins_alone(install: Install) -> None:
    listener = (
        "from translate import hookimpl\nHEARD = []\n"
        "@hookimpl\ndef translate_run_started(pipeline): HEARD.append(pipeline)\n"
    )
    registry = install(one=listener, two=listener)
    registry.load("one")
    registry.emit("run_started", pipeline="p", folder=Path(), stages=[])
    assert sys.modules["one"].HEARD == ["p"]
    assert "two" not in sys.modules


def test_first_party_plugins_are_entry_points_of_this_distribution() -> None:
    methods, failures = Registry().all_methods()
    if "cyclegan" not in methods and "cyclegan" not in failures:
        pytest.skip("translate-i2i is not installed here, so it has no entry points")
    provider = Registry().provider("methods", "cyclegan")
    assert (provider["distribution"], provider["plugin"]) == ("translate-i2i", "cyclegan")


def test_registry_without_entries_knows_built_ins_alone() -> None:
    registry: Any = Registry([])
    assert registry.plugins() == []
    assert "resize" in registry.names("transforms")
    assert registry.names("methods") == ["single-network"]
    assert Registry([EntryPoint("x", "nowhere", "translate")]).plugins()[0].distribution == "an unknown distribution"


def test_the_default_networks_of_every_method_can_be_described() -> None:
    registry = Registry()
    names, failures = registry.all_methods()
    assert not failures
    problems = {name: describe_method(registry, name)["problem"] for name in names}
    assert {name: problem for name, problem in problems.items() if problem} == {}


def test_built_ins_are_collected_by_the_plugin_manager_that_collects_plugins(install: Install) -> None:
    source = (
        "from translate import NoOptions, Transform, hookimpl\n"
        "class Mine(Transform[NoOptions]):\n    name = 'mine'\n    def __call__(self, images, seed): return images\n"
        "@hookimpl\ndef translate_transforms(): return [Mine]\n"
    )
    registry = install(acme=source)
    for name in ("resize", "acme/mine"):
        registry.get("transforms", name)
    provided = {component.name for classes in registry.hook.translate_transforms() for component in classes}
    assert {"resize", "mine"} < provided
    names = {each.plugin_name for each in registry.hook.translate_transforms.get_hookimpls()}
    assert names == {"translate.data.builtin", "acme"}


def test_plain_names_are_those_of_this_distribution(install: Install, site: Path) -> None:
    """Another distribution cannot take a name, and a plugin that is switched off takes its names with it."""
    install(acme="")
    with (next(site.glob("*.dist-info")) / "entry_points.txt").open("a") as entries:
        entries.write("[translate.names]\nnetworks.rrdb = acme\nnetworks.shiny = acme\n")
    importlib.invalidate_caches()
    owners = plain_names(["srgan", "acme"])
    assert owners["networks"] == dict.fromkeys(("srresnet", "rrdb", "srgan-critic"), "srgan") and not owners["metrics"]
    assert plain_names([]) == {kind: {} for kind in KINDS}


def test_a_plain_name_brings_its_plugin_when_it_is_named() -> None:
    registry = Registry()
    assert {"rrdb", "zhang", "resnet"} <= set(registry.names("networks"))
    assert registry.loaded() == {}
    rrdb = registry.get("networks", "rrdb")
    assert list(registry.loaded()) == ["srgan"] and rrdb is registry.get("networks", "srgan/rrdb")
    assert registry.provider("networks", "rrdb") == registry.provider("networks", "srgan/rrdb")
    assert registry.spelt("networks", "srgan", "rrdb") == "rrdb" and "srgan/rrdb" not in registry.names("networks")
    with pytest.raises(ConfigError, match="there is no network 'rrbd'; did you mean 'rrdb'"):
        registry.get("networks", "rrbd")


def test_a_plugin_that_is_off_takes_its_plain_names_with_it() -> None:
    with switched(off=["srgan"]):
        registry = Registry()
    assert "rrdb" not in registry.names("networks") and "zhang" in registry.names("networks")
    with pytest.raises(ConfigError, match=r"plugin 'srgan' \(translate-i2i\) is switched off"):
        registry.get("networks", "rrdb")
