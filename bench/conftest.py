"""Prints the kernels' rates and roofs below pytest-benchmark's own table, and with --compare a table per kernel."""

from __future__ import annotations

import pytest

ROWS = pytest.StashKey[list[tuple[object, ...]]]()


NOISE = 0.03  # a set is called slower than a narrower one if it loses more than this


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compare", action="store_true", help="instruction sets side by side, M items/s")


@pytest.fixture
def roofline(pytestconfig: pytest.Config) -> list[tuple[object, ...]]:
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("rates and roofs")
        for row in [("kernel", "isa", "M items/s", "GB/s", "of the roof"), *rows]:
            terminalreporter.write_line("{:24} {:12} {:>12} {:>8} {:>12}".format(*row))
    if rows and config.getoption("--compare"):
        compare(terminalreporter, rows)


def compare(terminalreporter: pytest.TerminalReporter, rows: list[tuple[object, ...]]) -> None:
    """One line per kernel, narrow sets first; an asterisk where a set is slower than a narrower one."""
    rates: dict[str, dict[str, float]] = {}
    for case, isa, rate, *_ in reversed(rows):  # the best set is measured first
        rates.setdefault(str(case), {})[str(isa)] = float(str(rate).replace(",", ""))
    isas = list(dict.fromkeys(str(row[1]) for row in reversed(rows)))
    terminalreporter.section("instruction sets, M items/s; * slower than a narrower set")
    terminalreporter.write_line(" ".join([f"{'kernel':24}", *(f"{isa:>13}" for isa in isas)]))
    for case, of in reversed(rates.items()):
        best, cells = 0.0, []
        for isa in isas:
            rate = of.get(isa)
            slower = "*" if rate is not None and rate < best * (1 - NOISE) else " "
            cells.append(f"{'-' if rate is None else format(rate, ',.1f'):>12}{slower}")
            best = max(best, rate or 0.0)
        terminalreporter.write_line(" ".join([f"{case:24}", *cells]))
