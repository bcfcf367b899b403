"""The fixtures of models that are known in closed form, and decoders that start at once."""

import pytest
from tiny_translator import lively, make, rng, shop, tiny, told

__all__ = ["lively", "make", "rng", "shop", "tiny", "told"]


@pytest.fixture(scope="module", autouse=True)
def _decoders(warm_decoders: None) -> None:
    """What is tested is what comes out of a decoder, not how it starts."""
