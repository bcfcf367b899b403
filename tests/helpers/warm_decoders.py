"""Processes that decode images, in forks of one that has made their imports: a start takes 20 ms, not half a second."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import warm

from translate.imaging.guard import process


class Decoder(warm.Program):
    """A decoder that `DecodingProcess` starts, with its pipes."""

    def __init__(self, command: Sequence[str], **_: Any) -> None:
        theirs, ours = os.pipe()
        words = [word for word in command[1:] if word != "-P"]
        address = warm.server("", "translate.imaging.guard.worker")
        super().__init__(words, stdin=theirs, stdout=subprocess.PIPE, text=False, address=address)
        os.close(theirs)
        self.stdin = os.fdopen(ours, "wb")


def install(patch: pytest.MonkeyPatch) -> None:
    """Has conversions of this process start decoders so, as long as the patch lasts."""
    patch.setattr(process, "subprocess", SimpleNamespace(**{**vars(subprocess), "Popen": Decoder}))
