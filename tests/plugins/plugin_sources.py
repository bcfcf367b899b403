"""Sources of small plugins, for tests that install them."""

from __future__ import annotations

METHOD = """
from translate import Direction, Method, NoOptions, hookimpl

class {name}(Method[NoOptions]):
    name, data = "{key}", "paired"
    players = {{"G": ("gen",)}}
    losses = {{"l1": 1.0}}
    directions = {{"a_to_b": Direction(nets=("gen",))}}
    def networks(self, build): return {{}}
    def step(self, nets, batch, step): yield
    def translate(self, nets, inputs, direction, draw): return inputs["image"]

@hookimpl
def translate_methods():
    return {returns}
"""


def method(key: str, name: str = "Paper", returns: str = "[Paper]") -> str:
    return METHOD.format(key=key, name=name, returns=returns)
