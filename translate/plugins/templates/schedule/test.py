"""The schedule keeps to the contract of `translate`, and has the values that it should have."""

from __future__ import annotations

import pytest
from translate.testing import assert_schedule_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig


def test_it_conforms() -> None:
    assert_schedule_conforms(MyPlugin)


def test_its_values_by_hand() -> None:
    schedule = MyPlugin(MyPluginConfig(period=4, floor=0.2))
    down = [1, 0.6 + 0.4 * 2**-0.5, 0.6, 0.6 - 0.4 * 2**-0.5]
    assert [schedule.factor(position, 8) for position in range(8)] == pytest.approx(down * 2)
    assert not schedule.note(8)
    assert schedule.note(10) == "10 epochs are no multiple of period 4: the last wave is cut off"
