"""Checks of single arguments. Errors name the argument, what was expected and what was got."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable

import numpy as np

from ..kinds import METRICS


def whole_number(value: object, name: str, low: int, high: int | None = None) -> int:
    """value as an int in low..high; bools and floats are rejected."""
    if type(value) is int and value >= low and (high is None or value <= high):
        return value
    expected = f"a whole number >= {low}" if high is None else f"a whole number in {low}..{high}"
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected {expected}, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}: expected {expected}, got {value!r} ({type(value).__name__})") from None
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {expected}, got {number}")
    return number


def real_number(value: object, name: str, low: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{name}: expected a number >= {low:g}, got {value!r}")
    number = float(value)
    if not math.isfinite(number) or number < low:
        raise ValueError(f"{name}: expected a finite number >= {low:g}, got {value!r}")
    return number


def one_of(value: object, name: str, allowed: Iterable[object]) -> None:
    allowed = list(allowed)
    if isinstance(value, bool) or value not in allowed:
        raise ValueError(f"{name}: expected {' or '.join(map(repr, allowed))}, got {value!r}")


def boolean(value: object, name: str) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name}: expected True or False, got {value!r}")


def thread_count(threads: object) -> int:
    """The number of threads in the form that the core takes: 0 for all CPUs."""
    return 0 if threads is None else whole_number(threads, "threads", 1)


def metric_name(metric: object) -> str:
    if not isinstance(metric, str) or metric not in METRICS:
        raise ValueError(f"metric: expected one of {', '.join(map(repr, METRICS))}, got {metric!r}")
    return metric


def conflict_rule(on_conflict: object) -> str:
    if on_conflict not in ("error", "replace"):
        raise ValueError(f"on_conflict: expected 'error' or 'replace', got {on_conflict!r}")
    return str(on_conflict)
