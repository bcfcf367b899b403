"""Loads a trained model, translates images, and draws each beside what became of it.

    python examples/translate_and_plot.py MODEL IMAGE... [--output translated.png] [--direction b_to_a]

MODEL is what `translate convert --model` takes: a train stage (`runs/maps-cyclegan@quick/train`), a bundle,
an exported .onnx file. The first eight images are drawn. matplotlib comes with MLflow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure  # without pyplot, which would look for a screen
from PIL import Image

import translate

SHOWN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=Path("translated.png"))
    parser.add_argument("--direction")
    arguments = parser.parse_args()

    model = translate.load(arguments.model)
    inputs = [np.asarray(Image.open(path).convert("RGB")) for path in arguments.images[:SHOWN]]
    # A list goes through the network in batches, whatever the sizes of its images; arrays in, arrays out.
    outputs = model(inputs, arguments.direction) if arguments.direction else model(inputs)

    plot(inputs, outputs, arguments.output)
    for path, before, after in zip(arguments.images, inputs, outputs, strict=False):
        print(f"{path.name}: mean colour {mean_colour(before)} became {mean_colour(after)}")
    print(f"drawn in {arguments.output}")


def plot(inputs: list[np.ndarray], outputs: list[np.ndarray], file: Path) -> None:
    """Inputs in the first row, outputs in the second."""
    figure = Figure(figsize=(2 * len(inputs), 4.2), layout="constrained")
    axes = figure.subplots(2, len(inputs), squeeze=False)
    for row, images in zip(axes, (inputs, outputs), strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(image, cmap="gray")
            axis.set_axis_off()
    axes[0][0].set_title("input", loc="left")
    axes[1][0].set_title("output", loc="left")
    figure.savefig(file, dpi=150)


def mean_colour(image: np.ndarray) -> tuple[int, ...]:
    return tuple(round(value) for value in image.reshape(image.shape[0] * image.shape[1], -1).mean(0))


if __name__ == "__main__":
    main()
