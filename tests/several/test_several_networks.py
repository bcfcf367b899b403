"""Networks with further inputs pass the kit, since they say how they are called."""

from __future__ import annotations

from typing import Any

import pytest
from translate_bicyclegan.networks import CodedUNet, Encoder
from translate_bridge.networks import TimeUNet

from translate.testing import assert_network_conforms


@pytest.mark.parametrize(
    ("cls", "options", "in_channels"),
    [
        (TimeUNet, {"filters": 4, "levels": 2, "blocks": 1}, 3),
        (TimeUNet, {"filters": 4, "levels": 1, "blocks": 1, "patch": 2}, 6),
        (CodedUNet, {"filters": 4, "levels": 3}, 3),
        (Encoder, {"filters": 4, "blocks": 2}, 3),
    ],
)
def test_it_conforms(cls: type[Any], options: dict[str, Any], in_channels: int) -> None:
    assert_network_conforms(cls, options=options, in_channels=in_channels)


def test_one_that_does_not_say_so_fails() -> None:
    class Mute(CodedUNet):
        example = CodedUNet.__mro__[1].example  # of Network: the images alone

    with pytest.raises(AssertionError, match="missing 1 required positional argument: 'z'"):
        assert_network_conforms(Mute, options={"filters": 4, "levels": 3})
