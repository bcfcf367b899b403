"""Finds what differs between two folders of results, byte for byte but for dates, durations and names of folders.

Masked, because they differ from run to run or say only where code lies: times, durations and speeds; the working
folder; the hash in `train-1a2b3c4d`; the modules of classes; in manifests the hashes of files (the files themselves are
compared), and of parents whose results hold durations.
"""

from __future__ import annotations

import difflib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z|\+00:00)?"), "<time>"),
    (re.compile(r"\b((images|flops)_per_second|data_wait|share_of_peak|seconds/\w+) [-+.\de]+"), r"\1 <measured>"),
    (re.compile(r"\b\d+(\.\d+)? (s|min|h|ms)\b"), "<duration>"),
    (re.compile(r"(?<=[\w\]])-[0-9a-f]{8}(?=\b)"), "-<id>"),
    (re.compile(r"\btranslate(_\w+)?(\.[A-Za-z_]\w*)+\.([A-Z]\w*)"), r"<module>.\3"),
)
"""What is replaced in every text, in this order."""

DROPPED = {"t", "started", "finished", "seconds", "module", "code", "images_per_second", "data_wait"}
DROPPED |= {"flops_per_second", "share_of_peak"}
"""Keys of JSON objects whose values are not compared; of `train/data_wait` the last part counts."""

MISSING = object()
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
PLAIN_TEXT = {".md", ".txt", ".yaml", ".html", ".svg"}
SKIPPED = {".lock", "console.txt", "codes.json", "pipeline.yaml", "api.py"}


@dataclass(frozen=True)
class Difference:
    """The first place in a file, or each, where two results differ."""

    file: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}: {self.text}" if self.where else f"{self.file}: {self.text}"


@dataclass(frozen=True)
class Side:
    """The results of one commit: `files` by a name that both commits share, `home` the folder in its texts."""

    home: str
    files: dict[str, Path]


def side(folder: Path, home: Path) -> Side:
    """The files below a case's folder; pointers are left out, since the folders that they name are listed."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _through_link(path, folder))
    names = {_name(path.relative_to(folder)): path for path in paths}
    return Side(str(home), {name: path for name, path in names.items() if Path(name).name not in SKIPPED})


def _through_link(path: Path, top: Path) -> bool:
    return any(parent.is_symlink() for parent in path.parents if top in parent.parents)


def _name(relative: Path) -> str:
    parts = [re.sub(r"^([\w.]+)-[0-9a-f]{8}$", r"\1", part) for part in relative.parts]
    return "/".join("run" if re.fullmatch(r"[0-9a-f]{8}", part) else part for part in parts)


def dropped(key: str) -> bool:
    """Whether the value of a key is not compared; those of `train/seconds/forward` and its like are times, too."""
    return key.rpartition("/")[2] in DROPPED or "seconds/" in key


def masked(text: str, home: str = "") -> str:
    """The text without what differs from run to run."""
    if home:
        text = text.replace(home, "<work>")
    for pattern, replacement in MASKS:
        text = pattern.sub(replacement, text)
    return text


def compare(old: Side, new: Side, chosen: Callable[[str], bool]) -> Iterator[Difference]:
    """All differences of the files whose names are `chosen`; a file that one side lacks is one."""
    for name in sorted(filter(chosen, old.files.keys() | new.files.keys())):
        if name not in new.files or name not in old.files:
            yield Difference(name, "", "only in NEW" if name in new.files else "only in OLD")
        else:
            yield from compare_files(name, (old.files[name], old.home), (new.files[name], new.home))


def compare_files(name: str, old: tuple[Path, str], new: tuple[Path, str]) -> Iterator[Difference]:
    """The differences of two files, each given with the working folder of its side. Equal bytes have none."""
    before, after = old[0].read_bytes(), new[0].read_bytes()
    if before == after:
        return
    suffix = Path(name).suffix.lower()
    if suffix in (".json", ".jsonl"):
        found = _json_differences(_parsed(name, before, old[1]), _parsed(name, after, new[1]))
    elif suffix in PLAIN_TEXT:
        found = _text_differences(masked(before.decode(), old[1]), masked(after.decode(), new[1]))
    elif suffix == ".safetensors":
        found = _tensor_differences(old[0], new[0])
    elif suffix == ".npy":
        found = iter([("", _array_difference(np.load(old[0]), np.load(new[0])))])
    elif suffix in PICTURES:
        found = iter([("", _picture_difference(before, after))])
    else:
        place = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), "the end")
        found = iter([(f"byte {place}", f"{len(before)} bytes in OLD, {len(after)} bytes in NEW")])
    for where, text in found:
        yield Difference(name, where, text)


def _parsed(name: str, content: bytes, home: str) -> Any:
    """JSON, or a list of the lines of JSON, without what is dropped and with masked texts."""
    document: Any
    if name.endswith(".jsonl"):
        document = [json.loads(line) for line in content.decode().splitlines()]
    else:
        document = json.loads(content)
    if Path(name).name == "MANIFEST.json":
        document = _without_hashes(document)
    return _reduced(document, home)


def _without_hashes(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest without the hashes of files, and of what depends on results that hold durations."""
    if "files" not in manifest:
        return dict.fromkeys(manifest, "<hash>")
    hidden = {**manifest, "files": sorted(manifest["files"])}
    if {"model", "images"} & manifest.get("parents", {}).keys():
        recipe = {**manifest["recipe"], "parents": sorted(manifest["recipe"]["parents"])}
        hidden |= {"fingerprint": "<hash>", "recipe": recipe}
    return hidden


def _reduced(value: Any, home: str) -> Any:
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if not dropped(key)}
        return {masked(key, home): _reduced(each, home) for key, each in kept.items()}
    if isinstance(value, list):
        return [_reduced(each, home) for each in value]
    return masked(value, home) if isinstance(value, str) else value


def _json_differences(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _json_differences(old.get(key, MISSING), new.get(key, MISSING), f"{where}.{key}".lstrip("."))
        if old.keys() == new.keys() and list(old) != list(new):
            yield where, "the keys stand in another order"
    elif isinstance(old, list) and isinstance(new, list):
        for index, (a, b) in enumerate(zip_longest(old, new, fillvalue=MISSING)):
            yield from _json_differences(a, b, f"{where}[{index}]")
    elif type(old) is not type(new) or repr(old) != repr(new):  # by `repr`, NaN equals NaN, and 0.0 is not -0.0
        yield where, f"{_shown(old)} in OLD, {_shown(new)} in NEW"


def _shown(value: Any) -> str:
    text = "nothing" if value is MISSING else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _text_differences(old: str, new: str) -> Iterator[tuple[str, str]]:
    """The runs of lines (and of HTML's tags) that differ."""
    a, b = (re.split(r"\n|(?<=>)(?=<)", text) for text in (old, new))
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag != "equal":
            yield (
                f"piece {start + 1}",
                f"{_shown(' '.join(a[start:end]))} in OLD, {_shown(' '.join(b[first:last]))} in NEW",
            )


def _tensor_differences(old: Path, new: Path) -> Iterator[tuple[str, str]]:
    a, b = load_file(old), load_file(new)
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            yield name, "only in NEW" if name in b else "only in OLD"
        elif a[name].dtype != b[name].dtype or a[name].tobytes() != b[name].tobytes():
            yield name, _array_difference(a[name], b[name])
    if a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a):
        yield "", "equal tensors, other bytes (their order, or the metadata)"


def _array_difference(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"{a.dtype} {a.shape} in OLD, {b.dtype} {b.shape} in NEW"
    apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return f"{np.count_nonzero(a != b)} of {a.size} values differ, by at most {np.nanmax(apart, initial=0):.3g}"


def _picture_difference(before: bytes, after: bytes) -> str:
    try:
        a, b = (np.asarray(Image.open(io.BytesIO(content))) for content in (before, after))
    except OSError:
        return f"{len(before)} bytes in OLD, {len(after)} other ones in NEW"
    if np.array_equal(a, b):
        return "equal pixels, other bytes (how the file is encoded)"
    return _array_difference(a, b)


def curves(journal: Path) -> dict[str, list[list[Any]]]:
    """Every metric of a tracking journal as pairs of step and value, without what was measured with a clock."""
    points: dict[str, list[list[Any]]] = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        for name, value in event["v"].items() if event["e"] == "metrics" else ():
            if not dropped(name):
                points.setdefault(name, []).append([event["s"], value])
    return points


def compare_curves(old: Side, new: Side, chosen: Callable[[str], bool]) -> Iterator[Difference]:
    """The metrics that differ in any bit, in the journals whose names are `chosen`."""
    for name in sorted(filter(chosen, old.files.keys() | new.files.keys())):
        a, b = (curves(each.files[name]) if name in each.files else {} for each in (old, new))
        for where, text in _json_differences(a, b):
            yield Difference(name, where, text)
