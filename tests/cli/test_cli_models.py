"""`convert` with its choices and `models export`, on a small network with dropout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from translate.cli import main
from translate.contracts import DataSpec
from translate.imaging.io import read, write
from translate.models.bundle import write_bundle
from translate.models.single_network import SingleNetwork
from translate.networks import network_builder
from translate.plugins import Registry


def cli(*args: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, args)))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    registry = Registry()
    network = {"uses": "resnet", "blocks": 1, "filters": 2, "dropout": True}
    config = SingleNetwork.Config.model_validate({"network": network})
    method = SingleNetwork(config, DataSpec("single", {"image": 3}, (16, 16)), {})
    torch.manual_seed(0)
    nets = method.networks(network_builder(registry))
    provider = registry.provider("methods", "single-network")
    write_bundle(tmp_path / "model", method=method, method_name="single-network", nets=nets, provider=provider, info={})
    (tmp_path / "in").mkdir()
    for n in range(2):
        image = np.random.default_rng(n).integers(0, 256, (16, 20, 3), dtype=np.uint8)
        write(tmp_path / "in" / f"{n}.png", image)
    return tmp_path / "model"


def test_samples_and_seeds(model: Path, tmp_path: Path) -> None:
    def convert(name: str, *more: Any) -> Result:
        return cli("convert", tmp_path / "in", tmp_path / name, "--model", model, "--device", "cpu", *more)

    done = convert("out", "--samples", 3, "--seed", 5)
    assert done.exit_code == 0, done.output
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {f"{a}.{n}.png" for a in (0, 1) for n in (1, 2, 3)}
    assert "two of the 3 samples of an image differ by " in done.stdout
    again = json.loads(convert("again", "--samples", 3, "--seed", 5, "--json").stdout)
    rows = [json.loads(line) for line in (tmp_path / "again" / "results.jsonl").read_text().splitlines()]
    assert again["diversity"] == pytest.approx(np.mean([row["diversity"] for row in rows])) and again["diversity"] > 0
    for path in (tmp_path / "out").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert json.loads(convert("one", "--json").stdout)["diversity"] is None
    assert convert("raw", "--weights", "raw").stderr.startswith(f"error: {model}: no checkpoints beside this model")


def test_an_exported_model_converts(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    done = cli("models", "export", model, "--format", "onnx", "--exporter", "torchscript")
    assert done.exit_code == 0, done.output
    file = model / "onnx" / "translate.onnx"
    assert done.stdout.startswith(f"{file}: at most ") and "from torch at 16 x 16, 16 x 31, 27 x 29" in done.stdout
    assert "warning: translate: dropout, which the model keeps on at inference, is off in the file" in done.stderr
    (export,) = json.loads(
        cli("models", "export", model, tmp_path / "b.onnx", "--exporter", "torchscript", "--json").stdout
    )["files"]
    assert export["file"] == str(tmp_path / "b.onnx") and export["dropout_left_out"] and export["difference"] < 1e-3
    for name, ref, more in (("beside", model, ("--runtime", "onnx")), ("file", tmp_path / "b.onnx", ())):
        done = cli("convert", tmp_path / "in", tmp_path / name, "--model", ref, *more, "--precision", "auto")
        assert done.exit_code == 0, done.output
        assert "precision" not in done.stdout
    for n in range(2):
        assert (read(tmp_path / "beside" / f"{n}.png").array == read(tmp_path / "file" / f"{n}.png").array).all()


def test_without_the_extra_the_message_says_how_to_get_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    done = cli("models", "export", model)
    assert done.exit_code == 2 and "pip install 'translate-i2i[onnx]'" in done.stderr
