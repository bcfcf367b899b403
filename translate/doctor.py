"""Diagnoses this installation: what is wrong, and how to mend it. Every check is quick and none of them raises."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions, requires
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

DISTRIBUTION = "translate-i2i"
PYTHON = (3, 11)
SPACE = 5e9
"""Bytes that the datasets and checkpoints of one run may well need."""

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One checked thing: `fail` keeps the tool from working, `warn` may surprise; `mend` says what to do."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def diagnose() -> list[Finding]:
    """All findings, in the order in which a person would check them."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python, _torch, _dependencies, _opencv, _namesake, _plugins, _tracking, _disk, _writable, _cards,
    )  # fmt: skip
    findings = []
    for check in checks:
        try:
            findings += list(check())
        except Exception as error:  # a check that cannot be made is itself a finding
            findings.append(Finding(check.__name__.strip("_"), "warn", f"not checked: {type(error).__name__}: {error}"))
    return findings


def _python() -> Iterator[Finding]:
    good = sys.version_info >= PYTHON
    mend = "" if good else f"use Python {'.'.join(map(str, PYTHON))} or newer"
    yield Finding("python", "ok" if good else "fail", f"{platform.python_version()} at {sys.executable}", mend)


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:
        yield Finding("torch", "fail", f"cannot be imported: {error}", "pip install 'torch>=2.6'")
        return
    from translate.device import precision, resolve
    from translate.threads import cores

    kind, mend = resolve(), ""
    if kind in ("cuda", "xpu"):
        library = torch.cuda if kind == "cuda" else torch.xpu
        gpus = [library.get_device_properties(i) for i in range(library.device_count())]
        device = ", ".join(f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in gpus)
    elif kind == "mps":
        device = "an Apple chip (mps)"
    else:
        device = f"CPU with {cores()} cores, {torch.get_num_threads()} threads; no GPU that torch can use"
        mend = "training the full recipes takes a GPU; the profiles quick and cpu do not"
    half = precision("auto", kind)
    fast = f"{half} is fast here" if half != "fp32" else "bf16 is not fast here, fp32 is used"
    yield Finding("torch", "ok", f"{torch.__version__} on {device}; {fast}", mend)


def _dependencies() -> Iterator[Finding]:
    """The installed versions against what this distribution asks for."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires(DISTRIBUTION) or []]
    except PackageNotFoundError:
        yield Finding("dependencies", "warn", f"{DISTRIBUTION} is not installed, only importable", "pip install -e .")
        return
    right, wrong = [], False
    for need in wanted:
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        version = _version(need.name)
        if version and need.specifier.contains(version, prereleases=True):
            right.append(f"{need.name} {version}")
            continue
        wrong = True
        detail = f"{version} is outside {need.specifier}" if version else "is not installed"
        yield Finding(need.name, "fail", detail, f"pip install '{need.name}{need.specifier}'")
    if not wrong:
        yield Finding("dependencies", "ok", ", ".join(right))


def _opencv() -> Iterator[Finding]:
    """Two OpenCV distributions in one environment overwrite each other's files."""
    distributions_of_cv2 = (
        "opencv-python",
        "opencv-contrib-python",
        "opencv-python-headless",
        "opencv-contrib-python-headless",
    )
    there = [f"{name} {version}" for name in distributions_of_cv2 if (version := _version(name))]
    if len(there) > 1:
        others = " ".join(name.split()[0] for name in there)
        mend = f"pip uninstall -y {others} && pip install opencv-python-headless"
        yield Finding("opencv", "fail", f"{' and '.join(there)} both unpack into cv2/", mend)
    else:
        yield Finding("opencv", "ok", there[0] if there else "none")


def _namesake() -> Iterator[Finding]:
    """The package index has another project named `translate`; its files take the place of ours."""
    try:
        other: Distribution | None = distribution("translate")
    except PackageNotFoundError:
        other = None
    if other:
        mend = f"pip uninstall -y translate && pip install --force-reinstall --no-deps {DISTRIBUTION}"
        yield Finding("name", "fail", f"another project's `translate` {other.version} shares our import name", mend)
    twice = [d for d in distributions() if (d.metadata["Name"] or "").lower() == DISTRIBUTION]
    if len(twice) > 1:
        versions = " and ".join(sorted(d.version for d in twice))
        yield Finding(
            "name", "warn", f"{DISTRIBUTION} is installed more than once: {versions}", "pip uninstall it twice"
        )


def _plugins() -> Iterator[Finding]:
    from translate.plugins import Registry

    registry = Registry()
    failed = registry.load_all()
    loaded = [f"{name} {plugin.version}" for name, plugin in sorted(registry.loaded().items())]
    yield Finding("plugins", "ok" if loaded else "warn", ", ".join(loaded) or "none that work")
    for name, why in failed.items():
        yield Finding(f"plugin {name}", "fail", why, "mend or uninstall it; the others work without it")


def _tracking() -> Iterator[Finding]:
    """Whether the tracking store can be used. Nothing is created and no table is changed."""
    from translate.tracking.redact import redact
    from translate.tracking.store_uri import DEFAULT_STORE, database, is_folder, store_uri

    uri = store_uri()
    file, parts = database(uri), urlsplit(uri)
    if file:
        yield _tracking_file(file, redact(uri))
    elif parts.hostname:
        yield _tracking_server(parts, redact(uri))
    elif is_folder(uri):
        mend = f"set MLFLOW_TRACKING_URI={DEFAULT_STORE}, or unset it"
        yield Finding("tracking", "warn", f"{redact(uri)} is a folder, and newer versions of MLflow refuse it", mend)
    else:
        detail = f"{redact(uri)} is neither a database file nor a server"
        yield Finding("tracking", "warn", detail, "unset MLFLOW_TRACKING_URI")


def _tracking_file(file: Path, shown: str) -> Finding:
    """What state the database is in, and whether it and the place of its artifacts can be written."""
    from translate.tracking.database import State, advice, state_of
    from translate.tracking.store_uri import ARTIFACTS, UnreachableError

    folder = next(parent for parent in file.parents if parent.exists())
    try:
        state = state_of(file)
    except UnreachableError as error:
        return Finding("tracking", "fail", str(error), f"chmod u+rw {file}")
    if state is State.MISSING:
        if not os.access(folder, os.W_OK):
            mend = "set MLFLOW_TRACKING_URI to a database in a folder of yours"
            return Finding("tracking", "fail", f"{shown} cannot be made: {folder} cannot be written", mend)
        return Finding("tracking", "ok", f"{shown}: made by the first run")
    if state is not State.READY:
        detail, mend = advice(state, file)
        return Finding("tracking", "warn" if state is State.HALF_MADE else "fail", detail, mend)
    if not os.access(file, os.R_OK | os.W_OK) or not os.access(folder, os.W_OK):
        # SQLite writes a journal beside the file, so the folder has to be writable, too
        return Finding("tracking", "fail", f"{shown} cannot be written", f"chmod u+rw {file}; chmod u+rwx {folder}")
    artifacts = file.parent / ARTIFACTS
    if artifacts.exists() and not os.access(artifacts, os.W_OK):
        detail = f"{artifacts} cannot be written: curves are recorded, pictures are not"
        return Finding("tracking", "warn", detail, f"chmod u+rwx {artifacts}")
    return Finding("tracking", "ok", f"{shown}, {file.stat().st_size / 1e6:.1f} MB; `translate ui` shows it")


def _tracking_server(parts: SplitResult, shown: str) -> Finding:
    """Whether anybody listens at the address of the server."""
    ports = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
    port = parts.port or ports.get(parts.scheme.split("+")[0], 80)
    try:
        socket.create_connection((str(parts.hostname), port), timeout=3).close()
    except OSError as error:
        mend = "start it or unset MLFLOW_TRACKING_URI; runs go on without it, `translate track sync` catches up"
        return Finding("tracking", "warn", f"{shown} does not answer: {error}", mend)
    return Finding("tracking", "ok", f"{shown} answers")


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(".").free
    scarce = free < SPACE
    mend = "free some space, or work in another folder" if scarce else ""
    yield Finding("disk", "warn" if scarce else "ok", f"{free / 1e9:.1f} GB free in {Path.cwd()}", mend)


def _writable() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir="."):
            pass
        yield Finding("working directory", "ok", f"{Path.cwd()} can be written")
    except OSError as error:
        mend = "change to a folder of your own: runs/ and mlflow.db are written there"
        yield Finding("working directory", "fail", f"{Path.cwd()} cannot be written: {error.strerror}", mend)


def _cards() -> Iterator[Finding]:
    from translate.data.sources.cards import list_cards
    from translate.errors import TranslateError

    try:
        names = [card.name for card in list_cards()]
    except TranslateError as error:
        yield Finding("datasets", "fail", str(error), f"pip install --force-reinstall {DISTRIBUTION}")
        return
    yield Finding("datasets", "ok" if names else "warn", f"{len(names)} cards: {', '.join(names)}")


def _version(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None
