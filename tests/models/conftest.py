"""The fixtures of models that are known in closed form."""

from tiny_translator import lively, make, rng, shop, tiny, told

__all__ = ["lively", "make", "rng", "shop", "tiny", "told"]
