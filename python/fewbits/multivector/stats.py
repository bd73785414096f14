"""The sizes of a multi-vector index."""

from __future__ import annotations

from dataclasses import dataclass

from ..records import Record


@dataclass(frozen=True, eq=False)
class MultiVectorStats(Record):
    """What `MultiVectorIndex.stats` returns: counts, and bytes per document.

    Attributes
    ----------
    n : int
        Documents in the index.
    segments : int
        Segments, which are searched one after the other.
    removed : int
        Removed documents that still take bytes.
    removed_share : float
        Their share of all documents that are stored.
    lists : int
        Number of lists.
    tokens : int
        Stored tokens of all documents.
    fde_bytes : float
        Bytes of a document's encoding: code, factors and id.
    token_bytes : float
        Bytes of a document's tokens in memory.
    token_bytes_on_disk : float
        Bytes of a document's tokens on disk, with ``on_disk=True``.
    bytes_fixed : int
        Bytes that do not grow with the number of documents.
    """

    n: int
    segments: int
    removed: int
    removed_share: float
    lists: int
    tokens: int
    fde_bytes: float
    token_bytes: float
    token_bytes_on_disk: float
    bytes_fixed: int
