"""An interrupted training: `plan` shows it, `run --continue` goes on from it, and its checkpoints can be used."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from PIL import Image
from safetensors.torch import load_file

import translate
from translate.errors import ConfigError

PIPELINE = """
version: 1
name: tiny
seed: 3
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 8, val: 2}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: unet, levels: 4, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      epochs: 200
      ema: 0.9
      log_every: 1
      workers: 0
      checkpoint: {steps: 4}
      validate: {every: 1, metrics: [l1], images: 2, samples: 1}
      keep: {best: l1}
"""
EPOCH = 8


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code of a command in a folder, and all that it prints."""
    done = warm.translate(folder, *arguments)
    return done.returncode, done.stdout + done.stderr


def train(folder: Path, *options: str, continued: bool = False) -> tuple[int, str]:
    """`translate run` with options of the train stage, each as `key=value`."""
    flags = ["--continue", "train"] if continued else []
    return run(folder, "run", "tiny.yaml", *flags, *sets(*options))


def sets(*options: str) -> list[str]:
    flags = []
    for option in options:
        flags += ["--set", f"stages.train.with.{option}"]
    return flags


def partial(folder: Path) -> Path:
    """The folder of the one interrupted training."""
    (path,) = (folder / "runs" / "tiny").glob("train-*.partial")
    return path


def saved(folder: Path) -> list[int]:
    """The steps of the complete checkpoints of an interrupted training."""
    paths = (folder / "runs" / "tiny").glob("train-*.partial/checkpoints/*/MANIFEST.json")
    return sorted(int(path.parent.name) for path in paths if path.parent.name.isdigit())


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a training was killed after two epochs, or a little later."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "tiny.yaml").write_text(PIPELINE)
    process = warm.Program(["-m", "translate", "run", "tiny.yaml"], folder)
    deadline = time.monotonic() + 200
    while max(saved(folder), default=0) < 2 * EPOCH and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(folder / "photo.png")
    return folder


@pytest.fixture
def work(killed: Path, tmp_path: Path) -> Path:
    """A copy of that directory."""
    return Path(shutil.copytree(killed, tmp_path / "work", symlinks=True))


def tensors(path: Path) -> dict[str, Any]:
    return {key: value.tolist() for key, value in load_file(path).items()}


def test_plan_shows_how_far_it_came_and_what_continue_could_do(work: Path) -> None:
    step = saved(work)[-1]
    where = f"{partial(work).name}, interrupted at step {step} of {200 * EPOCH:,}"
    code, said = run(work, "plan", "tiny.yaml", "--json")
    stages = {stage["stage"]: stage for stage in json.loads(said)["stages"]}
    reason = f"did not finish; it resumes at step {step} of {200 * EPOCH:,}"
    assert (code, stages["train"]["state"], stages["train"]["reason"]) == (0, "partial", reason)
    for _ in range(2):  # the second one is planned from what the first one kept
        code, said = run(work, "plan", "tiny.yaml", "--json", *sets("epochs=5", "optimizer.lr=1e-4"))
        stage = json.loads(said)["stages"][1]
        change = "with.optimizer.lr 0.0002 -> 0.0001; with.epochs 200 -> 5"
        reason = f"has not run with these options; {where}, can go on with --continue train ({change})"
        assert (code, stage["state"], stage["reason"]) == (0, "absent", reason)
        assert stage["interrupted"] == [
            {"folder": partial(work).name, "step": step, "total": 200 * EPOCH, "changed": change.split("; ")}
        ]
    code, said = run(work, "plan", "tiny.yaml", "--json", *sets("batch_size=2", "epochs=5"))
    reason = json.loads(said)["stages"][1]["reason"]
    assert reason.endswith(f"{where}, cannot go on with what changed since (with.batch_size 1 -> 2)")


def test_continue_goes_on_with_changed_options(work: Path, tmp_path: Path) -> None:
    step, old = saved(work)[-1], partial(work).name
    options = (f"max_steps={step + 6}", "optimizer.lr=1e-4", "keep.best=null")
    code, said = train(work, *options, continued=True)
    assert code == 0, said
    assert f"train: continues from {old}, interrupted at step {step} of {200 * EPOCH:,}: with." in said
    assert f"resuming at step {step}\n" in said
    assert not list((work / "runs/tiny").glob("*.partial")) and not list((work / "runs/tiny").glob(".*.started.json"))
    manifest = json.loads((work / "runs/tiny/train/MANIFEST.json").read_text())
    assert manifest["continued_from"] == old
    # the same as a training that ended there by itself, and was continued with the same options
    other = tmp_path / "other"
    other.mkdir()
    (other / "tiny.yaml").write_text(PIPELINE)
    assert train(other, f"max_steps={step}", "keep.best=null")[0] == 0
    assert train(other, *options, continued=True)[0] == 0
    weights = Path("runs/tiny/train/translator/model.safetensors")
    assert tensors(work / weights) == tensors(other / weights)


def test_continue_can_end_an_interrupted_training_where_it_is(work: Path) -> None:
    step = saved(work)[-1]
    last = load_file(partial(work) / f"checkpoints/{step:09d}/tensors.safetensors")
    code, said = train(work, f"max_steps={step}", "keep.best=null", continued=True)
    assert code == 0, said
    facts = json.loads((work / "runs/tiny/train/translator/translator.json").read_text())
    assert (facts["weights"], facts["step"]) == ("last", step) and "val/l1" in facts["metrics"]
    for key, value in load_file(work / "runs/tiny/train/translator/model.safetensors").items():
        net, _, name = key.partition(".")
        assert value.equal(last[f"ema/{net}/module.{name}"])
    assert (work / f"runs/tiny/train/samples/a_to_b/{step:09d}.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("batch_size=2", "epochs=5"), "structural changes need a fresh start: with.batch_size 1 -> 2 (since train-"),
        (("max_steps=3",), "nothing is left to train: train-"),
    ],
)
def test_continue_refuses_and_leaves_everything_as_it_is(options: tuple[str, ...], message: str, work: Path) -> None:
    before = listing(work)
    code, said = train(work, *options, continued=True)
    assert code == 2 and f"error: --continue train: {message}" in said
    assert listing(work) == before


def listing(folder: Path) -> dict[str, int]:
    """The files of a working directory's results, with the time of their last change.

    Not the lock, and not what the killed process was about to write or remove: whoever comes next removes that.
    """
    root = folder / "runs/tiny"
    kept = [path for path in root.rglob("*") if path.is_file() and not _is_litter(path.relative_to(root))]
    return {path.as_posix(): path.stat().st_mtime_ns for path in kept if not path.name.startswith(".lock")}


def _is_litter(path: Path) -> bool:
    return any(part.endswith((".tmp", ".gone")) for part in path.parts)


def test_its_checkpoints_convert_and_load(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    step, stage = saved(work)[-1], partial(work)
    best = json.loads((stage / f"checkpoints/{step:09d}/state.json").read_text())["progress"]["best"]["step"]
    for ref in ("runs/tiny/train", f"runs/tiny/{stage.name}", f"runs/tiny/{stage.name}/translator"):
        model = translate.load(ref, "cpu", weights="last")
        assert (model.info["weights"], model.info["step"], model.info["ema"]) == ("last", step, True)
    averages = load_file(stage / f"checkpoints/{step:09d}/tensors.safetensors")
    for key, value in model.nets["gen"].state_dict().items():
        assert value.equal(averages[f"ema/gen/module.{key}"])
    assert translate.load("runs/tiny/train", "cpu", weights="best").info["step"] == best
    assert translate.load("runs/tiny/train", "cpu", weights="raw").info["step"] == step
    code, said = run(work, "convert", "photo.png", "out.png", "--model", "runs/tiny/train", "--weights", "best")
    assert code == 0 and (work / "out.png").is_file(), said
    code, said = run(work, "models", "show", "runs/tiny/train", "--json")
    facts = json.loads(said)
    assert facts["unfinished"] | {"best": None} == {"checkpoints": saved(work), "total": 200 * EPOCH, "best": None}
    assert facts["unfinished"]["best"]["step"] == best and facts["method"] == "pix2pix"
    facts = json.loads(run(work, "models", "show", "runs/tiny/train", "--weights", "best", "--json")[1])
    assert facts["step"] == best and facts["metrics"].keys() == {"val/l1"}
    assert "this training is not finished" in run(work, "models", "show", "runs/tiny/train")[1]


def test_what_an_unfinished_training_does_not_have_is_said(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    stage = partial(work)
    code, said = run(work, "convert", "photo.png", "out.png", "--model", "runs/tiny/train")
    sentence = f"error: runs/tiny/{stage.name}: this training is not finished; the same `translate run` goes on with it"
    assert code == 2 and sentence in said and "--weights best" in said
    code, said = train(work, "init=runs/tiny/train", "epochs=3")
    assert code == 2 and "this training is not finished" in said
    code, said = run(work, "models", "export", "runs/tiny/train")
    assert code == 2 and "this training is not finished" in said
    state = stage / f"checkpoints/{saved(work)[-1]:09d}/state.json"
    content = json.loads(state.read_text())
    content["progress"]["best"] = None
    rewrite(state, json.dumps(content))
    with pytest.raises(ConfigError, match=r"no checkpoint is the best yet: .* which is there \(`last`\)"):
        translate.load("runs/tiny/train", "cpu", weights="best")
    shutil.rmtree(stage / "checkpoints")
    (stage / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match=rf"{stage.name}: this training has no checkpoint yet"):
        translate.load("runs/tiny/train", "cpu", weights="last")
    code, said = train(work, "epochs=3", continued=True)
    assert code == 2 and "there is no earlier result" in said
    shutil.rmtree(stage)
    with pytest.raises(ConfigError, match="runs/tiny/train: does not exist"):
        translate.load("runs/tiny/train", "cpu", weights="last")


def rewrite(state: Path, text: str) -> None:
    """Changes the state of a checkpoint, with its hash."""
    state.write_text(text)
    manifest = state.with_name("MANIFEST.json")
    hashes = json.loads(manifest.read_text())
    hashes["state.json"] = hashlib.sha256(state.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(hashes))


def test_a_refused_continue_names_init_which_starts_from_the_last_checkpoint(work: Path) -> None:
    stage = partial(work).relative_to(work)
    code, said = train(work, "batch_size=2", continued=True)
    assert code == 2
    assert f"; `init: {stage.as_posix()}` starts from the weights of its last checkpoint" in said
    code, said = train(work, "batch_size=2", "epochs=1", f"init={stage}", "optimizer.lr=1e-9")
    assert code == 0, said
    assert f"starting from {stage.name}: gen" in said
    model = translate.load(work / "runs/tiny/train", "cpu")
    before = translate.load(work / stage, "cpu", weights="last")
    pairs = zip(model.nets["gen"].parameters(), before.nets["gen"].parameters(), strict=True)
    assert all((a - b).abs().max() < 1e-5 for a, b in pairs)
