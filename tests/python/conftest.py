"""Fixtures of all tests, and which of them are fast."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from fewbits.kinds import METRICS
from support.data import F32, vectors

# Examples are the same at every run, but for CI, which draws others each time: `.ci/run` chooses and prints the seed.
settings.register_profile("local", derandomize=True, database=None)
settings.register_profile("ci", derandomize=False, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

FAST = {
    "test_api",
    "test_datasets",
    "test_evaluate",
    "test_filters",
    "test_golden",
    "test_import_walls",
    "test_packed",
    "test_parts",
    "test_registry",
}
"""Modules that together take less than a minute on two cores: `pytest -m fast`."""


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("asyncio"):  # LangChain's suite has tests that are coroutines
        config.option.asyncio_mode = "auto"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).stem in FAST:
            item.add_marker("fast")


@pytest.fixture(scope="session")
def base() -> F32:
    return vectors(3000, 32)


@pytest.fixture(scope="session")
def queries() -> F32:
    return vectors(40, 32, seed=1)


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    return str(request.param)
