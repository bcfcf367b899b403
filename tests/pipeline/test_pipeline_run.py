"""Running pipelines: what runs, why, what is left on disk, and what happens when it is stopped, broken or locked."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import translate
from translate.errors import ConfigError, PluginError, StageError
from translate.pipeline import fingerprint, plan, run
from translate.plugins import Registry
from translate.storage import manifest
from translate.storage.lock import Lock

Go = Callable[..., tuple[Any, Any]]
Fresh = Callable[[], Registry]
FOLDER = Path("runs/toy")


def states(registry: Fresh, *args: Any, **kwargs: Any) -> dict[str, tuple[str, str]]:
    return {p.name: (p.state, p.reason) for p in plan("toy.yaml", *args, registry=registry(), **kwargs)}


def age(path: Path) -> None:
    """Makes a file look older than the cache's limit for files that may still change."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 60 * 10**9))


def test_first_run_then_nothing_to_do(go: Go, registry: Fresh) -> None:
    assert states(registry) == {
        "prepare": ("absent", "has not run yet"),
        "train": ("waits", "waits for prepare"),
        "score": ("absent", "has not run yet"),
    }
    result, heard = go()
    assert result.ran == ("prepare", "train", "score")
    assert (FOLDER / "train" / "log.txt").read_text() == "epoch 0 4\nepoch 1 4\nepoch 2 4"
    assert result.stages["train"] == FOLDER / "train"
    assert "  train    runs/toy/train" in heard.lines[-1].splitlines()
    before = sorted(p.stat().st_mtime_ns for p in FOLDER.rglob("*") if p.name != ".lock")
    again, heard = go()
    assert again.ran == ()
    assert [line.partition(",")[0] for line in heard.lines[:3]] == [
        f"{s}: current" for s in ("prepare", "train", "score")
    ]
    assert all("nothing changed since 20" in line for line in heard.lines[:3])
    assert heard.lines[3] == "nothing to do"
    assert sorted(p.stat().st_mtime_ns for p in FOLDER.rglob("*") if p.name != ".lock") == before, "nothing was written"


def test_manifest_tells_what_is_there_and_why(go: Go) -> None:
    go()
    folder = FOLDER / "prepare"
    found = manifest.read(folder)
    assert found is not None
    assert manifest.verify(folder) == []
    assert list(found["files"]) == ["out/text.txt"]
    assert found["facts"] == {"text": "ab", "length": 4}
    assert found["why"] == "has not run yet"
    assert folder.readlink().name == f"prepare-{found['fingerprint'][:8]}"
    assert found["recipe"]["with"] == {"text": "ab", "size": 2, "source": None, "transforms": []}, "workers are neutral"
    assert not list(FOLDER.glob("*.partial"))


def test_change_reruns_the_stage_and_what_follows(go: Go, registry: Fresh) -> None:
    go()
    sets = ["stages.train.with.optimizer.lr=1e-4"]
    assert states(registry, None, sets)["train"] == ("stale", "with.optimizer.lr 0.0002 -> 0.0001")
    assert go(set=sets)[0].ran == ("train",)
    assert states(registry, None, sets)["train"][0] == "done"
    assert states(registry)["train"][0] == "done", "the earlier result is still there"
    assert go()[0].ran == ()
    assert (FOLDER / "train").readlink().name == plan("toy.yaml", registry=registry())[1].folder


def test_neutral_options_and_unchanged_outputs_rerun_nothing(go: Go, registry: Fresh) -> None:
    go()
    assert go(set=["stages.prepare.with.workers=4"])[0].ran == ()
    changed = ["stages.prepare.with.transforms=[toy/blur]"]
    assert states(registry, None, changed)["train"] == ("waits", "waits for prepare")
    result, heard = go(set=changed)
    assert result.ran == ("prepare",), "its output is the same, so that training has nothing to do"
    assert any(line.startswith("train: current") for line in heard.lines)


def test_reasons(go: Go, registry: Fresh) -> None:
    go()
    assert states(registry, None, ["seed=2"])["prepare"] == ("stale", "seed 1 -> 2")
    assert states(registry, None, ["stages.prepare.with.transforms=[toy/blur]"])["prepare"] == (
        "stale",
        "with.transforms [] -> (not set); with.transforms.0.uses (not set) -> toy/blur; "
        "with.transforms.0.radius (not set) -> 2; transforms/toy/blur is now used",
    )
    assert states(registry, None, ["stages.prepare.with.size=3"])["train"] == ("waits", "waits for prepare")
    go(set=["stages.prepare.with.size=3"], until="prepare")
    assert states(registry, None, ["stages.prepare.with.size=3"])["train"] == ("stale", "prepare's output changed")


def test_forced_stage_runs_again_and_followers_wait(go: Go, registry: Fresh) -> None:
    go()
    assert go(force=["train"])[0].ran == ("train",)
    assert go(force=["prepare"])[0].ran == ("prepare",), "the same output: train is current"
    with pytest.raises(ConfigError, match=r"--force trian: there is no such stage in this run; did you mean 'train'\?"):
        go(force=["trian"])
    with pytest.raises(ConfigError, match="--force train: there is no such stage in this run; the stages are prepare"):
        go(force=["train"], until="prepare")


def test_content_of_inputs_counts_and_their_mtime_does_not(
    go: Go, registry: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "RACY_NS", 0)  # these files are younger than that by their ctime
    photos = Path("photos")
    (photos / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        (photos / name).write_bytes(name.encode())
        age(photos / name)
    sets = ["stages.prepare.with.source=photos"]
    go(set=sets)
    cache = json.loads(Path("runs/.cache/files.json").read_bytes())
    assert sorted(Path(name).name for name in cache) == ["a.png", "b.png"]
    os.utime(photos / "a.png")
    assert states(registry, None, sets)["prepare"][0] == "done", "touched, read again, found the same"
    (photos / "a.png").write_bytes(b"other")
    assert states(registry, None, sets)["prepare"] == ("stale", "input photos/a.png changed")
    (photos / "a.png").write_bytes(b"a.png")
    assert states(registry, None, sets)["prepare"][0] == "done"
    (photos / "c.png").write_bytes(b"c")
    (photos / "sub/b.png").unlink()
    assert states(registry, None, sets)["prepare"] == ("stale", "input photos/sub/b.png is gone (and 1 more)")


def test_plan_needs_no_right_to_write(work: Path, registry: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.txt").write_text("one")
    age(Path("a.txt"))

    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("translate.pipeline.fingerprint.write_json", refuse)
    assert states(registry, None, ["stages.prepare.with.source=a.txt"])["prepare"] == ("absent", "has not run yet")


def test_same_size_change_within_a_tick_is_seen(go: Go, registry: Fresh) -> None:
    """A file that was hashed just after it was written is not remembered: its mtime may not tell of the next write."""
    file = Path("a.txt")
    file.write_text("one")
    stat = file.stat()
    sets = ["stages.prepare.with.source=a.txt"]
    go(set=sets)
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert states(registry, None, sets)["prepare"] == ("stale", "input a.txt changed")


def test_crash_resumes_in_the_same_folder(go: Go, registry: Fresh) -> None:
    sets = ["stages.train.with.fail=crash"]
    with pytest.raises(StageError, match=r"^stage train failed: RuntimeError: out of luck \(plugin 'toy' of "):
        go(set=sets)
    (partial,) = FOLDER.glob("train-*.partial")
    assert (partial / "log.txt").read_text() == "epoch 0 4\nepoch 1 4"
    assert states(registry, None, sets)["train"] == ("partial", "did not finish; it resumes where it stopped")
    Path("mended").touch()
    (partial / "log.txt").write_text("epoch 0 4 first start\nepoch 1 4")
    assert go(set=sets)[0].ran == ("train", "score")
    assert (FOLDER / "train" / "log.txt").read_text() == "epoch 0 4 first start\nepoch 1 4\nepoch 2 4"


KILLED = """
import os, sys
from importlib.metadata import EntryPoint
import toy_plugin
from translate.pipeline import run
from translate.plugins import Registry
toy_plugin.Fit._fail = lambda self: os._exit(9)
run("toy.yaml", device="cpu", registry=Registry([EntryPoint("toy", "toy_plugin", "translate")]))
"""


def test_killed_run_leaves_no_lock_and_goes_on(go: Go, registry: Fresh) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    killed = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert killed.returncode == 9
    assert states(registry)["train"][0] == "partial"
    assert go()[0].ran == ("train", "score")
    assert (FOLDER / "train" / "log.txt").read_text() == "epoch 0 4\nepoch 1 4\nepoch 2 4"


def test_sigterm_ends_with_75_and_resumes(go: Go, events: list[tuple[str, str]]) -> None:
    with pytest.raises(SystemExit) as caught:
        go(set=["stages.train.with.fail=stop"])
    assert caught.value.code == 75
    assert events[-1] == ("run_finished", "stopped")
    Path("mended").touch()
    assert go(set=["stages.train.with.fail=stop"])[0].ran == ("train", "score")


def test_interrupt_by_hand_is_a_stop(go: Go, events: list[tuple[str, str]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(set=["stages.train.with.fail=hand"])
    assert events[-1] == ("run_finished", "stopped")


def test_errors_of_stages_are_one_line_with_a_cause(go: Go, events: list[tuple[str, str]]) -> None:
    with pytest.raises(StageError, match=r"^stage train failed: device 'cuda' is not here$") as caught:
        go(set=["stages.train.with.fail=config"])
    assert caught.value.exit_code == 1
    assert isinstance(caught.value.__cause__, ConfigError)
    assert events[-1] == ("run_finished", "failed")
    with pytest.raises(StageError, match=r"stage train failed: ValueError: Out of range float values"):
        go(set=["stages.train.with.fail=facts"])


def test_events_in_order(go: Go, events: list[tuple[str, str]]) -> None:
    go(until="train")
    assert events == [
        ("run_started", "toy: prepare train"),
        ("stage_started", "prepare .partial"),
        ("stage_finished", "prepare ['length', 'text']"),
        ("stage_started", "train .partial"),
        *[("step_finished", f"train {step} 1.0") for step in range(3)],
        ("stage_finished", "train ['learnt']"),
        ("run_finished", "done"),
    ]


LISTENER = """
from translate import hookimpl
@hookimpl
def translate_stage_finished(stage):
    raise RuntimeError("no disk for " + stage)
"""


def test_listener_that_raises_is_named(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After the work as a warning: the stage's result is safe. Before it as an error."""
    (work / "listening.py").write_text(LISTENER)
    sys.path.insert(0, str(work))
    try:
        entries = [EntryPoint(n, m, "translate") for n, m in (("toy", "toy_plugin"), ("watch", "listening"))]
        run("toy.yaml", set=["plugins=[watch]"], device="cpu", registry=Registry(entries))
        told = capsys.readouterr().err
        for stage in ("prepare", "train", "score"):
            assert f"entry point watch = listening) failed in stage_finished: RuntimeError: no disk for {stage}" in told
        (work / "listening.py").write_text(LISTENER.replace("stage_finished", "stage_started"))
        del sys.modules["listening"]
        importlib.invalidate_caches()
        with pytest.raises(PluginError, match=r"plugin 'watch' .* failed in stage_started: RuntimeError: no disk for"):
            run("toy.yaml", set=["plugins=[watch]"], force=["prepare"], device="cpu", registry=Registry(entries))
    finally:
        sys.path.remove(str(work))
        sys.modules.pop("listening", None)


TRACKER = """
from translate import hookimpl
CALLS = []
class Own:
    def __getattr__(self, name):
        return lambda *args, **kwargs: CALLS.append((name, args))
    def metrics(self, values, step):
        CALLS.append(("metrics", values, step))
        raise OSError("server is gone")
@hookimpl
def translate_tracker(pipeline, folder):
    return Own()
"""


def test_plugin_tracker_gets_prefixed_names_and_its_errors_end_nothing(
    work: Path, heard_console: Callable[[], Any]
) -> None:
    (work / "owning.py").write_text(TRACKER)
    sys.path.insert(0, str(work))
    try:
        import owning  # type: ignore[import-not-found]

        heard = heard_console()
        entries = [EntryPoint(n, m, "translate") for n, m in (("toy", "toy_plugin"), ("own", "owning"))]
        run("toy.yaml", set=["plugins=[own]"], device="cpu", registry=Registry(entries), console=heard)
        assert [call for call in owning.CALLS if call[0] == "metrics"] == [
            ("metrics", {"train/loss": 1.0 / (epoch + 1)}, epoch) for epoch in range(3)
        ]
        assert heard.warnings == [
            "tracking by owning.Own: metrics failed, and the run goes on without it: OSError: server is gone"
        ]
    finally:
        sys.path.remove(str(work))
        sys.modules.pop("owning", None)


def test_continue_goes_on_from_the_previous_result(go: Go) -> None:
    go()
    first = (FOLDER / "train").readlink().name
    result, heard = go(set=["stages.train.with.epochs=5"], continue_="train")
    assert result.ran == ("train",)
    assert f"train: continues from {first}: with.epochs 3 -> 5 (schedule)" in heard.lines
    assert (FOLDER / "train" / "log.txt").read_text() == "continued 3\nepoch 1 4\nepoch 2 4\nepoch 3 4\nepoch 4 4"
    found = manifest.read(FOLDER / "train")
    assert found is not None
    assert found["continued_from"] == first
    assert go(set=["stages.train.with.epochs=5"])[0].ran == ()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"continue_": "prepare", "set": ["stages.prepare.with.size=4"]}, "need a fresh start: with.size 2 -> 4"),
        ({"set": ["stages.train.with.optimizer.uses=sgd"]}, "need a fresh start: with.optimizer.uses adam -> sgd"),
        ({"set": ["seed=3"]}, "waits for prepare; seed 1 -> 3; run what it waits for first, with --until"),
        ({"set": ["stages.more={uses: toy/make}"], "continue_": "more"}, "there is no earlier result"),
        ({"continue_": "trian"}, "did you mean 'train'?"),
    ],
)  # fmt: skip
def test_continue_refuses(kwargs: dict[str, Any], message: str, go: Go) -> None:
    go()
    with pytest.raises(ConfigError) as caught:
        go(**{"continue_": "train", **kwargs})
    assert message in str(caught.value)


def test_second_run_of_the_same_pipeline_is_locked_out(go: Go) -> None:
    go(until="prepare")
    with (
        Lock(FOLDER / ".lock"),
        pytest.raises(ConfigError, match=rf"runs/toy is in use by process {os.getpid()}"),
    ):
        go()
    go()


def test_damaged_result_runs_again(go: Go, registry: Fresh) -> None:
    go()
    (FOLDER / "prepare" / "out" / "text.txt").write_text("longer than before")
    state, reason = states(registry)["prepare"]
    assert (state, reason[-40:]) == ("stale", "has another size than when it was written"[-40:])
    assert go()[0].ran == ("prepare",)
    assert (FOLDER / "prepare" / "out" / "text.txt").read_text() == "abab"


def test_raised_revision_and_version_rerun_and_edited_code_is_noted(
    go: Go, registry: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    go()
    import toy_plugin  # type: ignore[import-not-found]

    monkeypatch.setattr(toy_plugin.Free, "revision", 2)
    assert states(registry)["score"] == ("stale", "stages/toy/free revision 1 -> 2")
    monkeypatch.setattr(toy_plugin.Free, "revision", 1)
    real = Registry.provider

    def newer(self: Registry, kind: Any, name: str) -> dict[str, str]:
        return {**real(self, kind, name), "version": "0.2.0"}

    monkeypatch.setattr(Registry, "provider", newer)
    assert states(registry)["score"] == ("stale", "an unknown distribution 0 -> 0.2.0")
    monkeypatch.setattr(Registry, "provider", real)
    other = Path("edited.py")
    other.write_text("# edited")
    monkeypatch.setattr(toy_plugin, "__file__", str(other.absolute()))
    planned = plan("toy.yaml", registry=registry())
    assert planned[2].state == "done"
    assert planned[2].warnings == (
        "the code of toy_plugin changed since this ran; raise its revision, or use --force score",
    )


def test_fingerprint_is_the_same_in_another_process(go: Go, registry: Fresh) -> None:
    code = (
        "from importlib.metadata import EntryPoint\nfrom translate.pipeline import plan\n"
        "from translate.plugins import Registry\n"
        "print(plan('toy.yaml', registry=Registry([EntryPoint('toy', 'toy_plugin', 'translate')]))[0].fingerprint)"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == plan("toy.yaml", registry=registry())[0].fingerprint


def test_run_works_from_a_thread_and_through_the_public_name(work: Path, registry: Fresh) -> None:
    results: list[Any] = []
    worker = threading.Thread(
        target=lambda: results.append(translate.run("toy.yaml", device="cpu", registry=registry()))
    )
    worker.start()
    worker.join()
    assert results[0].ran == ("prepare", "train", "score")
