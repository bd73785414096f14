"""The colours of a report, for light and dark pages; families of codecs have the same colour in every report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .ladder import FAMILIES

LIGHT = {
    "ink": "#1b1f24",
    "muted": "#5d6773",
    "grid": "#e3e7eb",
    "paper": "#ffffff",
    "frontier": "#b9c2cc",
    "series-0": "#2563c9",
    "series-1": "#0f7a61",
    "series-2": "#c2410c",
    "series-3": "#8b3fc4",
    "series-4": "#5b6673",
    "series-5": "#946010",
    "series-6": "#be2a74",
}
DARK = {
    "ink": "#e8ebef",
    "muted": "#98a2ae",
    "grid": "#2a3038",
    "paper": "#14181d",
    "frontier": "#4b5663",
    "series-0": "#6ea8ff",
    "series-1": "#3fc7a2",
    "series-2": "#ff9257",
    "series-3": "#c48cff",
    "series-4": "#a5b0bd",
    "series-5": "#e0b341",
    "series-6": "#f27db5",
}


def families(rows: Sequence[Any]) -> dict[str, str]:
    """The colour name of every family; families of the ladder have the same colour in every report."""
    names = dict.fromkeys(row.family for row in rows)
    others = iter([i for i in range(len(FAMILIES)) if not set(names) & set(FAMILIES[i])])
    known = {name: i for i, group in enumerate(FAMILIES) for name in group}
    return {name: f"series-{known[name] if name in known else next(others, 4)}" for name in names}
