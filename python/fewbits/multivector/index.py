"""fb.MultiVectorIndex: documents and queries of many vectors each, ranked by Chamfer similarity (MaxSim).

An encoder turns each document into one vector. An engine stores these vectors and, in the same rows, the coded tokens.
The vectors find candidates, and the tokens rank them.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..file.engines import check_flags, engine_of_bytes
from ..file.files import open_file
from ..file.places import Path, buffer, contents, encoded, pickled, shown
from ..index.asked import candidates, lists_in_vain, lists_to_read, result_count
from ..index.base import BaseIndex
from ..index.filling import publish
from ..index.notes import Notes
from ..index.parts import checked_description
from ..index.result import SearchResult
from ..index.state import State, Training
from ..index.turns import files_of, frozen, in_state, started, state_of
from ..input.checks import conflict_rule, real_number, thread_count, whole_number
from ..input.filters import core_filters
from ..input.ids import id_table, vector_ids
from ..input.progress import Progress, ProgressArgument
from ..input.queries import min_similarity
from ..input.renamed import renamed
from ..input.sets import Sets, SetsInput, read_sets
from ..numeric.arrays import F32
from ..spec.codec import Codec
from ..spec.ivf import IVF
from ..spec.rabitq import RaBitQ
from ..spec.scalar import Scalar
from ..spec.transform import Transform
from .encoders import ENCODERS, Encoder, is_encoder
from .fde import FDE, MAX_TOKEN_DIM
from .files import meta_of, state_of_file
from .filling import coded, trained
from .lemur import LEMUR
from .pooling import Pooling, carved, checked_pooling
from .report import explained, stats_of
from .state import SetState, sets_now, sets_of
from .stats import MultiVectorStats
from .token_codecs import TokenCodec, checked

if TYPE_CHECKING:
    from typing_extensions import Buffer

_MAX_DIMS = 65_535  # dimensions of encodings
_MAX_CANDIDATES = 2**31


class MultiVectorIndex(BaseIndex):
    """A compact index of documents that are sets of token vectors, such as those of ColBERT or ColPali.

    Parameters
    ----------
    dim : int
        Dimension of the tokens.
    encoder : FDE or LEMUR, optional
        How a document becomes one vector. By default ``FDE(dim)``, of 10,240 dimensions, which needs no training. A
        `LEMUR` finds the same documents by far shorter vectors; it is trained with the index, unless it is already.
    transform, partition, codec
        Parts of the index of these vectors, as in `Index`. By default codec is ``RaBitQ(bits=1)``, without training.
    tokens : Float, Scalar, PQ or RaBitQ, optional
        How tokens are stored for the final ranking; with ``on_disk=True``, in a file. By default ``Scalar(8)``.
    pooling : Pooling, optional
        Reduces documents to fewer tokens when they are added.
    seed : int
        Seed of everything random except the encoder, which has its own seed.
    temp_dir : str, bytes or os.PathLike, optional
        The folder of the temporary files that tokens with ``on_disk=True`` are written to until they are saved. By
        default the system's.

    Notes
    -----
    Searching is safe from many threads, also while documents are added, removed or compacted: a search sees the index
    before a change or after it, and tokens always agree with the vectors that find them.

    Examples
    --------
    >>> index = fb.MultiVectorIndex(16, tokens=fb.Scalar(8))
    >>> index = index.build(documents)  # list of (t, 16) arrays
    >>> ids, scores = index.search(query_sets, k=10)
    """

    @renamed(fde="encoder")
    def __init__(
        self,
        dim: int,
        *,
        encoder: FDE | LEMUR | None = None,
        transform: Transform | None = None,
        partition: IVF | None = None,
        codec: Codec | None = None,
        tokens: TokenCodec | None = None,
        pooling: Pooling | None = None,
        seed: int = 0,
        temp_dir: Path | None = None,
    ) -> None:
        dim = whole_number(dim, "dim", 1, MAX_TOKEN_DIM)
        chosen: Encoder = FDE(dim) if encoder is None else encoder
        if not is_encoder(chosen):
            names = " or ".join(kind.__name__ for kind in ENCODERS.values())
            raise TypeError(f"encoder: expected {names} (an instance), got {encoder!r}")
        dims = chosen.dims_of(dim)
        tokens = checked(Scalar(8) if tokens is None else tokens, dim)
        pooling = checked_pooling(pooling)
        codec = RaBitQ(bits=1) if codec is None else codec
        description = checked_description(dims, _MAX_DIMS, "ip", transform, partition, codec, None, seed)
        self._begin(
            SetState(description, None, (), Training(), encoder=chosen, token_dim=dim, tokens=tokens, pooling=pooling)
        )
        self.temp_dir = temp_dir

    # --- what it is ---

    @property
    def dim(self) -> int:
        return sets_now(self).token_dim

    @property
    def encoder(self) -> Encoder:
        """The encoder: a `LEMUR` is trained once the index is."""
        return sets_now(self).encoder

    @property
    def fde(self) -> Encoder:
        """The encoder; its name in version 0.1."""
        warnings.warn("fde is now called encoder", DeprecationWarning, stacklevel=2)
        return self.encoder

    @property
    def tokens(self) -> TokenCodec:
        return sets_now(self).tokens

    @property
    def pooling(self) -> Pooling | None:
        return sets_now(self).pooling

    def __repr__(self) -> str:
        held = f"{len(self):,} documents" if self.is_trained else "not trained"
        return f"<fewbits.MultiVectorIndex: {held}, {self.encoder.describe()}, {self.codec.describe()}>"

    def stats(self) -> MultiVectorStats:
        """Count documents, tokens and bytes.

        Returns
        -------
        MultiVectorStats
            Attributes that are also items: `n`, `tokens`, `fde_bytes`, `token_bytes` and others.
        """
        return stats_of(self._trained("stats"))

    def explain(self) -> str:
        """Describe the parts of this index, why they were chosen (by `fb.build_multivector`), and their sizes, as text.

        Returns
        -------
        str
        """
        return explained(sets_now(self))

    # --- filling it ---

    def train(
        self,
        sample: Any,
        *,
        queries: Any = None,
        expected: int | None = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> MultiVectorIndex:
        """Fit the encoder and the codecs to a sample of documents.

        Parameters
        ----------
        sample : documents in any form that `add` takes
            10,000 or more are best.
        queries : sets of vectors, optional
            Real queries, for an encoder that learns: `LEMUR` is then accurate where they are.
        expected : int, optional
            How many documents the index will hold (None: as many as the sample), from which IVF() chooses nlist.
        progress, threads
            As in `Index.train`.

        Returns
        -------
        MultiVectorIndex
            This index.

        Raises
        ------
        ValueError
            If the index holds documents already: their codes would lose their meaning.
        """
        n = None if expected is None else whole_number(expected, "expected", 1)
        count = thread_count(threads)
        source = SetsInput(sample, self.dim, "sample")
        of_queries = None if queries is None else SetsInput(queries, self.dim, "queries")
        before = sets_of(self._state.untouched("train"))
        fitted = trained(before, source, of_queries, n, count, Progress(progress))
        if n is not None:
            fitted.training.check(n, stacklevel=2)
        turn, after = self._prepare_fitted(fitted, "train")
        self._state = after
        del turn
        return self

    def add(
        self,
        documents: Any,
        ids: ArrayLike | None = None,
        *,
        on_conflict: str = "error",
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> MultiVectorIndex:
        """Add documents: all of them or, if anything is wrong with them or their ids, none.

        Parameters
        ----------
        documents : sets of vectors
            A list of (t, dim) arrays (numpy, torch, anything with ``__array__`` or DLPack); an (n, t, dim) array; a
            pair of such an array and an (n, t) mask, which is false for padding; or (tokens, offsets), where document i
            is ``tokens[offsets[i]:offsets[i + 1]]`` (tokens may be a memmap: they are read by blocks). Every document
            has at least one token. A token of zeros counts as any other: its similarity is 0.
        ids, on_conflict, progress, threads
            As in `Index.add`.

        Returns
        -------
        MultiVectorIndex
            This index.

        Raises
        ------
        TypeError, ValueError
            For documents without tokens, tokens that are not finite, and wrong shapes, dtypes or ids.

        Examples
        --------
        >>> index = fb.MultiVectorIndex(16).train(documents).add(documents, ids=np.arange(1000, 1100))
        """
        count = thread_count(threads)
        if conflict_rule(on_conflict) == "replace" and ids is None:
            raise ValueError("on_conflict: 'replace' needs ids; documents without ids get new ones")
        source, shown = SetsInput(documents, self.dim, "documents"), Progress(progress)
        before = sets_now(self)
        before.trained("add")
        builder = coded(before, source, ids, on_conflict == "error", self._temp_dir, count, shown)
        turn, after = self._prepare_added(before, builder, on_conflict, count, shown)
        self._state = after
        del turn
        return self

    def build(
        self,
        documents: Any,
        ids: ArrayLike | None = None,
        *,
        queries: Any = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> MultiVectorIndex:
        """Train on a random sample of the documents, then add all of them.

        Parameters
        ----------
        documents, ids, progress, threads
            As in `add`.
        queries : sets of vectors, optional
            As in `train`.

        Returns
        -------
        MultiVectorIndex
            This index.

        Raises
        ------
        TypeError, ValueError
            As in `add`, and if the index holds documents already.

        Examples
        --------
        >>> index = fb.MultiVectorIndex(16, codec=fb.RaBitQ(2)).build(documents)
        """
        count = thread_count(threads)
        source, shown = SetsInput(documents, self.dim, "documents"), Progress(progress)
        of_queries = None if queries is None else SetsInput(queries, self.dim, "queries")
        before = sets_of(self._state.untouched("build"))
        fitted = trained(before, source, of_queries, len(source), count, shown)
        builder = coded(fitted, source, ids, False, self._temp_dir, count, shown)
        fitted.training.check(len(builder), stacklevel=2)
        publish(fitted.trained("build"), builder, "error", count, shown)
        turn, after = self._prepare_fitted(fitted, "build")
        self._state = after
        del turn
        return self

    # --- using it ---

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        rerank: int | None = None,
        margin: float | None = None,
        nprobe: int | None = None,
        patience: int | None = None,
        carve: float | None = None,
        filter: Any = None,
        min_score: float | None = None,
        threads: int | None = None,
    ) -> SearchResult:
        """Find the k documents with the largest Chamfer similarity to each query.

        Parameters
        ----------
        queries : sets of vectors
            As documents in `add`, or a single (t, dim) array.
        k : int
            Results per query.
        rerank : int, optional
            How many candidates, found by their encodings, are ranked by their tokens. 0: none, and scores are the
            encodings' estimates of Chamfer similarity. None: as set by `fb.tune`, or 10·k and at least 100.
        margin : float, optional
            Candidates are ranked in the order of their estimates until the next one, corrected by the mean error of the
            estimates so far, is this many standard deviations of the errors below the k-th best similarity. At least 16
            are ranked. Infinity: all. None: as set by `fb.tune` if `rerank` is None, otherwise infinity.
        nprobe : int, optional
            Lists to probe. None: the index's default. Only with a partition.
        patience : int, optional
            Stop after this many lists without a new candidate, as in `Index.search`.
        carve : float, optional
            Rank with fewer query tokens, reduced as by `fb.carve`; candidates are found with all tokens.
        filter : array, numba cfunc, Filter or list of Filter, optional
            Which documents may be returned, by id, as in `Index.search`.
        min_score : float, optional
            Only results with at least this score.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        SearchResult
            Arrays ids and scores, best first, with the same bits for any number of threads. Scores are Chamfer
            similarities of the query and the document's tokens as stored. If fewer than k documents are found, the
            end is padded; ``counts`` has the number found.

        Raises
        ------
        NotTrainedError
            Before `train`.
        TypeError, ValueError
            For wrong shapes, dtypes or settings.

        Examples
        --------
        >>> ids, scores = documents_index.search(query_sets, k=10, rerank=50)
        """
        state = sets_now(self)
        engine = state.trained("search")
        count = thread_count(threads)
        k = result_count(k)
        depth = candidates(state, rerank, k)
        sets, single = read_sets(queries, self.dim, "queries")
        filters, filter_of = core_filters(filter, len(sets.offsets) - 1)
        vectors, shared = state.encoder.of_queries(sets, count)
        ids, scores = engine.search_sets(
            vectors,
            *(sets if carve is None else carved(sets, carve, count)),
            k,
            nprobe=lists_to_read(state, nprobe),
            patience=lists_in_vain(state, patience, by_default=nprobe is None),
            candidates=min(depth, _MAX_CANDIDATES),
            scale=state.encoder.scale,
            shared=shared,
            filters=filters,
            filter_of=filter_of,
            min_score=min_similarity(min_score, None, "ip"),
            margin=stopping_margin(engine, rerank, margin),
            threads=count,
        )
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def rank_all(self, queries: Any, k: int = 10, *, threads: int | None = None) -> SearchResult:
        """Rank all documents by their stored tokens; `search` approaches this with more candidates.

        This is slow, and meant for measuring and tuning.

        Parameters
        ----------
        queries, k, threads
            As in `search`.

        Returns
        -------
        SearchResult
            As in `search`.
        """
        engine = self._trained("rank_all")
        k = result_count(k)
        sets, single = read_sets(queries, self.dim, "queries")
        ids, scores = engine.rank_all(*sets, k, threads=thread_count(threads))
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def score(self, queries: Any, ids: ArrayLike, *, threads: int | None = None) -> F32:
        """Compute the Chamfer similarities of queries with given documents, by their stored tokens.

        Parameters
        ----------
        queries : sets of vectors
            As in `search`.
        ids : (m,) or (n, m) whole numbers
            The same for all queries, or a row for each. -1, which pads results of a search, has the score that pads
            them.
        threads : int, optional
            None: all CPUs. The result has the same bits for any number.

        Returns
        -------
        (n, m) or (m,) float32 array
            (m,) for a single query and ids of shape (m,). The scores that `search` has for these documents.

        Raises
        ------
        NotTrainedError
            Before `train`.
        TypeError, ValueError
            For wrong shapes or dtypes, and for an id that the index does not have, which is named.

        Examples
        --------
        >>> documents_index.score(query_sets[:2], [3, 5]).shape
        (2, 2)
        """
        engine = self._trained("score")
        sets, single = read_sets(queries, self.dim, "queries")
        table = id_table(ids, len(sets.offsets) - 1)
        scores = engine.score_sets(*sets, table, threads=thread_count(threads))
        return scores[0] if single and np.ndim(ids) < 2 else scores

    def reconstruct(self, ids: ArrayLike) -> Sets:
        """Decode the tokens of documents: pooled tokens, if the index has a `pooling`.

        Parameters
        ----------
        ids : (n,) whole numbers
            Ids of documents in the index.

        Returns
        -------
        Sets
            ``tokens``, (T, dim) float32, and ``offsets``, (n + 1,) int64: document i has the tokens
            ``tokens[offsets[i]:offsets[i + 1]]``.

        Raises
        ------
        ValueError
            If the index does not have an id; the message names the first one.

        Examples
        --------
        >>> documents_index.reconstruct([3, 5]).tokens.shape
        (16, 16)
        """
        engine = self._trained("reconstruct")
        return Sets(*engine.reconstruct_sets(vector_ids(ids)))

    @staticmethod
    def open(path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False) -> MultiVectorIndex:
        """Open a file that `save` wrote.

        Parameters
        ----------
        path, mmap, verify
            As in `fb.open`.

        Returns
        -------
        MultiVectorIndex

        Raises
        ------
        FileNotFoundError, CorruptIndexError, FormatVersionError
            If the file cannot be read; the message says what is wrong with it, and where.
        ValueError
            If the file holds an index of single vectors.
        """
        check_flags(mmap, verify)
        content = contents(path)
        if content is not None:
            return MultiVectorIndex.from_bytes(content)
        name = encoded(path)
        file = open_file(name, stacklevel=2)
        index = described_sets(shown(name), _core.Engine.open(file, mapped=mmap, verify_all=verify))
        files_of(index).opened(name, file)
        return index

    @staticmethod
    def from_bytes(file: Buffer) -> MultiVectorIndex:
        """Make an index from what `to_bytes` returned, or from the contents of a file; every byte is checked.

        Parameters
        ----------
        file : bytes, bytearray, memoryview, mmap or another buffer
            It is copied.

        Returns
        -------
        MultiVectorIndex

        Raises
        ------
        CorruptIndexError, FormatVersionError
            If the contents are not valid; the message says what is wrong, and where.
        ValueError
            If they are those of an index of single vectors.
        """
        return described_sets("bytes", engine_of_bytes(buffer(file)))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        same = frozen(self)
        if same.is_trained:
            return MultiVectorIndex.from_bytes, (pickled(same.to_bytes(), protocol),)
        of_index = {
            name: getattr(state_of(same).description, name) for name in ("transform", "partition", "codec", "seed")
        }
        parts = of_index | {name: getattr(same, name) for name in ("encoder", "tokens", "pooling")}
        return partial(_untrained, **parts), (self.dim, state_of(same).notes)

    # --- inside ---

    def _meta(self, state: State) -> bytes:
        return meta_of(sets_of(state))

    def _prepare_fitted(self, fitted: SetState, action: str) -> tuple[_core.Turn, State]:
        """As `_prepare`, for a state from `trained`, which replaces one without documents."""

        def after(now: State) -> State:
            return replace(fitted, why=now.untouched(action).why)

        return self._prepare(action, after)


def stopping_margin(engine: _core.Engine, rerank: int | None, margin: float | None) -> float:
    """The margin of a search. rerank, margin: as requested."""
    if margin is None:
        stored = engine.params.get("default.margin", 0) if rerank is None else 0
        return stored / 1000 if stored else math.inf
    if rerank == 0:
        raise ValueError(f"margin: expected none with rerank=0, which ranks no candidates, got {margin!r}")
    return math.inf if margin == math.inf else real_number(margin, "margin", 0)


def described_sets(name: str, engine: _core.Engine) -> MultiVectorIndex:
    """The index of an engine that was read. name: of its source, for messages."""
    return started(MultiVectorIndex.__new__(MultiVectorIndex), state_of_file(name, engine))


def _untrained(dim: int, notes: Notes, **parts: Any) -> MultiVectorIndex:
    index = MultiVectorIndex(dim, **parts)
    return in_state(index, replace(state_of(index), notes=notes))
