"""Each fault that the kit claims to catch is caught, and said in words that help."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import faulty_data
import faulty_formats
import faulty_terms
import faulty_training
import numpy as np
import pytest
import torch
from faulty_games import FAULTS as GAMES
from faulty_uses import FAULTS as USES, Drawing, DrawnDepth, TwoOutputs
from fine_method import Fine, Lazybones, Strided

import translate.testing
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


@pytest.mark.parametrize("method", [Drawing, TwoOutputs, DrawnDepth, Strided, Lazybones])
def test_it_conforms_without_flags(method: type[Fine]) -> None:
    assert_method_conforms(method, registry=Registry([]))


def test_a_player_that_rests_under_small_options_plays_under_others() -> None:
    assert_method_conforms(Lazybones, options={"critic": True}, registry=Registry([]))
    with pytest.raises(AssertionError, match=r"player '?D"):
        assert_method_conforms(Lazybones, options={"critic": False}, registry=Registry([]))


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_caught_and_named(name: str) -> None:
    method, message = FAULTS[name]
    with pytest.raises(AssertionError, match="method fine does not conform") as caught:
        assert_method_conforms(method, registry=Registry([]))
    assert re.search(message, str(caught.value)), caught.value


def test_there_are_more_than_forty() -> None:
    assert len(FAULTS) > 40


def sentences() -> Iterator[tuple[str, list[str]]]:
    """Where the kit says that something is wrong, and the fixed parts of what it says."""
    for path in sorted(Path(translate.testing.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            told: list[ast.expr | None] = []
            if isinstance(node, ast.Yield):
                told = [node.value]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_fault":
                told = [node.args[-1]]
            elif isinstance(node, ast.FunctionDef) and node.name.endswith("_fault"):
                told = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
            elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "ADVICE":
                told = [*node.value.values] if isinstance(node.value, ast.Dict) else []
            for text in told:
                if isinstance(text, ast.JoinedStr | ast.Constant):
                    parts = [each.value for each in ast.walk(text) if isinstance(each, ast.Constant)]
                    words = [part for part in parts if isinstance(part, str) and len(part) > LEAST]
                    if words:
                        yield f"{path.name}:{text.lineno}", words


LEAST, SHARED = 9, 26
"""Letters of a part that tell a sentence from others, and letters in a row that an expected message shares with it."""


def test_every_sentence_of_the_kit_is_expected_of_a_fault() -> None:
    faults = {**FAULTS, **faulty_terms.FAULTS, **faulty_data.FAULTS, **faulty_training.FAULTS, **faulty_formats.FAULTS}
    messages = [re.sub(r"\\(.)", r"\1", message) for _, message in faults.values()]
    messages.append((Path(__file__).parent / "test_testing_kin.py").read_text("utf-8"))

    def expected(part: str) -> bool:
        return any(
            SequenceMatcher(None, part, message, autojunk=False).find_longest_match().size >= min(len(part), SHARED)
            for message in messages
        )

    found = dict(sentences())
    assert len(found) > 80
    assert not [place for place, parts in found.items() if not any(map(expected, parts))]
