"""Label maps: read by what the source says of them, and refused otherwise, by init, check and run alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from kinds.images import Array, noise, save
from kinds.lab import Lab, case

MASKS, LOUD, ALPHA = "masks_0_255.py", "f01_mask_0_255.sh", "f17_error_of_alpha_mask.sh"


def pipeline(lab: Lab, options: str, name: str = "p") -> Path:
    """A pipeline that prepares labelled data."""
    path = lab.folder / f"{name}.yaml"
    source = f"{{uses: labelled, classes: [background, object], {options}}}"
    path.write_text(f"version: 1\nname: {name}\nstages:\n  prepare: {{uses: preprocess, with: {{source: {source}}}}}\n")
    return path


@case(script=MASKS)
def masks_0_255(lab: Lab) -> None:
    """Masks of indices work as PNG and TIFF; those of 0 and 255, of colours, with alpha are refused by check, run and
    init."""
    root = lab.script(MASKS)
    for kind in ("good", "tiff", "png16"):
        lab.works(lab.translate("run", pipeline(lab, f"root: '{root / kind}'", kind)))
    for kind in ("grey255", "bit1", "rgb", "rgba"):
        file = pipeline(lab, f"root: '{root / kind}'", kind)
        checked, run = lab.translate("check", file), lab.translate("run", file)
        lab.check(f"check of {kind}", "refused", f"code {checked.code}: {checked.last[:90]}", checked.code != 0)
        lab.check(f"run of {kind}", "refused", f"code {run.code}", run.code != 0)
        lab.orderly(checked)
    values = {"grey255": "values: [0, 255]", "bit1": "values: [0, 255]", "rgb": "palette: [[0, 0, 0], [255, 255, 255]]"}
    values |= {"rgba": "alpha: drop, values: [0, 1]"}
    for kind, option in values.items():
        done = lab.translate("run", pipeline(lab, f"root: '{root / kind}', {option}", f"{kind}2"))
        lab.check(
            f"{kind} with {option}", 0, done.code if done.code == 0 else f"{done.code}: {done.last}", done.code == 0
        )


def images_and(lab: Lab, masks: dict[str, Array | Image.Image], suffix: str = ".png") -> None:
    """Photos in i, label maps in m."""
    (lab.folder / "m").mkdir()
    for name, mask in masks.items():
        save(lab.folder / "i" / f"{name}.png", noise(32, 32))
        picture = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        picture.save(lab.folder / "m" / f"{name}{suffix}")


def disc() -> Array:
    y, x = np.mgrid[:32, :32]
    return ((x - 16) ** 2 + (y - 16) ** 2 < 60).astype(np.uint8)


@case(of=f"{MASKS} {LOUD}")
def masks_of_jpeg(lab: Lab) -> None:
    """Masks that were saved as JPEG are refused, and read with values and a tolerance."""
    images_and(lab, {name: disc() * 255 for name in "ab"}, ".jpg")
    for command in ("check", "run"):
        lab.refused(lab.translate(command, pipeline(lab, "images: i, labels: m")))
    lab.works(lab.translate("run", pipeline(lab, "images: i, labels: m, values: [0, 255], tolerance: 60", "q")))


@case(of=f"{MASKS} {LOUD}")
def masks_of_two_colours(lab: Lab) -> None:
    """Masks in red on black: refused without, read with a palette; a third colour is named with its place."""
    red = np.dstack([disc() * 255, disc() * 0, disc() * 0])
    images_and(lab, {"a": red, "b": red})
    lab.refused(lab.translate("check", pipeline(lab, "images: i, labels: m")))
    lab.works(lab.translate("run", pipeline(lab, "images: i, labels: m, palette: [[0, 0, 0], [255, 0, 0]]", "q")))
    third = red.copy()
    third[3, 4] = (0, 255, 0)
    Image.fromarray(third).save(lab.folder / "m/b.png")
    wrong = pipeline(lab, "images: i, labels: m, palette: [[0, 0, 0], [255, 0, 0]]", "r")
    lab.refused(lab.translate("run", wrong), "b.png")


@case(of=f"{MASKS} {LOUD}")
def masks_of_100_and_200(lab: Lab) -> None:
    """Values that are no indices (100 and 200) are refused, and read by `values`."""
    images_and(lab, {name: disc() * 100 + 100 for name in "ab"})
    lab.refused(lab.translate("check", pipeline(lab, "images: i, labels: m")), "100")
    lab.works(lab.translate("run", pipeline(lab, "images: i, labels: m, values: [100, 200]", "q")))


@case(of=LOUD)
def a_class_that_never_occurs(lab: Lab) -> None:
    """A class that occurs in no label map is named by check and by run."""
    images_and(lab, {name: np.zeros((32, 32), np.uint8) for name in "ab"})
    for command in ("check", "run"):
        lab.says(lab.translate(command, pipeline(lab, "images: i, labels: m")), "object")


@case(of=LOUD)
def mostly_ignored(lab: Lab) -> None:
    """Label maps of which 90 % are 255 are said, with the share."""
    mask = np.full((32, 32), 255, np.uint8)
    mask[:2], mask[2:4] = 0, 1
    images_and(lab, {"a": mask, "b": mask})
    lab.says(lab.translate("run", pipeline(lab, "images: i, labels: m")), "%")


@case(script=LOUD)
def f01(lab: Lab) -> None:
    """A training on masks of 0 and 255 is refused, or warned of loudly by the class, and reaches no mIoU of 1."""
    done = lab.shell(LOUD)
    said = "crack" in done.text or "255" in done.text
    lab.check("said", "crack or 255", done.last, said)
    lab.check("mIoU", "not 1", done.last, "nothing is wrong" not in done.text.lower())
    lab.orderly(done)


@case(script=ALPHA)
def f17(lab: Lab) -> None:
    """The error about a label map with alpha says that the transparency is what is wrong, and the way out."""
    done = lab.shell(ALPHA)
    lab.says(done, "transparen", "alpha")


@case(of=ALPHA)
def alpha_is_dropped(lab: Lab) -> None:
    """Grey with alpha is read with `alpha: drop`."""
    images_and(lab, {name: Image.fromarray(np.dstack([disc(), disc() * 0 + 255]), "LA") for name in "ab"})
    lab.works(lab.translate("run", pipeline(lab, "images: i, labels: m, alpha: drop")))


@case(of=ALPHA)
def alpha_is_the_mask(lab: Lab) -> None:
    """A cut-out, whose alpha is the mask: refused without, read with `alpha: mask`."""
    cut = np.dstack([noise(32, 32), disc() * 255])
    images_and(lab, {"a": cut, "b": cut})
    lab.refused(lab.translate("check", pipeline(lab, "images: i, labels: m")), "alpha")
    lab.works(lab.translate("run", pipeline(lab, "images: i, labels: m, alpha: mask, values: [0, 255]", "q")))


@case(of=ALPHA)
def palette_with_a_transparent_colour(lab: Lab) -> None:
    """A palette PNG of indices whose index 0 is transparent: read, or refused with transparency named."""
    picture = Image.fromarray(disc(), "P")
    picture.putpalette([0, 0, 0, 255, 0, 0])
    (lab.folder / "m").mkdir()
    for name in "ab":
        save(lab.folder / "i" / f"{name}.png", noise(32, 32))
        picture.save(lab.folder / "m" / f"{name}.png", transparency=0)
    done = lab.translate("run", pipeline(lab, "images: i, labels: m"))
    lab.orderly(done)
    lab.check("read, or said", "0 or transparent", done.last, done.code == 0 or "transparen" in done.text)
