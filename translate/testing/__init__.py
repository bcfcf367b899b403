"""The conformance kit: what plugin authors run in their own tests, and `translate plugins check` outside of pytest.

from translate.testing import assert_method_conforms

def test_it_conforms():
    assert_method_conforms(MyMethod)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from translate.testing.batches import tiny_batch, tiny_spec
    from translate.testing.data import (
        assert_device_transform_conforms,
        assert_source_conforms,
        assert_transform_conforms,
    )
    from translate.testing.formats import assert_exporter_conforms, assert_format_conforms
    from translate.testing.method import assert_method_conforms
    from translate.testing.optimization import (
        assert_objective_conforms,
        assert_optimizer_conforms,
        assert_schedule_conforms,
    )
    from translate.testing.plugin import check_plugin
    from translate.testing.report import Finding
    from translate.testing.scores import assert_metric_conforms
    from translate.testing.stage import assert_stage_conforms, quiet_context
    from translate.testing.terms import assert_loss_conforms, assert_network_conforms

_WHERE = {
    "Finding": "report",
    "assert_device_transform_conforms": "data",
    "assert_exporter_conforms": "formats",
    "assert_format_conforms": "formats",
    "assert_loss_conforms": "terms",
    "assert_method_conforms": "method",
    "assert_metric_conforms": "scores",
    "assert_network_conforms": "terms",
    "assert_objective_conforms": "optimization",
    "assert_optimizer_conforms": "optimization",
    "assert_schedule_conforms": "optimization",
    "assert_source_conforms": "data",
    "assert_stage_conforms": "stage",
    "assert_transform_conforms": "data",
    "check_plugin": "plugin",
    "quiet_context": "stage",
    "tiny_batch": "batches",
    "tiny_spec": "batches",
}

__all__ = [
    "Finding",
    "assert_device_transform_conforms",
    "assert_exporter_conforms",
    "assert_format_conforms",
    "assert_loss_conforms",
    "assert_method_conforms",
    "assert_metric_conforms",
    "assert_network_conforms",
    "assert_objective_conforms",
    "assert_optimizer_conforms",
    "assert_schedule_conforms",
    "assert_source_conforms",
    "assert_stage_conforms",
    "assert_transform_conforms",
    "check_plugin",
    "quiet_context",
    "tiny_batch",
    "tiny_spec",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'translate.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"translate.testing.{_WHERE[name]}"), name)
