"""The registry of a training's state: each item is needed, and there is no state beside it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any
from unittest.mock import patch

import pytest
import torch
from duel import Pictures, make_data
from forked import forked
from meeting import free_port
from registry_game import CUT, EVERYTHING, Training, differences
from torch import Tensor

from translate.contracts import Artifact
from translate.distributed.world import join, world
from translate.errors import TranslateError
from translate.training.fast import tuner
from translate.training.fast.choice import Choice
from translate.training.fast.variant import Variant
from translate.training.saving import checkpoint, registry
from translate.training.saving.registry import ITEMS, taken
from translate.training.saving.saver import Saver
from translate.training.validating.validations import Validations

CYCLEGAN: Mapping[str, Any] = {
    **EVERYTHING,
    "method": "cyclegan",
    "options": {
        "generator": {"uses": "resnet", "blocks": 1, "filters": 2, "norm": "batch"},
        "discriminator": {"uses": "patchgan", "filters": 2, "layers": 1, "spectral": True},
        "objective": "non-saturating",
        "pool": 3,
    },
    "spectral_norm": [],
    "extra_losses": [],
    "players": {},
}
# weights at which gradients overflow, so that their scales have moved
HALF: Mapping[str, Any] = {**EVERYTHING, "precision": "fp16", "fast": {}, "losses": {"critic": 100, "l1": 100}}
GAMES = {
    "everything": (EVERYTHING, 0),
    "cyclegan": (CYCLEGAN, 0),
    "workers": (EVERYTHING, 2),
    "fp16": (HALF, 0),
}


SAVE = Saver.save


class Cut:
    """A training that ran undisturbed, with its checkpoint in the middle, and all of its attributes at that step."""

    def __init__(self, folder: Path, data: Artifact, options: Mapping[str, Any], workers: int) -> None:
        self.folder, self.data, self.options, self.workers = folder, data, options, workers
        self.attributes: dict[str, Any] = {}
        whole = Training(folder / "whole", data, options, workers)
        with patch.object(Saver, "save", autospec=True, side_effect=self._save):
            self.end = whole.end()
        self.saved = folder / "whole" / checkpoint.FOLDER / checkpoint.name_of(CUT)
        self.again_in = folder / "resumed"
        world().decided(lambda: shutil.copytree(self.saved, self.again_in / checkpoint.FOLDER / self.saved.name))

    def _save(self, saver: Saver) -> None:
        if saver.state.step == CUT:
            self.attributes.update(attributes(saver.state, "state", {}))
        SAVE(saver)

    def again(self) -> Training:
        """The training as it is resumed."""
        return Training(self.again_in, self.data, self.options, self.workers)

    def changed(self) -> list[str]:
        """In what a resumed training, which writes nothing, differs from the undisturbed one; how it fails, if it
        does."""
        try:
            with patch.object(Validations, "_picture"), patch.object(Saver, "save"):
                return differences(self.end, self.again().end())
        except (TranslateError, IndexError, KeyError, RuntimeError) as error:
            return [str(error) or type(error).__name__]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_data(tmp_path_factory.mktemp("images") / "data", Pictures(train=(9, 7)))


@pytest.fixture(scope="module")
def cuts(data: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Cut]:
    return {name: Cut(tmp_path_factory.mktemp("game"), data, *game) for name, game in GAMES.items()}


@pytest.fixture(params=GAMES)
def cut(request: pytest.FixtureRequest, cuts: Mapping[str, Cut]) -> Cut:
    return cuts[request.param]


def test_a_resumed_training_is_the_undisturbed_one(cut: Cut) -> None:
    assert cut.changed() == []


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_without_an_item_it_is_another_one(
    item: registry.Item, cuts: Mapping[str, Cut], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ITEMS", tuple(each for each in ITEMS if each is not item))
    assert cuts["fp16" if item.place == "scale" else "everything"].changed() != []


@pytest.mark.parametrize("game", ["everything", "fp16"])
def test_without_a_single_value_it_is_another_one(
    game: str, cuts: Mapping[str, Cut], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tensor and each number in its turn is what a new training has."""
    cut = cuts[game]
    worth_a_trial(monkeypatch)
    trainer = Training(cut.folder / "new", cut.data, cut.options, 0).trainer
    trainer.engine.choice = Choice.of(trainer.config, "cpu")
    new = dict(taken(trainer.state))
    names = [name for name, _ in taken(cut.again().trainer.state)]
    survived = []
    for lost in filter(counts if game == "everything" else of_a_scale, names):

        def put_back_without(state: Any, values: Any, places: Any = None, lost: str = lost) -> None:
            others = {name: value for name, value in values.items() if name != lost}
            registry.put_back(state, {**others, lost: new[lost]} if lost in new else others, places)

        monkeypatch.setattr(checkpoint, "put_back", put_back_without)
        if cut.changed() == []:
            survived.append(lost)
    assert len(names) > 50 and survived == []


def worth_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a trial happen in a training whose choice is not settled, however short it is, and choose another way than
    the first: so it shows where a resumed training has forgotten that its choice is."""

    def measured(engine: Any, batches: Any, epoch: int) -> float:
        engine.step(batches, epoch)
        first = vars(engine).setdefault("first", engine.choice.variant)
        return 1.0 if engine.choice.variant == first else 0.1

    def candidates(plain: Variant, *_: Any, **__: Any) -> Iterator[Variant]:
        yield replace(plain, merge=not plain.merge)

    settings = {"LEAST_STEPS": 1, "LEAST_SECONDS": 0.0, "SHARE": 1e6, "ROUNDS": 1}
    for name, value in {**settings, "measured": measured, "candidates": candidates}.items():
        monkeypatch.setattr(tuner, name, value)


def counts(name: str) -> bool:
    """Whether a value is tried here. Torch computes the left vector of a spectral norm from the right one before it
    reads it, and Adam treats all parameters alike."""
    alike = ("opt/G/1/", "opt/G/2/", "opt/G/3/")
    return not name.endswith("._u") and not name.startswith(alike)


def of_a_scale(name: str) -> bool:
    return name.startswith("scale/D/")


# ------------------------------------------------------------------------------------- what is not in the registry


def attributes(value: Any, where: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Everything that can be reached from an object and compared, by the way to it."""
    if isinstance(value, Tensor | bool | int | float | str | None):
        yield where, value.detach().clone() if isinstance(value, Tensor) else value
        return
    if id(value) in seen or isinstance(value, type | MethodType | FunctionType | torch.Generator | torch.dtype):
        return
    seen[id(value)] = value  # held, since the number of what is gone is given to another object
    if isinstance(value, torch.optim.Optimizer):
        yield from attributes(value.state_dict(), f"{where}.state_dict()", seen)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from attributes(item, f"{where}[{key!r}]", seen)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from attributes(item, f"{where}[{number}]", seen)
    elif isinstance(value, set | frozenset):
        yield where, sorted(map(str, value))
    elif hasattr(value, "__dict__"):
        yield from attributes(vars(value), where, seen)


NO_STATE = (
    "['meters']['bad']",  # steps at which something was not finite: a training that has one is not saved
    "['seen']",  # views that a term was shown, for a message alone
    "['asked']",  # whether a term was asked counts within a step
    "['choice']['before']",  # the variant of the checkpoint, for a message alone
    "['_guesses']",  # losses of critics that guess, by objective: a cache
    "['_signs']",  # on which side critics want real images, by objective: a cache
    "['scores']['answered']",  # whether a generator has a loss of scores, which health takes at looks
    "['latest']",  # sums of the last log step, which the health of the game takes within that step
    "['clock']",  # seconds of what was done, for the report at the end
    "_hooks_with_kwargs']",  # numbers that torch counts up
)


def test_nothing_else_remembers(cut: Cut) -> None:
    """A training that was just resumed is in every attribute what the undisturbed one is at that step."""
    resumed = dict(attributes(cut.again().trainer.state, "state", {}))
    different = [name for name in differences(cut.attributes, resumed) if not any(each in name for each in NO_STATE)]
    assert len(resumed) > 100 and different == []


# ----------------------------------------------------------------------------------------------- several processes


# a target between the mean sign of both processes and that of one: without the other the share moves another way
NEAR = {"p": 0.5, "adapt": {"target": -0.158, "images": 50, "every": 3}}


def rank_of_two(rank: int, port: int, folder: Path, data: Artifact) -> None:
    """One of two processes that train together: resumes with all, then with each of its own values lost."""
    place = {
        "RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_RANK": rank,
        "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in place.items()})
    together = join()
    cut = Cut(folder, data, {**EVERYTHING, "critic_augment": NEAR}, 0)
    tensors, _ = checkpoint.read(cut.saved)
    own = [name.removeprefix("rank/1/") for name in tensors if name.startswith("rank/1/")]
    changes = {"none": [*chain(*together.gather(cut.changed()))]}
    for lost in own:

        def put_back_others(state: Any, values: Any, places: Any = None, lost: str = lost) -> None:
            registry.put_back(state, {**values, lost: tensors[lost]}, places)

        with patch.object(checkpoint, "put_back", put_back_others):
            changes[lost] = [*chain(*together.gather(cut.changed()))]
    if rank == 0:
        (folder / "changes.json").write_text(json.dumps(changes))


def test_each_process_goes_on_with_what_is_its_own(data: Artifact, tmp_path: Path) -> None:
    port = free_port()
    children = [forked(lambda rank=rank: rank_of_two(rank, port, tmp_path, data)) for rank in (0, 1)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    changes = json.loads((tmp_path / "changes.json").read_text())
    assert changes.pop("none") == []
    kinds = ("net/there/1.running_mean", "net/pool/images", "meter/critic", "critic_augment/signs", "ema/there")
    assert all(any(name.startswith(kind) for name in changes) for kind in kinds)
    assert [name for name, changed in changes.items() if not changed] == []
