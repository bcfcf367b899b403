"""The model card: what a bundle is, how it was made, and the command that uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from translate.contracts import TestTime


def test_time_in_words(test_time: TestTime) -> str:
    """What the networks do at inference, as a sentence."""
    norm = {
        "running": "batch norms use their running averages",
        "image": "batch norms use the statistics of each image alone",
    }[test_time.norm]
    dropout = "dropout stays on, seeded per image" if test_time.dropout else "dropout is off"
    return f"{dropout}; {norm}"


def model_card(facts: Mapping[str, Any], samples: Sequence[str]) -> str:
    """Markdown from the facts of `translator.json`; `samples` are picture paths relative to the card."""
    plugin, spec = facts["plugin"], facts["spec"]
    source = " ".join(str(plugin[k]) for k in ("distribution", "version") if plugin.get(k)) or "unknown"
    lines = [
        f"# {facts['method']}",
        "",
        f"An image-to-image translation model, {_made(facts, source)}.",
        "",
        "| | |",
        "|---|---|",
        *(
            [f"| trained on | {spec['kind']} images at {spec['size'][0]} x {spec['size'][1]} (height x width) |"]
            if "imported" not in facts
            else [f"| found and assumed | {note} |" for note in facts["imported"]["notes"]]
        ),
        f"| channels | {', '.join(f'{side}: {n}' for side, n in spec['channels'].items())} |",
        *(
            f"| network `{net}` | {s['parameters']:,} parameters, {s['class']} |"
            for net, s in facts["networks"].items()
        ),
        *(f"| {key} | {facts[key]} |" for key in ("weights", "step", "ema", "pipeline", "data") if key in facts),
        *(f"| {name} | {value} |" for name, value in facts["metrics"].items()),
        f"| at inference | {facts['test_time']['text']} |",
        "",
        "## Directions",
        "",
    ]
    for name, direction in facts["directions"].items():
        extra = "".join(f" --with {other}=FILE" for other in direction["inputs"][1:])
        target = direction["target"] or "an image"
        lines += [
            f"`{name}`: {', '.join(direction['sides'])} to {target}, size times {direction['scale']}",
            "",
            f"    translate convert INPUT OUTPUT --model . --direction {name}{extra}",
            "",
        ]
    if samples:
        lines += ["## Samples", "", *(f"![{name}]({name})" for name in samples), ""]
    lines += [
        "## Licence",
        "",
        "The weights may be bound by the terms of the training images: look those up before you share them.",
        "",
    ]
    return "\n".join(lines)


def _made(facts: Mapping[str, Any], source: str) -> str:
    """How the weights came about: a training here, or a checkpoint of another program."""
    if "imported" not in facts:
        return f"trained with the method `{facts['method']}` (plugin: {source})"
    origin = facts["imported"]
    network = ", ".join(f"{key} {value}" for key, value in origin["network"].items() if key != "uses")
    return (
        f"imported from `{origin['file']}` (sha256 {origin['sha256'][:16]}...), a {origin['network']['uses']} "
        f"({network}) that {origin['layout']} trained"
    )
