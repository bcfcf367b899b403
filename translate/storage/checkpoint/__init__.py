"""Checkpoints on disk: a directory `checkpoints/<step>`, tensors in safetensors, the rest in JSON, a manifest last."""

from translate.storage.checkpoint.faults import MANIFEST, STATE, TENSORS
from translate.storage.checkpoint.reading import (
    DAMAGED,
    FOLDER,
    FORMAT,
    DamagedCheckpointError,
    Newest,
    Reached,
    damage,
    folders,
    hashes,
    name_of,
    newest,
    reached,
    read,
    read_state,
    state_under,
    steps,
)

__all__ = [
    "DAMAGED",
    "FOLDER",
    "FORMAT",
    "MANIFEST",
    "STATE",
    "TENSORS",
    "DamagedCheckpointError",
    "Newest",
    "Reached",
    "damage",
    "folders",
    "hashes",
    "name_of",
    "newest",
    "reached",
    "read",
    "read_state",
    "state_under",
    "steps",
]
