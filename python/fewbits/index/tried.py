"""The configurations that `fb.build` compared, as a table that is kept with the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..records import Record


@dataclass(frozen=True, eq=False)
class Tried(Record):
    """One configuration that `fb.build` compared.

    Attributes
    ----------
    configuration : str
        Its parts.
    bytes_per_vector : float
        In memory: codes, factors and ids.
    recall : float or None
        recall@10 at the cheapest settings that reach the target, or else the highest: predicted for all vectors from
        those of the sample. None: its first searches took so long that it was not looked at further.
    microseconds : float
        CPU time per query of a batch on one thread at these settings, predicted likewise; of searches of a few lists if
        recall is None.
    built_recall, built_microseconds : float or None
        The same of the index of all vectors, measured; None if none was built.
    chosen : bool
    """

    configuration: str
    bytes_per_vector: float
    recall: float | None
    microseconds: float
    built_recall: float | None = None
    built_microseconds: float | None = None
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Tries(Record):
    """What `fb.build` compared; printed, it is a table.

    Attributes
    ----------
    effort : str
    vectors : int
        Vectors in the sample on which configurations were compared.
    queries : int
        Queries that they were compared with.
    rows : tuple of Tried
        Fastest first, by prediction; those that do not reach the target follow.
    """

    effort: str
    vectors: int
    queries: int
    rows: tuple[Tried, ...]

    def __str__(self) -> str:
        return "\n".join([_HEAD, *(_line(row) for row in self.rows)])

    def stored(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def tries_of(stored: Mapping[str, Any]) -> Tries:
    """What `Tries.stored` returned."""
    rows = tuple(Tried(**{field.name: row[field.name] for field in fields(Tried)}) for row in stored["rows"])
    return Tries(str(stored["effort"]), int(stored["vectors"]), int(stored["queries"]), rows)


_HEAD = f"  {'bytes':>7} {'recall@10':>9} {'us':>8}  {'built':>9} {'us':>8}  configuration"


def _line(row: Tried) -> str:
    built = " " * 18
    if row.built_recall is not None and row.built_microseconds is not None:
        built = f"{row.built_recall:9.3f} {row.built_microseconds:8.1f}"
    mark = "*" if row.chosen else " "
    recall = "too slow" if row.recall is None else f"{row.recall:.3f}"
    return f"{mark} {row.bytes_per_vector:7.1f} {recall:>9} {row.microseconds:8.1f}  {built}  {row.configuration}"
