"""The commands on a system that lacks what Unix alone has, such as Windows: its modules cannot be imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from translate.imaging.io import write

UNIX = ("fcntl", "resource", "pwd", "grp", "termios")
BLOCK = f"import psutil, sys\nfor name in {UNIX!r}:\n    sys.modules[name] = None\n"
"""`sitecustomize.py`, which every process imports first, also those that a command starts. psutil comes before: it runs
on every system, and its part for Linux, which is tried here, takes `resource` for granted."""
END = "=== end of a command\n"
ONE_AFTER_THE_OTHER = f"""\
import json, sys
from translate.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments, prog_name="translate")
    except SystemExit as end:
        if end.code:
            raise
    print({END!r}, end="", flush=True)
"""
"""All commands in one process, which makes its imports once. An error ends it."""
PIPELINE = """\
version: 1
name: maps
stages:
  prepare:
    uses: preprocess
    with: {source: {uses: generated-maps, kind: paired, size: 32, train: 4, val: 2, test: 4}}
  train:
    uses: train
    needs: {data: prepare}
    with: {method: pix2pix, options: {generator: {uses: unet, levels: 3, filters: 4}}, max_steps: 2}
  convert: {uses: infer, needs: {data: prepare, model: train}, with: {split: test}}
  score: {uses: evaluate, needs: {data: prepare, images: convert}, with: {metrics: [l1]}}
"""


def test_run_convert_and_evaluate(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(BLOCK)
    (tmp_path / "maps.yaml").write_text(PIPELINE)
    draw = np.random.default_rng(5)
    for name in ("photos/a.png", "photos/more/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / name, draw.integers(0, 256, (40, 33, 3), dtype=np.uint8))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])}
    environment |= {"OMP_NUM_THREADS": "1", "MLFLOW_TRACKING_URI": ""}

    blocked = subprocess.run([sys.executable, "-c", "import fcntl"], env=environment, capture_output=True, check=False)
    assert blocked.returncode != 0
    model = ("--model", "runs/maps/train", "--json")
    commands = [
        ("run", "maps.yaml"),
        ("run", "maps.yaml"),
        ("convert", "photos", "out", *model),
        ("convert", "photos", "out", *model),
        ("evaluate", "photos", "out", "-m", "l1", "--json"),
    ]
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, json.dumps(commands)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    _, again, first, second, scores = done.stdout.split(END)[:-1]
    assert again.count("nothing changed") == 4
    assert json.loads(first)["done"] == 2 and {p.name for p in (tmp_path / "out").rglob("*.???")} == {"a.png", "b.jpg"}
    assert json.loads(second)["kept"] == 2
    assert not list((tmp_path / "out").rglob(".*"))
    (score,) = json.loads(scores)["scores"]
    assert 0 < score["score"] < 2
