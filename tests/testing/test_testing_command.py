"""`translate plugins check`, the fixtures for plugin authors, and what importing the kit costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from click.testing import CliRunner, Result

from translate.cli import main
from translate.plugins import Registry
from translate.testing.plugin import CHECKS
from translate.testing.report import Finding

LOSS = '''
"""A loss."""
{top}
from translate import LossTerm, NoOptions, hookimpl

class Distance(LossTerm[NoOptions]):
    name = "distance"

    def forward(self, output, target):
        return (output - target).abs(){mean}

@hookimpl
def translate_losses():
    return [Distance]
'''
SCALED = """
from pathlib import Path

import numpy as np

from translate import Config, Record, Source, SourceFacts, hookimpl

class Folder(Source):
    class Config(Config):
        root: Path
        count: int = 1

    name = "folder"

    def facts(self):
        return SourceFacts("single", ("train",))

    def records(self, split):
        for n in range(self.config.count):
            yield Record(f"{n:03d}", "image", str(self.config.root / str(n)), lambda: np.zeros((8, 8, 3), np.uint8))

@hookimpl
def translate_sources():
    return [Folder]
"""


class HasOptions:
    """Checks of a component that say no more than that there were options to make it of."""

    def __init__(self, cls: type[Any], component: str, **_: Any) -> None:
        self.component = component

    def findings(self) -> list[Finding]:
        return [Finding(self.component, "has options to start from", "ok")]


def check(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugins", "check", *arguments], catch_exceptions=False)


def module(folder: Path, name: str, top: str = "", mean: str = ".mean()") -> Path:
    path = folder / f"{name}.py"
    path.write_text(LOSS.format(top=top, mean=mean))
    return path


def results(result: Result) -> dict[tuple[str, str], tuple[str, str]]:
    return {(c["component"], c["check"]): (c["status"], c["problem"]) for c in json.loads(result.stdout)["checks"]}


def test_an_installed_plugin_by_name() -> None:
    result = check("srresnet")
    assert result.exit_code == 0, result.output
    assert "method srresnet\n" in result.stdout
    assert "resumes exactly" in result.stdout
    assert "none failed" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in Registry().plugins() if each.distribution == "translate-i2i"])
def test_what_ships_needs_no_flags(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its methods' checks is `test_methods_conformance`, with the same options."""
    monkeypatch.setitem(CHECKS, "methods", HasOptions)
    result = check(name, "--json")
    assert result.exit_code == 0, result.output
    assert {status for status, _ in results(result).values()} == {"ok"}


@pytest.mark.slow
def test_what_is_built_in_needs_no_flags_but_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sources of files are skipped, and say what to give; so do networks and metrics whose weights nobody brought."""

    def offline(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    rows = results(check("translate", "--json"))
    assert len({component for component, _ in rows}) > 100
    failed = {component: problem for (component, _), (status, problem) in rows.items() if status == "failed"}
    weighted = {"network vgg19", *(f"metric {name}" for name in ("fid", "kid", "precision", "lpips", "dists"))}
    assert {*failed} == weighted
    for problem in failed.values():
        assert "get the file by other means and name it as `weights`, or" in problem
    skipped = {component: problem for (component, _), (status, problem) in rows.items() if status == "skipped"}
    kinds = {component.partition(" ")[0] for component in skipped}
    assert kinds == {"source", "network", "metric", "stage"}, "files, what waits for weights, and a training's method"
    assert "give --set table.path=VALUE" in skipped["source table"]
    assert "give --set train.method=VALUE" in skipped["stage train"]


def test_a_module_that_is_not_installed(tmp_path: Path) -> None:
    fine = check(str(module(tmp_path, "fine_loss")))
    assert fine.exit_code == 0, fine.output
    faulty = check(str(module(tmp_path, "faulty_loss", mean="")), "--json")
    assert faulty.exit_code == 1
    assert json.loads(faulty.stdout)["failed"] == 1
    status, problem = results(faulty)["loss distance", "is a finite scalar"]
    assert status == "failed" and "return a scalar tensor" in problem
    assert results(faulty)["loss distance", "has a finite gradient"][0] == "skipped"
    assert str(tmp_path) not in sys.path


def test_a_package_and_a_project(tmp_path: Path) -> None:
    package = tmp_path / "src" / "translate_measures"
    package.mkdir(parents=True)
    module(package, "__init__")
    (tmp_path / "pyproject.toml").write_text('[project.entry-points.translate]\nmeasures = "translate_measures"\n')
    for path in (package, package / "__init__.py", tmp_path, tmp_path / "pyproject.toml"):
        found = results(check(str(path), "--json"))
        assert found["plugin measures", "can be imported and registered"] == ("ok", "")
        assert found["loss distance", "is a finite scalar"] == ("ok", "")


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(0)", "cannot be imported: SystemExit: 0"),
        ("print('hello')", "at import, it prints 'hello'"),
        ("import numpy; numpy.random.seed(0)", "at import, it draws from or reseeds numpy's global generator"),
        ("import numpy; numpy.random.seed = print", "at import, it replaces functions of random, numpy, torch or"),
        ("import os; os.environ['A_LOSS'] = '1'", "at import, it changes environment variables"),
    ],
)
def test_what_an_import_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str, told: str) -> None:
    monkeypatch.setenv("A_LOSS", "0")
    monkeypatch.setattr(np.random, "seed", np.random.seed)
    result = check(str(module(tmp_path, f"loss_{abs(hash(top))}", top)), "--json")
    assert result.exit_code == 1
    assert any(told in problem for status, problem in results(result).values() if status == "failed"), result.output


def test_options_that_a_component_needs(tmp_path: Path) -> None:
    path = tmp_path / "folder_source.py"
    path.write_text(SCALED)
    without = check(str(path), "--json")
    assert without.exit_code == 0
    status, problem = results(without)["source folder", "has options to start from"]
    assert status == "skipped" and "root is required: give --set folder.root=VALUE" in problem
    given = results(check(str(path), "--set", "folder.root=.", "--set", "folder.count=2", "--json"))
    assert given["source folder", "reads images"] == ("ok", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["srresnett"], "there is no plugin 'srresnett', and no file or folder of that name; did you mean 'srresnet'?"),
        ([".", "--json"], "no plugin here; give a module file, a package with __init__.py, or a project folder"),
        (["srresnet", "--set", "scale=2"], "--set scale=2: write COMPONENT.OPTION=VALUE"),
        (["srresnet", "--set", "srgan.scale=2"], "plugin srresnet provides no 'srgan'"),
    ],
)
def test_what_cannot_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = check(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_fixtures_for_authors(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["translate.testing.pytest_plugin"]\n')
    (tmp_path / "test_them.py").write_text(
        "from pathlib import Path\n\n"
        "def test_all(registry, tiny_batch, tiny_spec, run_folder, stage_context, one_thread):\n"
        "    assert 'srresnet' in registry.names('methods', everything=True)\n"
        "    batch, spec = tiny_batch('labelled', count=3, size=16), tiny_spec('labelled', size=16)\n"
        "    assert batch['image'].shape == (3, 3, 16, 16) and batch['label'].shape == (3, *spec.size)\n"
        "    assert Path.cwd() == run_folder\n"
        "    assert stage_context().folder != stage_context().folder\n"
    )
    done = warm.run(["-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_kit_imports_nothing_heavy_before_it_is_used() -> None:
    code = "import sys, translate.testing.pytest_plugin, translate.cli; print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment(), check=True)
    assert done.stdout.strip() == "set()"


def _environment() -> dict[str, Any]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}
