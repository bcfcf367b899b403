"""Random numbers by counter: every draw is a function of (seed, names and counters), never of what ran before."""

from __future__ import annotations

import hashlib


def derive(seed: int, *parts: int | str) -> int:
    """Returns a 63-bit seed for the place named by `parts`, for instance `derive(seed, "augment", epoch, index)`.

    Equal arguments give equal seeds on every machine and in every process; any other argument gives an unrelated one.
    """
    text = "/".join([str(seed), *(f"{type(p).__name__}:{p}" for p in parts)])
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
