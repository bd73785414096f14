"""Prints the kernels' rates and roofs below pytest-benchmark's own table."""

from __future__ import annotations

import pytest

ROWS = pytest.StashKey[list[tuple[object, ...]]]()


@pytest.fixture
def roofline(pytestconfig: pytest.Config) -> list[tuple[object, ...]]:
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("rates and roofs")
        for row in [("kernel", "isa", "M items/s", "GB/s", "of the roof"), *rows]:
            terminalreporter.write_line("{:24} {:12} {:>12} {:>8} {:>12}".format(*row))
