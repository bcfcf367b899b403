"""Images that are too large for the memory: which these are, and how they are translated in strips."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from translate.contracts import Route
from translate.device import free_memory, total_memory
from translate.errors import ConfigError
from translate.imaging.convert import Array, padded_size, resize, to_tensor
from translate.imaging.io import Image
from translate.inference.fast_kernels import LOW
from translate.inference.program import Program
from translate.inference.streaming import approximate as bands, execute as strips
from translate.inference.streaming.disk_tensors import Scratch
from translate.inference.streaming.ops_pointwise import Unknown
from translate.inference.streaming.row_io import Canvas, Picture, Sheet
from translate.inference.streaming.schedule import plan, work
from translate.inference.streaming.trace import Recording, Unrecordable, record
from translate.seeding import derive

T = TypeVar("T")
Tile = Literal["auto", "off"] | int
"""Whether images go through the networks in strips: those that would not fit (`auto`), none, or all, of N rows."""

SMALL = 1 << 20
"""Outputs of so many pixels are made whole without a look at the memory."""

SHARE = 0.75
"""Of the free memory, that an image which is translated whole may take."""

LARGEST = 1 << 31
"""Values of a tensor from which on not all kernels count right, or at all: such images go in strips."""

MARGIN = 1.5
"""What a network takes, as a multiple of the tensors that it has at once: convolutions keep some of their own."""

STRIPS, WIDEST_STRIPS, ROWS = 64 << 20, 192 << 20, 48
"""Bytes of the tensors of one strip in main memory, and of one from a wide image, in which a tensor has `ROWS` rows."""

UNKNOWN_BYTES = 8192
"""Bytes for each pixel of a network of which nothing is known."""

REUSE = 1000
"""On a CPU a batch pays as far as an image alone multiplies with each weight less often than that: then the weights'
way from memory takes most of the time (a U-Net at 256 pixels: 110 times), and else a batch only crowds the caches."""

BATCH, BATCH_PIXELS, GPU_BATCH, GPU_SHARE = 8, 1 << 19, 32, 0.25
"""The largest batch on a CPU in images and in pixels of the output, on a GPU in images and as a share of its memory."""


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=2)


class Cost(NamedTuple):
    """Of a direction, for each pixel of its input: `bytes` of memory, multiplications with weights, values of the
    largest tensor; and its weights."""

    bytes: float
    work: float
    largest: float
    weights: int


class Streamer:
    """Translates images in strips for a translator, where they would not fit otherwise, or where that is asked for.

    For networks that are known call by call the result is that of the whole image, with the statistics of all of it in
    every norm (dropout that stays on draws by row, so that it is another draw than that of the whole image). Others go
    in overlapping bands, and `tell` is told how near that comes. What ran out of memory once is not tried again.
    """

    def __init__(self, program: Program, tile: Tile = "auto", tell: Callable[[str], None] | None = None) -> None:
        self.tile = checked(tile)
        self.tell = tell or _warn
        self._program = program
        self._costs: dict[tuple[str, str], Cost] = {}  # by direction and precision
        self._too_many: dict[str, int] = {}
        self._told: set[str] = set()

    def choose(
        self, route: Route, pixels: int, tile: Tile | None, whole: Callable[[], T], in_strips: Callable[[], T]
    ) -> T:
        """Calls the one that suits an input of so many pixels, and the other one where the first runs out of memory."""
        tile = self.tile if tile is None else checked(tile)
        if tile == "off" or route.tiles != (1, 1):
            return whole()
        if tile == "auto" and self.fits(route, pixels):
            try:
                return whole()
            except (MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
            self._too_many[route.name] = pixels
            if self._program.device.type == "cuda":
                torch.cuda.empty_cache()
        return in_strips()

    def fits(self, route: Route, pixels: int) -> bool:
        """Whether a whole input of so many pixels is expected to fit into the memory that is free now."""
        if pixels >= self._too_many.get(route.name, pixels + 1):
            return False
        if pixels * route.scale**2 <= SMALL:
            return True
        cost = self._cost(route)
        if pixels * cost.largest >= LARGEST:
            return False
        return pixels * cost.bytes * MARGIN <= SHARE * free_memory(str(self._program.device))

    def batch_size(self, route: Route, pixels: int) -> int:
        """How many images of so many pixels, padded, to take at once: at least 1. Does not look at the free memory."""
        cost, device = self._cost(route), self._program.device
        if device.type == "cuda":
            room = total_memory(str(device)) * GPU_SHARE
            return max(1, min(GPU_BATCH, int(room / (cost.bytes * pixels * MARGIN))))
        if not cost.work:
            return 1
        reuse = cost.work * pixels / cost.weights
        return max(1, min(BATCH, int(REUSE / reuse), BATCH_PIXELS // (pixels * route.scale**2)))

    def image(self, route: Route, image: Image, others: Mapping[str, Image], key: str, tile: Tile | None) -> Array:
        """An image in strips, to H x W x C of the same type (labels: H x W x 1 indices)."""
        height, width = image.pixels.shape[:2]
        pictures: dict[str, Image | Tensor] = {}
        for name in route.inputs:
            other = others.get(name, image)
            same = other.pixels.shape[:2] == (height, width)
            pictures[name] = other if same else resize(to_tensor(other.over_white()), (height, width))
        size = (height * route.scale, width * route.scale)
        canvas = Canvas(size, image.pixels.dtype, route.output == "labels")
        self._run(route, pictures, canvas.write, key, tile)
        return canvas.array

    def tensor(self, route: Route, given: Mapping[str, Tensor], key: str, tile: Tile | None) -> Tensor:
        """The same for all inputs of a direction as 1 x C x H x W of one size, to such a tensor on the device."""
        height, width = given[route.inputs[0]].shape[-2:]
        sheet = Sheet((height * route.scale, width * route.scale), self._program.device)
        self._run(route, given, sheet.write, key, tile)
        return sheet.tensor

    @torch.inference_mode()
    def _run(
        self,
        route: Route,
        inputs: Mapping[str, Image | Tensor],
        write: Callable[[int, Tensor], None],
        key: str,
        tile: Tile | None,
    ) -> None:
        t = self._program
        channels = t.method.spec.channels
        sides = zip(route.inputs, route.sides, strict=True)
        pictures = [Picture(inputs[name], channels[side], t.device) for name, side in sides]
        size, tile = pictures[0].size, self.tile if tile is None else tile
        dtype = LOW.get(t.precision, torch.float32)
        try:
            recording = self._record(route, size)
            todo = plan(
                recording,
                strips=-(-size[0] // tile) if isinstance(tile, int) else None,
                budget=self._budget(recording),
                itemsize=dtype.itemsize,
                device=t.device.type,
            )
        except (Unrecordable, Unknown) as reason:
            self._run_bands(route, pictures, write, key, tile, str(reason))
            return
        multiple = t.multiple(route)
        reads = [partial(picture.rows, multiple=multiple) for picture in pictures]
        if t.composes:
            reads.append(partial(pictures[0].rows, multiple=None))
        with Scratch(todo.scratch) as scratch, t.autocast():
            strips.run(
                todo,
                list(zip(recording.inputs, reads, strict=True)),
                write,
                scratch,
                device=t.device,
                dtype=dtype,
                seed=derive(t.seed, "dropout", key),
            )

    def _budget(self, recording: Recording) -> int:
        """Bytes for the tensors of a strip; on a GPU an eighth of what is free."""
        if self._program.device.type == "cuda":
            return max(STRIPS, free_memory(str(self._program.device)) // 8)
        row = 4 * max(node.numel // node.rows for node in recording.nodes if len(node.shape) > 2)
        return min(max(STRIPS, ROWS * row), WIDEST_STRIPS)

    def _record(self, route: Route, size: tuple[int, int]) -> Recording:
        t = self._program
        padded = padded_size(size, t.multiple(route))
        channels = [t.method.spec.channels[side] for side in route.sides]
        shapes = [(1, count, *padded) for count in channels]
        if t.composes:
            shapes.append((1, channels[0], *size))

        def program(*inputs: Tensor) -> Tensor:
            with t.autocast():
                output = t.method.translate(t.optimized_nets, dict(zip(route.inputs, inputs, strict=False)), route.name)
            output = output[..., : size[0] * route.scale, : size[1] * route.scale].float()
            return t.method.compose(output, inputs[-1], route.name) if t.composes else output

        return record(program, shapes, t.device, autocast=t.precision != "fp32")

    def _run_bands(
        self,
        route: Route,
        pictures: list[Picture],
        write: Callable[[int, Tensor], None],
        key: str,
        tile: Tile,
        reason: str,
    ) -> None:
        t = self._program
        height, width = pictures[0].size
        multiple = t.multiple(route)

        def make(a: int, b: int) -> Tensor:
            given = {name: p.rows(a, b, None) for name, p in zip(route.inputs, pictures, strict=True)}
            return t.whole(route, given, key)

        rows = tile if isinstance(tile, int) else self._rows_that_fit(route, width)
        if route.name not in self._told and rows < height:
            self._told.add(route.name)
            apart = bands.difference(make, height, rows, route.scale, multiple) * 127.5
            unit = "of logits, as if they were images" if route.output == "labels" else "on a piece of this image"
            self.tell(
                f"direction {route.name}: an image is translated in overlapping bands, since strips that give exactly "
                f"the whole are not possible here ({reason}); mean difference to the whole: {apart:.2f}/255 ({unit})"
            )
        bands.run(make, write, height, rows, route.scale, multiple)

    def _rows_that_fit(self, route: Route, width: int) -> int:
        room = SHARE / 2 * free_memory(str(self._program.device)) / MARGIN
        return max(1, int(room / (self._cost(route).bytes * width)) - 2 * bands.OVERLAP)

    def _cost(self, route: Route) -> Cost:
        known = (route.name, self._program.precision)
        if known not in self._costs:
            try:
                recording = self._record(route, (512, 512))
                pixels = recording.inputs[0].numel / recording.inputs[0].shape[1]
                multiplied, weights = work(recording)
                peak = recording.peak(4 if self._program.precision == "fp32" else 2)
                largest = max(node.numel for node in recording.nodes)
                self._costs[known] = Cost(peak / pixels, multiplied / pixels, largest / pixels, weights)
            except Exception:  # Unrecordable, or whatever a method raises at a size that it does not like
                self._costs[known] = Cost(UNKNOWN_BYTES * route.scale**2, 0.0, 0.0, 0)
        return self._costs[known]


def checked(tile: Tile | str) -> Tile:
    """A way of tiling; its number may be written in digits. Errors: ConfigError."""
    if tile in ("auto", "off"):
        return cast(Tile, tile)
    if str(tile).isdecimal() and int(tile) > 0:
        return int(tile)
    raise ConfigError(f"tile is auto, off or a number of rows (1 or more), not {tile!r}")


def _out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in text or "alloc" in text
