"""Pictures for the report: small enough to be inlined, and found for the before / after comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from translate.contracts import ImagesFacts
from translate.errors import ContractError
from translate.storage import manifest
from translate.storage.pointer import follow

T = TypeVar("T")


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


@dataclass(frozen=True)
class Pair:
    """A converted picture: the input, the output, and the target where it is known."""

    name: str
    before: Path
    after: Path
    target: Path | None


def pairs(folder: Path, most: int) -> Iterator[tuple[str, list[Pair]]]:
    """For each current stage of a pipeline's folder that converted prepared data: its name and some pictures."""
    for link in sorted(path for path in folder.iterdir() if path.suffix not in (".json", ".html")):
        stage = follow(link)
        content = manifest.read(stage) if stage else None
        if stage is None or content is None or (content.get("stage"), content.get("kind")) != (link.name, "images"):
            continue
        data = content.get("parents", {}).get("data")
        try:
            facts = ImagesFacts.from_json(content.get("facts", {}))
        except ContractError:  # a stage of a plugin that says less of its images
            continue
        if not data or not facts.split:
            continue
        root = folder / data / facts.split
        outputs = spread(sorted((stage / "images").rglob("*.png")), most)
        names = [(path, path.relative_to(stage / "images")) for path in outputs]
        targets = root / facts.target_side if facts.pairs and facts.target_side else None
        examples = []
        for path, name in names:
            before = root / facts.source_side / name
            if before.is_file():
                target = targets / name if targets else None
                examples.append(Pair(name.with_suffix("").as_posix(), before, path, target))
        if examples:
            yield link.name, examples
