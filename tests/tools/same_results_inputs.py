"""Draws the images that both commits work on: mixed files to convert, and folders for the sources of datasets.

The images depend on nothing but the versions of numpy, Pillow, tifffile and imagecodecs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

Array = np.ndarray[Any, Any]


def picture(height: int, width: int, channels: int = 3, seed: int = 0, dtype: Any = np.uint8) -> Array:
    """Draws waves with some noise, H x W x C, or H x W for one channel; it compresses like a photograph."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    frequencies = random.uniform(0.05, 0.4, (channels, 2))
    waves = [np.sin(x * fx + seed) + np.cos(y * fy) for fx, fy in frequencies]
    values = np.stack(waves, axis=2) / 4 + 0.5 + random.normal(0, 0.03, (height, width, channels))
    scaled = np.clip(values, 0, 1) * np.iinfo(dtype).max
    return scaled.round().astype(dtype).squeeze(2) if channels == 1 else scaled.round().astype(dtype)


def make_inputs(folder: Path) -> None:
    """Writes everything that the cases read, below `folder`, which must not exist."""
    folder.mkdir(parents=True)
    _mixed(folder / "mixed")
    _few(folder / "few")
    _companions(folder / "companions")
    _datasets(folder / "data")


def _save(array: Array, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def _few(folder: Path) -> None:
    """Writes three images of odd sizes for the conversions that a model is only sampled with."""
    _save(picture(33, 47, seed=1), folder / "colour.png")
    _save(picture(40, 21, 1, seed=2), folder / "grey.png")
    _save(picture(64, 96, seed=3), folder / "wide/photo.jpg", quality=92)


def _companions(folder: Path) -> None:
    """Writes the further inputs of some directions: an exemplar of 32 pixels, and a mask of the size of `few`."""
    _save(picture(32, 32, seed=5), folder / "exemplar.png")
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 10:25] = 255
    _save(mask, folder / "mask.png")
    _save(picture(32, 32, seed=6), folder / "square/one.png")
    _save(picture(32, 32, seed=7), folder / "square/deeper/two.png")


def _mixed(folder: Path) -> None:
    """Writes images of many formats, depths and sizes in a tree, and some files that are none."""
    _save(picture(37, 29, seed=10), folder / "rgb8.png")
    _save(picture(37, 29, 1, seed=11), folder / "grey8.png")
    _save(picture(24, 40, 4, seed=12), folder / "alpha/rgba8.png")
    _save(picture(24, 40, 2, seed=13), folder / "alpha/grey-alpha.png")
    _save(picture(31, 33, 4, seed=14), folder / "alpha/rgba.webp", lossless=True)
    _save(picture(45, 64, seed=15), folder / "jpeg/photo.jpg", quality=90)
    _save(picture(45, 64, 1, seed=16), folder / "jpeg/grey.jpeg", quality=85)
    _save(picture(50, 38, seed=17), folder / "deep/er/lossy.webp", quality=80)
    _save(picture(26, 26, seed=18), folder / "deep/er/plain.bmp")
    _save(picture(1, 1, seed=19), folder / "odd/one pixel.png")
    _save(picture(5, 71, seed=20), folder / "odd/strip ünï.png")
    palette = Image.fromarray(picture(30, 30, seed=21)).quantize(7)
    palette.save(folder / "palette.png")
    palette.save(folder / "palette.gif")
    Image.fromarray(picture(20, 35, 1, seed=22)).convert("1").save(folder / "one-bit.png")
    Image.fromarray(picture(32, 32, seed=23)).convert("CMYK").save(folder / "jpeg/cmyk.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    _save(picture(22, 44, seed=24), folder / "jpeg/turned.jpg", quality=90, exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Two bytes of the header hold the time of creation, and are the only ones that change from run to run.
    profile = profile[:24] + bytes(12) + profile[36:]
    _save(picture(28, 36, seed=25), folder / "profile.png", icc_profile=profile)
    _deep(folder)
    _broken(folder)


def _deep(folder: Path) -> None:
    """Writes images of more than 8 bits and TIFF files."""
    (folder / "tiff").mkdir(parents=True)
    for name, channels in (("grey16", 1), ("rgb16", 3), ("rgba16", 4)):
        pixels = picture(27, 35, channels, seed=30 + channels, dtype=np.uint16)
        (folder / f"{name}.png").write_bytes(imagecodecs.png_encode(pixels))
        tifffile.imwrite(folder / f"tiff/{name}.tif", pixels, compression="zlib", metadata=None)
    tifffile.imwrite(folder / "tiff/rgb8.tiff", picture(34, 30, seed=35), photometric="rgb", metadata=None)
    tifffile.imwrite(folder / "tiff/float32.tif", picture(18, 26, 1, seed=36) / np.float32(255), metadata=None)
    bands = np.moveaxis(picture(16, 20, 5, seed=37, dtype=np.uint16), 2, 0)
    tifffile.imwrite(folder / "tiff/bands.tif", bands, photometric="minisblack", planarconfig="separate", metadata=None)


def _broken(folder: Path) -> None:
    whole = (folder / "rgb8.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 2])
    (folder / "deep/empty.jpg").write_bytes(b"")
    (folder / "deep/notes.txt").write_text("no image\n")


def _datasets(folder: Path) -> None:
    """Writes a small folder for each source that reads files."""
    sizes = {"train": 3, "val": 2, "test": 2}
    for number, (split, count) in enumerate(sizes.items()):
        for index in range(count):
            seed = 100 * number + index
            left, right = picture(40, 48, seed=seed), picture(40, 48, seed=seed + 50)
            name = f"img_{index:02}"
            _save(left, folder / f"sides/{split}A/{name}.jpg", quality=95)
            _save(right, folder / f"sides/{split}B/{name}.png")
            _save(np.concatenate([left, right], axis=1), folder / f"joined/{split}/{name}.png")
            _save(left, folder / f"single/{split}/{name}.png")
            _save(picture(36, 52, 1, seed=seed, dtype=np.uint8), folder / f"attribute/{split}_with/{name}.png")
            _save(picture(36, 36, seed=seed + 60), folder / f"attribute/{split}_without/{name}.png")
            _save(left, folder / f"labelled/{split}/{name}.png")
            _save((right[..., 0] // 64).astype(np.uint8), folder / f"labelled/{split}annot/{name}.png")
    _save(picture(40, 48, seed=999), folder / "sides/trainA/img_99.png")
    (folder / "single/train/deep16.png").write_bytes(imagecodecs.png_encode(picture(44, 60, 3, 400, np.uint16)))
    _listed(folder / "listed")


def _listed(folder: Path) -> None:
    """Writes one folder of images with tables of attributes and splits."""
    rows = [(f"{index:06}.jpg", 1 if index % 2 else -1, index % 3) for index in range(12)]
    for index, (name, _, _) in enumerate(rows):
        _save(picture(32, 28, seed=500 + index), folder / "img_align_celeba" / name, quality=95)
    table = "".join(f"{name} {sign} {-sign}\n" for name, sign, _ in rows)
    (folder / "list_attr_celeba.txt").write_text(f"{len(rows)}\nSmiling Hat\n{table}")
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {split}\n" for name, _, split in rows))
