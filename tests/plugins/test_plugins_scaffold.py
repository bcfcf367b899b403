"""`translate plugins new`: packages of every kind are written, installed, tested, checked and run; nobody else notices.

The packages are built by the backend of this environment: the network is not asked.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import warm
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

import translate
from translate.cli import main
from translate.cli.plugins import KINDS as KINDS_IN_HELP
from translate.console import PlainConsole
from translate.errors import ConfigError
from translate.pipeline import check, plan, run
from translate.plugins import Registry
from translate.plugins.scaffold import KINDS, TEMPLATES
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


def pipeline_of(kind: str) -> Path:
    """The pipeline of the package of a kind."""
    return Path(f"translate-soft-{kind}", "pipelines", f"soft_{kind.replace('-', '_')}.yaml")


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
        done = warm.run(["-m", "pip", "install", *options, "--target", "site", *folders], work)
        assert done.returncode == 0, done.stderr
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        yield site
    for name in [name for name in sys.modules if name.startswith("translate_soft_")]:
        del sys.modules[name]


def test_what_is_installed_is_found(installed: Path) -> None:
    registry = Registry()
    for name, kind in KINDS.items():
        if kind.provides:
            assert registry.provider(kind.provides, f"soft-{name}")["distribution"] == f"translate-soft-{name}"
    heard = json.loads(cli("plugins", "show", "soft-listener", "--json").stdout)
    assert heard["hooks"] == ["translate_run_finished", "translate_run_started", "translate_validated"]
    assert not any(heard["provides"].values())
    shown = json.loads(cli("plugins", "show", "soft-loss", "--json").stdout)
    assert shown["file"] == str(installed / "translate_soft_loss.py")
    (loss,) = shown["provides"]["losses"]
    assert [(o["name"], o["type"], o["default"]) for o in loss["options"]] == [("power", "float", 1.0)]


def test_their_own_tests_pass(installed: Path, work: Path) -> None:
    tests = [f"translate-soft-{kind}/tests" for kind in KINDS]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *tests]
    done = warm.run(command, work, sites=[installed])
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_names_exactly_the_kinds_that_can_be_begun() -> None:
    """Two lists, since help does not wait for what writes packages."""
    assert [*KINDS_IN_HELP] == [*KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_kit_finds_nothing_wrong(kind: str, installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    done = cli("plugins", "check", f"soft-{kind}", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["failed"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_its_pipeline_runs(kind: str, installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    file = pipeline_of(kind)
    check(file)
    result = run(file, "quick", device="cpu", console=PlainConsole())
    scores = json.loads((result.stages["score"] / "scores.json").read_text())
    assert scores
    if kind == "stage":
        worst = json.loads((result.stages["worst"] / "worst.json").read_text())
        assert len(worst) == 2
        assert worst[0][1] >= worst[1][1] > 0
        assert (result.stages["worst"] / "worst.png").is_file()
    if kind == "listener":
        news = [line.split("  ")[1] for line in Path("runs/news.txt").read_text().splitlines()]
        assert news[0] == "soft-listener@quick: starts, with prepare, train, convert, score"
        assert news[1].startswith("soft-listener@quick: train at step 16: val/l1 0.")
        assert news[2] == "soft-listener@quick: done"


def test_weights_are_checked_and_fingerprinted(installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    file = pipeline_of("metric-with-weights")
    own = "stages.score.with.metrics=[{uses: soft-metric-with-weights, weights: own.safetensors}]"
    with pytest.raises(ConfigError, match=r"own\.safetensors: there is no such file"):
        plan(file, "quick", set=[own])
    shipped = installed / "translate_soft_metric_with_weights" / "weights.safetensors"
    Path("own.safetensors").write_bytes(shipped.read_bytes())
    run(file, "quick", set=[own], device="cpu", console=PlainConsole())
    assert {stage.state for stage in plan(file, "quick", set=[own])} == {"done"}
    tensors = load_file(shipped)
    save_file({name: 2 * tensor for name, tensor in tensors.items()}, "own.safetensors")
    changed = {stage.name: stage.reason for stage in plan(file, "quick", set=[own]) if stage.state != "done"}
    assert changed == {"score": "input own.safetensors changed"}


def test_many_answers_and_many_domains(installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed gives an image the same noise alone and in a batch; each domain has a direction."""
    monkeypatch.chdir(work)
    stages = run(pipeline_of("stochastic-method"), "quick", device="cpu", console=PlainConsole()).stages
    images = [str(file) for file in sorted((stages["prepare"] / "test" / "input").glob("*.png"))]
    model = translate.load(stages["train"], device="cpu")
    alone = [np.asarray(model(image, seed=1)) for image in images]
    together = [np.asarray(output) for output in model(images, seed=1)]
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))
    assert not np.array_equal(alone[0], np.asarray(model(images[0], seed=2)))
    assert not np.array_equal(alone[0], np.asarray(model(images[0], seed=1, steps=1)))
    stages = run(pipeline_of("multi-domain-method"), "quick", device="cpu", console=PlainConsole()).stages
    facts = json.loads((stages["train"] / "translator" / "translator.json").read_text())
    assert [*facts["directions"]] == ["to", "to_black", "to_brown", "to_blond", "to_red"]


def test_what_comes_after_a_run(installed: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter, the command and the format are called as their READMEs say."""
    monkeypatch.chdir(work)
    stages = run(pipeline_of("exporter"), "quick", device="cpu", console=PlainConsole()).stages
    done = cli("models", "export", str(stages["train"]), "weights.npz", "--format", "soft-exporter")
    assert done.exit_code == 0, done.output
    weights = load_file(stages["train"] / "translator" / "model.safetensors")
    arrays = np.load("weights.npz")
    assert all(np.array_equal(arrays[name], weights[name]) for name in arrays)
    rest = {name.rpartition(".")[2] for name in weights.keys() - set(arrays)}
    assert rest == {"running_mean", "running_var", "num_batches_tracked"}, "pix2pix takes those of each image"

    images = stages["convert"] / "images"
    done = cli("soft-command", str(images))
    assert done.output == f"{images / 'index.html'}: 2 images\n", done.output
    assert "soft-command" in cli("--help").output

    convert = ["--plugin", "soft-format", "convert", str(images), "out", "--model", str(stages["train"])]
    done = cli(*convert, "--format", "ppm", "--device", "cpu")
    assert done.exit_code == 0, done.output
    files = sorted(Path("out").rglob("*.ppm"))
    assert len(files) == 2
    assert files[0].read_bytes().startswith(b"P6\n64 64\n255\n")


def test_it_reads_like_the_rest(installed: Path, work: Path) -> None:
    """Nothing of the template is left over, and the linter has nothing to say."""
    files = [file for kind in KINDS for file in (work / f"translate-soft-{kind}").rglob("*") if file.is_file()]
    files = [file for file in files if file.suffix in (".py", ".md", ".toml", ".yaml")]
    assert len(files) == 5 * len(KINDS) + 1, "the script that makes weights"
    for file in files:
        left = re.findall(r"(?i:my.?plugin)|KIND|ENGINE|WHOLE", file.read_text())
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
    for plugin in registry.plugins():
        if (
            plugin.name != "soft-format"
        ):  # a format is in use where its plugin is named, by everything that reads images
            registry.load(plugin.name)
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
        found.append(
            [
                {k: v for k, v in step.items() if not any(word in k for word in ("second", "wait", "peak"))}
                for step in steps
            ]
        )
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
        ("adam", "optimizer", "there is a built-in optimizer 'adam', which would go first"),
        ("run", "command", "there is a built-in command 'run', which would go first"),
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
    assert cli("plugins", "new", "soft", "--kind", "hat").exit_code == 2


def test_help_names_each_kind_and_what_it_is_for() -> None:
    lines = cli("plugins", "new", "--help").output.splitlines()
    table = [line.split(None, 1) for line in lines[lines.index("  Kinds:") + 1 :] if line.strip()]
    assert [kind for kind, _ in table] == [*KINDS]
    assert all(len(about.split()) > 3 for _, about in table)
    assert {folder.name for folder in TEMPLATES.iterdir() if folder.is_dir()} == {*KINDS}
