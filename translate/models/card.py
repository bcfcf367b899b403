"""The model card: what a bundle is, how it was made, and the command that uses it."""

from __future__ import annotations

from collections.abc import Sequence

from translate.contracts import TestTime
from translate.models.facts import BundleFacts, plugin_in_words


def test_time_in_words(test_time: TestTime) -> str:
    """What the networks do at inference, as a sentence."""
    norm = {
        "running": "batch norms use their running averages",
        "image": "batch norms use the statistics of each image alone",
    }[test_time.norm]
    dropout = "dropout stays on, seeded per image" if test_time.dropout else "dropout is off"
    return f"{dropout}; {norm}"


def model_card(facts: BundleFacts, samples: Sequence[str]) -> str:
    """Markdown from the facts of `translator.json`; `samples` are picture paths relative to the card."""
    spec, recorded = facts.spec, facts.recorded
    source = plugin_in_words(facts.plugin) or "unknown"
    if facts.imported is None:
        height, width = spec.size
        data = f"{spec.kind} images" if spec.kind else spec.data.in_words()
        origin = [f"| trained on | {data} at {height} x {width} (height x width) |"]
    else:
        origin = [f"| found and assumed | {note} |" for note in facts.imported.notes]
    lines = [
        f"# {facts.method}",
        "",
        f"An image-to-image translation model, {_made(facts, source)}.",
        "",
        "| | |",
        "|---|---|",
        *origin,
        f"| channels | {', '.join(f'{side}: {n}' for side, n in spec.channels.items())} |",
        *(f"| network `{net}` | {n.parameters:,} parameters, {n.class_name} |" for net, n in facts.networks.items()),
        *(f"| {key} | {recorded[key]} |" for key in ("weights", "step", "ema", "pipeline", "data") if key in recorded),
        *(f"| {name} | {value} |" for name, value in facts.metrics.items()),
        f"| at inference | {facts.test_time_text} |",
        "",
        "## Directions",
        "",
    ]
    for name, direction in facts.directions.items():
        extra = "".join(f" --with {other}=FILE" for other in direction.others)
        target = direction.target or "an image"
        sides = ", ".join(side for side in direction.sides if side) or "nothing"
        lines += [
            f"`{name}`: {sides} to {target}, size times {direction.scale}",
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


def _made(facts: BundleFacts, source: str) -> str:
    """How the weights came about: a training here, or a checkpoint of another program."""
    origin = facts.imported
    if origin is None:
        return f"trained with the method `{facts.method}` (plugin: {source})"
    network = ", ".join(f"{key} {value}" for key, value in origin.options.items())
    return (
        f"imported from `{origin.file}` (sha256 {origin.sha256[:16]}...), a {origin.kind} "
        f"({network}) that {origin.layout} trained"
    )
