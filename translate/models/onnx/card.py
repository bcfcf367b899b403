"""The card of an exported file: what goes in, what comes out, and a program of numpy that does both."""

from __future__ import annotations

from translate.imaging.convert import Ranges, stated_ranges
from translate.models.facts import ExportFacts, ModelDirection, plugin_in_words

PROGRAM = """\
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")


def read(path, height=None, width=None):
    image = Image.open(path).convert("{mode}")
    if height and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    values = np.atleast_3d(np.asarray(image, np.float32)) / 127.5 - 1
    height, width, _ = values.shape
    below, beside = (-(-max(n, 16) // {multiple}) * {multiple} - n for n in (height, width))
    padded = np.pad(values, ((0, below), (0, beside), (0, 0)), mode="reflect")
    return padded.transpose(2, 0, 1)[None], height, width


image, height, width = read("{inputs[0]}.png")
fed = {{"{inputs[0]}": image}}
{further}output = session.run(None, fed)[0][0, :, : height * {scale}, : width * {scale}]
{result}
"""
FURTHER = 'fed["{name}"] = read("{name}.png", height, width)[0]\n'
RESULTS = {
    "image": "values = ((output.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)\n"
    'Image.fromarray(values.squeeze()).save("output.png")',
    "labels": 'classes = output.argmax(0).astype(np.uint8)\nImage.fromarray(classes).save("output.png")',
}


def export_card(facts: ExportFacts, name: str, file: str, difference: float) -> str:
    """Markdown from the facts of an exported file; `difference` is the largest from torch."""
    direction = facts.directions[name]
    multiple, scale, (rows, columns) = direction.multiple, direction.scale, direction.tiles
    plugin = plugin_in_words(facts.plugin) or "unknown"
    taken = [_taken(facts, direction, input) for input in direction.inputs]
    target = _ranges(facts, direction.target)
    classes = ", ".join(facts.spec.classes)
    given = {
        "image": "images in [-1, 1], not clipped: clip, "
        + (f"(value + 1) / 2 * (high - low) + low: {_in_words(target)}" if target else "(value + 1) * 127.5, round"),
        "labels": f"logits of the classes {classes}: the class of a pixel is the largest (argmax)",
    }[direction.output]
    size = f"{scale * rows} H x {scale * columns} W" if scale * rows * columns > 1 else "H x W"
    lines = [
        f"# {facts.method}: {name}",
        "",
        f"`{file}`, exported by translate {facts.version} (plugin: {plugin}). At three sizes and two "
        f"batch sizes its output was at most {difference:.1e} from torch's.",
        "",
        "## In",
        "",
        *taken,
        "",
        f"H and W are multiples of {multiple} and at least 16: pad at the right and at the bottom by reflection "
        "(repeated where the image is too small for it). All inputs have one size; resize further ones to the first.",
        "",
        "## Out",
        "",
        f"- `output`: N x C x {size} float32, {given}.",
        "",
        "Crop off what was padded"
        + (f", {scale} times as much" if scale > 1 else "")
        + (f", from each of the {rows} x {columns} pictures that the output is made of" if rows * columns > 1 else "")
        + f". At inference: {facts.test_time_text}."
        + (" (The model itself keeps its dropout on.)" if facts.dropout_left_out else ""),
        "",
        f"The same facts are in the file's metadata; `translate convert INPUT OUTPUT --model {file}` follows them.",
    ]
    plain = target is None and all(_ranges(facts, side) is None for side in direction.sides)
    if plain and rows * columns == 1 and set(direction.channels.values()) <= {1, 3}:
        lines += ["", "```python", _program(direction, file).rstrip(), "```"]
    return "\n".join([*lines, ""])


def _taken(facts: ExportFacts, direction: ModelDirection, input: str) -> str:
    """A line on an input: its shape, and how values become what it takes."""
    channels = direction.channels[input]
    ranges = _ranges(facts, direction.sides[direction.inputs.index(input)])
    if ranges is not None:
        made = f"(value - low) / (high - low) * 2 - 1, clipped: {_in_words(ranges)}"
    else:
        colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} bands")
        made = f"{colours}: value / 127.5 - 1 of 8 bits"
    return f"- `{input}`: N x {channels} x H x W float32 in [-1, 1], {made}"


def _ranges(facts: ExportFacts, side: str | None) -> Ranges | None:
    """The values of a side that become -1 and 1, where these are not black and white of its type."""
    return stated_ranges(facts.spec.sides.get(side or ""))


def _in_words(ranges: Ranges) -> str:
    pairs = ", ".join(f"{low:.9g} and {high:.9g}" for low, high in ranges)
    return f"low and high are {pairs}" + (", band by band" if len(ranges) > 1 else "")


def _program(direction: ModelDirection, file: str) -> str:
    inputs = direction.inputs
    return PROGRAM.format(
        file=file,
        mode="L" if direction.channels[inputs[0]] == 1 else "RGB",
        multiple=direction.multiple,
        inputs=inputs,
        further="".join(FURTHER.format(name=name) for name in inputs[1:]),
        scale=direction.scale,
        result=RESULTS[direction.output],
    )
