"""Other weights than the bundle's: those of the best or the last checkpoint, or from before averaging."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from translate.errors import ConfigError, StageError
from translate.models.bundle import write_bundle
from translate.models.load import load


def checkpoint(folder, step, live, averaged, best):
    """A checkpoint as a training writes it, by hand."""
    place = folder / "checkpoints" / f"{step:09d}"
    place.mkdir(parents=True)
    tensors = {"net/gen/mix.weight": live, "net/critic/weight": torch.zeros(2, 2), "opt/G/0/step": torch.zeros(1)}
    if averaged is not None:
        tensors |= {"ema/gen/module.mix.weight": averaged, "ema/gen/n_averaged": torch.tensor(7)}
    save_file(tensors, place / "tensors.safetensors")
    history = {"validations": [], "best": {"metric": "l1", "value": 0.1, "step": best} if best else None}
    (place / "state.json").write_text(json.dumps({"format": 1, "step": step, "updates": {}, "progress": history}))
    hashes = {f: hashlib.sha256((place / f).read_bytes()).hexdigest() for f in ("tensors.safetensors", "state.json")}
    (place / "MANIFEST.json").write_text(json.dumps(hashes))
    return place


def mixing(factor):
    """The weight of a 1 x 1 convolution that multiplies by `factor`."""
    return factor * torch.eye(3).view(3, 3, 1, 1)


@pytest.fixture
def stage(tmp_path, make, shop, tiny):
    """stage(step, averaged, best) -> a function of `weights` that says by what the model multiplies then.

    Live weights of step 30 multiply by 0.3, averaged ones by 0.03, the bundle's by 0.9.
    """

    def trained(step=20, averaged=True, best=20):
        translator = make()
        with torch.no_grad():
            translator.nets["gen"].mix.weight.copy_(mixing(0.9))
        folder = tmp_path / f"{step} {averaged} {best}"
        info = {"weights": "best", "step": step, "ema": averaged}
        write_bundle(
            folder / "translator",
            method=translator.method,
            method_name="tiny",
            nets=translator.nets,
            provider={},
            info=info,
        )
        for s in (20, 30):
            checkpoint(folder, s, mixing(s / 100), mixing(s / 1000) if averaged else None, best)

        def factor(weights, ref=folder):
            model = load(ref, "cpu", shop(tiny), weights=weights)
            return round(float(model(torch.ones(3, 4, 4))[0, 0, 0]), 5), model.info["step"], model.info["ema"]

        return folder, factor

    return trained


def test_best_last_and_raw(stage):
    folder, factor = stage()
    assert factor(None) == (0.9, 20, True)
    assert factor("best") == factor("best", folder / "translator") == (0.02, 20, True)
    assert factor("last") == (0.03, 30, True)
    assert factor("raw") == (0.2, 20, False)


def test_without_averaging_and_without_a_best(stage):
    _, factor = stage(step=30, averaged=False, best=None)
    assert factor("last") == factor("raw") == (0.3, 30, False)
    with pytest.raises(ConfigError, match="this training watched no metric"):
        factor("best")


def test_weights_that_were_not_kept(stage):
    folder, factor = stage(step=10)
    with pytest.raises(ConfigError, match="the raw weights are those of step 10, and only 20, 30 were kept"):
        factor("raw")
    (folder / "translator").rename(folder.with_name("moved"))
    with pytest.raises(ConfigError, match="no checkpoints beside this model"):
        factor("last", folder.with_name("moved"))


def test_instead_of_a_damaged_last_checkpoint_the_one_before_is_taken_with_a_warning(stage):
    folder, factor = stage()
    (folder / "checkpoints" / "000000030" / "tensors.safetensors").write_bytes(b"")
    with pytest.warns(
        UserWarning, match=r"000000030 is damaged: tensors\.safetensors is empty; the newest that is who"
    ):
        assert factor("last") == (0.02, 20, True)
    with pytest.warns(UserWarning):
        assert factor("raw")[0] == 0.2


def test_a_damaged_best_checkpoint_is_named_with_what_else_there_is(stage):
    folder, factor = stage()
    (folder / "checkpoints" / "000000020" / "tensors.safetensors").write_bytes(b"damaged")
    with pytest.raises(StageError, match=r"000000020 is damaged: tensors.* \(`last`\), or the model's own"):
        factor("best")
    assert factor("last") == (0.03, 30, True)
    (folder / "checkpoints" / "000000030" / "state.json").unlink()
    with pytest.raises(StageError, match=r"no checkpoint is whole: 000000030 is damaged: state.json is missing; 0000"):
        factor("last")
