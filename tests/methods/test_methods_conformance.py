"""Every first-party method passes the conformance kit, in each variant that plays another game."""

from __future__ import annotations

from methods_cases import CASES, Case

from translate.plugins import Registry
from translate.testing import assert_method_conforms


def test_it_conforms(case: Case, registry: Registry) -> None:
    """The first row of a method runs as `translate plugins check` does, with the options that its class says."""
    first = next(row for row in CASES.values() if row.method == case.method)
    assert_method_conforms(
        registry.get("methods", case.method),
        options=None if case is first else case.options,
        losses=case.losses,
        size=case.size,
        registry=registry,
        resting=case.resting,
    )


def test_every_first_party_method_has_a_case(registry: Registry) -> None:
    methods, failures = registry.all_methods()
    assert not failures
    ours = {n for n in methods if registry.provider("methods", n)["distribution"] == "translate-i2i"}
    assert {case.method for case in CASES.values()} == ours
