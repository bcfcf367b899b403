"""The facts in a bundle's `translator.json`, read once, with names and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from translate.contracts import DataSpec, Route, TestTime


@dataclass(frozen=True)
class ModelDirection(Route):
    """A direction of a trained model: what height and width are padded to a `multiple` of, and the `channels` (1: grey,
    3: RGB) of each input by name."""

    multiple: int = 4
    channels: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, name: str, value: Mapping[str, Any]) -> Self:
        route = super().from_json(name, value)
        return replace(route, multiple=value["multiple"], channels=dict(value["channels"]))

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "multiple": self.multiple, "channels": dict(self.channels)}


@dataclass(frozen=True)
class NetworkFacts:
    """One stored network: the import path of its class, the count of its parameters, and the hash of its structure
    (empty in bundles of early versions)."""

    class_name: str
    parameters: int
    structure: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(value["class"], value["parameters"], value.get("structure", ""))


@dataclass(frozen=True)
class ImportedFacts:
    """Where an imported model comes from: the `file` and its `sha256`, the program whose `layout` it has, the `network`
    that was recognised, its `channels` (in, out), and `notes` on what was found and assumed. `part` is the network's
    place among several of the file."""

    file: str
    sha256: str
    layout: str
    network: Mapping[str, Any]
    channels: tuple[int, int]
    notes: tuple[str, ...]
    part: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        into, onto = value["channels"]
        return cls(
            file=value["file"],
            sha256=value["sha256"],
            layout=value["layout"],
            network=value["network"],
            channels=(into, onto),
            notes=tuple(value["notes"]),
            part=value.get("part", ""),
        )

    @property
    def kind(self) -> str:
        """The network's name in a pipeline, such as `resnet`."""
        return str(self.network["uses"])

    @property
    def options(self) -> dict[str, Any]:
        """The network's options."""
        return {key: value for key, value in self.network.items() if key != "uses"}


@dataclass(frozen=True)
class BundleFacts:
    """The facts of a bundle.

    `plugin` is who provides the method (`distribution`, `version`, `module`; may be empty), `losses` are weights by
    name, `files` sha256 by file name, `metrics` the scores at `step` (infinities as text). `test_time_text` says
    `test_time` in words. `weights`: `best`, `last`, `raw` or `imported`. `recorded` is the whole mapping as it is on
    disk, with entries that are for reading by people alone (`pipeline`, `data`, ...). `training_networks` are those
    that only the training needed, kept in a file of their own.
    """

    method: str
    plugin: Mapping[str, str]
    options: Mapping[str, Any]
    losses: Mapping[str, float]
    spec: DataSpec
    directions: Mapping[str, ModelDirection]
    test_time: TestTime
    test_time_text: str
    networks: Mapping[str, NetworkFacts]
    files: Mapping[str, str]
    metrics: Mapping[str, float | str]
    weights: str | None
    step: int | None
    ema: bool
    imported: ImportedFacts | None
    recorded: Mapping[str, Any] = field(repr=False, compare=False)
    training_networks: Mapping[str, NetworkFacts] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `translator.json` holds. Errors: KeyError, TypeError or ValueError for one that is damaged."""
        test_time = value["test_time"]
        return cls(
            method=value["method"],
            plugin=value["plugin"],
            options=value["options"],
            losses=value["losses"],
            spec=DataSpec.from_json(value["spec"]),
            directions={name: ModelDirection.from_json(name, entry) for name, entry in value["directions"].items()},
            test_time=TestTime(test_time["dropout"], test_time["norm"]),
            test_time_text=test_time["text"],
            networks={name: NetworkFacts.from_json(entry) for name, entry in value["networks"].items()},
            files=value["files"],
            metrics=value["metrics"],
            weights=value.get("weights"),
            step=value.get("step"),
            ema=bool(value.get("ema", False)),
            imported=ImportedFacts.from_json(value["imported"]) if "imported" in value else None,
            recorded=value,
            training_networks={
                name: NetworkFacts.from_json(entry) for name, entry in value.get("training_networks", {}).items()
            },
        )

    def to_json(self) -> dict[str, Any]:
        """The mapping that is on disk."""
        return dict(self.recorded)

    @property
    def finished(self) -> bool:
        """False where the training that writes this model goes on, or was interrupted: it has no weights yet."""
        return bool(self.files)

    def with_weights_of(
        self, weights: str, step: int, *, ema: bool, metrics: Mapping[str, float | str], files: Mapping[str, str]
    ) -> Self:
        """The same facts for other weights of the same training."""
        recorded = {
            **self.recorded,
            "weights": weights,
            "step": step,
            "ema": ema,
            "metrics": dict(metrics),
            "files": dict(files),
        }
        return replace(self, weights=weights, step=step, ema=ema, metrics=metrics, files=files, recorded=recorded)


def plugin_in_words(plugin: Mapping[str, str], *keys: str) -> str:
    """`translate-i2i 1.2`: who provides a method, by these keys (default: distribution and version); may be empty."""
    return " ".join(str(plugin[key]) for key in keys or ("distribution", "version") if plugin.get(key))
