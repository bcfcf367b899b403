"""The kin of the method's conformance: components without fault conform, faulty ones are told apart. What is built in
is checked by the command (`test_testing_command`)."""

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
from translate.contracts import Artifact
from translate.plugins import Registry
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
