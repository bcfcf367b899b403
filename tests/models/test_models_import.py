"""Checkpoints of the reference implementation against its networks as written down in the tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from reference_checkpoints import FULL, LAYOUTS, Layout, State

from translate.cli import main
from translate.errors import ConfigError, DataError
from translate.models.bundle import read_bundle
from translate.models.foreign import reference_import as importing
from translate.models.foreign.recognise import recognise
from translate.models.foreign.reference_import import import_reference
from translate.models.load import load
from translate.storage import unpickle

SMALL = Layout("resnet", 6, "batch", filters=2)


def saved(path: Path, state: Any, **options: Any) -> Path:
    torch.save(state, path, **options)
    return path


def check_outputs(layout: Layout, folder: Path, **options: Any) -> None:
    """Imports without a flag; then, dropout off, both norm modes equal the independent network."""
    state = layout.checkpoint()
    facts = import_reference(saved(folder / "latest_net_G.pth", state), folder / "bundle").to_json()
    found = facts["imported"]["network"]
    assert (found["uses"], found["filters"], found["norm"]) == (layout.kind, layout.filters, layout.norm)
    assert found["levels" if layout.kind == "unet" else "blocks"] == layout.depth
    assert facts["imported"]["channels"] == [layout.inputs, layout.outputs]
    assert found["dropout"] is (layout.dropout or layout.kind == "unet")
    images = torch.rand(2, layout.inputs, layout.size, layout.size, generator=torch.Generator().manual_seed(5)) * 2 - 1
    translator = load(folder / "bundle", "cpu")
    translator.nets["net"].eval()  # dropout off; norms on the statistics of each image
    expected = layout.forward(state, images, "image")
    assert expected.std() > 0.01
    with torch.inference_mode():
        torch.testing.assert_close(translator.nets["net"](images), expected, rtol=0, atol=1e-5)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads files in this process, with the code of the child but without its start, which takes seconds."""
    monkeypatch.setattr(importing, "read_networks", unpickle.read_networks)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_gives_what_the_reference_gives(layout: Layout, tmp_path: Path) -> None:
    check_outputs(layout, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("layout", FULL, ids=str)
def test_full_width_gives_what_the_reference_gives(layout: Layout, tmp_path: Path) -> None:
    check_outputs(layout, tmp_path)


def test_the_published_list_is_recognised() -> None:
    root = os.environ.get("TRANSLATE_TEST_DATA")
    path = Path(root or "") / "../specs/reference_state_dicts.json"
    if not root or not path.is_file():
        pytest.skip("the reference's list of state dicts is not beside TRANSLATE_TEST_DATA")
    entries = json.loads(path.read_text())["networks"]
    for name, entry in entries.items():
        kind, norm, variant = name.split("/")
        shapes = entries[entry.get("same_as", name)]["keys"]
        if kind.startswith("D_"):
            assert not recognise(shapes).layout.generates
            continue
        found = recognise(shapes)
        assert found.uses == kind.partition("_")[0]
        depth = {"unet_256": ("levels", 8), "unet_128": ("levels", 7), "resnet_9blocks": ("blocks", 9)}
        key, value = depth.get(kind, ("blocks", 6))
        assert (found.options[key], found.options["norm"], found.options["filters"]) == (value, norm, 64)
        assert found.assumed == (() if found.uses == "resnet" else ("dropout",))
        if not found.assumed:
            assert found.options["dropout"] is (variant == "dropout")
        if "same_as" in entry:
            continue
        layout = Layout(found.uses, value, norm, found.options["dropout"], 64)
        assert {k: list(v.shape) for k, v in layout.checkpoint().items()} == shapes, name  # our table is theirs


@pytest.mark.usefixtures("at_once")
def test_grey_to_colour_and_what_is_switched(tmp_path: Path) -> None:
    layout = Layout("unet", 7, "batch", filters=2, inputs=1)
    state = layout.checkpoint()
    file = saved(tmp_path / "G.pth", state)
    facts = import_reference(file, tmp_path / "eval", dropout=False, norm="running").to_json()
    assert facts["imported"]["channels"] == [1, 3]
    assert facts["test_time"] == {
        "dropout": False,
        "norm": "running",
        "text": "dropout is off; batch norms use their running averages",
    }
    assert "without, as asked for" in facts["imported"]["notes"][0]
    images = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made = load(tmp_path / "eval", "cpu").translate_tensor(images)
    torch.testing.assert_close(made, layout.forward(state, images, "running"), rtol=0, atol=1e-5)

    facts = import_reference(file, tmp_path / "as-trained").to_json()
    assert (facts["test_time"]["dropout"], facts["test_time"]["norm"]) == (True, "image")
    assert "does not tell" in facts["imported"]["notes"][0]
    assert "does not tell" in (tmp_path / "as-trained" / "README.md").read_text()
    drawn = load(tmp_path / "as-trained", "cpu", seed=1)
    once = drawn.translate_tensor(images)
    assert torch.equal(once, drawn.translate_tensor(images))
    assert not torch.equal(once, load(tmp_path / "as-trained", "cpu", seed=2).translate_tensor(images))


@pytest.mark.usefixtures("at_once")
def test_dropout_of_a_resnet_is_a_fact(tmp_path: Path) -> None:
    file = saved(tmp_path / "G.pth", SMALL.checkpoint())
    assert import_reference(file, tmp_path / "a").test_time.dropout is False
    with pytest.raises(ConfigError, match="tensors show that this resnet has none"):
        import_reference(file, tmp_path / "b", dropout=True)


def old(state: State) -> State:
    """As programs before 2018 wrote it: instance norms with statistics, batch norms without a counter."""
    layout = Layout("resnet", 6, "batch", filters=2)
    stale = {k: v for k, v in layout.checkpoint().items() if "running_" in k}
    return {**{k: v for k, v in state.items() if "tracked" not in k}, **stale}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("norm", "change", "options", "note"),
    [
        ("instance", old, {}, "left out: 34 statistics of instance norms"),
        ("batch", old, {}, "counters are absent"),
        ("batch", lambda s: {f"module.{k}": v for k, v in s.items()}, {}, None),
        ("batch", lambda s: {"net_G": s, "epoch": 200, "optimizer": {"lr": 2e-4}}, {}, None),
        ("instance", lambda s: {k: v.double() for k, v in s.items()}, {}, None),
        ("instance", lambda s: s, {"_use_new_zipfile_serialization": False}, None),
    ],
    ids=["stale statistics", "no counters", "DataParallel", "wrapped", "float64", "the format before torch 1.6"],
)
def test_other_forms_of_the_same_file(norm: str, change: Any, options: Any, note: str | None, tmp_path: Path) -> None:
    layout = Layout("resnet", 6, norm, filters=2)
    state = layout.checkpoint()
    facts = import_reference(
        saved(tmp_path / "G.pth", change(state), **options), tmp_path / "bundle", norm="running"
    ).to_json()
    assert [note in text for text in facts["imported"]["notes"]] == ([True] if note else [])
    images = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    made = load(tmp_path / "bundle", "cpu").translate_tensor(images)
    torch.testing.assert_close(made, layout.forward(state, images, "running"), rtol=0, atol=1e-5)


def shapes_of(state: State) -> dict[str, tuple[int, ...]]:
    return {k: tuple(v.shape) for k, v in state.items()}


def test_what_does_not_fit_is_named() -> None:
    whole = shapes_of(Layout("unet", 7, "instance", filters=2).checkpoint())
    inner = "model.model.1.model.3.model.1.weight"
    cases = {
        r"resembles a unet .*, but 1 tensors differ, first model.model.extra: 3 in the file, absent in a unet": {
            **whole,
            "model.model.extra": (3,),
        },
        rf"first {inner}: 9 x 4 x 4 x 4 in the file, 8 x 4 x 4 x 4 in a unet": {**whole, inner: (9, 4, 4, 4)},
        r"unknown layout: its 2 tensors \(a, b, \.\.\.\)": {"a": (1,), "b": (2, 2)},
        "unknown layout: tensors without channels": {**whole, "model.model.3.weight": (4, 0, 4, 4)},
        r"no unet has levels 13": shapes_of(Layout("unet", 13, "instance", filters=1).checkpoint()),
        r"first model\.2\.running_mean": {
            k: v for k, v in shapes_of(SMALL.checkpoint()).items() if k != "model.2.running_mean"
        },
    }
    for message, shapes in cases.items():
        with pytest.raises(DataError, match=message):
            recognise(shapes)


@pytest.mark.usefixtures("at_once")
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = SMALL.checkpoint()
    state["model.1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(DataError, match=r"model\.1\.weight .* does not hold finite numbers"):
        import_reference(saved(tmp_path / "G.pth", state), tmp_path / "bundle")
    assert [p.name for p in tmp_path.iterdir()] == ["G.pth"]


def test_the_commands(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    file = saved(tmp_path / "latest_net_G.pth", Layout("unet", 7, "batch", filters=2).checkpoint())
    bundle, run = tmp_path / "models" / "mine", CliRunner()
    done = run.invoke(main, ["models", "import", str(file), str(bundle), "--no-dropout", "--norm", "running"])
    assert done.exit_code == 0, done.output
    assert "unet (filters 2, norm batch, levels 7, dropout false), 3 to 3 channels" in done.output.replace("\n", " ")
    shown = json.loads(run.invoke(main, ["models", "show", str(bundle), "--json"]).stdout)
    assert shown == read_bundle(bundle).facts.to_json()
    assert (shown["method"], shown["imported"]["file"]) == ("single-network", "latest_net_G.pth")
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((50, 70, 3), 90, np.uint8)).save(tmp_path / "in" / "a.png")
    convert = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(bundle), "--device", "cpu"]
    done = run.invoke(main, convert)
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "out" / "a.png") as converted:
        assert converted.size == (70, 50)
    again = run.invoke(main, ["models", "import", str(file), str(bundle)])
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    none = run.invoke(main, ["models", "import", str(tmp_path / "none.pth"), str(tmp_path / "x")])
    assert (none.exit_code, "there is no such file" in none.stderr) == (2, True)
