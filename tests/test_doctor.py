from __future__ import annotations

import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from translate import doctor
from translate.doctor import Finding, diagnose


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def found(name: str) -> Finding:
    (finding,) = [finding for finding in diagnose() if finding.name == name]
    return finding


def versions(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    """Makes the environment look as if these distributions were installed, `_` for `-`."""

    def distribution(name: str) -> Any:
        version = installed.get(name.lower().replace("-", "_"))
        if version is None:
            raise PackageNotFoundError(name)
        return SimpleNamespace(version=version)

    monkeypatch.setattr(doctor, "distribution", distribution)


def test_a_sound_environment_has_nothing_that_fails(tmp_path: Path) -> None:
    findings = diagnose()
    names = [finding.name for finding in findings]
    wanted = ["python", "torch", "opencv", "plugins", "tracking", "disk", "working directory", "datasets"]
    assert [name for name in names if name in wanted] == wanted
    assert [finding for finding in findings if finding.status == "fail"] == []
    assert list(tmp_path.iterdir()) == []


def test_every_fault_comes_with_its_mending(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, opencv_python="4.11", opencv_python_headless="4.12", translate="3.6.1", torch="1.0")
    monkeypatch.setattr(doctor, "requires", lambda name: ["torch>=2.6,<2.14", "rich>=13", 'x; extra == "dev"'])
    faults = {finding.name: finding for finding in diagnose() if finding.status == "fail"}
    assert sorted(faults) == ["name", "opencv", "rich", "torch"]
    assert all(fault.mend for fault in faults.values())
    assert faults["opencv"].detail == "opencv-python 4.11 and opencv-python-headless 4.12 both unpack into cv2/"
    assert faults["name"].detail == "another project's `translate` 3.6.1 shares our import name"
    assert faults["torch"].detail == "1.0 is outside <2.14,>=2.6"
    assert faults["rich"].detail == "is not installed"


def test_a_local_version_is_inside_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, torch="2.13.0+cu130")
    monkeypatch.setattr(doctor, "requires", lambda name: ["torch>=2.6,<2.14"])
    assert found("dependencies").status == "ok"


def test_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PYTHON", (4, 0))
    assert found("python").status == "fail"


def test_a_broken_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from translate.plugins import Registry

    monkeypatch.setattr(Registry, "load_all", lambda self: {"acme": "acme 1.0: cannot be imported: no module named x"})
    finding = found("plugin acme")
    assert (finding.status, finding.detail) == ("fail", "acme 1.0: cannot be imported: no module named x")


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr(doctor.shutil, "disk_usage", broken)
    assert found("disk") == Finding("disk", "warn", "not checked: OSError: the disk is gone")


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e9))
    assert found("disk").status == "warn"


def test_tracking_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("tracking").detail == "sqlite:///mlflow.db: made by the first run"
    (tmp_path / "mlflow.db").write_bytes(b"x" * 2_000_000)
    assert "2.0 MB" in found("tracking").detail
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://me:hunter2@127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert found("tracking").status == "ok"
    finding = found("tracking")
    assert finding.status == "warn"
    assert "does not answer" in finding.detail
    assert "hunter2" not in finding.detail
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    assert found("tracking").status == "warn"
