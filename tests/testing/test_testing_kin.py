"""The kin of the method's conformance: built-in components conform, faulty ones are told apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faulty_data
import faulty_formats
import faulty_terms
import faulty_training
import pytest

from translate import (
    AdversarialLoss,
    DeviceTransform,
    ImageFormat,
    LossTerm,
    Metric,
    Network,
    Optimizer,
    Schedule,
    Source,
    Stage,
    Transform,
)
from translate.contracts import Artifact, ComponentKind
from translate.plugins import Registry
from translate.plugins.discovery import ENGINE, builtins
from translate.testing import (
    assert_device_transform_conforms,
    assert_format_conforms,
    assert_loss_conforms,
    assert_metric_conforms,
    assert_network_conforms,
    assert_objective_conforms,
    assert_optimizer_conforms,
    assert_schedule_conforms,
    assert_source_conforms,
    assert_stage_conforms,
    assert_transform_conforms,
)

FAULTS = {**faulty_terms.FAULTS, **faulty_data.FAULTS, **faulty_training.FAULTS, **faulty_formats.FAULTS}
ASSERTS: dict[type[Any], Callable[..., None]] = {
    LossTerm: assert_loss_conforms,
    Metric: assert_metric_conforms,
    Network: assert_network_conforms,
    Source: assert_source_conforms,
    Stage: assert_stage_conforms,
    Transform: assert_transform_conforms,
    AdversarialLoss: assert_objective_conforms,
    Optimizer: assert_optimizer_conforms,
    Schedule: assert_schedule_conforms,
    DeviceTransform: assert_device_transform_conforms,
    ImageFormat: assert_format_conforms,
}
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {"size": 24} for name in ("resize", "resize-shorter", "center-crop", "random-crop")},
    "modcrop": {"multiple": 20},
    "random-resized-crop": {"size": 24},
    "srgan-critic": {"crop": 32, "filters": 4},
    "generated-maps": {"size": 32, "train": 4, "val": 2, "test": 2},
    "generated-hats": {"size": 32, "train": 4, "val": 2, "test": 2},
    "portraits": {"size": 32, "train": 4, "val": 2, "test": 2},
    "generated-digits": {"size": 16, "train": 10, "val": 2, "test": 2},
    "generated-sketches": {"size": 32, "train": 4, "val": 2, "test": 2},
    **{
        name: {"filters": 4} for name in ("resnet", "unet", "patchgan", "pixel", "srresnet", "zhang", "random-features")
    },
    "rrdb": {"filters": 4, "blocks": 1, "growth": 2},
}


def shipped(kind: ComponentKind) -> dict[str, type[Any]]:
    """The components of a kind by name, built in or of a plugin that comes with the engine."""
    registry = Registry()
    registry.load_all()
    names = [name for name in registry.names(kind) if registry.provider(kind, name)["distribution"] == ENGINE]
    return {name: registry.get(kind, name) for name in names}


METRICS = {name: cls for name, cls in shipped("metrics").items() if not cls.needs_context}
NETWORKS = {name: cls for name, cls in shipped("networks").items() if name in OPTIONS}


def conforms(cls: type[Any], **more: Any) -> None:
    next(function for kind, function in ASSERTS.items() if issubclass(cls, kind))(cls, **more)


FINE = [*faulty_terms.FINE, *faulty_data.FINE, *faulty_training.FINE, *faulty_formats.FINE]


@pytest.mark.parametrize("cls", FINE, ids=lambda cls: cls.__name__)
def test_a_component_without_fault_conforms(cls: type[Any]) -> None:
    conforms(cls)


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_is_caught_and_named(name: str) -> None:
    cls, message = FAULTS[name]
    with pytest.raises(AssertionError, match="does not conform") as caught:
        conforms(cls)
    assert re.search(message, str(caught.value)), caught.value


@pytest.mark.parametrize("name", [n for n in builtins("losses") if n != "ms-ssim"])
def test_built_in_losses(name: str) -> None:
    conforms(builtins("losses")[name])


WEIGHTED = ("fid", "kid", "precision", "lpips", "dists")
"""Metrics whose published weights nobody has brought here."""


@pytest.mark.parametrize("name", [name for name in METRICS if name not in WEIGHTED])
def test_shipped_metrics(name: str) -> None:
    conforms(METRICS[name], count=5)


@pytest.mark.parametrize("name", list(builtins("transforms")))
def test_built_in_transforms(name: str) -> None:
    conforms(builtins("transforms")[name], options=OPTIONS.get(name))


@pytest.mark.parametrize("name", [n for n in builtins("sources") if n.startswith("generated")])
def test_built_in_sources(name: str) -> None:
    conforms(builtins("sources")[name], options=OPTIONS[name])


@pytest.mark.parametrize("name", list(NETWORKS))
def test_shipped_networks(name: str) -> None:
    conforms(NETWORKS[name], options=OPTIONS[name])


def test_a_stage_runs_where_its_needs_are_given(tmp_path: Path) -> None:
    from translate.testing.stage import StageChecks

    def ran(**inputs: Artifact) -> bool:
        found = StageChecks(faulty_data.NeedsData, inputs=inputs, registry=Registry([])).findings()
        assert all(each.status == "ok" for each in found)
        return any(each.check.startswith("runs") for each in found)

    assert not ran()
    assert ran(data=Artifact("dataset", tmp_path, {}))


def test_a_stage_that_changes_what_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("precious")
    inputs = {"data": Artifact("dataset", tmp_path, {})}
    with pytest.raises(AssertionError, match=r"run\(\) changes its input 'data'; write below context.folder alone"):
        assert_stage_conforms(faulty_data.TidiesUp, inputs=inputs)
    with pytest.raises(AssertionError, match="`inputs` names 'data'; the stage needs nothing"):
        assert_stage_conforms(faulty_data.Count, inputs=inputs)
