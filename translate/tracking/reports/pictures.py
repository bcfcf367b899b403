"""The pictures of a report: the results of a pipeline's stages beside their inputs, each pair once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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


def stages_of(folder: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """The current stages of a pipeline's folder: their names, folders and manifests."""
    for link in sorted(path for path in folder.iterdir() if path.suffix not in (".json", ".html")):
        stage = follow(link)
        content = manifest.read(stage) if stage else None
        if stage is not None and content is not None and content.get("stage") == link.name:
            yield link.name, stage, content


def pairs(folder: Path, most: int) -> Iterator[tuple[str, list[Pair]]]:
    """For each current stage of a pipeline's folder that converted prepared data: its name and some pictures.

    Of stages that convert the same images in the same direction by the same model, such as once more in 16 bits, the
    first alone has pictures.
    """
    seen = set()
    for name, stage, content in stages_of(folder):
        if content.get("kind") != "images":
            continue
        try:
            facts = ImagesFacts.from_json(content.get("facts", {}))
        except ContractError:  # a stage of a plugin that says less of its images
            continue
        parents = content.get("parents", {})
        data = parents.get("data")
        what = (data, facts.source_side, parents.get("model"), facts.direction, facts.via, facts.split)
        if what in seen:
            yield name, []
        elif not data or not facts.split:
            seen.add(what)
        elif examples := _examples(folder / data / facts.split, stage / "images", facts, most):
            seen.add(what)
            yield name, examples


def _examples(root: Path, images: Path, facts: ImagesFacts, most: int) -> list[Pair]:
    targets = root / facts.target_side if facts.pairs and facts.target_side else None
    examples = []
    for path in spread(sorted(images.rglob("*.png")), most):
        name = path.relative_to(images)
        before = root / facts.source_side / name
        if before.is_file():
            target = targets / name if targets else None
            examples.append(Pair(name.with_suffix("").as_posix(), before, path, target))
    return examples


def versions(folder: Path) -> Mapping[str, str]:
    """The versions of Python and of the libraries that the current stages were made with, by name."""
    found: dict[str, str] = {}
    for _, _, content in stages_of(folder):
        found |= {str(name): str(version) for name, version in (content.get("versions") or {}).items()}
    return found
