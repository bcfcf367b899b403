"""Broken plugins: commands that do not need them do not notice, and whoever asks is told whose fault it is."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from broken_sources import AT_WORK, BROKEN, STAGE, TRAINING, Broken
from click.testing import CliRunner, Result
from plugin_sources import method

from translate.cli import main
from translate.plugins import Registry

Install = Callable[..., Registry]

GOOD = STAGE.format(body=method("good")).replace("Bad", "Make").replace('"bad"', '"make"')
PIPELINE = """\
version: 1
name: {name}
tracking: none
stages:
  own: {{uses: {uses}}}
"""


TRAINED = """\
version: 1
name: bad
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: bad/flat}}
  train: {uses: train, needs: {data: prepare}, with: {method: bad, epochs: 1, workers: 0}}
"""


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


@pytest.fixture
def work(tmp_path: Path, site: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a pipeline of a good plugin and one of the broken one. Nothing else is installed."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def entry_points(group: str) -> list[importlib.metadata.EntryPoint]:
        found = importlib.metadata.distributions(path=[str(site)])
        return [entry for each in found for entry in each.entry_points if entry.group == group]

    monkeypatch.setattr("translate.plugins.discovery.entry_points", entry_points)
    install("fine", good=GOOD)
    for name, uses in (("good", "good/make"), ("bad", "bad/bad")):
        (folder / f"{name}.yaml").write_text(PIPELINE.format(name=name, uses=uses))
    return folder


def put(install: Install, case: Broken) -> None:
    install("broken", case.entries, case.needs, bad=case.source, **case.more)
    if case.twice:
        install("rival", "bad = worse", worse=method("bad"))


def test_there_are_forty_of_them() -> None:
    assert len(BROKEN) + len(AT_WORK) >= 40
    assert len({case.source + case.entries + case.needs for case in BROKEN.values()}) == len(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_disturbs_nobody_and_is_named(name: str, work: Path, install: Install) -> None:
    case = BROKEN[name]
    before = [cli("check", "good.yaml"), cli("plan", "good.yaml", "--json")]
    put(install, case)

    for command in (["--help"], ["run", "--help"], ["plugins", "--help"]):
        assert (cli(*command).exit_code, cli(*command).stderr) == (0, "")
    after = [cli("check", "good.yaml"), cli("plan", "good.yaml", "--json")]
    assert [(a.exit_code, a.stdout, a.stderr) for a in after] == [(0, b.stdout, "") for b in before]
    assert not {"bad", "worse"} & sys.modules.keys()

    listed = cli("plugins", "list", "--json")
    assert listed.exit_code == 0
    found = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)["plugins"]}
    assert set(found["good"]["provides"]) == {"methods", "stages"}
    assert found["good"]["error"] is None
    assert found["bad"]["provides"] == {}
    error = found["bad"]["error"]
    assert case.says in error
    assert "'bad'" in error
    assert "broken" in error
    assert "rival" in error or not case.twice
    methods = json.loads(cli("methods", "--json").stdout)
    assert [each["name"] for each in methods["methods"]] == ["good", "single-network"]
    assert methods["failed"] == {"bad": error}

    needed = cli("check", "bad.yaml")
    assert needed.exit_code == 2
    assert case.says in needed.stderr
    assert "Traceback" not in needed.stderr
    shown = cli("plugins", "show", "bad")
    assert shown.exit_code == 1
    assert error in shown.stderr


@pytest.mark.parametrize("name", AT_WORK)
def test_fault_at_work_names_its_plugin_or_its_stage(name: str, work: Path, install: Install) -> None:
    source, says = AT_WORK[name]
    install("broken", bad=source)
    ran = cli("run", "bad.yaml", "--device", "cpu")
    assert says in ran.stderr
    assert ran.exit_code == (0 if name.startswith(("tracker", "late")) else 1), ran.output
    assert cli("run", "good.yaml", "--device", "cpu").exit_code == 0


@pytest.mark.parametrize("name", TRAINING)
def test_fault_in_training_names_the_plugin(name: str, work: Path, install: Install) -> None:
    before, after, says = TRAINING[name]
    source = (Path(__file__).parent / "acme_everything.py").read_text()
    assert before in source
    install("broken", bad=source.replace(before, after).replace('"acme', '"bad'))
    (work / "bad.yaml").write_text(TRAINED)
    ran = cli("run", "bad.yaml", "--device", "cpu")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[-1].startswith("error: stage train failed: ")
    assert says in ran.stderr
    assert ran.stderr.endswith("(plugin 'bad' of broken 1.2)\n") or "method bad" in ran.stderr


def test_nothing_of_a_broken_plugin_stays(work: Path, install: Install) -> None:
    """A good hook beside a bad one: an event of the plugin is never called."""
    heard = "import sys\nsys.heard = True\n"
    install("broken", bad=f"from translate import hookimpl\n@hookimpl\ndef translate_run_started():\n    1 / 0\n{heard}"
            "@hookimpl\ndef translate_losses():\n    return 3\n")  # fmt: skip
    registry = Registry()
    assert set(registry.load_all()) == {"bad"}
    assert list(registry.loaded()) == ["good"]
    registry.emit("run_started", pipeline="p", folder=Path(), stages=[])
    assert not registry.hook.translate_run_started.get_hookimpls()


def test_slow_import_is_paid_by_those_who_name_it(work: Path, install: Install) -> None:
    install("broken", bad=f"import time\ntime.sleep(0.3)\n{STAGE.format(body='')}")
    assert cli("check", "good.yaml").exit_code == 0
    assert "bad" not in sys.modules
    assert cli("check", "bad.yaml").exit_code == 0
    assert "bad" in sys.modules
    del sys.modules["bad"]
    found = {p["name"]: p for p in json.loads(cli("plugins", "list", "--json").stdout)["plugins"]}
    assert found["bad"]["seconds"] >= 0.3, "and whoever looks sees who takes long"


def test_plugin_that_prints_leaves_stdout_to_json(work: Path, install: Install) -> None:
    install("broken", bad=f"print('hello')\n{STAGE.format(body='')}")
    done = cli("check", "bad.yaml", "--json")
    assert json.loads(done.stdout)["ok"]
    assert done.stderr == "hello\n"


def test_interrupt_at_import_stays_an_interrupt(work: Path, install: Install) -> None:
    install("broken", bad="raise KeyboardInterrupt")
    done = cli("check", "bad.yaml")
    assert done.exit_code == 130
    assert "stopped" in done.stderr
    with pytest.raises(KeyboardInterrupt):
        Registry().load_all()


# ------------------------------------------------------------------------------------------------------------ switches


def test_no_plugin_leaves_it_out(work: Path, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("broken", bad="raise SystemExit('no licence')")
    off = "plugin 'bad' (broken) is switched off (--no-plugin, TRANSLATE_PLUGINS_OFF)"
    assert off in cli("--no-plugin", "bad", "check", "bad.yaml").stderr
    found = {p["name"]: p for p in _listed("--no-plugin", "bad")}
    assert (found["bad"]["off"], found["bad"]["error"], found["good"]["off"]) == (True, None, False)
    monkeypatch.setenv("TRANSLATE_PLUGINS_OFF", "other, bad")
    assert {p["name"] for p in _listed() if p["off"]} == {"bad"}
    assert off in cli("check", "bad.yaml").stderr
    assert "bad" not in sys.modules
    unknown = cli("--no-plugin", "goood", "check", "good.yaml")
    assert unknown.exit_code == 2
    assert "--no-plugin: there is no plugin 'goood'; did you mean 'good'?" in unknown.stderr


def _listed(*switches: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli(*switches, "plugins", "list", "--json").stdout)["plugins"]
    return found


def test_listener_that_is_switched_off_is_not_missed(work: Path, install: Install) -> None:
    install("broken", bad="from translate import hookimpl\n@hookimpl\ndef translate_run_started(): 1 / 0\n")
    (work / "heard.yaml").write_text(PIPELINE.format(name="heard", uses="good/make") + "plugins: [bad]\n")
    failed = cli("run", "heard.yaml", "--device", "cpu")
    assert failed.exit_code == 1
    assert "plugin 'bad' (broken 1.2, entry point bad = bad) failed in run_started: ZeroDivisionError" in failed.stderr
    assert cli("--no-plugin", "bad", "run", "heard.yaml", "--device", "cpu").exit_code == 0


def test_trace_shows_imports_and_calls_on_stderr(work: Path, install: Install) -> None:
    install("broken", bad=STAGE.format(body="@hookimpl\ndef translate_stage_started(stage): pass"))
    done = cli("--trace-plugins", "run", "bad.yaml", "--device", "cpu")
    lines = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert lines == ["translate_stages of bad", "import of bad (bad)", "translate_stage_started of bad"]
    assert cli("run", "bad.yaml").stderr == ""
