"""The method keeps to the contract of `translate`."""

from __future__ import annotations

from translate.testing import assert_method_conforms

from translate_my_plugin import MyPlugin

SMALL = {
    "generator": {"uses": "resnet", "blocks": 1, "filters": 8},
    "discriminator": {"uses": "patchgan", "filters": 8, "layers": 2},
}


def test_it_conforms() -> None:
    assert_method_conforms(MyPlugin, options=SMALL)
