"""The fixtures of models that are known in closed form."""

from tiny_translator import make, told

__all__ = ["make", "told"]
