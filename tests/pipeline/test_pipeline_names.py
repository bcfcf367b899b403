"""Files whose names are bytes and no UTF-8, as they come out of the zips of Windows: a name is only a key."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import warm

from translate.imaging.io import write

PIPELINE = """
version: 1
name: odd
tracking: none
stages:
  prepare: {uses: preprocess, with: {source: {uses: folders, a: A, b: B}}}
  train:
    uses: train
    needs: {data: prepare}
    with:
      method: cyclegan
      options:
        generator: {uses: resnet, blocks: 1, filters: 4}
        discriminator: {uses: patchgan, filters: 4, layers: 1}
      max_steps: 2
      workers: 1
  convert: {uses: infer, needs: {data: prepare, model: train}, with: {split: train}}
"""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file systems that know Unicode alone")
@pytest.mark.parametrize("damaged", [False, True])
def test_a_name_that_is_bytes_works_and_is_told(damaged: bool, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    for side in "AB":
        (tmp_path / side).mkdir()
        for number in range(2):
            write(tmp_path / side / f"{number}.png", draw.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    odd = tmp_path / "A" / os.fsdecode(b"caf\xe9.png")
    (tmp_path / "A" / "0.png").rename(odd)
    if damaged:
        odd.write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "odd.yaml").write_text(PIPELINE)
    done = warm.translate(tmp_path, "run", "odd.yaml")
    said = done.stdout + done.stderr
    if damaged:
        assert done.returncode == 1 and "A/caf\\udce9.png: truncated PNG" in said, said
    else:
        assert done.returncode == 0 and "Unicode" not in said, said
        assert (tmp_path / "runs/odd/report.html").is_file()
