"""The format keeps to the contract of `translate`, and reads files as they are described."""

from __future__ import annotations

import pytest
from translate import DataError
from translate.testing import assert_format_conforms

from translate_my_plugin import MyPlugin


def test_it_conforms() -> None:
    """Among else, it reads what it writes, and refuses half a file."""
    assert_format_conforms(MyPlugin)


def test_files_by_hand() -> None:
    grey = MyPlugin().read(b"P5 # a comment\n3 1\n255\n\x00\x80\xff")
    assert grey[..., 0].tolist() == [[0, 128, 255]]
    deep = MyPlugin().read(b"P6\n1 1\n65535\n\x01\x00\x00\x02\xff\xff")
    assert deep.tolist() == [[[256, 2, 65535]]], "the high byte comes first"
    assert MyPlugin().read(b"P5 2 1 15 \x0f\x03").tolist() == [[[255], [51]]], "white is 15 here"


DAMAGED = [b"P5 3 1 255\n\x00", b"P5 99999999 99999999 255\n\x00", b"P5 1 1 0\n\x00", b"P5 wide"]


@pytest.mark.parametrize("data", DAMAGED)
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        MyPlugin().read(data)
