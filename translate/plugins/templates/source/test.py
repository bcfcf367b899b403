"""The source keeps to the contract of `translate`, and draws what it should draw."""

from __future__ import annotations

from translate.testing import assert_source_conforms

from translate_my_plugin import MyPlugin, MyPluginConfig

SMALL = {"size": 32, "train": 3, "val": 1, "test": 1}


def test_it_conforms() -> None:
    assert_source_conforms(MyPlugin, options=SMALL)


def test_the_outline_surrounds_the_disc() -> None:
    source = MyPlugin(MyPluginConfig(**SMALL))
    outline, disc = (record.load() for record in list(source.records("train"))[:2])
    assert outline.shape == disc.shape == (32, 32, 1)
    assert (outline > 0).sum() < (disc > 0).sum()
