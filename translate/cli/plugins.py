"""`plugins`: what is installed, and a new one to begin with."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from translate.cli.common import as_json, console, option_table, print_json, working_console
from translate.cli.plugin_check import check_plugins
from translate.errors import ConfigError, PluginError

if TYPE_CHECKING:
    from translate.plugins import Registry


@click.group(invoke_without_command=True)
@click.pass_context
def plugins(ctx: click.Context) -> None:
    """Installed plugins, and new ones."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_plugins)


@plugins.command("list")
@as_json
def list_plugins(as_json: bool = False) -> None:
    """List each installed plugin with what it provides, and which ones are broken. All of them are imported."""
    from translate.plugins import Registry
    from translate.plugins.catalogue import describe_plugin
    from translate.plugins.registry import singular

    registry = Registry()
    failures = registry.load_all()
    described = []
    for each in registry.plugins():
        described.append({**describe_plugin(registry, each), "error": failures.get(each.name)})
    if as_json:
        print_json({"plugins": [_short(plugin) for plugin in described]})
        return
    out = console()
    for plugin in described:
        _headline(plugin)
        parts = chain.from_iterable(plugin["provides"].values())
        width = max((len(part["name"]) for part in parts), default=0)
        for kind, of in plugin["provides"].items():
            for part in of:
                out.say(f"  {singular(kind):9}  {part['name']:{width}}  {_line(part)}")
    if not described:
        out.say("no plugin is installed")
    for failure in failures.values():
        out.warn(failure)


@plugins.command("show")
@click.argument("name")
@as_json
def show_plugin(name: str, as_json: bool) -> None:
    """Everything that the plugin NAME provides, with all options; `translate` names what is built in."""
    from translate.plugins import Registry

    plugin = _described(Registry(), name)
    if as_json:
        print_json(plugin)
    else:
        _show(plugin)
    if plugin["error"]:
        raise click.exceptions.Exit(1)


def _described(registry: Registry, name: str) -> dict[str, Any]:
    """A plugin, or the built-in components. Errors: ConfigError where there is no such plugin."""
    from translate.plugins.catalogue import describe_builtins, describe_plugin

    plugin = next((each for each in registry.plugins() if each.name == name), None)
    if plugin is None and name == "translate":
        return {**describe_builtins(), "error": None}
    error = None
    try:
        plugin = registry.load(name)  # the name of a library is one of no plugin, and is loaded all the same
    except ConfigError:
        if plugin is None:
            raise
    except PluginError as failure:
        error = str(failure)
    assert plugin is not None
    return {**describe_plugin(registry, plugin), "error": error}


def _short(plugin: dict[str, Any]) -> dict[str, Any]:
    """The description of a plugin in a list: its components by kind and name, each in a sentence."""
    provides = {}
    for kind, components in plugin["provides"].items():
        provides[kind] = {each["name"]: each["about"] for each in components}
    return {**{key: value for key, value in plugin.items() if key != "hooks"}, "provides": provides}


def _headline(plugin: dict[str, Any]) -> None:
    facts = [f"{plugin['distribution']} {plugin['version']}", plugin["file"] or f"{plugin['module']}, no file"]
    if plugin["seconds"] is not None:
        facts.append(f"{1000 * plugin['seconds']:.0f} ms")
    state = " is broken" if plugin["error"] else ""
    if plugin["off"]:
        state = " is switched off"
    console().say(f"{plugin['name']}{state}  ({', '.join(facts)})")


def _show(plugin: dict[str, Any]) -> None:
    from translate.plugins.registry import singular

    out = console()
    _headline(plugin)
    if plugin["hooks"]:
        out.say(f"hooks: {', '.join(plugin['hooks'])}")
    for kind, of in plugin["provides"].items():
        for each in of:
            out.say(
                f"\n{singular(kind)} {each['name']}, revision {each['revision']}  ({each['class']})\n{each['about']}"
            )
            if each["options"]:
                out.say(each["options_about"])
                option_table(out, "", each["options"])
    if plugin["error"]:
        out.warn(plugin["error"])


def _line(component: dict[str, Any]) -> str:
    """The first sentence about a component, on one line."""
    return " ".join(component["about"].split()).partition(". ")[0].removesuffix(".")


KINDS = {
    "method": "networks that train as players of a game, for images to images",
    "stochastic-method": "a method with many answers to an image, drawn from noise that each image has for itself",
    "multi-domain-method": "a method between any number of domains, the wanted one given by name",
    "network": "an architecture that methods name as generator or critic",
    "loss": "a further loss for any method that publishes what it needs",
    "objective": "the adversarial game of generators and critics, for methods that leave the choice",
    "optimizer": "how an update moves the weights of a player",
    "schedule": "the learning rate over a training",
    "metric": "a score of outputs, by a formula",
    "metric-with-weights": "a score in the features of a network, whose weights come from a file",
    "source": "images from a place or a format of your own, or drawn ones",
    "transform": "a change of images before a network sees them: preparation or augmentation",
    "device-transform": "an augmentation of whole batches on the device",
    "stage": "a step of a pipeline with a result of its own",
    "listener": "something that happens when runs start, validate or end, such as a message",
    "format": "files of images that translate cannot read or write yet",
    "exporter": "trained models as files for other programs",
    "command": "a command of your own: `translate NAME`",
}
"""The kinds of plugin that can be begun, each with what it is for; `translate.plugins.scaffold` writes them."""

KINDS_HELP = "\b\nKinds:\n" + "\n".join(f"  {kind:20} {about}" for kind, about in KINDS.items())


@plugins.command("new", epilog=KINDS_HELP)
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice([*KINDS]), metavar="KIND", help="What it adds; see below.")
@click.option("--output", type=click.Path(path_type=Path), help="The folder to make; default: translate-NAME.")
@as_json
def new_plugin(name: str, kind: str, output: Path | None, as_json: bool) -> None:
    """Write a package with the plugin NAME, which works at once: module, test, pipeline, README."""
    from translate.plugins import Registry
    from translate.plugins.scaffold import scaffold

    out = working_console(as_json)
    root = click.get_current_context().find_root().command
    if kind == "command" and isinstance(root, click.Group) and name in root.commands:
        raise ConfigError(f"there is a built-in command {name!r}, which would go first; take another name")
    files = scaffold(name, kind, output, Registry())
    folder = files[0].parent
    if as_json:
        print_json({"folder": str(folder), "files": [file.relative_to(folder).as_posix() for file in files]})
        return
    pipeline = next(file for file in files if file.suffix == ".yaml")
    out.say("\n".join(str(file) for file in files))
    out.say(f"\nnext:\n  pip install -e {folder}\n  pytest {folder}\n  translate run {pipeline} --profile quick")


plugins.add_command(check_plugins)
COMMANDS = (plugins,)
