"""Conversions of folders under stress.

    python tests/benchmarks/conversion.py memory        peak memory of 100,000 tiny files against that of 10,000
    python tests/benchmarks/conversion.py kills         200 times `kill -9` over 20,000 files
    python tests/benchmarks/conversion.py trees         200 trees with planted collisions

Each prints what it found, and ends with exit code 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path

import numpy as np
import torch
from bundles import write as write_model
from torch import nn

from translate.console import PlainConsole
from translate.contracts import DataSpec
from translate.conversion.convert import convert
from translate.conversion.options import ConvertOptions
from translate.errors import TranslateError
from translate.imaging.io import encode, read, write
from translate.inference.translator import Translator
from translate.models.single_network import SingleNetwork, SingleNetworkConfig


def tiny_files(root: Path, count: int, each: int = 500) -> None:
    """`count` PNG files of 8 x 8 pixels or so, `each` of them in a folder."""
    draw = np.random.default_rng(0)
    kinds = [encode(draw.integers(0, 256, (*size, 3), dtype=np.uint8), ".png") for size in ((8, 8), (8, 9), (20, 6))]
    for number in range(count):
        folder = root / f"{number // each:04}"
        if number % each == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:06}.png").write_bytes(kinds[number % 17 % 3])


def tree_hash(root: Path) -> str:
    """Names and contents of all files below a folder."""
    every = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            every.update(os.fsencode(path.relative_to(root)) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return every.hexdigest()


def rows_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


# ------------------------------------------------------------------------------------------------------------ memory


def memory(folder: Path, counts: list[int], most: float) -> bool:
    """Peak memory of `translate convert` as a process of its own."""
    model, peaks = write_model(folder / "model"), []
    for count in counts:
        root = folder / f"in{count}"
        tiny_files(root, count)
        began = time.perf_counter()
        command = [sys.executable, "-m", "translate", "convert", str(root), str(folder / f"out{count}")]
        env = os.environ | {"OMP_NUM_THREADS": "1"}  # more would mostly wait for each other at this size
        child = subprocess.Popen(
            [*command, "--model", str(model), "--json"], stdout=subprocess.PIPE, text=True, env=env
        )
        assert child.stdout is not None
        found = json.loads(child.stdout.read())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        peaks.append(used.ru_maxrss / 1024)
        seconds = time.perf_counter() - began
        assert (child.returncode, found["done"]) == (0, count)
        print(f"{count:>9,} files: peak {peaks[-1]:.0f} MiB, {seconds:.0f} s", flush=True)
    ratio = peaks[-1] / peaks[0]
    print(f"ratio {ratio:.3f} (at most {most})")
    return ratio <= most


# ------------------------------------------------------------------------------------------------------------- kills


def work(root: Path, out: Path, model: Path, log: Path) -> None:
    """One conversion; the log gets the names of what is translated."""
    from translate.conversion import convert as folders
    from translate.models.load import load

    translator = load(model, "cpu")
    real, alone, lines = translator.translate_images, translator.translate_image, log.open("a")

    def together(images, direction, others, keys):
        made = real(images, direction, others, keys)
        lines.write("".join(f"{key}\n" for key in keys))
        lines.flush()
        return made

    def single(image, direction, given, key, **how):
        made = alone(image, direction, given, key, **how)
        lines.write(f"{key}\n")
        lines.flush()
        return made

    translator.translate_images, translator.translate_image = together, single
    folders.convert(root, out, translator, ConvertOptions(batch=BATCH), console=PlainConsole(StringIO(), StringIO()))


BATCH = 8
EACH = len("0000/000000.png\n")
"""Bytes of the log for each image."""


def kills(folder: Path, files: int, count: int, seed: int) -> bool:
    """Processes that are killed at random times, until so many were, and one that ends."""
    torch.set_num_threads(1)
    draw, model = random.Random(seed), write_model(folder / "model")
    root = folder / "in"
    tiny_files(root, files)

    def start(out: Path, log: Path) -> int:
        pid = os.fork()  # this process has not computed anything, so that a copy of it can
        if not pid:
            try:
                work(root, out, model, log)
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        return pid

    began = time.perf_counter()
    assert os.waitpid(start(folder / "whole", folder / "whole.log"), 0)[1] == 0
    whole = time.perf_counter() - began
    print(f"{files:,} files without a kill: {whole:.0f} s", flush=True)
    wanted = images_hash(folder / "whole"), results_of(folder / "whole")
    done = twice = wrong = rounds = repeated = 0
    unwritten: list[int] = []
    while done < count:  # a conversion that ends before enough were killed is checked, and a new one begins
        rounds += 1
        out, log = folder / f"out{rounds}", folder / f"out{rounds}.log"
        log.touch()
        before: dict[Path, tuple[int, int]] = {}
        ended = False
        while done < count and not ended:
            translated = len(log.read_text().splitlines())
            pid, size = start(out, log), log.stat().st_size
            if draw.random() < 0.1:  # while it looks what is left to do
                time.sleep(draw.uniform(0, 1))
            else:  # in the middle of the work
                size += draw.randrange(2 * EACH * files // count)
                while (
                    log.stat().st_size <= size
                    and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
                ):
                    time.sleep(0.002)
                time.sleep(draw.uniform(0, 0.05))
            os.kill(pid, signal.SIGKILL)
            ended = not os.WIFSIGNALED(os.waitpid(pid, 0)[1])
            done += not ended
            now = {path: (s.st_ino, s.st_mtime_ns) for path in out.rglob("*.png") for s in (path.stat(),)}
            twice += sum(now[path] != state for path, state in before.items())
            unwritten.append(len(log.read_text().splitlines()) - translated - (len(now) - len(before)))
            before = now
        wrong += os.waitpid(start(out, log), 0)[1] != 0
        wrong += (images_hash(out), results_of(out)) != wanted
        wrong += sum(not decodes(path) for path in out.rglob("*.png"))
        names = log.read_text().splitlines()
        repeated += len(names) - len(set(names))
        shutil.rmtree(out)
    print(
        f"{done} kills of {rounds} conversions: outputs, rows or decodability wrong {wrong}, written twice {twice}; "
        f"translated but not written when killed: mean {np.mean(unwritten):.1f}, most {max(unwritten)} images, "
        f"translated again {repeated} in all; batches of {BATCH}"
    )
    return not (wrong or twice)


def results_of(out: Path) -> list[dict[str, object]]:
    """The rows without the seconds."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows_of(out)]


def images_hash(out: Path) -> str:
    every = hashlib.sha256()
    for path in sorted(out.rglob("*.png")):
        every.update(os.fsencode(path.relative_to(out)) + hashlib.sha256(path.read_bytes()).digest())
    return every.hexdigest()


def decodes(path: Path) -> bool:
    try:
        read(path)
    except TranslateError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------- trees

PARTS = ("a", "A", "b", "B", "é", "e\u0301", "ß", "ss", "SS", "a.png", "A.PNG", "x y")
ENDINGS = (".png", ".PNG", ".bmp", ".BMP", ".gif", ".GIF", ".gif.png", ".bmp.png", ".png.png", ".tif")


def identity() -> Translator:
    """A translator that gives back what it gets."""
    net = nn.Conv2d(3, 3, 1, bias=False)
    nn.init.dirac_(net.weight)
    method = SingleNetwork(
        SingleNetworkConfig(network="resnet_9", dropout=False), DataSpec("single", {"image": 3}, (8, 8)), {}
    )
    return Translator(method, {"net": net}, {})


def plant(draw: random.Random, root: Path, files: int) -> None:
    """A tree whose names collide in every way: endings, upper and lower case, composed letters, folders like files."""
    from PIL import Image

    numbers = np.random.default_rng(draw.randrange(1 << 30))
    for _ in range(files):
        folder = root.joinpath(*(draw.choice(PARTS) for _ in range(draw.randrange(3))))
        path = folder / (draw.choice(PARTS) + draw.choice(ENDINGS))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                continue
            grey = numbers.integers(0, 256, (2, 3), dtype=np.uint8)
            if path.suffix.lower() == ".gif":
                Image.fromarray(grey).save(path)
            else:
                write(path, np.repeat(grey[..., None], 3, 2))
        except OSError:  # a folder stands there, or a file where the folder should be
            continue


def trees(folder: Path, count: int, seed: int) -> bool:
    """Random trees with files of others in the way: nothing of theirs changes, and every output is its input's."""
    translator, wrong, converted, failed, skipped = identity(), 0, 0, 0, 0
    for number in range(count):
        draw = random.Random(seed * 100_003 + number)
        root, out = folder / f"{number}/in", folder / f"{number}/out"
        root.mkdir(parents=True)
        plant(draw, root, 40)
        write(root / "one.png", np.zeros((2, 3, 3), np.uint8))
        for path in draw.sample(sorted(root.rglob("*.*")), 3):  # files of others where outputs would go
            place = out / path.relative_to(root)
            if path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text("not ours")
        before = tree_hash(root)
        theirs = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        quiet = PlainConsole(StringIO(), StringIO())
        summary = convert(
            root, out, translator, ConvertOptions(format=draw.choice([None, None, "png", "bmp"])), console=quiet
        )
        again = convert(root, out, translator, ConvertOptions(format=_format(out)), console=quiet)
        rows = rows_of(out)
        outputs = [str(row["output"]) for row in rows if row["status"] == "done"]
        wrong += tree_hash(root) != before
        wrong += sum(path.read_bytes() != data for path, data in theirs.items())
        wrong += len(outputs) - len({name.casefold() for name in outputs})
        wrong += sum(out / name in theirs for name in outputs)
        wrong += again.kept != summary.done
        for row in rows:
            if row["status"] == "done":
                given, got = read(root / str(row["input"])).pixels, read(out / str(row["output"])).pixels
                wrong += not np.array_equal(np.broadcast_to(given, got.shape), got)
        wrong += len(rows) != sum(path.is_file() for path in root.rglob("*"))
        converted, failed, skipped = converted + summary.done, failed + summary.failed, skipped + summary.skipped
        shutil.rmtree(folder / str(number))
    print(f"{count} trees: {converted} converted, {failed} failed, {skipped} skipped; {wrong} promises broken")
    return not wrong


def _format(out: Path) -> str | None:
    found: str | None = json.loads((out / "results.settings.json").read_text())["format"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "kills", "trees"])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = {
            "memory": lambda: memory(folder, args.counts, 1.15),
            "kills": lambda: kills(folder, args.files, args.kills, args.seed),
            "trees": lambda: trees(folder, args.trees, args.seed),
        }[args.what]()
    sys.exit(not kept)


if __name__ == "__main__":
    main()
