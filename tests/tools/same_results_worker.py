"""Runs cases with the `translate` that is first on the path: `same_results_worker.py CASES.json FOLDER TREE`.

Every case gets a folder below FOLDER. All run in one process, so that torch is imported once. `translate` and its
plugins have to come from TREE.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import time
import traceback
from pathlib import Path
from typing import Any


def main() -> None:
    sys.addaudithook(_offline)
    # Commands get a `sys.argv` of their own, and run elsewhere.
    file, top, tree = (Path(each).resolve() for each in sys.argv[1:4])
    parent = os.getppid()
    for case in json.loads(file.read_text(encoding="utf-8")):
        if os.getppid() != parent:  # whoever asked for this was killed
            sys.exit("nobody waits for these results any longer")
        folder = top / case["name"]
        folder.mkdir(parents=True)
        os.chdir(folder)
        for file, text in case["files"].items():
            Path(file).write_text(text, encoding="utf-8")
        codes = [_command(command) for command in case["commands"]]
        (folder / "codes.json").write_text(json.dumps(codes), encoding="utf-8")
    if strange := sorted(_strangers(tree)):
        sys.exit(f"not of this commit: {', '.join(strange)}")


def _strangers(tree: Path) -> set[str]:
    """The modules of `translate` and its plugins that were imported from elsewhere."""
    modules = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    ours = {name: file for name, file in modules.items() if name.partition(".")[0].startswith("translate") and file}
    return {name for name, file in ours.items() if tree not in Path(file).resolve().parents}


def _offline(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses connections to other hosts; child processes talk through pipes and Unix sockets."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        raise OSError(f"no network here: {arguments[1]}")


def _command(command: dict[str, Any]) -> int:
    """Runs one command; appends what it says to `console.txt`. Returns its exit code."""
    argv, out, err = command["argv"], _stream(), _stream()
    started = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = _run(argv)
    said, warned = _text(out), _text(err)
    if command["stdout"]:
        Path(command["stdout"]).parent.mkdir(parents=True, exist_ok=True)
        Path(command["stdout"]).write_text(said, encoding="utf-8")
    with Path("console.txt").open("a", encoding="utf-8") as console:
        seconds = time.monotonic() - started
        console.write(f"$ {' '.join(argv)}\n{said}{warned}exit code {code}, {seconds:.1f} s\n")
    return code


def _stream() -> io.TextIOWrapper:
    """A stream that keeps what is written, with a `buffer` as the real ones have."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    return stream.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined,no-any-return]


def _run(argv: list[str]) -> int:
    script = argv[0].endswith(".py")
    sys.argv = list(argv) if script else ["translate", *argv]
    try:
        if script:
            runpy.run_path(argv[0], run_name="__main__")
        else:
            runpy.run_module("translate", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 70
    return 0


if __name__ == "__main__":
    main()
