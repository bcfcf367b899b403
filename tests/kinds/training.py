"""What training is asked for: a run that was stopped and changed, sizes of images and pairs, directions by name."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from kinds.images import noise, plain, save
from kinds.lab import Lab, case
from kinds.pipelines import SPLIT, interrupted, pairs, prepare, train

CHANGED = "f04_stopped_then_changed.sh"


@case(script=CHANGED)
def f04(lab: Lab) -> None:
    """Stopped, then one option changed: --continue goes on to the end, or says that more was done than is asked for."""
    done = lab.shell(CHANGED, seconds=400)
    lab.orderly(done)
    place = lab.folder / "w" / CHANGED.removesuffix(".sh")
    beyond = "nothing is left to train" in done.text  # A fast machine has done more steps when it is stopped.
    lab.check("plan", "names --continue", done.last, "can go on with --continue" in done.text)
    lab.check("went on", "to 3,600 images, or too far", done.last, beyond or "3,600/3,600" in done.text)
    (model,) = (place / "runs/a").glob("train-*")
    lab.works(lab.translate("convert", "d/train/A", "out", "--model", model, "--weights", "last", cwd=place))
    lab.check("converted", 12, len(list((place / "out").rglob("*.png"))))


@case(of=CHANGED)
def checkpoint_of_a_stopped_training(lab: Lab) -> None:
    """Stopped by Ctrl-C: plan with another option names the unfinished training, and its checkpoint converts."""
    pairs(lab, 4)
    train(lab, "max_steps: 100000")
    code, _ = interrupted(lab, signal.SIGINT)
    lab.check("exit code", "not 0", code, code not in (0, None))
    plan = lab.translate("plan", "a.yaml", "--set", "stages.train.with.max_steps=7")
    words = ("unfinished", "stopped", "interrupted", "partial", "not finished")
    lab.check("plan", "names the training", plan.text.replace("\n", " / "), any(word in plan.text for word in words))
    (partial,) = (lab.folder / "runs/a").glob("train-*.partial")
    lab.works(lab.translate("convert", "d/train/A", "out", "--model", partial, "--weights", "last"))
    lab.check("converted", 4, len(list((lab.folder / "out").rglob("*.png"))))


def half(lab: Lab) -> Path:
    """A finished training of 3 steps."""
    pairs(lab, 4)
    file = train(lab, "max_steps: 3")
    lab.works(lab.translate("run", file))
    return file


@case(of=CHANGED)
def longer_after_the_end(lab: Lab) -> None:
    """A finished training, then more steps: --continue goes on from step 3 to 5."""
    file = half(lab)
    done = lab.translate("run", file, "--set", "stages.train.with.max_steps=5", "--continue", "train")
    lab.works(done)
    lab.check("steps", "5", done.last, "5" in done.text)


@case(of=CHANGED)
def changed_network(lab: Lab) -> None:
    """A finished training, then another network: --continue is refused with what differs."""
    file = half(lab)
    change = "stages.train.with.options.generator.filters=8"
    lab.refused(lab.translate("run", file, "--set", change, "--continue", "train"))


@case(of=CHANGED)
def nothing_to_continue(lab: Lab) -> None:
    """--continue where nothing has run says so; a stage that is none is named with those that are."""
    pairs(lab, 4)
    file = train(lab, "max_steps: 3")
    lab.orderly(lab.translate("run", file, "--until", "prepare", "--continue", "train"))
    lab.refused(lab.translate("run", file, "--continue", "trian"), "train")


SIZES, HALVES, DIRECTION = "f12_pair_of_two_sizes.sh", "f15_init_halves.sh", "f19_direction_name.sh"


@case(script=SIZES)
def f12(lab: Lab) -> None:
    """Pairs of two sizes behind a resize are of one size: prepared."""
    lab.works(lab.shell(SIZES))


def unequal(lab: Lab) -> None:
    """A of 32, B of 64 pixels."""
    for number in range(3):
        save(lab.folder / f"A/{number}.png", noise(32, 32, seed=number))
        save(lab.folder / f"B/{number}.png", noise(64, 64, seed=number))


@case(of=SIZES)
def unequal_without_a_resize(lab: Lab) -> None:
    """Pairs of two sizes without a resize are refused, and the error says to add one."""
    unequal(lab)
    lab.refused(lab.translate("run", prepare(lab, "{uses: pairs, a: A, b: B}")), "resize")


@case(of=SIZES)
def unequal_after_the_transform(lab: Lab) -> None:
    """Pairs that a transform makes no more equal (resize-shorter of two shapes) are refused with both sizes."""
    for number in range(3):
        save(lab.folder / f"A/{number}.png", noise(32, 48, seed=number))
        save(lab.folder / f"B/{number}.png", noise(64, 64, seed=number))
    more = ", transforms: [{uses: resize-shorter, size: 32}]"
    lab.refused(lab.translate("run", prepare(lab, "{uses: pairs, a: A, b: B}", more)), "32")


@case(of=SIZES)
def equal_after_a_crop(lab: Lab) -> None:
    """Pairs of two sizes that a resize makes equal in training, too: two steps are trained."""
    unequal(lab)
    source = "{uses: pairs, a: A, b: B}, transforms: [{uses: resize, size: 48}]"
    lab.works(lab.translate("run", train(lab, "max_steps: 2", source=source)))


@case(script=HALVES)
def f15(lab: Lab) -> None:
    """`init` trains images of 255 at 252, of 250 at 248, 200 at 200, 127 at 124, 120 at 120: not at half their size."""
    done = lab.shell(HALVES)
    numbers = [int(number) for number in re.findall(r"size: (\d+)", done.out)]
    largest = [number for number in numbers if number <= 256]
    lab.check("sizes", "252 248 200 124 120, or nearly", largest, bool(largest) and min(largest) >= 112)


def size_of(lab: Lab, height: int, width: int, method: str = "cyclegan") -> list[int]:
    """The sizes that `init` chooses, after a check of what it wrote."""
    for side in "AB":
        for number in range(2):
            save(lab.folder / f"s/{side}/{number}.png", noise(height, width, seed=number))
    lab.works(lab.translate("init", "s", "--method", method, "--output", "a.yaml"))
    lab.works(lab.translate("check", "a.yaml"))
    return [int(number) for number in re.findall(r"size: (\d+)", (lab.folder / "a.yaml").read_text())]


@case(of=HALVES)
def init_of_small(lab: Lab) -> None:
    """Images of 100 x 70 train at no more than 70 and no less than 64."""
    sizes = size_of(lab, 70, 100)
    lab.check("sizes", "64 to 70", sizes, any(64 <= size <= 70 for size in sizes) and max(sizes) <= 100)


@case(of=HALVES)
def init_of_pairs(lab: Lab) -> None:
    """Pairs of 130 x 130 for pix2pix train at 128 or above, whatever the U-Net's levels."""
    sizes = size_of(lab, 130, 130, "pix2pix")
    lab.check("sizes", "at least 128", sizes, bool(sizes) and max(sizes) >= 128)


@case(of=HALVES)
def init_of_tiny(lab: Lab) -> None:
    """Images of 20 x 20 are refused with the least size, or train at 16 to 20."""
    for side in "AB":
        for number in range(2):
            save(lab.folder / f"s/{side}/{number}.png", noise(20, 20, seed=number))
    done = lab.translate("init", "s", "--method", "cyclegan", "--output", "a.yaml")
    lab.orderly(done)
    if done.code == 0:
        lab.works(lab.translate("check", "a.yaml"))


@case(script=DIRECTION)
def f19(lab: Lab) -> None:
    """A pix2pix that was trained with `direction: b_to_a` is used with --direction b_to_a, and by its pipeline's
    name."""
    done = lab.shell(DIRECTION)
    lab.orderly(done)
    lab.check("did you mean", "not said", "not said" if "did you mean" not in done.text else done.last)
    lab.check("errors", [], [line for line in done.text.splitlines() if line.startswith("error")])


@case(of=DIRECTION)
def model_by_pipeline(lab: Lab) -> None:
    """`--model a.yaml` is the model of that pipeline, before it is trained an error that says to run it."""
    pairs(lab, 3)
    file = train(lab, "max_steps: 2")
    lab.refused(lab.translate("convert", "d/train/A", "out", "--model", file), "run")
    lab.works(lab.translate("run", file))
    lab.works(lab.translate("convert", "d/train/A", "out", "--model", file))


@case(of=DIRECTION)
def wrong_direction(lab: Lab) -> None:
    """A direction that is none is refused with those that are."""
    save(lab.folder / "a.png", plain(3))
    lab.refused(lab.convert("a.png", "out.png", direction="upwards"), "copy", "negative")


@case(of=DIRECTION)
def direction_in_scores(lab: Lab) -> None:
    """`models show` of a model that was trained with `direction: b_to_a` calls its direction b_to_a."""
    pairs(lab, 3)
    source = "{uses: pairs, root: d, layout: split/side, direction: b_to_a}"
    done = lab.translate("run", train(lab, "max_steps: 2", source=source))
    if done.code:
        source = SPLIT + ", direction: b_to_a"
        done = lab.translate("run", train(lab, "max_steps: 2", source=source))
    lab.works(done)
    lab.says(lab.translate("models", "show", "runs/a/train"), "b_to_a")
