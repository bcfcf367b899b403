"""Pickles that mean harm, and files that are none: refused with a reason, and nothing of them runs."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from translate.errors import ConfigError, DataError
from translate.storage import unpickle, untrusted
from translate.storage.untrusted import read_tensors


class Payload:
    """Unpickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def bytes_of(value: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, **options)
    return stream.getvalue()


def bomb() -> bytes:
    """The pickle of a real checkpoint in front of zeros that unpack to far more than the file holds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        archive.writestr("archive/data/0", bytes(50_000_000))
    return stream.getvalue()


STATE = {"a.weight": torch.arange(3000.0)}
WHOLE, LEGACY = bytes_of(STATE), bytes_of(STATE, _use_new_zipfile_serialization=False)
TOUCH = "touch canary"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: bytes_of({"a": Payload(os.system, TOUCH)}), r"it asks for \w+\.system, .*not looked up or run"),
        (lambda: bytes_of(Payload(os.system, TOUCH), _use_new_zipfile_serialization=False), r"asks for \w+\.system"),
        (lambda: bytes_of({**STATE, "b": Payload(eval, "open('canary', 'w')")}), "it asks for .*eval"),
        (lambda: bytes_of({**STATE, "b": Payload(exec, "open('canary', 'w')")}), "it asks for .*exec"),
        (lambda: bytes_of({"a": Payload(getattr, 1, "real")}), "it asks for .*getattr"),
        (lambda: pickle.dumps(Payload(os.system, TOUCH)), "it asks for|no file of torch.save"),
        (lambda: pickle.dumps(Payload(os.system, TOUCH), protocol=0), "it asks for|no file of torch.save"),
        (lambda: bytes_of(torch.nn.Linear(1, 1)), "it asks for torch.nn.modules.linear.Linear"),
        (lambda: WHOLE[: len(WHOLE) // 2], "damaged or truncated archive"),
        (lambda: LEGACY[:-1000], "truncated, damaged"),
        (lambda: bytes(range(256)) * 20, "no file of torch.save"),
        (lambda: b"", r"it is empty \(0 bytes\)"),
        (bomb, r"entries unpack to 50,000,0\d\d bytes"),
        (lambda: bytes_of({"a": torch.zeros(1).expand(10**6, 10**6)}), "tensors claim 4,000,000,000,000 bytes"),
        (lambda: bytes_of([torch.zeros(1)]), "it holds a list"),
        (lambda: bytes_of({"a": torch.eye(2).to_sparse()}), "tensor a is not plain numbers"),
    ],
)
def test_refused_with_a_reason_and_nothing_runs(
    content: Callable[[], bytes], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even without the child's limits, and where somebody's switch asks torch to trust what it reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    file = tmp_path / "file.pth"
    file.write_bytes(content())
    with pytest.raises(unpickle.RefusedError, match=reason) as refused:
        unpickle.read_networks(file)
    assert "weights_only" not in str(refused.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file.pth"]


def test_a_payload_through_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch.py").write_text("open('canary', 'w')")  # a module in the working directory is not taken either
    file = tmp_path / "file.pth"
    file.write_bytes(bytes_of({"a": Payload(os.system, TOUCH)}))
    with pytest.raises(DataError, match=r"file.pth: refused: it asks for \w+\.system, which weights do not need"):
        read_tensors(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file.pth", "torch.py"]


def test_the_payload_would_have_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary is alive: Python's own unpickler lets it out."""
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload(os.system, TOUCH)))
    assert (tmp_path / "canary").exists()


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(1)
    shared = torch.randn(4, 6, generator=rng)
    state = {"view": shared.t(), "part": shared[1:3], "half": torch.ones(2).half(), "count": torch.tensor(7)}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "file.pth")
    found = read_tensors(tmp_path / "file.pth")
    assert set(found) == set(state)
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in state.items())


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.pth"
    file.write_bytes(WHOLE)
    monkeypatch.setattr(untrusted, "PATIENCE", 0.01)
    with pytest.raises(DataError, match=r"refused: reading it takes longer than 0\.01 s"):
        read_tensors(file)
    monkeypatch.setattr(untrusted, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match=f"refused: {len(WHOLE):,} bytes are more than the 1,000"):
        read_tensors(file)
    with pytest.raises(ConfigError, match=r"this is a folder; name the file of weights in it: file\.pth"):
        read_tensors(tmp_path)
    with pytest.raises(ConfigError, match="there is no such file"):
        read_tensors(tmp_path / "none.pth")


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A pickle of a storage that claims 8 G numbers, in the format that allocates what is claimed."""
    forged = LEGACY.replace(b"M\xb8\x0b", b"\x8a\x05" + (8 << 30).to_bytes(5, "little"))  # 3000, as pickle writes it
    assert forged != LEGACY
    (tmp_path / "file.pth").write_bytes(forged)
    with pytest.raises(DataError, match="refused: reading it takes more memory than a file of its size may"):
        read_tensors(tmp_path / "file.pth")
