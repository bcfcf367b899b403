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
    from translate.testing.method import assert_method_conforms
    from translate.testing.report import Finding

_WHERE = {
    "Finding": "translate.testing.report",
    "assert_method_conforms": "translate.testing.method",
    "tiny_batch": "translate.testing.batches",
    "tiny_spec": "translate.testing.batches",
}

__all__ = ["Finding", "assert_method_conforms", "tiny_batch", "tiny_spec"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'translate.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
