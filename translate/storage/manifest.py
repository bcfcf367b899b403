"""`MANIFEST.json`: what a finished folder holds. It is written last, so that a folder which has one is complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.storage.atomic import sha256_file, tree, write_json

NAME = "MANIFEST.json"


def write(folder: Path, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Hashes every file below `folder` and writes the manifest: `facts`, and `files` with size and SHA-256 of each.

    Returns what was written. Errors: OSError; ValueError when `facts` is not JSON.
    """
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in tree(folder)
        if path != folder / NAME
    }
    content = {**(facts or {}), "files": files}
    write_json(folder / NAME, content)
    return content


def read(folder: Path) -> dict[str, Any] | None:
    """The manifest of `folder`, or None where there is none that can be read (the folder is then not complete)."""
    try:
        content = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("files"), dict) else None


def hashes(content: Mapping[str, Any]) -> dict[str, str]:
    """Relative path -> SHA-256, as the manifest recorded it."""
    return {path: entry["sha256"] for path, entry in content["files"].items()}


def verify(folder: Path, *, content: Mapping[str, Any] | None = None, quick: bool = False) -> list[str]:
    """What is wrong with `folder`, one sentence each; empty when every file is as the manifest says.

    `quick` compares sizes only. Files that the manifest does not know are ignored: they were added later.
    """
    content = content or read(folder)
    if content is None:
        return [f"{folder / NAME} is missing or damaged"]
    wrong = []
    for name, entry in content["files"].items():
        path = folder / name
        try:
            if path.stat().st_size != entry["bytes"]:
                wrong.append(f"{path} has another size than when it was written")
            elif not quick and sha256_file(path) != entry["sha256"]:
                wrong.append(f"{path} has changed since it was written")
        except OSError:
            wrong.append(f"{path} is missing")
    return wrong
