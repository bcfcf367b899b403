"""Directions as methods declare them: what is wrong with one is said with its name, before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest

from translate.contracts import Class, Direction, Image, Sides
from translate.errors import ContractError
from translate.inference.directions import resolve

SIDES = Sides({"image": Image(), "kind": Class(("cat", "dog"))}, together=(("image", "kind"),))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "imag"}, "direction 'to' imitates 'imag', which is no side of its data; did you mean 'image'"),
        (
            {"target": "photo"},
            "direction 'to' imitates 'photo', which is no side of its data; the sides are image, kind",
        ),
        (
            {"output": "picture"},
            "direction 'to': 'output' is of form 'picture'; outputs are one of image, labels, class",
        ),
        ({"further": {"depth": "map"}}, "direction 'to': 'depth' is of form 'map'; outputs are one of image, labels"),
        ({"sides": ("imag",)}, "direction 'to' has the inputs image, but its sides are imag"),
    ],
)
def test_what_is_wrong_with_a_direction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError) as error:
        resolve("to", Direction(("gen",), **options), SIDES)
    assert message in str(error.value)


def test_a_target_may_be_any_side_of_its_form() -> None:
    assert resolve("to", Direction(("gen",), target="image"), SIDES).target == "image"
    assert resolve("classify", Direction(("gen",), output="class"), SIDES).target == "kind"
