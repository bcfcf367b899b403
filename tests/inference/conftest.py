"""The fixtures of models that are known in closed form."""

from tiny_translator import batches_in_fp32, lively, make, rng, shop, tiny, told

__all__ = ["batches_in_fp32", "lively", "make", "rng", "shop", "tiny", "told"]
