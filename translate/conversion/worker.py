"""Sends images through a model: decoded ahead of the device, in batches of one size, encoded behind it.

Outputs are written to a scratch folder. The caller, who takes the outcomes, renames them to their final names.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from translate.conversion.batches import Batch, Task, batches, change, diversity
from translate.conversion.inputs.record import look, record
from translate.conversion.items import Entry, Item, Outcome, make_row
from translate.conversion.names import MAIN, names_of, picture_parts
from translate.conversion.options import ConvertOptions
from translate.conversion.turns import FEW, Turns
from translate.errors import StageError
from translate.imaging.convert import deepened
from translate.imaging.decode import is_lossless
from translate.imaging.encode import output_too_large
from translate.imaging.formats.codec import Pages
from translate.imaging.formats.of_plugins import header_of
from translate.imaging.guard.reader import GuardedReader
from translate.imaging.io import Header, Image, encode, writable
from translate.imaging.pages import encode_pages
from translate.inference.precision import is_deep
from translate.inference.program import MAIN as OUTPUT
from translate.storage.folders import is_below
from translate.threads import cores, ordered_map

if TYPE_CHECKING:
    from translate.inference.translator import Translator

AHEAD = 256 << 20
"""The most bytes of decoded images that wait for the device, and likewise of outputs that wait to be encoded. A single
batch may be larger."""
LOSSLESS = 100
"""The quality at which WebP, JPEG XL and JPEG 2000 lose nothing: that of outputs whose inputs were packed so."""
COMPRESSION = 4
"""The level of PNG, from 0 (none) to 9 (smallest and slowest)."""


class Worker:
    """Converts windows of entries.

    A batch holds images of one window alone, and among them those that are converted already. So a conversion that
    was stopped has the same batches as one that was not, and the same results, bit by bit.
    """

    def __init__(
        self,
        translator: Translator,
        options: ConvertOptions,
        output: Path,
        scratch: Path,
        ready: Mapping[str, Image] = MappingProxyType({}),
    ) -> None:
        self._translator, self._options, self._output, self._scratch = translator, options, output, scratch
        # Outputs of single pictures that were made to find the precision.
        self._ready = dict(ready)
        # A GPU computes beside the codecs.
        self._turns = Turns(off=translator.device.type != "cpu" or cores() > FEW)
        # Where the precision was found out, it was with images of 8 bits; others come out in full.
        self._in_full = translator.with_precision("fp32") if options.precision == "auto" else translator
        self._route = translator.route(options.direction)
        self._parts = picture_parts(self._route)
        self._output_ratio = self._route.scale**2

    def run(self, windows: Iterable[Sequence[Entry]]) -> Iterator[list[Outcome]]:
        """Outcomes of all entries, each once, those of a window before those of the next. Errors: StageError."""
        # One core stays free for this thread, which feeds the device. More than eight threads only wait for the disk.
        threads = max(2 if cores() > 1 else 1, min(8, cores() - 1))
        # Threads suffice, since decoders and encoders let go of the interpreter's lock. There is a pool for each side:
        # in a common one encoding would wait behind all the decoding that is queued, and memory would fill up.
        with (
            GuardedReader(self._options.limits) as self._reader,
            ThreadPoolExecutor(threads, "decode") as decoders,
            ThreadPoolExecutor(threads, "encode") as encoders,
        ):
            # Each line pulls from the one above; nothing runs until the last one is asked for an outcome. A window's
            # headers are read while the window before it is on its way.
            windows_with_headers = ordered_map(decoders, self._probe, windows, 1)
            planned = chain.from_iterable(map(self._batches, windows_with_headers))
            loaded = ordered_map(decoders, self._load, planned, threads, lambda batch: batch.bytes, AHEAD)
            # The device is used by this thread alone: its order of work does not depend on timing.
            translated = map(self._translate, loaded)
            try:
                yield from ordered_map(encoders, self._save, translated, threads, self._bytes_behind, AHEAD)
            except BaseException:
                # An error, Ctrl-C or a signal: neither a decoder that takes long nor what waits its turn holds it up.
                decoders.shutdown(wait=False, cancel_futures=True)
                self._reader.stop()
                raise

    def _bytes_behind(self, batch: Batch) -> int:
        """Bytes of the outputs of a batch: a model that doubles the sides gives four times the input's."""
        return batch.bytes * self._output_ratio

    # ---------------------------------------------------------------------------------------------- ahead of the device

    def _probe(self, window: Sequence[Entry]) -> list[tuple[Entry, Header | None]]:
        """The headers of all images of a window, done or not, since all decide the batches; none if all are done."""
        if all(entry.row is not None for entry in window):
            return [(entry, None) for entry in window]
        return [self._planned(entry) for entry in window]

    def _header(self, entry: Entry) -> Header | None:
        skipped = entry.row is not None and entry.row["status"] == "skipped"
        # "other": a row of an input that is not asked for now, whose file may be gone.
        if entry.item.reason or entry.origin == "other" or skipped:
            return None
        try:
            return self._reader.probe(entry.item.source)
        except Exception:  # reading it will say why
            return None

    def _planned(self, entry: Entry) -> tuple[Entry, Header | None]:
        """An entry with its header; with a reason and without it, where its output is too large for its format."""
        header = self._header(entry)
        if header is None or entry.row is not None or not self._parts:
            return entry, header
        reason = output_too_large(header, self._route, entry.item.target)
        return (replace(entry, item=replace(entry.item, reason=reason)), None) if reason else (entry, header)

    def _batches(self, window: Sequence[tuple[Entry, Header | None]]) -> Iterator[Batch]:
        return batches(window, self._translator, self._options)

    def _load(self, batch: Batch) -> Batch:
        """Reads the images of a batch; those that are done, too, without which others could differ in the last bit."""
        for task in batch.tasks:
            source = task.entry.item.source
            before = look(source) if task.wanted else None
            with task.step(), self._turns.codec():
                self._read(task)
            task.source = record(source, before) if task.wanted else None
        return batch

    def _read(self, task: Task) -> None:
        """Errors: StageError, DataError."""
        item = task.entry.item
        if item.reason:
            raise StageError(item.reason)
        if self._options.pages == "all" and not task.bytes:  # no header of one picture was read
            task.pages = self._reader.pages(item.source)
            notes = chain.from_iterable(page.notes for page in task.pages.images)
            task.notes = tuple(dict.fromkeys(notes))
            return
        image = self._reader.read(item.source)
        task.notes = image.notes
        task.image = deepened(image) if self._options.deep else image
        task.others = {name: self._reader.read(path) for name, path in item.others.items()}

    # ------------------------------------------------------------------------------------------------- on the device

    def _translate(self, batch: Batch) -> Batch:
        if not batch.tasks:
            return batch
        with self._turns.network():
            return self._translated(batch)

    def _translated(self, batch: Batch) -> Batch:
        for task in batch.tasks:
            if task.pages is not None:
                self._translate_pages(task, task.pages)
            elif task.image is not None and task.entry.item.name in self._ready:
                output = self._ready.pop(task.entry.item.name)
                task.change = change(task.image, output)
                task.image, task.outputs = None, [output]
        tasks = [task for task in batch.tasks if task.image is not None]
        if len(tasks) > 1 and self._together(tasks):
            return batch
        for task in tasks:
            with task.step():
                assert task.image is not None
                others = {**task.entry.item.values, **self._options.others, **task.others}
                for number in range(self._options.samples):
                    sample = task.entry.item.sample + number
                    pictures, values = self._outputs(task.image, others, sample)
                    task.outputs += pictures
                    task.values.append(values)
                task.change = change(task.image, task.outputs[0]) if task.outputs else None
            task.image, task.others = None, {}  # decoded images are large, and encoding takes a while
        return batch

    def _translate_pages(self, task: Task, pages: Pages) -> None:
        """Translates each page of a file; those of one sample, and of one of its outputs, go into one file."""
        with task.step():
            for page in pages.images:
                if reason := output_too_large(header_of("page", page), self._route, task.entry.item.target):
                    raise StageError(reason)
            others = {**task.entry.item.values, **self._options.others}
            files: list[list[Image]] = [[] for _ in range(self._options.samples * len(self._parts))]
            for page in pages.images:
                image = deepened(page) if self._options.deep else page
                for number in range(self._options.samples):
                    pictures, _ = self._outputs(image, others, task.entry.item.sample + number)
                    for place, picture in enumerate(pictures, number * len(self._parts)):
                        files[place].append(picture)
            task.paged = [replace(pages, images=tuple(images)) for images in files]
            task.pages, task.outputs = None, [images[0] for images in files]

    def _outputs(self, image: Image, others: Mapping[str, Any], sample: int) -> tuple[list[Image], dict[str, Any]]:
        """The outputs of one sample: pictures in the order of their names, classes and vectors by name."""
        translator, direction = self._translator_for(image), self._options.direction
        if self._parts == (MAIN,) and not self._route.further:
            return [translator.translate_image(image, direction, others, sample)], {}
        outputs = translator.translate_outputs(image, direction, others, sample)
        pictures = [output for output in outputs.values() if isinstance(output, Image)]
        return pictures, {name: output for name, output in outputs.items() if not isinstance(output, Image)}

    def _translator_for(self, image: Image) -> Translator:
        return self._in_full if is_deep(image) else self._translator

    def _together(self, tasks: Sequence[Task]) -> bool:
        """Translates all images at once. Returns False where that fails: one by one they show which of them it is."""
        began = time.perf_counter()
        images = [task.image for task in tasks if task.image is not None]
        try:
            outputs = self._translator_for(images[0]).translate_images(
                images,
                self._options.direction,
                [self._options.others] * len(tasks),
            )
        except Exception:
            return False
        seconds = (time.perf_counter() - began) / len(tasks)
        for task, output in zip(tasks, outputs, strict=True):
            if isinstance(output, Image):
                task.outputs = [output]
                task.change = change(task.image, output) if task.image is not None else None
            else:
                task.values = [{OUTPUT: output}]
            task.image = None
            task.seconds += seconds
        return True

    # --------------------------------------------------------------------------------------------- behind the device

    def _save(self, batch: Batch) -> list[Outcome]:
        outcomes = list(batch.decided)
        for task in batch.tasks:
            if task.wanted:
                with self._turns.codec():
                    outcomes.append(self._outcome(task))
        return outcomes

    def _outcome(self, task: Task) -> Outcome:
        """Encodes and writes the outputs of an image. Of several samples it has all or none."""
        entry = task.entry
        names = names_of(entry.item.target, self._options.samples, self._parts)
        files: list[tuple[Path, Path]] = []
        hashes: list[str] = []
        extra_columns: dict[str, Any] = {}
        with task.step():
            if self._options.samples > 1 and len(task.outputs) > 1:
                extra_columns["diversity"] = diversity(task.outputs[:: len(self._parts)])
            if any(task.values):
                extra_columns["values"] = task.values if self._options.samples > 1 else task.values[0]
            # A task that has failed has no outputs: then nothing is written.
            wholes: Sequence[Image | Pages] = task.paged or task.outputs
            for image, name in zip(wholes, names, strict=False):
                target = self._output / name
                self._check_place(target)
                data = self._encoded(image, target.suffix, entry.item)
                target.parent.mkdir(parents=True, exist_ok=True)  # here, so that a failure is this image's
                files.append((self._written(data), target))
                hashes.append(hashlib.sha256(data).hexdigest())
        task.outputs, task.paged = [], []
        seconds = round(task.seconds, 4)
        if task.reason:
            for file, _ in files:
                file.unlink(missing_ok=True)
            kind = {"kind": task.kind} if task.kind else {}
            row = make_row(entry.item, "failed", task.reason, source=task.source, seconds=seconds, **kind)
            return Outcome(row, window=entry.window)
        if task.notes:
            extra_columns |= {"kind": "odd", "note": "; ".join(task.notes)}
        if task.change is not None:
            extra_columns["change"] = task.change
        results: dict[str, Any] = {}  # an input whose outputs are all classes and numbers has no files
        if len(names) == 1:
            results = {"output": names[0], "sha256": hashes[0]}
        elif names:
            results = {"output": names, "sha256": hashes}
        row = make_row(entry.item, "done", **results, source=task.source, **extra_columns, seconds=seconds)
        return Outcome(row, tuple(files), entry.replace, window=entry.window)

    def _check_place(self, target: Path) -> None:
        """Errors: StageError where a link has come up that leads out of OUTPUT: not even a folder is made there."""
        real = os.path.realpath(target.parent)
        if not is_below(real, os.path.realpath(self._output)):
            raise StageError(f"its output {target} would lie in {real}, out of the output folder, where a link leads")

    def _encoded(self, image: Image | Pages, suffix: str, item: Item) -> bytes:
        name = item.name
        quality = LOSSLESS if is_lossless(item.source, suffix) else self._options.quality
        if suffix.lower() not in writable():  # of GIF, which is written for the sake of animations
            image = image if isinstance(image, Pages) else Pages((image,))
        if isinstance(image, Pages):
            return encode_pages(image, suffix, name=name, quality=quality, compression=COMPRESSION)
        return encode(image, suffix, name=name, quality=quality, compression=COMPRESSION)

    def _written(self, data: bytes) -> Path:
        """Writes a scratch file under a name that nobody else has.

        It is not synced to the disk: after a power cut the hashes in the rows show which files were lost.
        """
        path = self._scratch / secrets.token_hex(8)
        with path.open("xb") as file:
            file.write(data)
        return path
