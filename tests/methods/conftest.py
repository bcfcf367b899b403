from __future__ import annotations

import pytest
from methods_cases import CASES, Case

from translate.plugins import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew-golden", action="store_true", help="write the golden losses of every method anew")
