"""`methods` and `datasets`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from translate.cli.common import as_json, console, option_table, print_json, working_console

if TYPE_CHECKING:
    from translate.data.sources.cards import Card


@click.command()
@click.argument("name", required=False)
@as_json
def methods(name: str | None, as_json: bool) -> None:
    """The methods that are installed, or everything about the method NAME."""
    from translate.plugins import Registry
    from translate.plugins.catalogue import describe_method

    registry = Registry()
    if name is not None:
        method = describe_method(registry, name)
        print_json(method) if as_json else _show_method(method)
        return
    names, failures = registry.all_methods()
    listed = [describe_method(registry, each) for each in names]
    if as_json:
        print_json({"methods": listed, "failed": failures})
        return
    out = console()
    for method in listed:
        _summary(method)
    if not listed:
        out.say("no method is installed")
    for failure in failures.values():
        out.warn(failure)


def _summary(method: dict[str, Any]) -> None:
    out = console()
    out.say(f"{method['name']}  ({method['distribution']} {method['version']}): {_first_sentence(method['about'])}")
    out.say(f"  data        {method['sides']}")
    out.say(f"  directions  {'; '.join(_direction(n, d) for n, d in method['directions'].items())}")
    nets = ", ".join(f"{n} {net['uses']} {net['parameters']:,}" for n, net in method["networks"].items())
    out.say(f"  networks    {nets or method['problem']}")
    out.say(f"  losses      {', '.join(f'{loss} {weight:g}' for loss, weight in method['losses'].items())}")
    out.say(f"  options     {', '.join(option['name'] for option in method['options'])}")


def _first_sentence(text: str) -> str:
    """The first sentence of a docstring, however it is wrapped."""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s+(?=[A-Z])", paragraph)[0]


def _direction(name: str, direction: dict[str, Any]) -> str:
    scale = f" x{direction['scale']}" if direction["scale"] != 1 else ""
    return f"{name} ({', '.join(direction['inputs'])} -> {direction['output']}{scale})"


def _show_method(method: dict[str, Any]) -> None:
    out = console()
    out.say(f"{method['name']}, revision {method['revision']}  ({method['distribution']} {method['version']})")
    out.say(f"{method['about']}\n\ndata: {method['sides']}\n")
    directions = [(n, ", ".join(d["inputs"]), d["output"], d["scale"]) for n, d in method["directions"].items()]
    out.table("directions", ("name", "inputs", "output", "scale"), directions)
    owner: dict[str, str] = {}
    for player, names in method["players"].items():
        owner |= dict.fromkeys(names, player)
    nets = [(n, owner.get(n, "-"), net["uses"], f"{net['parameters']:,}") for n, net in method["networks"].items()]
    out.say("")
    if method["problem"]:
        out.warn(f"the default networks cannot be built: {method['problem']}")
    else:
        out.table("networks (3 channels)", ("name", "player", "default", "trainable parameters"), nets)
    out.say("")
    out.table("losses", ("name", "default weight"), list(method["losses"].items()))
    out.say("")
    option_table(out, "options", method["options"])


@click.group(invoke_without_command=True)
@click.pass_context
def datasets(ctx: click.Context) -> None:
    """Datasets that pipelines can name."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_datasets)


@datasets.command("list")
@as_json
def list_datasets(as_json: bool = False) -> None:
    """All dataset cards, and which of them are here."""
    from translate.data.sources.cards import data_root, list_cards

    cards = list_cards()
    here = {card.name: (data_root() / card.name).is_dir() for card in cards}
    if as_json:
        print_json({"datasets": [{**card.model_dump(mode="json"), "here": here[card.name]} for card in cards]})
        return
    rows = []
    for card in cards:
        counts = ", ".join(f"{split} {max(count.a, count.b)}" for split, count in card.splits.items())
        kinds, there = " or ".join(card.kinds), "yes" if here[card.name] else "no"
        rows.append((card.name, card.title, kinds, counts, _download(card), there))
    console().table("", ("name", "what", "data", "images per side", "download", "here"), rows)


def _download(card: Card) -> str:
    if card.archive is None:
        return "by hand"
    return f"{card.archive.bytes / 1e6:,.0f} MB" if card.archive.bytes else "unknown"


@datasets.command("show")
@click.argument("name")
@as_json
def show_dataset(name: str, as_json: bool) -> None:
    """The card of the dataset NAME: source, licence, layout, size."""
    from translate.data.sources.cards import load_card

    card = load_card(name).model_dump(mode="json")
    if as_json:
        print_json(card)
        return
    import yaml

    console().say(yaml.safe_dump(card, sort_keys=False, allow_unicode=True).rstrip())


@datasets.command("fetch")
@click.argument("name")
@click.option("--root", type=click.Path(path_type=Path), help="Where to put it; default: TRANSLATE_DATA, else ./data.")
@as_json
def fetch_dataset(name: str, root: Path | None, as_json: bool) -> None:
    """Download the dataset NAME from its official source; a stopped download goes on where it was."""
    from translate.data.sources.cards import fetch

    folder = fetch(name, root, working_console(as_json))
    if as_json:
        print_json({"name": name, "folder": str(folder)})


COMMANDS = (methods, datasets)
