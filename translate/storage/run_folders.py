"""The folders that the runs of a pipeline file leave, found without the plugins that the file names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from translate.errors import ConfigError

RUNS = Path("runs")
"""The folder of all outputs, below the working directory."""

SUFFIXES = (".yaml", ".yml")
MAX_FILES = 8
"""The longest chain of files that extend each other."""

_RESULT = re.compile(r".*-[0-9a-f]{8}(\.partial)?")
"""A folder that a stage's link leads to, or of a start that is not finished."""


def is_pipeline(ref: str | Path) -> bool:
    """Says whether a reference is a pipeline file, `a.yaml`, or one with a profile, `a.yaml@quick`."""
    return _parts(ref)[0].suffix.lower() in SUFFIXES


def stage_folders(ref: str | Path) -> list[Path]:
    """Where the results of a pipeline's stages are, in the order of the file, matrices unfolded as far as they ran.

    A folder need not be there. Errors: ConfigError where the file cannot be read.
    """
    file, profile = _parts(ref)
    content = _content(file)
    name, stages = content.get("name"), content.get("stages")
    if not isinstance(name, str) or not isinstance(stages, dict):
        raise ConfigError(f"{file}: is no pipeline: it has no name and stages")
    folder = RUNS / (f"{name}@{profile}" if profile else name)
    entries = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    folders: list[Path] = []
    for stage, entry in stages.items():
        folders.append(folder / str(stage))
        if isinstance(entry, dict) and "matrix" in entry:
            variants = [each for each in entries if each.startswith(f"{stage}-") and not _RESULT.fullmatch(each)]
            folders += [folder / each for each in variants]
    return folders


def profiles_that_ran(ref: str | Path) -> list[str]:
    """The profiles under which the pipeline of a file has a folder."""
    name = _content(_parts(ref)[0]).get("name")
    return sorted(path.name.rpartition("@")[2] for path in RUNS.glob(f"{name}@*") if path.is_dir())


def _parts(ref: str | Path) -> tuple[Path, str]:
    """The file and the profile of a reference; an existing file is meant as it is written."""
    text = str(ref)
    file, at, profile = text.rpartition("@")
    if not at or Path(text).is_file():
        return Path(text), ""
    return Path(file), profile


def _content(file: Path) -> dict[str, Any]:
    """The name and the stages of a file, together with those of the files that it extends. Errors: ConfigError."""
    content: dict[str, Any] = {}
    for _ in range(MAX_FILES):
        try:
            tree = yaml.safe_load(file.read_text("utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror or error}") from None
        except (ValueError, yaml.YAMLError):
            raise ConfigError(f"{file}: is no pipeline that can be read; see `translate check {file}`") from None
        if not isinstance(tree, dict):
            raise ConfigError(f"{file}: is no pipeline: it has no name and stages")
        stages = tree.get("stages")
        merged = {**(stages if isinstance(stages, dict) else {}), **content.get("stages", {})}
        content = {**tree, **content, "stages": merged}
        if not isinstance(tree.get("extends"), str):
            break
        file = file.parent / tree["extends"]
    return content
