"""Translates images that are too large for the memory, strip by strip."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar, cast

import torch
from torch import Tensor

from translate.contracts import Image as InputImage, Route
from translate.errors import ConfigError
from translate.imaging.convert import Array, resize
from translate.imaging.io import Image
from translate.inference import memory
from translate.inference.draw import ZeroDraw
from translate.inference.fast_kernels import LOW
from translate.inference.outputs import rows_of
from translate.inference.padding import padded_size
from translate.inference.program import Program
from translate.inference.side_images import input_ranges, seen
from translate.inference.streaming.approximate import OVERLAP, approximate, difference
from translate.inference.streaming.disk_tensors import DiskTensors
from translate.inference.streaming.execute import Read, Write, execute
from translate.inference.streaming.op import UnsupportedOp
from translate.inference.streaming.row_io import ArrayWriter, RowReader, TensorWriter
from translate.inference.streaming.schedule import Schedule, make_schedule, work
from translate.inference.streaming.trace import Trace, Untraceable, trace

T = TypeVar("T")
Tile = Literal["auto", "off"] | int
"""Which images go through the networks in strips: those that would not fit in memory (`auto`), none (`off`), or all, in
strips of so many rows."""


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


class Streamer:
    """Translates images in strips, where they would not fit into the memory otherwise, or where that is asked for.

    Where each call of a network is known, the result is that of the whole image, with the statistics of all of it in
    every norm. What draws noise, or keeps dropout on, is refused: strips would draw other noise than the whole. Other
    networks go in overlapping bands, and `tell` is called with a message on how near that comes. A size that ran out
    of memory whole is not tried whole again.
    """

    def __init__(self, program: Program, tile: Tile = "auto", tell: Callable[[str], None] | None = None) -> None:
        self.tile = parse_tile(tile)
        self.tell = tell or _warn
        self._program = program
        self._costs: dict[str, memory.Cost] = {}  # by direction
        self._too_many: dict[str, int] = {}  # pixels that ran out of memory, by direction
        self._compared: set[str] = set()  # directions whose bands were compared with the whole

    def choose(
        self, route: Route, pixels: int, tile: Tile | None, whole: Callable[[], T], in_strips: Callable[[], T]
    ) -> T:
        """Calls the one that suits an input of so many pixels, and the other one where the first runs out of memory."""
        tile = self._tile(tile)
        # An output that joins several pictures has no rows of its input's: it is made whole.
        if tile == "off" or route.tiles != (1, 1) or route.output not in ("image", "labels"):
            return whole()
        if tile == "auto" and self.fits(route, pixels):
            try:
                return whole()
            except (MemoryError, RuntimeError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            # Behind the `except`, where the error no longer holds the tensors of its frames.
            self._too_many[route.name] = pixels
            if self._program.device.type == "cuda":
                torch.cuda.empty_cache()
        return in_strips()

    def fits(self, route: Route, pixels: int) -> bool:
        """Tells whether a whole input of so many pixels is expected to fit into the memory that is free now."""
        if pixels >= self._too_many.get(route.name, pixels + 1):
            return False
        # Small images are the rule: they cost no trace of the network.
        return memory.is_small(pixels, route.scale) or memory.fits(self._cost(route), pixels, self._program.device)

    def batch_size(self, route: Route, pixels: int) -> int:
        """Returns how many images of so many pixels, padded, to take at once: at least 1."""
        return memory.batch_size(self._cost(route), pixels, route.scale, self._program.device)

    def image(self, route: Route, image: Image, others: Mapping[str, Any], tile: Tile | None) -> Array:
        """Returns the output for an image, H x W x C of its own type (labels: H x W x 1 class indices, uint8).

        `others` are the direction's further inputs by name, and `tile` replaces the streamer's own. Errors: ConfigError
        for what cannot go in strips, and where the disk has too little room for what a pass leaves to the next.
        """
        self._refuse(route)
        height, width = image.pixels.shape[:2]
        inputs: dict[str, Image | Tensor] = {}
        for name in route.inputs:
            other = others.get(name, image)
            same_size = other.pixels.shape[:2] == (height, width)
            inputs[name] = other if same_size else resize(seen(self._program, route, name, other), (height, width))
        size = (height * route.scale, width * route.scale)
        writer = ArrayWriter(size, rows_of(self._program, route, image))
        self._stream(route, inputs, writer.write, tile)
        return writer.array

    def tensor(self, route: Route, inputs: Mapping[str, Tensor], tile: Tile | None) -> Tensor:
        """Returns the output of a direction, 1 x C x H x W in [-1, 1] (labels: logits) on the device.

        `inputs` has all inputs of the direction by name, 1 x C x H x W in [-1, 1], of one size. `tile`: as for `image`.
        """
        self._refuse(route)
        height, width = inputs[route.inputs[0]].shape[-2:]
        writer = TensorWriter((height * route.scale, width * route.scale), self._program.device)
        self._stream(route, inputs, writer.write, tile)
        return writer.tensor

    def _refuse(self, route: Route) -> None:
        """Errors: ConfigError where strips cannot give the result of the whole image, and why."""
        reason = None
        if self._program.stochastic(route):
            noise = "draws noise" if route.draws else "keeps dropout on"
            reason = f"it {noise} for the whole image, and strips would draw other noise"
        elif route.further:
            reason = f"it has several outputs ({', '.join(['output', *route.further])})"
        elif others := [name for name in route.inputs if not isinstance(route.types[name], InputImage)]:
            reason = f"its input {others[0]!r} is no image"
        if reason:
            raise ConfigError(
                f"direction {route.name!r} takes an image as a whole only: {reason}; use `--tile off` where the image "
                "fits into the memory, or make it smaller"
            )

    @torch.inference_mode()
    def _stream(self, route: Route, inputs: Mapping[str, Image | Tensor], write: Write, tile: Tile | None) -> None:
        """Goes in strips, exactly, where each call of the network is known, and else in bands."""
        program, tile = self._program, self._tile(tile)
        readers = []
        for name in route.inputs:
            ranges = input_ranges(program, route, name)
            channels = program.channels(route, name)
            readers.append(RowReader(inputs[name], channels, program.device, ranges, program.handling))
        dtype = LOW.get(program.precision, torch.float32)
        try:
            recorded = self._trace(route, readers[0].size)
            schedule = self._schedule(recorded, readers[0].size[0], tile, dtype)
        except (Untraceable, UnsupportedOp) as reason:
            self._stream_bands(route, readers, write, tile, str(reason))
            return
        reads = list(zip(recorded.inputs, self._reads(route, readers), strict=True))
        with DiskTensors(schedule.disk_bytes) as disk, program.autocast():
            execute(schedule, reads, write, disk, device=program.device, dtype=dtype)

    def _schedule(self, recorded: Trace, height: int, tile: Tile, dtype: torch.dtype) -> Schedule:
        """Cuts a trace into passes whose strips fit into memory, or are `tile` rows high. Errors: UnsupportedOp."""
        device = self._program.device
        widest_row = 4 * max(  # bytes, float32
            node.numel // node.rows for node in recorded.nodes if len(node.shape) > 2
        )
        return make_schedule(
            recorded,
            strips=-(-height // tile) if isinstance(tile, int) else None,
            budget=memory.strip_budget(widest_row, device),
            itemsize=dtype.itemsize,
            device=device.type,
        )

    def _reads(self, route: Route, readers: Sequence[RowReader]) -> list[Read]:
        """Returns how the inputs of a trace are read, in their order (see `_trace`)."""
        multiple = self._program.multiple(route)
        reads: list[Read] = [partial(reader.read, multiple=multiple) for reader in readers]
        if self._program.composes:
            reads.append(partial(readers[0].read, multiple=None))
        return reads

    def _trace(self, route: Route, size: tuple[int, int]) -> Trace:
        """Traces a direction for images of a size: padded inputs, and the image itself where the method composes.

        Errors: Untraceable.
        """
        program = self._program
        padded = padded_size(size, self._program.multiple(route))
        channels = [program.channels(route, name) for name in route.inputs]
        shapes = [(1, count, *padded) for count in channels]
        if program.composes:
            shapes.append((1, channels[0], *size))

        draw = ZeroDraw(1, padded, program.device)  # what draws goes through here for its cost alone

        def translate(*inputs: Tensor) -> Tensor:
            # Where the method composes there is one input more, the image without padding, which has no name.
            by_name = dict(zip(route.inputs, inputs, strict=False))
            with program.autocast():
                output = program.method.translate(program.optimized_nets, by_name, route.call, draw)
            assert isinstance(output, Tensor), "directions of several outputs are refused before"
            # The padding goes, and composing is float32, as for whole images.
            output = output[..., : size[0] * route.scale, : size[1] * route.scale].float()
            return program.method.compose(output, inputs[-1], route.call) if program.composes else output

        return trace(translate, shapes, program.device, autocast=program.precision != "fp32")

    def _stream_bands(self, route: Route, readers: Sequence[RowReader], write: Write, tile: Tile, reason: str) -> None:
        height, width = readers[0].size
        multiple = self._program.multiple(route)

        def translate(first: int, last: int) -> Tensor:
            named = zip(route.inputs, readers, strict=True)
            inputs = {name: reader.read(first, last, None) for name, reader in named}
            return self._program.whole(route, inputs)

        rows = tile if isinstance(tile, int) else self._band_rows(route, width)
        if route.name not in self._compared and rows < height:
            # Once for a direction: comparing takes as long as a few bands.
            self._compared.add(route.name)
            steps = difference(translate, height, rows, route.scale, multiple) * 127.5  # [-1, 1] is 255 steps wide
            unit = "of logits, as if they were images" if route.output == "labels" else "on a piece of this image"
            self.tell(
                f"direction {route.name}: an image is translated in overlapping bands, since strips that give exactly "
                f"the whole are not possible here ({reason}); mean difference to the whole: {steps:.2f}/255 ({unit})"
            )
        approximate(translate, write, height, rows, route.scale, multiple)

    def _band_rows(self, route: Route, width: int) -> int:
        # A band also sees the overlap at both of its sides.
        rows = memory.rows_that_fit(self._cost(route), width, self._program.device)
        return max(1, rows - 2 * OVERLAP)

    def _cost(self, route: Route) -> memory.Cost:
        """Returns the cost of a direction for each pixel, from a trace at 512 x 512 (any usual size would do)."""
        if route.name in self._costs:
            return self._costs[route.name]
        try:
            recorded = self._trace(route, (512, 512))
            shape = recorded.inputs[0].shape
            pixels = shape[-2] * shape[-1]
            multiplications, weights = work(recorded)
            peak = recorded.peak(4 if self._program.precision == "fp32" else 2)
            largest = max(node.numel for node in recorded.nodes)
            cost = memory.Cost(peak / pixels, multiplications / pixels, largest / pixels, weights)
        except Exception:  # Untraceable, or whatever a method raises at a size that it does not like
            cost = memory.unknown_cost(route.scale)
        self._costs[route.name] = cost
        return cost

    def _tile(self, tile: Tile | None) -> Tile:
        return self.tile if tile is None else parse_tile(tile)


def parse_tile(tile: Tile | str) -> Tile:
    """Returns a way of tiling, whose number may be written in digits. Errors: ConfigError."""
    if tile in ("auto", "off"):
        return cast(Tile, tile)
    if str(tile).isdecimal() and int(tile) > 0:
        return int(tile)
    raise ConfigError(f"tile is auto, off or a number of rows (1 or more), not {tile!r}")
