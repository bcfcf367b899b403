"""Each fault that the kit claims to catch is caught, and said in words that help."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from faulty_games import FAULTS as GAMES
from faulty_uses import FAULTS as USES
from fine_method import Fine

from translate.plugins import Registry
from translate.testing import assert_method_conforms

FAULTS = {**GAMES, **USES}


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[None]:
    """What faulty methods change in the whole process is put back."""
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setattr(np.random, "seed", np.random.seed)
    monkeypatch.delenv("FAULTY_METHOD", raising=False)
    yield
    torch.set_default_dtype(torch.float32)


def test_a_method_without_fault_conforms() -> None:
    assert_method_conforms(Fine, registry=Registry([]))


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_caught_and_named(name: str) -> None:
    method, message = FAULTS[name]
    with pytest.raises(AssertionError, match="method fine does not conform") as caught:
        assert_method_conforms(method, registry=Registry([]))
    assert re.search(message, str(caught.value)), caught.value


def test_there_are_more_than_forty() -> None:
    assert len(FAULTS) > 40
