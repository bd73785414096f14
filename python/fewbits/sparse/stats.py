"""What a sparse index holds and weighs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records import Record
from .bm25 import Bm25


@dataclass(frozen=True, eq=False)
class SparseStats(Record):
    """What `SparseIndex.stats` returns.

    Attributes
    ----------
    n : int
        Vectors in the index.
    segments : int
    segment_sizes : list of int
        Vectors per segment.
    removed : int
        Vectors that were removed and still take bytes.
    terms : int
        Different terms.
    postings : int
        Terms summed over vectors.
    bytes_per_vector : float
        Rows, postings and ids, in memory.
    bytes_fixed : int
        Scales of terms.
    """

    n: int
    segments: int
    segment_sizes: list[int]
    removed: int
    terms: int
    postings: int
    bytes_per_vector: float
    bytes_fixed: int


def stats_of(counts: Mapping[str, Any]) -> SparseStats:
    return SparseStats(
        n=counts["n"],
        segments=len(counts["segments"]),
        segment_sizes=counts["segments"],
        removed=counts["removed"],
        terms=counts["terms"],
        postings=counts["postings"],
        bytes_per_vector=counts["bytes"] / counts["n"] if counts["n"] else 0.0,
        bytes_fixed=counts["bytes_fixed"],
    )


def explained(stats: SparseStats, bm25: Bm25 | None) -> str:
    lines = [f"fewbits.SparseIndex of {stats.n:,} vectors"]
    if bm25:
        tokens = "token numbers" if bm25.vocabulary is None else f"{len(bm25.vocabulary):,} tokens"
        lines.append(f"  BM25       k1 {bm25.k1:g}, b {bm25.b:g}, {tokens}")
    each = stats.postings / (stats.n + stats.removed) if stats.postings else 0
    lines.append(f"  terms      {stats.terms:,}, {each:.1f} per vector")
    lines.append(f"  per vector {stats.bytes_per_vector:.1f} bytes")
    lines.append(f"  fixed      {stats.bytes_fixed:,} bytes")
    if stats.removed:
        lines.append(f"  removed    {stats.removed:,} vectors still take bytes, until compact()")
    return "\n".join(lines)
