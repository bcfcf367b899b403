"""A checkpoint's networks as a bundle, so that each checkpoint in the store can be loaded and served like a model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from translate.storage import checkpoint
from translate.storage.atomic import sha256_file, write_json
from translate.storage.tensor_files import load_tensors, save_tensors, tensor_names
from translate.text import json_number
from translate.tracking.registry.kept import FACTS, Kept, read_facts

TENSORS = "model.safetensors"
ALONGSIDE = ("MLmodel", "requirements.txt", "python_env.yaml", "conda.yaml")
"""The files of a bundle that MLflow reads."""
_AVERAGE = "module."
"""Where the average of a network keeps its weights."""


def bundle_files(folder: Path) -> list[Path]:
    """The files of the bundle in a folder that may hold more (checkpoints, sample pictures of every step)."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    names = [FACTS, "README.md", *ALONGSIDE, *facts.get("files", {})]
    samples = sorted(path for path in (folder / "samples").glob("*") if path.is_file())
    return [path for path in map(folder.joinpath, names) if path.is_file()] + samples


def write_checkpoint_bundle(model: Kept, bundle: Path, target: Path) -> None:
    """Writes the networks of a checkpoint, averaged where the training averaged them, with the facts of the `bundle`.

    Errors: DamagedCheckpointError, StageError, OSError.
    """
    checkpoint.read_state(model.folder)
    path = model.folder / checkpoint.TENSORS
    facts = read_facts(bundle)
    places = _places(tensor_names(path), facts.get("networks", {}))
    averaged = any(place.startswith("ema/") for place in places)
    tensors = load_tensors(path, places)
    save_tensors({name: tensors[place].contiguous() for place, name in places.items()}, target / TENSORS)
    facts.pop("training_networks", None)
    metrics = {name.partition("/")[2]: json_number(value) for name, (value, _) in model.scores.items()}
    write_json(
        target / FACTS,
        {
            **facts,
            "weights": "checkpoint",
            "step": model.step,
            "ema": averaged,
            "metrics": metrics,
            "files": {TENSORS: sha256_file(target / TENSORS)},
        },
    )
    for name in ALONGSIDE:
        if (bundle / name).is_file():
            shutil.copyfile(bundle / name, target / name)


def _places(names: list[str], networks: Mapping[str, Any]) -> dict[str, str]:
    """The tensors of the networks by their names in a checkpoint, each with its name in a bundle."""
    places: dict[str, str] = {}
    for network in networks:
        prefixes = (f"ema/{network}/{_AVERAGE}", f"net/{network}/")
        for prefix in prefixes:
            of_network = {name: f"{network}.{name.removeprefix(prefix)}" for name in names if name.startswith(prefix)}
            if of_network:
                places |= of_network
                break
    return places
