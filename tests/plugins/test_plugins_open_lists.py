"""A plugin with an image format, an exporter and commands: in conversions, pipelines and on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from translate.cli import main
from translate.errors import DataError, PluginError
from translate.imaging import image_format
from translate.imaging.formats import of_plugins
from translate.imaging.formats.of_plugins import FORMATS, writer_of
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import READABLE, SUFFIXES, encode, probe, read, readable, writable, write
from translate.plugins import Registry, switched
from translate.testing import assert_exporter_conforms, assert_format_conforms

Install = Callable[..., Registry]
SOURCE = (Path(__file__).parent / "acme_everything.py").read_text()
ENTRIES = "acme = acme\n[translate.commands]\ngreet = acme\nmodels = acme\nlost = acme\nghost = nobody\n"


@pytest.fixture(autouse=True)
def _formats_of_one_test() -> Iterator[None]:
    """The table of formats as it was before."""
    before = dict(FORMATS)
    yield
    FORMATS.clear()
    FORMATS.update(before)


@pytest.fixture
def acme(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("translate.imaging.guard.reader.cores", lambda: 1)  # of decoders, each of which imports torch
    return install("acme-translate", ENTRIES, acme=SOURCE)


def cli(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def grey(height: int = 16, width: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 1), np.uint8)


# ------------------------------------------------------------------------------------------------------------ commands


def test_help_lists_commands_of_plugins_and_imports_none(acme: Registry) -> None:
    done = cli("--help")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert any(line.split() == ["greet", "Of", "the", "plugin", "acme."] for line in lines)
    assert sum(line.startswith("  models ") for line in lines) == 1, "the built-in command stands alone"
    code = (
        "import sys\nfrom translate.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "print([name for name in ('torch', 'acme', 'pluggy') if name in sys.modules], file=sys.stderr)"
    )
    paths = os.pathsep.join([*sys.path])
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr.strip() == "[]" and "greet" in ran.stdout


def test_a_command_is_called_by_its_name_or_with_its_plugin(acme: Registry) -> None:
    assert cli("greet", "Ada", "--loud").stdout == "HELLO ADA\n"
    assert cli("acme/greet", "Ada").stdout == "hello Ada\n"
    assert cli("acme", "--help").stdout.startswith("Usage: main acme [OPTIONS] COMMAND")
    helped = cli("greet", "--help").stdout
    assert "Say hello to WHO." in helped and "--loud" in helped


def test_only_the_plugin_of_the_command_is_imported(acme: Registry, install: Install) -> None:
    install("other", other="raise SystemExit('never')")
    assert cli("greet", "Ada").stdout == "hello Ada\n"
    assert "acme" in sys.modules and "other" not in sys.modules


def test_errors_of_a_command_print_as_one_line(acme: Registry) -> None:
    done = cli("acme", "fail")
    assert (done.exit_code, done.stderr) == (1, "error: no image here\n")


def test_built_in_commands_go_first(acme: Registry) -> None:
    assert "Trained models." in cli("models", "--help").stdout


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("gret", "No such command 'gret'; did you mean 'greet'?"),
        ("conver", "No such command 'conver'; did you mean 'convert'?"),
        ("acme/gret", "brings no command 'gret'; did you mean 'greet'?"),
        ("acmee/greet", "there is no plugin 'acmee'; did you mean 'acme'?"),
        ("lost", "brings no command 'lost'; it brings greet, acme"),
        ("ghost", "there is no plugin 'nobody'"),
        ("zzz", "No such command 'zzz'"),
    ],
)
def test_names_that_are_not_there(acme: Registry, command: str, says: str) -> None:
    done = cli(command)
    assert done.exit_code == 2
    assert says in done.stderr


def test_two_plugins_of_one_command(acme: Registry, install: Install) -> None:
    install("rival", "rival = rival\n[translate.commands]\ngreet = rival\n", rival=SOURCE)
    assert "greet" in cli("--help").stdout
    done = cli("greet", "Ada")
    assert done.exit_code == 2
    assert "brought by acme and rival; say `translate acme/greet` or `translate rival/greet`" in done.stderr
    assert cli("acme/greet", "Ada").stdout == "hello Ada\n"


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("[print]", "in translate_commands is not a click.Command: put @click.command() above the function"),
        ("None", "translate_commands returned None, not a list of commands"),
        ("{'a b': click.Command('x')}", "needs a name of letters, digits"),
        ("[click.Command('x'), click.Command('x')]", "gives two commands of the name 'x'"),
    ],
)
def test_what_is_no_command_refuses_the_plugin(install: Install, returned: str, says: str) -> None:
    hook = f"@hookimpl\ndef translate_commands(): return {returned}\n"
    registry = install(bad=f"import click\nfrom translate import hookimpl\n{hook}")
    with pytest.raises(PluginError) as error:
        registry.load("bad")
    assert says in str(error.value)


def test_plugins_show_lists_all_of_them(acme: Registry) -> None:
    shown = json.loads(cli("plugins", "show", "acme", "--json").stdout)["provides"]
    assert [each["name"] for each in shown["commands"]] == ["acme", "acme/greet"]
    assert [(each["name"], each["about"]) for each in shown["formats"]] == [
        ("acme/pgm", "Portable grey maps of 8 bits (P5).")
    ]
    assert [option["name"] for option in shown["exporters"][0]["options"]] == ["title"]
    listed = cli("plugins", "list").stdout
    assert "  command    acme/greet" in listed and "Say hello" in listed


# ------------------------------------------------------------------------------------------------------------- formats


def test_a_format_is_in_use_where_its_plugin_is_named(acme: Registry) -> None:
    assert ".pgm" in READABLE and not FORMATS, "built in, until a plugin brings its own"
    acme.load("acme")
    assert writer_of(".pgm") is not None and readable() == READABLE and writable() == SUFFIXES
    acme.load("acme")
    Registry().load("acme")
    assert len(FORMATS) == 1, "however often"


def test_a_variable_names_plugins_for_scripts(acme: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSLATE_PLUGINS", "acme, nowhere")
    Registry()
    assert FORMATS
    FORMATS.clear()
    monkeypatch.setenv("TRANSLATE_PLUGINS_OFF", "acme")
    Registry()
    assert not FORMATS


def test_the_first_bytes_decide_and_built_in_ones_go_first(acme: Registry, tmp_path: Path) -> None:
    acme.load("acme")
    image = grey()
    (tmp_path / "named.png").write_bytes(encode(image, ".pgm"))
    assert np.array_equal(read(tmp_path / "named.png").pixels, image)
    (tmp_path / "png.pgm").write_bytes(encode(image, ".png"))
    assert probe(tmp_path / "png.pgm").format == "png"
    (tmp_path / "text.pgm").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"text\.pgm: not an image of a known format"):
        read(tmp_path / "text.pgm")


def test_damage_and_images_that_do_not_fit_are_told(acme: Registry, tmp_path: Path) -> None:
    acme.load("acme")
    data = encode(grey(), ".pgm")
    (tmp_path / "half.pgm").write_bytes(data[:100])
    with pytest.raises(DataError, match=r"half\.pgm: a PGM of 8 bits ends too early"):
        read(tmp_path / "half.pgm")
    (tmp_path / "odd.pgm").write_bytes(b"P5 nothing")
    with pytest.raises(DataError, match=r"odd\.pgm: damaged or truncated pgm: ValueError: not enough values"):
        probe(tmp_path / "odd.pgm")
    with pytest.raises(DataError, match=r"six.pgm: PGM holds grey of 8 bits, not \(4, 4, 6\) uint8"):
        write(tmp_path / "six.pgm", np.zeros((4, 4, 6), np.uint8))
    huge = b"P5\n100000 100000\n255\n"
    (tmp_path / "huge.pgm").write_bytes(huge)
    with pytest.raises(DataError, match=r"huge\.pgm"):
        read(tmp_path / "huge.pgm")


def test_a_guarded_reader_reads_it_in_another_process(acme: Registry, tmp_path: Path, site: Path) -> None:
    """The decoder's process imports the plugin; a decoder that crashes or hangs ends that process alone."""
    acme.load("acme")
    write(tmp_path / "grey.pgm", grey())
    with GuardedReader() as reader:
        assert np.array_equal(reader.read(tmp_path / "grey.pgm").pixels, grey())
        assert reader.probe(tmp_path / "grey.pgm").width == 24
        # the parent has the module as it was; the worker that starts next imports what is on disk
    source = SOURCE.replace("width, height = map(int, size.split())", "import os; os.abort()")
    assert source != SOURCE
    (site / "acme.py").write_text(source)
    with GuardedReader() as reader, pytest.raises(DataError, match=r"grey.pgm: its decoder crashed \(SIGABRT\)"):
        reader.read(tmp_path / "grey.pgm")


def test_two_formats_of_one_suffix(acme: Registry, install: Install) -> None:
    acme.load("acme")
    registry = install("rival", rival=SOURCE)
    with pytest.raises(PluginError, match=r"cannot be registered: Pgm is for .pgm, which acme:Pgm is for as well"):
        registry.load("rival")
    registry = install("third", third=SOURCE.replace('(".pgm",)', '(".png",)'))
    with pytest.raises(PluginError, match=r"Pgm is for .png, which is built in"):
        registry.load("third")
    registry = install("fourth", fourth=SOURCE.replace('(".pgm",)', '"pgm"'))
    with pytest.raises(PluginError, match=r"Pgm in translate_formats needs `suffixes`, a tuple such as \('.pgm',\)"):
        registry.load("fourth")


def test_the_built_in_formats_are_told_as_they_are() -> None:
    """What `plugins show` lists agrees with what is read and written."""
    registry = Registry([])
    kinds = [registry.get("formats", name) for name in registry.names("formats")]
    assert {suffix for kind in kinds for suffix in kind.suffixes} == {*READABLE}
    for kind in kinds:
        if kind.write is not image_format.ImageFormat.write:
            assert_format_conforms(kind)
            assert {*kind.suffixes} & {*SUFFIXES}


def test_it_conforms(acme: Registry) -> None:
    module = acme.load("acme").module
    assert_format_conforms(module.Pgm)
    assert_exporter_conforms(module.Counts)


PIPELINE = """\
version: 1
name: maps
tracking: none
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: pairs, root: files}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: pix2pix
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, layers: 1, filters: 4}
      max_steps: 1
      workers: 0
plugins: [acme]
"""


@pytest.fixture
def trained(acme: Registry) -> Path:
    """A model that was trained on files of the plugin's format."""
    with switched(on=["acme"]):
        Registry()
    for seed, folder in enumerate(("trainA", "trainB", "valA", "valB")):
        Path("files", folder).mkdir(parents=True)
        for name in ("a", "b"):
            write(Path("files", folder, f"{name}.pgm"), grey(16, 16, seed))
    FORMATS.clear()
    Path("maps.yaml").write_text(PIPELINE)
    done = cli("run", "maps.yaml", "--device", "cpu")
    assert done.exit_code == 0, done.output
    return Path("runs/maps")


def test_a_pipeline_converts_and_exports_with_it(trained: Path) -> None:
    recipe = json.loads((trained / "prepare" / "MANIFEST.json").read_text())["recipe"]
    assert recipe["providers"]["formats/acme/pgm"]["distribution"] == "acme-translate"

    model = ["--model", str(trained / "train"), "--device", "cpu"]
    FORMATS.clear()
    done = cli("--plugin", "acme", "convert", "files/valA", "out", *model)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in Path("out").glob("*.pgm")) == ["a.pgm", "b.pgm"]
    assert read(Path("out/a.pgm")).pixels.shape == (16, 16, 1)
    one = cli("--plugin", "acme", "convert", "files/valA/a.pgm", "one.pgm", *model)
    assert one.exit_code == 0 and Path("one.pgm").read_bytes()[:2] == b"P5"

    exported = cli("models", "export", str(trained / "train"), "--format", "acme/counts", "--set", "title=all of them")
    assert exported.exit_code == 0, exported.output
    (file,) = trained.glob("train/translator/counts/*.txt")
    title, count = file.read_text().splitlines()
    assert title == "all of them" and f"{count} parameters" in exported.stdout
    assert exported.stderr == f"warning: {file.stem}: it is a number\n"
    told = json.loads(
        cli("models", "export", str(trained / "train"), "n.txt", "--format", "acme/counts", "--json").stdout
    )
    assert told == {"files": [{"direction": file.stem, "file": "n.txt", "count": int(count)}]}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--format", "acme/count"], "provides no exporter 'count'; did you mean 'counts'?"),
        (["--format", "onyx"], "there is no exporter 'onyx'; did you mean 'onnx'?"),
        (["--format", "acme/counts", "--set", "tilte=x"], "acme/counts: tilte: unknown key; did you mean 'title'?"),
        (["--format", "acme/counts", "--exporter", "dynamo"], "acme/counts: exporter: unknown key"),
        (["--set", "exporter=old"], "onnx: exporter: must be 'auto', 'dynamo' or 'torchscript', not 'old'"),
        (["--set", "exporter"], "--set exporter: write OPTION=VALUE"),
    ],
)
def test_mistakes_of_an_export(acme: Registry, options: list[str], says: str) -> None:
    done = cli("models", "export", "nowhere", *options)
    assert done.exit_code == 2
    assert says in done.stderr


def test_a_process_without_the_plugin_says_so() -> None:
    """A worker on another machine, where nobody installed it."""
    message = r"the image format ghost\.formats:Pgm is in use, and process \d+ cannot import it: .*'ghost'; install its"
    with pytest.raises(PluginError, match=message):
        of_plugins.register_places(["ghost.formats:Pgm"])
