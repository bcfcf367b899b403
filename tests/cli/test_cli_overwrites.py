"""Commands that write files replace none that they did not write: schema, init, sample, models export and import."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from translate.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from bundles import write as write_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


def cli(*args: str | Path) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def export(model: Path, *args: str | Path) -> Result:
    return cli("models", "export", model, "--exporter", "torchscript", *args)


def test_a_schema_replaces_a_schema_alone(tmp_path: Path) -> None:
    mine, schema = tmp_path / "mine.yaml", tmp_path / "pipeline.schema.json"
    mine.write_text("version: 1\n")
    assert cli("schema", "--output", mine).exit_code == 2 and mine.read_text() == "version: 1\n"
    assert cli("schema", "--output", schema).exit_code == cli("schema", "--output", schema).exit_code == 0


def test_init_replaces_nothing_not_even_a_link(tmp_path: Path) -> None:
    link = tmp_path / "a.yaml"
    link.symlink_to("nowhere.yaml")
    done = cli("init", tmp_path, "--method", "cyclegan", "--output", link)
    assert done.exit_code == 2 and "exists already" in done.stderr and os.fspath(link.readlink()) == "nowhere.yaml"


def test_exports(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file, card = tmp_path / "a.onnx", tmp_path / "a.md"
    card.write_text("my notes")
    done = export(model, file)
    assert done.exit_code == 2 and "a.md: is there" in done.stderr
    assert card.read_text() == "my notes" and not file.exists()
    card.unlink()
    assert export(model, file).exit_code == 0
    file.write_bytes(b"mine")
    done = export(model, file)
    assert done.exit_code == 2 and "is there already; name another file, or --overwrite" in done.stderr
    assert file.read_bytes() == b"mine"
    assert export(model, file, "--overwrite").exit_code == 0 and file.read_bytes() != b"mine"
    assert export(model).exit_code == export(model).exit_code == 0  # in the model's own folder


def test_an_export_never_replaces_a_file_of_the_model(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    link = tmp_path / "b.onnx"
    os.link(model / "model.safetensors", link)
    before = link.read_bytes()
    done = export(model, link, "--overwrite")
    assert done.exit_code == 2 and "is a file of the model itself" in done.stderr
    assert (model / "model.safetensors").read_bytes() == link.read_bytes() == before
