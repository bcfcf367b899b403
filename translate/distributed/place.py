"""The place of this process among those that train together, as `torchrun` or a scheduler says it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from translate.errors import ConfigError

LAUNCHED = "TRANSLATE_LAUNCHED"
"""Set in processes that `--devices` has started: what starts them says which one was killed."""
_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torch reads to find the other processes; without all of them this process is alone."""


@dataclass(frozen=True)
class Place:
    """Rank `rank` of `size` processes, of which `local_size` run on this machine; this one is its number `local`."""

    rank: int = 0
    size: int = 1
    local: int = 0
    local_size: int = 1

    @property
    def shared(self) -> bool:
        """Whether there are other processes."""
        return self.size > 1

    @property
    def leads(self) -> bool:
        """Whether this is rank 0: the one process that plans, tracks, prints and writes."""
        return self.rank == 0


ALONE = Place()


def place() -> Place:
    """The place that the environment states. Errors: ConfigError for numbers that cannot be."""
    if any(name not in os.environ for name in _VARIABLES):
        return Place()
    rank, size = _number("RANK", 0), _number("WORLD_SIZE", 1)
    where = Place(rank, size, _number("LOCAL_RANK", 0), _number("LOCAL_WORLD_SIZE", 1))
    if not 0 <= where.rank < where.size or not 0 <= where.local < max(1, where.local_size):
        raise ConfigError(
            f"RANK {rank} of WORLD_SIZE {size}, LOCAL_RANK {where.local} of LOCAL_WORLD_SIZE {where.local_size}: "
            "ranks count from 0; start the processes with torchrun, which sets these variables"
        )
    return where


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"{name} is {value!r}, which is no number; start the processes with torchrun") from None
