"""`translate plugins new`: packages of every kind are written, installed, tested, checked and run; nobody else notices.

The packages are built by the backend of this environment: the network is not asked.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.console import PlainConsole
from translate.pipeline import check, plan, run
from translate.plugins import Registry
from translate.plugins.scaffold import KINDS
from translate.storage.atomic import sha256_file

pytestmark = pytest.mark.slow

OTHER = """\
version: 1
name: other
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 64, train: 4, val: 1, test: 1}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options: {generator: {uses: unet_64, filters: 4}, discriminator: {uses: patchgan, filters: 4, layers: 2}}
      extra_losses: [{uses: total-variation, weight: 1, player: G, on: {output: output}}]
      max_steps: 2
      log_every: 1
      workers: 0
"""


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pipeline of somebody else, run before anything is installed."""
    folder = tmp_path_factory.mktemp("scaffold")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("other.yaml").write_text(OTHER)
        run("other.yaml", device="cpu", console=PlainConsole())
        Path("before.json").write_text(json.dumps([stage.to_json() for stage in plan("other.yaml")]))
    return folder


@pytest.fixture(scope="module")
def installed(work: Path) -> Iterator[Path]:
    """A package of every kind, installed by pip into `site`, which is on the path."""
    site = work / "site"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        for kind in KINDS:
            done = cli("plugins", "new", f"soft-{kind}", "--kind", kind)
            assert done.exit_code == 0, done.output
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        folders = [f"./translate-soft-{kind}" for kind in KINDS]
        pip = [sys.executable, "-m", "pip", "install", *options, "--target", "site", *folders]
        subprocess.run(pip, check=True, cwd=work)
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        yield site
    for name in [name for name in sys.modules if name.startswith("translate_soft_")]:
        del sys.modules[name]


def test_what_is_installed_is_found(installed: Path) -> None:
    registry = Registry()
    for kind, component in KINDS.items():
        assert registry.provider(component, f"soft-{kind}")["distribution"] == f"translate-soft-{kind}"
    shown = json.loads(cli("plugins", "show", "soft-loss", "--json").stdout)
    assert shown["file"] == str(installed / "translate_soft_loss.py")
    (loss,) = shown["provides"]["losses"]
    assert [(o["name"], o["type"], o["default"]) for o in loss["options"]] == [("power", "float", 1.0)]


def test_their_own_tests_pass(installed: Path, work: Path) -> None:
    tests = [f"translate-soft-{kind}/tests" for kind in KINDS]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *tests],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_kit_finds_nothing_wrong(kind: str, installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    done = cli("plugins", "check", f"soft-{kind}", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["failed"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_pipeline_runs(kind: str, installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    file = f"translate-soft-{kind}/pipelines/soft_{kind}.yaml"
    check(file)
    result = run(file, "quick", device="cpu", console=PlainConsole())
    scores = json.loads((result.stages["score"] / "scores.json").read_text())
    assert scores


def test_it_reads_like_the_rest(installed: Path, work: Path) -> None:
    """Nothing of the template is left over, and the linter has nothing to say."""
    files = [file for kind in KINDS for file in (work / f"translate-soft-{kind}").rglob("*") if file.is_file()]
    files = [file for file in files if file.suffix in (".py", ".md", ".toml", ".yaml")]
    assert len(files) == 5 * len(KINDS)
    for file in files:
        left = re.findall(r"(?i:my.?plugin)|KIND|ENGINE", file.read_text())
        assert not left, file
    if not importlib.util.find_spec("ruff"):
        pytest.skip("ruff is not installed here")
    rules = ["--isolated", "--line-length", "120", "--target-version", "py311"]
    lint = ["check", "--select", "E,F,W,I,N,UP,B,C4,SIM,RET,RUF", "--ignore", "N812,RUF012", *rules]
    for kind in KINDS:
        for command in (lint, ["format", "--check", *rules]):
            ruff = [sys.executable, "-m", "ruff", *command, "."]
            folder = work / f"translate-soft-{kind}"
            done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_nobody_else_notices_the_installation(installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another pipeline's plan stays what it was, and so do its losses when it runs again, from nothing."""
    monkeypatch.chdir(work)
    registry = Registry()
    registry.load_all()
    assert [s.to_json() for s in plan("other.yaml", registry=registry)] == json.loads(Path("before.json").read_text())
    bundle = Path("runs/other/train/translator/model.safetensors")
    before, (losses,) = sha256_file(bundle), _losses()
    result = run("other.yaml", force=["prepare", "train"], device="cpu", console=PlainConsole(), registry=registry)
    assert result.ran == ("prepare", "train")
    assert sha256_file(bundle) == before
    assert _losses() == [losses, losses], "one curve for each of the two runs"
    assert len(losses) == 2


def _losses() -> list[list[dict[str, float]]]:
    """The values of every step that was logged, for each run; speeds are nobody's promise."""
    found = []
    for file in sorted(Path("runs/other").rglob("journal.jsonl")):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        steps = [row["v"] for row in rows if row["e"] == "metrics" and "train/l1" in row["v"]]
        found.append([{k: v for k, v in step.items() if "second" not in k and "wait" not in k} for step in steps])
    return found


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("Soft", "loss", "'Soft' cannot name a plugin"),
        ("soft--edges", "loss", "cannot name a plugin"),
        ("translate-soft", "loss", "the package becomes translate-soft-edges"),
        ("pix2pix", "method", "there is a plugin 'pix2pix' already, of translate-i2i"),
        ("l1", "loss", "there is a built-in loss 'l1', which would go first"),
    ],
)
def test_names_that_cannot_be(name: str, kind: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("plugins", "new", name, "--kind", kind)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = cli("plugins", "new", "soft", "--kind", "loss", "--output", str(tmp_path))
    assert done.exit_code == 2
    assert "exists already; remove it, or give another --output" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert cli("plugins", "new", "soft", "--kind", "stage").exit_code == 2
