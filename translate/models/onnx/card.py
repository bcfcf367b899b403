"""The card of an exported file: what goes in, what comes out, and a program of numpy that does both."""

from __future__ import annotations

from translate.contracts import Class, Frames, Image, Labels, Side, Vector
from translate.imaging.convert import Ranges, stated_ranges
from translate.inference.program import MAIN
from translate.models.facts import plugin_in_words
from translate.models.onnx.facts import ExportedDirection, ExportFacts

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
CARD_MARK = "exported by translate"
"""Stands in each card, by which it is known again."""
FURTHER = 'fed["{name}"] = read("{name}.png", height, width)[0]\n'
RESULTS = {
    "image": "values = ((output.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)\n"
    'Image.fromarray(values.squeeze()).save("output.png")',
    "labels": 'classes = output.argmax(0).astype(np.uint8)\nImage.fromarray(classes).save("output.png")',
}


def export_card(facts: ExportFacts, name: str, file: str, difference: float) -> str:
    """Markdown from the facts of an exported file; `difference` is the largest from torch."""
    direction = facts.directions[name]
    plugin = plugin_in_words(facts.plugin) or "unknown"
    sizes = "At three sizes and two batch sizes" if direction.size is None else "At two batch sizes"
    lines = [
        f"# {facts.method}: {name}",
        "",
        f"`{file}`, {CARD_MARK} {facts.version} (plugin: {plugin}). {sizes} "
        f"its output was at most {difference:.1e} from torch's.",
        "",
        "## In",
        "",
        *(_taken(facts, direction, input) for input in direction.inputs),
        *(f"- {number.in_words()}" for number in direction.numbers),
        "",
    ]
    if direction.fixed:
        lines += [f"Fixed in the file: {', '.join(f'{key} = {value}' for key, value in direction.fixed.items())}.", ""]
    if direction.size is None:
        lines += [
            f"H and W are multiples of {direction.multiple} and at least 16: pad at the right and at the bottom by "
            "reflection (repeated where the image is too small for it). All inputs have one size; resize further ones "
            "to the first.",
            "",
        ]
    lines += ["## Out", "", f"- `{MAIN}`: {_given(facts, direction)}."]
    lines += [f"- `{further}`: {_form(form)}." for further, form in direction.further.items()]
    lines += [
        "",
        f"{_cropped(direction)}At inference: {facts.test_time_text}."
        + (" (The model itself keeps its dropout on.)" if facts.dropout_left_out else ""),
        "",
        f"The same facts are in the file's metadata; `translate {_command(direction, file)}` follows them.",
    ]
    if _has_program(facts, direction):
        lines += ["", "```python", _program(direction, file).rstrip(), "```"]
    return "\n".join([*lines, ""])


def _taken(facts: ExportFacts, direction: ExportedDirection, input: str) -> str:
    """A line on an input: its shape, and how values become what it takes."""
    kind = direction.types.get(input, Image())
    if isinstance(kind, Labels):
        classes = ", ".join(kind.classes or facts.spec.classes)
        return f"- `{input}`: N x H x W int64, the index of each pixel's class: {classes}; 255 for none"
    if isinstance(kind, Class):
        return f"- `{input}`: N int64, the index of a class: {', '.join(kind.names) or 'which have no names'}"
    if isinstance(kind, Vector):
        return f"- `{input}`: N x {kind.size} float32{': ' * bool(kind.names)}{', '.join(kind.names)}"
    channels = direction.channels[input]
    frames = f"{kind.count} x " if isinstance(kind, Frames) else ""
    ranges = _ranges(facts, direction.sides[direction.inputs.index(input)])
    if ranges is not None:
        values = f"(value - low) / (high - low) * 2 - 1, clipped: {_in_words(ranges)}"
    else:
        colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} bands")
        values = f"{colours}: value / 127.5 - 1 of 8 bits"
    return f"- `{input}`: N x {frames}{channels} x H x W float32 in [-1, 1], {values}"


def _given(facts: ExportFacts, direction: ExportedDirection) -> str:
    """The shape and the values of the main output."""
    scale, (rows, columns) = direction.scale, direction.tiles
    if direction.output in ("class", "vector"):
        side: Side | None = facts.spec.sides.get(direction.target or "")
        names = f", of {', '.join(side.names)}" if isinstance(side, Class) and side.names else ""
        return _form(direction.output) + names
    size = f"{scale * rows} H x {scale * columns} W" if scale * rows * columns > 1 else "H x W"
    if direction.size is not None:
        size = f"{scale * direction.size[0]} x {scale * direction.size[1]}"
    if direction.output == "labels":
        classes = ", ".join(facts.spec.classes)
        return f"N x C x {size} float32, logits of the classes {classes}: the class of a pixel is the largest (argmax)"
    target = _ranges(facts, direction.target)
    values = f"(value + 1) / 2 * (high - low) + low: {_in_words(target)}" if target else "(value + 1) * 127.5, round"
    return f"N x C x {size} float32, images in [-1, 1], not clipped: clip, {values}"


def _form(form: str) -> str:
    """The shape and the values of a further output."""
    return {
        "image": "N x C x H x W float32, images in [-1, 1], not clipped",
        "labels": "N x C x H x W float32, logits: the class of a pixel is the largest (argmax)",
        "class": "N x C float32, logits: the class of an image is the largest (argmax)",
        "vector": "N x n float32, numbers",
    }[form]


def _cropped(direction: ExportedDirection) -> str:
    """What is to be done with the padding of an output; empty where it has none."""
    scale, (rows, columns) = direction.scale, direction.tiles
    if direction.size is not None or direction.output in ("class", "vector"):
        return ""
    times = f", {scale} times as much" if scale > 1 else ""
    each = f", from each of the {rows} x {columns} pictures that the output is made of" if rows * columns > 1 else ""
    return f"Crop off what was padded{times}{each}. "


def _command(direction: ExportedDirection, file: str) -> str:
    return f"sample {file} OUTPUT" if direction.size is not None else f"convert INPUT OUTPUT --model {file}"


def _has_program(facts: ExportFacts, direction: ExportedDirection) -> bool:
    """Whether the program does it: images of 8 bits in, an image or a label map out, and nothing drawn."""
    kinds = [direction.types.get(name, Image()) for name in direction.inputs]
    if not kinds or not all(isinstance(kind, Image) for kind in kinds) or direction.output not in RESULTS:
        return False
    if direction.noise or direction.option_inputs or direction.further:
        return False
    plain = all(_ranges(facts, side) is None for side in (*direction.sides, direction.target))
    rows, columns = direction.tiles
    return plain and rows * columns == 1 and set(direction.channels.values()) <= {1, 3}


def _ranges(facts: ExportFacts, side: str | None) -> Ranges | None:
    """The values of a side that become -1 and 1, where these are not black and white of its type."""
    return stated_ranges(facts.spec.sides.get(side or ""))


def _in_words(ranges: Ranges) -> str:
    pairs = ", ".join(f"{low:.9g} and {high:.9g}" for low, high in ranges)
    return f"low and high are {pairs}" + (", band by band" if len(ranges) > 1 else "")


def _program(direction: ExportedDirection, file: str) -> str:
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
