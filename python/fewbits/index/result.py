"""Results of searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, I64

if TYPE_CHECKING:
    from typing_extensions import Self


class SearchResult(NamedTuple):
    """What a search returns: two arrays, best first.

    If fewer than k vectors were found, the end is padded with id -1 and score -inf (+inf under "l2").

    Attributes
    ----------
    ids : (n, k) or (k,) int64 array
        (k,) for a single query.
    scores : (n, k) or (k,) float32 array

    Examples
    --------
    >>> found = index.search(queries, k=10)
    >>> ids, scores = found
    >>> found.counts.shape
    (40,)
    """

    ids: I64
    scores: F32

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many results each query has: (n,) int64, or a 0-d array for a single query."""
        return np.asarray((self.ids >= 0).sum(axis=-1), dtype=np.int64)


class Probes(NamedTuple):
    """What `Index.probe` returns: which lists each query reads, nearest first.

    Attributes
    ----------
    lists : (n, nprobe) or (nprobe,) uint32 array
        (nprobe,) for a single query.
    scores : (n, nprobe) or (nprobe,) float32 array
        The share of a list's centroid in the scores of its vectors.

    Examples
    --------
    >>> probes = index.probe(queries, nprobe=4)
    >>> probes.lists.shape
    (40, 4)
    """

    lists: NDArray[np.uint32]
    scores: F32


class KeyedResult(SearchResult):
    """What a search with ``keys=True`` returns: the results of one part, for `fewbits.shards.gather`.

    Attributes
    ----------
    ids, scores, counts
        As of `SearchResult`.
    keys : (n, k) or (k,) float32 array
        By which the k best vectors were selected, larger first; -inf where padded. Scores differ from these where codes
        are staged, or where a score was rounded to 1.
    smaller_first : bool
        Whether smaller scores are better ("l2").
    """

    keys: F32
    smaller_first: bool

    def __new__(cls, ids: I64, scores: F32, keys: F32, smaller_first: bool) -> Self:
        made = super().__new__(cls, ids, scores)
        made.keys, made.smaller_first = keys, smaller_first
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyedResult, (self.ids, self.scores, self.keys, self.smaller_first)


class CalibratedResult(SearchResult):
    """What a search with `min_probability` returns: also how likely each result is to be relevant.

    Attributes
    ----------
    ids, scores, counts
        As of `SearchResult`; results below `min_probability` are left out.
    probabilities : (n, k) or (k,) float32 array
        0 where padded.
    """

    probabilities: F32

    def __new__(cls, ids: I64, scores: F32, probabilities: F32) -> Self:
        made = super().__new__(cls, ids, scores)
        made.probabilities = probabilities
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return CalibratedResult, (self.ids, self.scores, self.probabilities)

    def only(self) -> CalibratedResult:
        """The result of the only query of a batch."""
        return CalibratedResult(self.ids[0], self.scores[0], self.probabilities[0])
