"""A program of its own: reads one checkpoint of somebody else and writes its tensors as safetensors, executing nothing.

`untrusted.read_networks` starts it. It sets its own limits on memory and processor time, opens SOURCE with torch's
unpickler of weights, which knows tensors and plain containers and refuses every other name, or as safetensors, or as
the data of a TorchScript archive, and writes TARGET. A refusal is one line on stdout and exit code 3.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from translate.storage import torchscript
from translate.storage.file_kind import TORCH_MAGIC, reason_against, reason_against_archive, unfinished
from translate.storage.tensor_files import load_tensors

Networks = dict[str, dict[str, Tensor]]

REFUSED = 3
SLACK = 1 << 20
"""Bytes of headers, names and padding that a file may hold beside its tensors, at most."""
ROOM = 1 << 30
"""Bytes of memory on top of three copies of the file: torch's own working space."""
DEPTH = 5
"""Mappings within mappings in which networks are looked for."""
SETTINGS = re.compile(
    r"(argparse\.Namespace|pathlib\.\w+|types\.SimpleNamespace|enum\.\w+|datetime\.\w+|uuid\.UUID"
    r"|(pytorch_lightning|lightning|lightning_fabric|lightning_utilities)\.[\w.]+|omegaconf\.[\w.]+|easydict\.EasyDict"
    r"|(addict(\.addict)?|munch|yacs\.config|box(\.box)?|ml_collections\.config_dict(\.config_dict)?)\.\w+"
    r"|numpy(\._core|\.core)?\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray|\w+int\d*|float\d+|bool_?)"
    r"|numpy\.dtypes\.\w+|_codecs\.encode|typing\.Any|collections\.(defaultdict|deque)"
    r"|torch\.(optim|utils\.data)\.[\w.]+|builtins\.(complex|slice|range|list|dict|int|float|str|set|tuple|bool))"
)
"""Names of classes that hold settings or progress beside the weights, as Lightning saves them. What they hold is
dropped: a stand-in that does nothing takes their place, and the real class is not looked up."""
_BESIDE = re.compile(
    r"optimi[sz]er|(^|_)optim(_|s?$)|lr_sched|scheduler|^(grad_|amp_)?scaler|^callbacks$|^loops$|(^|_)rng(_|$)"
    r"|hyper_param|hparams|param_groups",
    re.IGNORECASE,
)
"""Keys under which a training keeps what is no network."""


class RefusedError(Exception):
    """Why a file is not taken; the text goes to the user."""


def main(source: str, target: str, seconds: str) -> int:
    """Exit code 0 and TARGET written, or 3 and a reason on stdout."""

    torch.set_num_threads(1)
    path = Path(source)
    _limit(3 * path.stat().st_size + ROOM, int(seconds))
    try:
        networks = read_networks(path)
        flat = {}
        for number, state in enumerate(networks.values()):
            flat.update({f"{number}/{name}": value for name, value in state.items()})
        safetensors.torch.save_file(flat, target, {"networks": json.dumps(list(networks))})
    except RefusedError as refusal:
        return _refuse(str(refusal))
    except MemoryError:
        return _refuse("reading it takes more memory than a file of its size may")
    return 0


def read_networks(source: Path) -> Networks:
    """Names to tensors of every network in a file, by the path of keys that leads to it; empty for the file itself.

    It is read within whatever limits the process has. Errors: RefusedError, MemoryError.
    """
    if reason := reason_against(source):
        raise RefusedError(reason)
    with source.open("rb") as file:
        head = file.read(32)
    most = 2 * source.stat().st_size + SLACK
    if head[:4] == b"PK\x03\x04":
        return _plain(_archived(source), most)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30:
        return _plain({"": _safetensors(source)}, most)
    if head[:1] == b"\x80" and TORCH_MAGIC not in head and source.stat().st_size >= len(head):
        raise RefusedError("it is a pickle, and no file of torch.save; save a `state_dict()` by torch.save")
    return _plain(_networks_of(_load(source)), most)


def _refuse(reason: str) -> int:
    sys.stdout.buffer.write(" ".join(reason.split())[:700].encode("utf-8", "backslashreplace"))
    return REFUSED


def _limit(memory: int, seconds: int) -> None:
    """Bounds what this process may take from here on, where the system can: address space, time, no core dump."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock and the checks of sizes remain
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _archived(source: Path) -> Networks:
    """The networks of a zip archive. One of torch.save stores plainly: its entries together are smaller than itself."""
    try:
        with zipfile.ZipFile(source) as archive:
            program = torchscript.is_torchscript(archive)
            # The texts of a TorchScript program are packed; they are not read.
            read = [entry for entry in archive.infolist() if not program or torchscript.is_data(entry.filename)]
            claimed = sum(entry.file_size for entry in read)
            if reason := reason_against_archive(archive):
                raise RefusedError(reason)
            if claimed > source.stat().st_size:
                raise RefusedError(
                    f"its entries unpack to {claimed:,} bytes, more than the file holds: no file of torch.save does"
                )
            if program:
                return {"": _torchscript(archive)}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        here = source.stat().st_size
        raise RefusedError(
            f"it is a damaged or truncated archive, such as half a download: {here:,} bytes are here "
            f"({error}){unfinished(source)}"
        ) from None
    return _networks_of(_load(source))


def _torchscript(archive: zipfile.ZipFile) -> dict[str, Tensor]:
    try:
        state = torchscript.tensors_of(archive)
    except torchscript.UnknownNameError as name:
        raise RefusedError(f"it asks for {name}, which weights do not need; it was not looked up or run") from None
    except MemoryError:
        raise
    except Exception as error:
        raise RefusedError(f"it is a damaged TorchScript archive ({type(error).__name__})") from None
    if not state:
        raise RefusedError(
            "it is a TorchScript program without named weights: `torch.jit.freeze` makes constants of them; "
            "import what it was made from"
        )
    return state


def _safetensors(source: Path) -> dict[str, Tensor]:
    try:
        tensors = load_tensors(source)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        here = source.stat().st_size
        raise RefusedError(
            f"it is a truncated or damaged file of safetensors, such as half a download: {here:,} bytes are here "
            f"({error}){unfinished(source)}"
        ) from None
    return tensors


def _load(source: Path) -> Any:
    """The one place where a pickle is opened. `weights_only` builds tensors and containers and calls nothing else."""
    stand_ins: list[Any] = []
    while True:
        try:
            with source.open("rb") as file, torch.serialization.safe_globals(stand_ins):
                return torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251 (limited child)
        except MemoryError:
            raise
        except Exception as error:
            name = re.search(r"GLOBAL (\S+)", str(error))
            if name is None or not SETTINGS.fullmatch(name[1]) or len(stand_ins) > 200:
                raise _explained(error, source) from None
            stand_ins.append((type("StandIn", (_StandIn,), {}), name[1]))


class _StandIn:
    """Stands for a class that holds settings, and drops whatever it is told."""

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """A list's method, by which pickles fill one."""

    def extend(self, values: Any) -> None:
        """A list's method, by which pickles fill one."""


def _explained(error: Exception, source: Path) -> Exception:
    """What went wrong, without torch's advice to open the file all the same."""
    text = str(error)
    if name := re.search(r"GLOBAL (\S+)", text):
        return RefusedError(
            f"it asks for {name[1]}, which weights do not need; it was not looked up or run. Where you trust the "
            "file, save the weights alone with the program that wrote it: torch.save(network.state_dict(), FILE)"
        )
    if "allocate memory" in text:
        return MemoryError()
    detail = text.rpartition("WeightsUnpickler error:")[2].strip() or type(error).__name__
    first = re.split(r"In PyTorch \d|\n|[ .(\d)]*The weights_only", detail)[0].strip()
    return RefusedError(f"it is truncated, damaged or no file of torch.save ({first}){unfinished(source)}")


def _networks_of(content: Any) -> Networks:
    networks = dict(_find(content, (), DEPTH))
    if not networks:
        raise RefusedError(f"it holds a {type(content).__name__}, not the named tensors of one network")
    return networks


def _find(value: Any, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping from names to tensors within a value, with the keys that lead to it."""
    if isinstance(value, Mapping):
        named = {key: each for key, each in value.items() if isinstance(key, str)}
        state = {key: each for key, each in named.items() if isinstance(each, torch.Tensor)}
        # Beside the weights of a layer, such as `conv.weight`, an entry `epoch` may stand.
        if state and (len(state) == len(value) or any("." in key for key in state)):
            yield ".".join(path), state
    elif isinstance(value, list | tuple):
        named = {str(number): each for number, each in enumerate(value)}
    else:
        return
    for key, each in named.items():
        if depth and not _BESIDE.search(key):
            yield from _find(each, (*path, key), depth - 1)


def _plain(networks: Networks, most: int) -> Networks:
    """The same with tensors that own their numbers. Errors: RefusedError for others, and for `most` bytes exceeded."""
    claimed = 0
    for state in networks.values():
        for name, value in state.items():
            if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
                raise RefusedError(f"tensor {name} is not plain numbers")
            claimed += value.numel() * value.element_size()
    if claimed > most:
        raise RefusedError(f"its tensors claim {claimed:,} bytes, far more than the file holds")
    return {path: {name: _owned(value) for name, value in state.items()} for path, state in networks.items()}


def _owned(value: Tensor) -> Tensor:
    return value.detach().clone(memory_format=torch.contiguous_format)
