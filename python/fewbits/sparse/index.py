"""fb.SparseIndex: sparse vectors and BM25 in an inverted index. This file checks arguments; the core does the work.

An index is one reference to an immutable state, as `fb.Index` is (fewbits/index/turns.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..file.files import open_file
from ..file.places import Path, SupportsWrite, buffer, contents, encoded, pickled, shown, write
from ..index.notes import Noted, NotedState
from ..index.result import SearchResult
from ..index.turns import files_of, started, state_of
from ..input.checks import conflict_rule, real_number, thread_count, whole_number
from ..input.filters import core_filters
from ..input.ids import id_table, vector_ids
from ..numeric.arrays import F32, I64
from .bm25 import Bm25, Tokenizer, are_texts, of_numbers, of_texts
from .csr import Csr, as_csr
from .description import EXACT, Defaults, decode, encode
from .inputs import (
    MAX_RESULTS,
    approximation,
    checked_tokenizer,
    least_score,
    own_ids,
    query_rows,
    tokens_of,
    weighed,
)
from .stats import SparseStats, explained, stats_of

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True)
class _State(NotedState):
    engine: _core.SparseEngine
    bm25: Bm25 | None = None
    defaults: Defaults = EXACT

    def searched_with(self, mass: float, rerank: int) -> _State:
        return replace(self, defaults=Defaults(mass, rerank))


class SparseIndex(Noted[_State]):
    """An inverted index of sparse vectors, such as those of SPLADE, or of texts under BM25 (`SparseIndex.bm25`).

    The score of a vector is its inner product with the query. Values are stored in one byte, in units of a scale per
    term, which is fixed by the first vectors that have the term (255 units are their largest value; later values above
    it count as it). Query weights are rounded to 16 bits, and sums are exact integers: results are those of a full
    product of the stored values, the same bits for any number of threads.

    Examples
    --------
    >>> index = fb.SparseIndex().build([{3: .5, 17: 1.2}, {3: .9}, {17: .1, 40: 2.}])
    >>> ids, scores = index.search([{3: 1., 17: 1.}], k=2)
    >>> ids
    array([[0, 1]])
    """

    _tokenizer: Tokenizer | None = None

    def __init__(self) -> None:
        self._begin(_State(_core.SparseEngine()))

    @classmethod
    def bm25(
        cls,
        documents: Sequence[Any],
        ids: ArrayLike | None = None,
        *,
        k1: float = 1.2,
        b: float = 0.75,
        tokenizer: Tokenizer | None = None,
    ) -> SparseIndex:
        """Build an index of texts, which ranks by BM25.

        Parameters
        ----------
        documents : sequence of str, or of sequences of int
            Texts, or the token numbers (0 to 2^24 - 1) of each text.
        ids : (n,) array of int, optional
            As in `add`.
        k1, b : float
            How soon repetitions of a token stop to count (>= 0), and how much long texts are held back (0..1).
        tokenizer : function of str to an iterable of str, optional
            None: words, which are runs of letters, digits and underscores, folded to one case. Not stored: `open` needs
            it again.

        Returns
        -------
        SparseIndex
            `search` and `add` take texts, or token numbers, as `documents` were. The frequencies of tokens and the mean
            length stay those of `documents`.

        Raises
        ------
        TypeError, ValueError
            For documents that are neither, without any token, or ids as in `add`.

        References
        ----------
        Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009; the variant is Lucene's.
        Lù, "BM25S: orders of magnitude faster lexical search via eager sparse scoring", 2024.

        Examples
        --------
        >>> index = fb.SparseIndex.bm25(["a cat", "a dog and a cat", "rain"])
        >>> index.search("cat", k=2).ids
        array([0, 1])
        """
        k1, b = real_number(k1, "k1", 0.0), real_number(b, "b", 0.0)
        if b > 1:
            raise ValueError(f"b: expected a number in 0..1, got {b}")
        own = checked_tokenizer(tokenizer)
        texts = are_texts(documents)
        if tokenizer is not None and not texts:
            raise ValueError("tokenizer: expected texts with it, got documents that are not all str")
        vocabulary: dict[str, int] | None = {} if texts else None
        if texts:
            tokens, vocabulary = of_texts(documents, own, {}, grows=True)
        else:
            tokens = of_numbers(documents, "documents")
        if not len(tokens.numbers):
            raise ValueError(f"documents: expected texts with at least one token, got {len(tokens)} without")
        bm25 = Bm25.of(tokens, k1, b, vocabulary, builtin=tokenizer is None)
        numbers = own_ids(ids, len(tokens))
        engine = _core.SparseEngine().added(*bm25.documents(tokens), numbers)
        made = started(cls.__new__(cls), _State(engine, bm25))
        made._tokenizer = tokenizer
        return made

    def __len__(self) -> int:
        return len(self._state.engine)

    def __contains__(self, item: object) -> bool:
        """Whether a vector has this id."""
        if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= int(item) < 2**62:
            return False
        return bool(self._state.engine.contains(np.array([item], np.int64))[0])

    def __repr__(self) -> str:
        kind = "BM25" if self._state.bm25 else "sparse vectors"
        return f"<fewbits.SparseIndex: {len(self):,} {'texts, ' if self._state.bm25 else ''}{kind}>"

    def build(self, x: Any, ids: ArrayLike | None = None) -> SparseIndex:
        """Fill an empty index.

        Parameters
        ----------
        x, ids
            As in `add`.

        Returns
        -------
        SparseIndex
            This index.

        Raises
        ------
        TypeError, ValueError
            As in `add`, and if the index holds vectors already.

        Examples
        --------
        >>> index = fb.SparseIndex().build(sparse)
        """
        return self._changed("build", self._adding(x, ids, "error", empty=True))

    def add(self, x: Any, ids: ArrayLike | None = None, *, on_conflict: str = "error") -> SparseIndex:
        """Add vectors: all of them or, if anything is wrong with x or ids, none.

        Parameters
        ----------
        x : scipy sparse array (n, terms), (indptr, indices, values), or list of dicts of term number to value
            Values are finite and not negative; zeros are left out. Term numbers are below 2^24. Into an index of texts:
            a list of texts, or of token numbers.
        ids : (n,) whole numbers >= 0, optional
            Unique. By default consecutive numbers, continuing after the largest id ever assigned.
        on_conflict : {"error", "replace"}
            What to do if the index has an id already: raise ValueError, or replace its vector.

        Returns
        -------
        SparseIndex
            This index.

        Raises
        ------
        TypeError, ValueError
            For other input. The index is then unchanged.

        Examples
        --------
        >>> index = fb.SparseIndex().add([{0: 1.}, {5: 2.}], ids=[10, 20])
        """
        if conflict_rule(on_conflict) == "replace" and ids is None:
            raise ValueError("on_conflict: 'replace' needs ids; vectors without get new ones")
        return self._changed("add", self._adding(x, ids, on_conflict))

    def remove(self, ids: ArrayLike) -> int:
        """Remove the vectors of these ids; their bytes stay until their segment is merged or `compact` is called.

        Parameters
        ----------
        ids : (n,) array of int
            Ids that the index does not have are ignored.

        Returns
        -------
        int
            How many there were.

        Examples
        --------
        >>> fb.SparseIndex().build(sparse).remove([0, 1])
        2
        """
        own, removed = vector_ids(ids), 0

        def without(now: _State) -> _State:
            nonlocal removed
            engine = now.engine.removed(own)
            removed = len(now.engine) - len(engine)
            return replace(now, engine=engine)

        turn, after = self._prepare("remove", without)
        self._state = after
        del turn
        return removed

    def compact(self) -> SparseIndex:
        """Rewrite all segments as one without what was removed; ids and scores stay.

        Returns
        -------
        SparseIndex
            This index.
        """
        return self._changed("compact", lambda now: replace(now, engine=now.engine.compacted()))

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        filter: Any = None,
        min_score: float | None = None,
        mass: float | None = None,
        rerank: int | None = None,
        threads: int | None = None,
    ) -> SearchResult:
        """Find the k vectors with the largest inner products, among those that share a term with the query.

        Parameters
        ----------
        queries : sparse vectors as `add` takes them, or one dict; texts, or one text, for an index of texts
            An index of texts also takes weights of its terms, such as those of `fb.feedback`.
        k : int
            Results per query.
        filter : array, numba cfunc, Filter or list of Filter, optional
            As in `Index.search`.
        min_score : float, optional
            Only results of at least this score.
        mass : float, optional
            Above 0, at most 1: candidates are found by the terms with the largest weights alone (query times largest
            value), as many as have this share of all weights. 1 is exact. None: 1, or what `fb.tune` has found.
        rerank : int, optional
            With mass below 1: how many candidates (at least k) are scored by all terms. None: what `fb.tune` has found,
            or 10 k.
        threads : int, optional
            None: all CPUs. A query is searched by one thread.

        Returns
        -------
        SearchResult
            Ids and scores, best first; (k,) for a single query. Ties are in the order in which vectors were added.
            Where fewer are found, the end is padded with id -1 and score -inf.

        Raises
        ------
        TypeError, ValueError
            For wrong input.

        Examples
        --------
        >>> ids, scores = fb.SparseIndex().build(sparse).search(sparse[:3], k=5)
        """
        state, count = self._state, thread_count(threads)
        k = whole_number(k, "k", 1, MAX_RESULTS)
        least = 0.0 if min_score is None else least_score(real_number(min_score, "min_score", -np.inf))
        share, depth = approximation(state.defaults, mass, rerank, k)
        vectors, single = query_rows(state.bm25, queries, self._tokenizer)
        filters, filter_of = core_filters(filter, vectors.n)
        ids, scores = state.engine.search(
            *vectors,
            k,
            filters=filters,
            filter_of=filter_of,
            min_score=least,
            mass=share,
            rerank=depth,
            threads=count,
        )
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def score(self, queries: Any, ids: ArrayLike, *, threads: int | None = None) -> F32:
        """Score vectors that are given by id, as a search reports them; 0 without a common term.

        Parameters
        ----------
        queries
            As in `search`.
        ids : (m,) or (n, m) array of int
            The same for all queries, or a row for each. -1, which pads results of a search, has the score -inf.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        (n, m) or (m,) float32 array
            (m,) for a single query and ids of shape (m,).

        Raises
        ------
        TypeError, ValueError
            For wrong input, and for an id that the index does not have, which is named.

        Examples
        --------
        >>> fb.SparseIndex().build(sparse).score(sparse[:3], [0, 1]).shape
        (3, 2)
        """
        state, count = self._state, thread_count(threads)
        vectors, single = query_rows(state.bm25, queries, self._tokenizer)
        scores = state.engine.score(*vectors, id_table(ids, vectors.n), threads=count)
        return scores[0] if single and np.ndim(ids) < 2 else scores

    def reconstruct(self, ids: ArrayLike) -> tuple[I64, NDArray[np.uint32], F32]:
        """Decode vectors.

        Parameters
        ----------
        ids : (n,) array of int

        Returns
        -------
        (indptr, indices, values)
            Compressed rows, for ``scipy.sparse.csr_array((values, indices, indptr))``.

        Raises
        ------
        ValueError
            Names the first id that the index does not have.
        """
        return self._state.engine.reconstruct(vector_ids(ids))

    def ids(self) -> I64:
        """The ids of all vectors, ascending.

        Returns
        -------
        (n,) int64 array
        """
        return self._state.engine.ids()

    def stats(self) -> SparseStats:
        """Count vectors, terms and bytes.

        Returns
        -------
        SparseStats
        """
        return stats_of(self._state.engine.stats())

    def explain(self) -> str:
        """Say what this index holds and where its bytes are; for people to read.

        Returns
        -------
        str
        """
        state = self._state
        return explained(stats_of(state.engine.stats()), state.bm25)

    def save(self, path: Path | SupportsWrite) -> None:
        """Write the index to one file, atomically. The file holds rows; postings are made from them by `open`.

        Parameters
        ----------
        path : str, bytes or os.PathLike, or a binary file object

        Examples
        --------
        >>> fb.SparseIndex().build(sparse).save("sparse.fb")
        """
        write(path, lambda name: self._files.save(name, self._current), self.to_bytes)

    def sync(self, path: Path) -> None:
        """Write what has changed since the file at a path was saved, opened or synced, so that it is there after a
        crash: as `Index.sync`.

        Parameters
        ----------
        path : str, bytes or os.PathLike

        Raises
        ------
        BlockingIOError, OSError
            As `Index.sync`.

        Examples
        --------
        >>> index = fb.SparseIndex().build(sparse)
        >>> index.sync("sparse.fb")
        >>> index.remove([0])
        1
        >>> index.sync("sparse.fb")
        """
        self._files.sync(encoded(path), self._current)

    def to_bytes(self) -> bytes:
        """Return the file that `save` would write.

        Returns
        -------
        bytes
        """
        state = self._state
        return state.engine.to_bytes(encode(state.bm25, state.defaults, state.notes))

    @staticmethod
    def open(path: Path | Buffer | BinaryIO, *, tokenizer: Tokenizer | None = None) -> SparseIndex:
        """Open a file that `save` wrote. It is read into memory, and every byte is checked.

        Parameters
        ----------
        path : str, bytes or os.PathLike, or a binary file object or buffer
            As in `fb.open`.
        tokenizer : function of str to an iterable of str, optional
            The one that the index was built with, if it was not the built-in one.

        Returns
        -------
        SparseIndex

        Raises
        ------
        FileNotFoundError, CorruptIndexError, FormatVersionError
            What is wrong with the file, and where.
        ValueError
            If the file holds another kind of index, or a tokenizer is given for one that needs none.

        Examples
        --------
        >>> fb.SparseIndex().build(sparse).save("sparse.fb")
        >>> index = fb.SparseIndex.open("sparse.fb")
        """
        content = contents(path)
        if content is not None:
            return _opened("bytes", _core.SparseEngine.from_bytes(content), tokenizer)
        return opened_sparse(path, open_file(path, stacklevel=2), tokenizer)  # type: ignore[arg-type]

    @staticmethod
    def from_bytes(file: Buffer) -> SparseIndex:
        """Make an index from what `to_bytes` returned; every byte is checked.

        Parameters
        ----------
        file : bytes, bytearray, memoryview, mmap or another buffer

        Returns
        -------
        SparseIndex

        Raises
        ------
        CorruptIndexError, FormatVersionError
            What is wrong with the contents, and where.
        """
        return _opened("bytes", _core.SparseEngine.from_bytes(buffer(file)), None)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        if self._tokenizer is not None:
            raise TypeError("an index with a tokenizer of your own cannot be pickled: save it, and open it with it")
        return SparseIndex.from_bytes, (pickled(self.to_bytes(), protocol),)

    # --- inside ---

    def _current(self) -> tuple[_core.SparseEngine, bytes]:
        state = self._state
        return state.engine, encode(state.bm25, state.defaults, state.notes)

    def _changed(self, action: str, change: Callable[[_State], _State]) -> SparseIndex:
        turn, after = self._prepare(action, change)
        self._state = after
        del turn
        return self

    def _adding(
        self, x: Any, ids: ArrayLike | None, on_conflict: str, empty: bool = False
    ) -> Callable[[_State], _State]:
        """The change that adds x; all code of the user's has run by then."""
        bm25 = self._state.bm25
        if bm25 is None:
            vectors, single = as_csr(x, "x")
            if single:
                raise TypeError("x: expected a list of vectors, got one dict")
            numbers = own_ids(ids, vectors.n)
        else:
            texts = tokens_of(bm25, x, "x", self._tokenizer)
            numbers = own_ids(ids, len(texts))

        def added(now: _State) -> _State:
            if empty and len(now.engine):
                raise ValueError(
                    f"build: expected an empty index, got one of {len(now.engine)} vectors; make a new one"
                )
            rows, bm25 = (vectors, None) if now.bm25 is None else weighed(now.bm25, texts)
            engine = now.engine.added(*rows, numbers, replace=on_conflict == "replace")
            return replace(now, engine=engine, bm25=bm25)

        return added


def rows_of(index: SparseIndex, queries: Any) -> Csr:
    """Queries as `search` takes them, as the index searches with them."""
    return query_rows(state_of(index).bm25, queries, index._tokenizer)[0]


def opened_sparse(path: Path, file: _core.IndexFile, tokenizer: Tokenizer | None = None) -> SparseIndex:
    index = _opened(shown(path), _core.SparseEngine.open(file), tokenizer)
    files_of(index).opened(path, file)
    return index


def _opened(name: str, engine: _core.SparseEngine, tokenizer: Tokenizer | None) -> SparseIndex:
    bm25, defaults, notes = decode(name, engine.meta)
    if tokenizer is not None:
        checked_tokenizer(tokenizer)
        if bm25 is None or bm25.builtin or bm25.vocabulary is None:
            raise ValueError("tokenizer: expected None, as the index was not built with one")
    index = started(SparseIndex.__new__(SparseIndex), _State(engine, bm25, defaults, notes=notes))
    index._tokenizer = tokenizer
    return index
