"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core: threads of several processes on the same cores wait for each other in turn, which takes
    # five times as long. Here, since torch reads it once, when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers() -> int:
    """Workers of `-n auto`: half as many again as cores. Tests wait for commands of theirs a third of the time."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_configure(config: pytest.Config) -> None:
    """Workers of xdist share the process of which commands are forks: its imports take as long as some tests."""
    several = getattr(config.option, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ
    if several and hasattr(os, "fork"):
        import warm

        warm.share()


@pytest.fixture(scope="module")
def warm_decoders() -> Iterator[None]:
    """Decoders of conversions in this process start as forks, where a system has them."""
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "fork"):
            import warm_decoders

            warm_decoders.install(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def databases() -> None:
    """Databases of runs in this process are copies of one."""
    import database_template

    database_template.install()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch on one thread: sums of two threads have other bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
