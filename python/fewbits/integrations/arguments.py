"""Keyword arguments that another library's interface lets pass, and that no store here knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def refuse_unknown(method: str, given: Mapping[str, Any], expected: str) -> None:
    """Raises TypeError for the first one."""
    if given:
        raise TypeError(f"{method}: expected {expected}, got the argument {next(iter(given))!r}")
