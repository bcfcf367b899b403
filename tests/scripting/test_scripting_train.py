"""Trainings on data that Python holds: a script as in a notebook, resumption, callbacks, methods and networks."""

from __future__ import annotations

import copy
import json
import os
import runpy
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scripting_data import SMALL, Pairs, image
from torch import Tensor, nn

import translate
from translate import Class, Config, Direction, Method, Sides, Update
from translate.errors import ConfigError, StageError
from translate.imaging.io import write
from translate.inference.translator import Translator
from translate.scripting.dataset import PythonDataset
from translate.scripting.items import Items
from translate.seeding import derive

Train = Callable[..., Translator]
NOTEBOOK = Path(__file__).parent / "notebook.py"


def weights(model: Translator) -> dict[str, Tensor]:
    assert model.folder is not None
    return load_file(model.folder / "model.safetensors")


def equal(first: Translator, second: Translator) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_script_of_15_lines_trains_and_shows_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The generator is a 1 x 1 convolution: it learns that every value is turned around."""
    assert sum(bool(line) for line in NOTEBOOK.read_text().splitlines()) < 15
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(NOTEBOOK))
    model, picture = names["model"], names["picture"]
    assert model.folder.is_relative_to("runs") and (model.folder / "README.md").is_file()
    photo = names["Inverted"]()[3]["input"]
    assert (model(photo) + photo).abs().mean() < 0.15, "noise of this size is left; untrained it is about 1"
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert picture.pixels.shape == (4 * 36 - 4, 3 * 36 - 4, 3)
    assert "a_to_b" in model._repr_html_()


def test_it_is_the_training_of_a_pipeline_on_the_same_images(train: Train) -> None:
    """Images of 8 bits from memory, and as files through a pipeline: equal weights after as many steps."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 16, 16, 3), dtype=np.uint8)
    Path("pairs/train").mkdir(parents=True)
    for number, pair in enumerate(pixels):
        write(Path(f"pairs/train/{number}.png"), np.concatenate(list(pair), axis=1))
    options = {"batch_size": 3, "epochs": 2, "precision": "fp32", "fast": "off", "options": SMALL}
    stages = {
        "prepare": {"uses": "preprocess", "with": {"source": {"uses": "side-by-side", "root": Path("pairs")}}},
        "train": {"uses": "train", "needs": {"data": "prepare"}, "with": {"method": "pix2pix", **options}},
    }
    result = translate.run({"version": 1, "name": "files", "tracking": "none", "stages": stages}, device="cpu")
    pairs = [{"input": pair[0], "target": pair[1]} for pair in torch.from_numpy(pixels).permute(0, 1, 4, 2, 3)]
    model = train(pairs, seed=derive(0, "stage", "train"), **options)
    assert equal(model, translate.load(result.stages["train"], "cpu"))


def test_uint8_and_floats_of_the_same_values_train_alike(train: Train) -> None:
    pixels = [{side: ((value + 1) * 127.5).round().byte() for side, value in Pairs()[i].items()} for i in range(6)]
    floats = [{side: value.float() / 127.5 - 1 for side, value in item.items()} for item in pixels]
    assert equal(train(pixels), train(floats))
    model = train(floats)
    file = pixels[0]["input"].permute(1, 2, 0).numpy()
    assert model(file).dtype == np.uint8 and model(file).shape == (16, 16, 3)


class Interrupting:
    """Sends Ctrl-C at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def step_finished(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


class Noisy(Pairs):
    """Items with noise of the global generators, as augmentation of one's own has."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x = image(index) * 0.5 + torch.rand(()) * 0.2 + float(np.random.rand()) * 0.1
        return {"input": x, "target": -x}


def test_a_stopped_training_goes_on_and_ends_bit_equal(train: Train) -> None:
    whole = train(Noisy(), epochs=4, out="whole", log_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(Noisy(), epochs=4, out="parts", log_every=1, callback=Interrupting(3))
    with pytest.raises(ConfigError, match="not finished"):
        translate.load("parts")
    assert translate.load("parts", weights="last").info["step"] == 3
    assert equal(whole, train(Noisy(), epochs=4, out="parts", log_every=1))


def test_processes_that_read_ahead_change_nothing(train: Train) -> None:
    assert equal(train(Noisy(), epochs=2), train(Noisy(), epochs=2, workers=2))


def test_generators_of_the_caller_stay_as_they_are() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    expected = torch.rand(3), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    dataset = PythonDataset({"train": Items(Noisy())}, Sides.of("paired"), {})
    first = dataset.tensor("train", "input", "000000001")
    assert torch.equal(first, dataset.tensor("train", "input", "000000001"))
    assert torch.equal(torch.rand(3), expected[0]) and np.random.rand() == expected[1]


def test_both_sides_of_an_item_share_what_it_draws(train: Train) -> None:
    model = train(Noisy(24), epochs=8, batch_size=8, options={"generator": nn.Conv2d(3, 3, 1)}, optimizer={"lr": 0.05})
    assert (model(image(0)) + image(0)).abs().mean() < 0.2


def test_the_same_folder_again_is_loaded_extended_or_refused(train: Train, quiet: Any) -> None:
    first = train(Pairs(), out="out")
    assert equal(first, train(Pairs(), out="out"))
    assert quiet.lines[-1] == "out holds this training, and it is done"
    longer = train(Pairs(), out="out", epochs=3)
    assert (first.info["step"], longer.info["step"]) == (2, 6)
    assert equal(longer, train(Pairs(), epochs=3)), "as if it had been asked for at once"
    with pytest.raises(StageError, match="nothing is left to train: out has done 6 steps, and 2 are asked for"):
        train(Pairs(), out="out", epochs=1)
    with pytest.raises(ConfigError, match="out holds a training with other options: batch_size was 3, and is 2 now"):
        train(Pairs(), out="out", epochs=3, batch_size=2)
    with pytest.raises(ConfigError, match=r"counts\.train\.input was 6, and is 7 now"):
        train(Pairs(7), out="out", epochs=3)
    Path("full").mkdir()
    Path("full/notes.txt").touch()
    with pytest.raises(ConfigError, match=r"full is not the folder of a training: it holds notes\.txt"):
        train(Pairs(), out="full")


def test_folders_are_numbered(train: Train) -> None:
    assert [str(train(Pairs()).folder) for _ in range(2)] == ["runs/pix2pix-1/translator", "runs/pix2pix-2/translator"]


class Everything:
    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def stage_started(self, folder: Path) -> None:
        self.heard.append(("started", folder))

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        self.heard.append(("step", (step, "l1" in metrics)))

    def validated(self, scores: Mapping[str, float], **more: Any) -> None:
        grid = more["folder"] / "a_to_b" / f"{more['step']:09d}.png"
        self.heard.append(("validated", (more["step"], list(scores), grid.is_file())))

    def checkpoint_saved(self, folder: Path, step: int, *, remark: str = "") -> None:
        self.heard.append(("saved", folder.name == f"{step:09d}"))

    def stage_finished(self) -> None:
        self.heard.append(("finished", None))


def test_a_callback_is_told_what_it_asks_for(train: Train) -> None:
    callback = Everything()
    train(Pairs(), validation_data=Pairs(4), validate={"metrics": ["l1"]}, out="out", log_every=1, callback=callback)
    assert callback.heard == [
        ("started", Path("out")),
        ("step", (1, True)),
        ("step", (2, True)),
        ("validated", (2, ["val/l1"], True)),
        ("saved", True),
        ("finished", None),
    ]


class Misspelt:
    def step_finishd(self) -> None: ...


class Asking:
    def step_finished(self, loss: float) -> None: ...


class Raising:
    def step_finished(self) -> None:
        raise ZeroDivisionError("mine")


@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        (Misspelt(), ConfigError, "a Misspelt has none of the methods .*; did you mean 'step_finished'"),
        (Asking(), ConfigError, r"step_finished\(\) has no argument 'loss'; it has step, metrics"),
        (Raising(), ZeroDivisionError, "mine"),
    ],
)
def test_wrong_callbacks(train: Train, callback: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        train(Pairs(), callback=callback)


def test_a_tracker_of_ones_own_gets_the_curves(train: Train) -> None:
    class Curves:
        steps: list[int] = []

        def metrics(self, values: Mapping[str, float], step: int) -> None:
            self.steps.append(step)

        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    train(Pairs(), tracker=Curves(), log_every=1)
    assert Curves.steps[:2] == [1, 2]


def test_sides_that_are_drawn_apart_come_from_data_of_their_own(train: Train) -> None:
    data = {"a": [image(i) for i in range(3)], "b": [image(i, size=16) for i in range(5)]}
    small = {"uses": "resnet", "blocks": 1, "filters": 4}
    model = train(data, "cyclegan", options={"generator": small, "discriminator": {"uses": "pixel", "filters": 4}})
    assert list(model.routes) == ["a_to_b", "b_to_a"] and model.info["step"] == 1
    assert model(image(0), "b_to_a").shape == (3, 16, 16)


def test_a_prepared_dataset_is_taken_by_its_folder(train: Train) -> None:
    source = {"uses": "generated-maps", "size": 32, "train": 4, "val": 2, "test": 2}
    stages = {"prepare": {"uses": "preprocess", "with": {"source": source}}}
    translate.run({"version": 1, "name": "prepared", "tracking": "none", "stages": stages}, device="cpu")
    model = train(
        "runs/prepared/prepare", "cyclegan", max_steps=1, options={"generator": {"uses": "resnet", "filters": 4}}
    )
    assert model.info["step"] == 1
    with pytest.raises(ConfigError, match="a prepared dataset has its own splits"):
        train("runs/prepared/prepare", "cyclegan", validation_data=[{}])


class Unit(nn.Module):
    """A network of one's own, with what its author initialised."""

    multiple = 2

    def __init__(self, value: float = 0.25, kernel: int = 1) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, kernel, padding=kernel // 2)
        nn.init.constant_(self.layer.weight, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def test_a_network_of_ones_own_is_copied_with_its_weights_and_loads_again(train: Train) -> None:
    mine = Unit()
    before = copy.deepcopy(mine.state_dict())
    model = train(Pairs(), options={"generator": mine}, optimizer={"lr": 1e-9}, out="out")
    assert all(torch.equal(value, before[key]) for key, value in mine.state_dict().items())
    torch.testing.assert_close(model.nets["gen"].layer.weight, mine.layer.weight, atol=1e-6, rtol=0)
    facts = json.loads((Path("out") / "translator" / "translator.json").read_text())
    assert facts["options"]["generator"] == {"uses": "own:generator", "class": f"{__name__}.Unit"}
    for name in ("generator", "gen"):
        again = translate.load("out", "cpu", networks={name: Unit(0.0)})
        assert torch.equal(again(image(1)), model(image(1)))
    with pytest.raises(ConfigError, match=r"network 'gen' is a .*Unit of somebody's own.*networks={'generator': Unit"):
        translate.load("out", "cpu")
    with pytest.raises(
        translate.PluginError, match=r"layer\.weight: \(3, 3, 1, 1\) in the bundle, \(3, 3, 3, 3\) as built"
    ):
        translate.load("out", "cpu", networks={"generator": Unit(kernel=3)})
    with pytest.raises(ConfigError, match="the model has no network 'generater'; did you mean 'generator'"):
        translate.load("out", "cpu", networks={"generater": Unit()})
    assert equal(model, train(Pairs(), options={"generator": Unit()}, optimizer={"lr": 1e-9}, out="out"))


def test_a_network_of_ones_own_stands_in_no_pipeline() -> None:
    stage = {"uses": "train", "with": {"method": "pix2pix", "options": {"generator": Unit()}}}
    with pytest.raises(
        ConfigError, match=r"mapping stages\.train\.with\.options\.generator: is a Unit, .*translate\.train"
    ):
        translate.run({"version": 1, "name": "x", "stages": {"train": stage}})
    stage = {**stage, "needs": {"data": "prepare"}}
    stage["with"]["options"] = {"generator": "own:generator"}
    prepare = {"uses": "preprocess", "with": {"source": {"uses": "generated-maps", "kind": "paired"}}}
    with pytest.raises(ConfigError, match="there is no network 'own:generator'"):
        translate.run({"version": 1, "name": "x", "stages": {"prepare": prepare, "train": stage}})


class LookConfig(Config):
    width: int = 4
    "Filters."


class Looks(Method[LookConfig]):
    """One network tints an image as a class says."""

    name = "looks"
    data = Sides({"image": translate.Image(), "look": Class()}, (("image", "look"),))
    players = {"G": ("net",)}
    losses = {"l1": 1.0}
    directions = {"to": Direction(nets=("net",), inputs=("image", "look"), target="image")}

    def networks(self, build: Any) -> dict[str, nn.Module]:
        return {"net": nn.Embedding(len(self.spec.sides["look"].names), 3)}

    def step(self, nets: Any, batch: Mapping[str, Tensor], step: Any) -> Iterator[Update]:
        assert batch["look"].dtype == torch.int64
        tint = nets.net(batch["look"])[:, :, None, None]
        yield Update("G", {"l1": (batch["image"] - tint).abs().mean()})

    def translate(self, nets: Any, inputs: Mapping[str, Tensor], direction: Any, draw: Any) -> Tensor:
        return inputs["image"] * 0 + nets.net(inputs["look"])[:, :, None, None]


def test_a_method_of_ones_own_with_classes_by_name(train: Train) -> None:
    """Day is white and night is black: the median of each class is learnt."""
    data = [{"image": torch.full((3, 16, 16), v), "look": w} for v, w in [(1.0, "day"), (-1.0, torch.tensor(1))] * 6]
    names = {"look": Class(("day", "night"))}
    model = train(data, Looks, sides=names, epochs=50, optimizer={"lr": 0.05}, options={"width": 2}, out="out")
    day, night = (model(image(0), look=look).mean().item() for look in ("day", "night"))
    assert day > 0.9 and night < -0.9
    with pytest.raises(translate.TranslateError, match=r"looks is a class of somebody's own: give it, `method=\.\.\.`"):
        translate.load("out", "cpu")
    again = translate.load("out", "cpu", method=Looks)
    assert torch.equal(again(image(0), look="day"), model(image(0), look="day"))
    net = nn.Sequential(nn.Conv2d(3, 3, 1))
    assert again.module("to")(net(image(0)[None]), look=torch.tensor([1])).mean() < -0.9
    with pytest.raises(ConfigError, match=r"side 'look' is a class of an image: say which classes there are, sides="):
        train(data, Looks)
