"""In Python a PIL image is treated as its file is: upright, by its profile, with its resolution, of any mode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from kinds.colour import adobe, profile
from kinds.images import noise, save
from kinds.lab import Lab, case

PIL = "pil_input.py"
HEAD = (
    "import os, sys, numpy as np, translate\nfrom PIL import Image\nmodel = translate.load(os.environ['MODEL'])\n"
    "def values(x):\n    return np.asarray(x).astype(int)\n"
)


@case(script=PIL)
def pil_input(lab: Lab) -> None:
    """A JPEG on its side has the same size, pixels, profile and dpi as a PIL image as it has as a path."""
    root = lab.script(PIL)
    done = lab.python(
        HEAD + "p = sys.argv[1]; a = model(p); b = model(Image.open(p))\n"
        "h, w = np.asarray(a).shape[:2]\n"
        "print((h, w) == (60, 40), b.size == (40, 60), abs(values(a) - values(b)).max() <= 1,"
        " bool(b.info.get('icc_profile')), [round(float(d)) for d in b.info.get('dpi', ())])",
        root / "rot.jpg",
    )
    lab.check("upright, size, pixels, profile, dpi", "True True True True [300, 300]", done.last)


@case(of=PIL)
def deep_pil(lab: Lab) -> None:
    """PIL's I;16 comes back from a model of one channel with its 16 bits, within a step."""
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16
    Image.fromarray(ramp).save(lab.folder / "a.png")
    done = lab.python(
        HEAD + "model = translate.load(os.environ['MODEL'].replace('same3', 'same1'))\n"
        "i = Image.open(sys.argv[1]); o = model(i); a, b = values(i), values(o)\n"
        "b = b if b.ndim == 2 else b[..., 0]\nprint(i.mode, abs(a - b).max() <= 1)",
        lab.folder / "a.png",
    )
    lab.check("mode and equality", "I;16 True", done.last)


@case(of=PIL)
def modes_of_pil(lab: Lab) -> None:
    """Each of PIL's modes 1, L, LA, P, RGB, RGBA, CMYK, YCbCr, I, F works or is refused by its name."""
    code = HEAD + (
        "from translate import TranslateError\n"
        "a = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))\n"
        "bad = []\n"
        "usual = ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK', 'YCbCr')\n"
        "for mode in (*usual, 'I', 'F', 'LAB', 'HSV', 'PA', 'La', 'RGBa', 'RGBX'):\n"
        "    try:\n"
        "        i = a.convert('RGBA').convert(mode) if mode in ('PA', 'La', 'RGBa') else a.convert(mode)\n"
        "    except ValueError:\n"
        "        continue\n"
        "    try:\n"
        "        o = model(i)\n"
        "        if o.size != i.size: bad.append((mode, o.size))\n"
        "        elif mode in ('L', 'RGB', 'P', 'YCbCr'):\n"
        "            apart = abs(values(o.convert('RGB')) - values(i.convert('RGB'))).max()\n"
        "            if apart > 2: bad.append((mode, apart))\n"
        "    except TranslateError as e:\n"
        "        if mode in usual or not (mode in str(e) or 'white' in str(e)): bad.append((mode, str(e)))\n"
        "    except Exception as e:\n"
        "        bad.append((mode, type(e).__name__, str(e)[:80]))\n"
        "print(bad)"
    )
    lab.check("wrong", "[]", lab.python(code).last)


@case(of=PIL)
def empty_batches(lab: Lab) -> None:
    """An empty list gives an empty list, an array of no images an array of none."""
    done = lab.python(HEAD + "print(list(model([])), np.asarray(model(np.zeros((0, 16, 16, 3), np.uint8))).shape)")
    lab.check("answers", "[] (0, 16, 16, 3)", done.last)


@case(of=PIL)
def wide_pil(lab: Lab) -> None:
    """A PIL image in Adobe RGB comes back equal, with its profile, and its negative is that of its file."""
    path = save(lab.folder / "a.png", adobe(lab), icc_profile=profile("a98.icc"))
    done = lab.python(
        HEAD + "i = Image.open(sys.argv[1]); o = model(i); n = model(i, direction='negative')\n"
        "f = model(sys.argv[1], direction='negative')\n"
        "print(abs(values(o) - values(i)).max() <= 1, o.info.get('icc_profile') == i.info['icc_profile'],"
        " abs(values(n) - values(f)).max())",
        path,
    )
    lab.check("equal, profile, difference to the file", "True True 0", done.last)


@case(of=PIL)
def odd_arguments(lab: Lab) -> None:
    """No image, a list of a list, a missing path, an array of text, of two axes too many: TypeError or an error of
    ours."""
    code = HEAD + (
        "from translate import TranslateError\n"
        "bad = []\n"
        "of = lambda kind, *shape: np.zeros(shape, kind)\n"
        "for x in (None, [[1]], 'none.png', np.array(['a']), of('uint8', 1, 1, 2, 2, 3), of('uint8', 0, 0, 3), 7, b'x',"
        " of(bool, 4, 4, 3), of('complex64', 4, 4, 3), np.full((4, 4, 3), np.nan, np.float32)):\n"
        "    try:\n"
        "        model(x)\n"
        "    except (TranslateError, TypeError):\n"
        "        continue\n"
        "    except Exception as e:\n"
        "        bad.append((str(x)[:20], type(e).__name__, str(e)[:60]))\n"
        "print(bad)"
    )
    lab.check("wrong", "[]", lab.python(code).last)


@case(of=PIL)
def mixed_list(lab: Lab) -> None:
    """A list of a path, a PIL image and an array of other sizes gives three answers in its order."""
    path = save(lab.folder / "a.png", noise(16, 24))
    done = lab.python(
        HEAD + "i = Image.open(sys.argv[1]); o = model([sys.argv[1], i, np.zeros((8, 9, 3), np.uint8)])\n"
        "print([np.asarray(x).shape for x in o], abs(values(o[0]) - values(o[1])).max())",
        path,
    )
    lab.check("shapes and difference", "[(16, 24, 3), (16, 24, 3), (8, 9, 3)] 0", done.last)
