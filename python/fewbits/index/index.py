"""fb.Index: vectors in, a compact searchable index out. This file checks arguments; the core does the work.

Invariant: a call that raises or is interrupted leaves the index unchanged, and concurrent searches see the index before
or after a change, never in between. An index is one reference to an immutable state (turns.py), which each call reads
once and each change replaces as its last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, SupportsIndex, cast

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..file.engines import check_flags, engine_of_bytes, is_multivector
from ..file.files import open_file
from ..file.meta import decode_automatic, decode_by, decode_meta, decode_optional, encode_meta
from ..file.places import Path, contents, pickled, shown
from ..input.blocks import all_rows, is_blocks
from ..input.checks import boolean, conflict_rule, thread_count, whole_number
from ..input.filters import core_filters
from ..input.ids import id_table, vector_ids
from ..input.progress import Progress, ProgressArgument
from ..input.queries import as_queries, min_similarity
from ..input.renamed import renamed
from ..input.rows import Rows
from ..input.sample import split_sample
from ..numeric.arrays import F32, I64
from ..spec.automatic import AUTO, ENOUGH, START, recoded_parts, recoded_reason, starting_reason, starts
from ..spec.codec import MAX_DIM, Codec
from ..spec.description import Description
from ..spec.ivf import IVF
from ..spec.recurrent_binary import RecurrentBinary
from ..spec.transform import Transform
from . import report
from .asked import given_lists, lists_in_vain, lists_to_read, rerank_depth, result_count
from .automatic import Stored, translated
from .base import BaseIndex
from .calibration import calibration_of
from .filling import NEEDS_IDS, encoded, publish
from .fitting import fitted, given_centroids, untrained
from .notes import Notes, notes_of
from .parts import check_alone, checked_description
from .report import IndexStats
from .result import KeyedResult, Probes, SearchResult
from .second_stage import Scorer, second_stage
from .state import State, Training
from .tried import Tries, tries_of
from .turns import files_of, frozen, in_state, started, state_of
from .two_embeddings import beside, other_queries, sampled
from .upgrades import upgraded

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Index(BaseIndex):
    """A compact nearest-neighbour index over float vectors.

    Searching is safe from many threads, also while vectors are added, removed or compacted: a search sees the index
    before a change or after it.

    Parameters
    ----------
    dim : int
        Dimensions of the vectors, 1..65,535.
    metric : {"l2", "ip", "cosine"}
        "l2": scores are squared distances, smaller first. "ip" and "cosine": similarities, larger first; "cosine"
        normalises vectors and queries by itself.
    transform : Identity, RandomRotation, PCA, LeanVec, OPQ, or a list of them, optional
        Of a list, each is applied to what the one before it returns (`Chain`). None: `RandomRotation` for `RaBitQ` and
        `RecurrentBinary`, which rely on it, else `Identity`.
    partition : IVF, optional
        None: every vector is scanned.
    codec : Float, Scalar, PQ, RaBitQ, RecurrentBinary or "auto", optional
        How vectors are stored. None: ``Float()``. "auto", without transform, partition and rerank: as float16 until
        there are 16,384 vectors. The `add` that reaches this number codes all of them anew, as ``RaBitQ(2)`` reranked
        by ``Scalar(8)``, 1.27 bytes per dimension (below 256 dimensions ``RaBitQ(3)``, below 32 ``Scalar(8)`` alone);
        meanwhile searches go on.
    rerank : Float, Scalar or PQ, optional
        A codec for a finer copy of every vector, scored for the best candidates only. With ``on_disk=True`` it stays in
        a file. With a `dim`, it stores another embedding of the same objects instead, of that many dimensions: the
        vectors find candidates, and the other embedding ranks them (docs/guide.md).
    seed : int
        Seed of everything random. The same seed and vectors give the same index for any number of threads.
    temp_dir : str, bytes or os.PathLike, optional
        The folder of the temporary files that codes with ``on_disk=True`` are written to until they are saved. None:
        the system's.

    Raises
    ------
    TypeError, ValueError
        For parts that do not fit together.

    Examples
    --------
    >>> index = fb.Index(x.shape[1], metric="cosine", transform=fb.OPQ(), partition=fb.IVF(),
    ...                  codec=fb.PQ(8, bits=4), rerank=fb.Scalar(8))
    >>> index = index.build(x)
    >>> ids, scores = index.search(queries, k=10)
    """

    def __init__(
        self,
        dim: int,
        *,
        metric: str,
        transform: Transform | Sequence[Transform] | None = None,
        partition: IVF | None = None,
        codec: Codec | Literal["auto"] | None = None,
        rerank: Codec | None = None,
        seed: int = 0,
        temp_dir: Path | None = None,
    ) -> None:
        automatic = isinstance(codec, str) and codec == AUTO
        if automatic:
            check_alone(transform=transform, partition=partition, rerank=rerank)
        own = START if automatic else cast("Codec | None", codec)
        description = checked_description(dim, MAX_DIM, metric, transform, partition, own, rerank, seed)
        engine = None
        if description.starts_empty:
            engine = untrained(description)
        why = (starting_reason(description.dim),) if automatic else ()
        self._begin(State(description, engine, why, Training(seen=False), automatic="in add" if automatic else "no"))
        self.temp_dir = temp_dir

    # --- what it is ---

    @property
    def dim(self) -> int:
        """Dimensions of the vectors."""
        return self._description.dim

    @property
    def metric(self) -> str:
        """ "l2", "ip" or "cosine"."""
        return self._description.metric

    @property
    def rerank(self) -> Codec | None:
        """How the finer copy of every vector is stored, or None if there is none."""
        return self._description.rerank

    def __repr__(self) -> str:
        state = self._state
        content = "not trained" if state.engine is None else f"{state.n:,} vectors"
        return f"<fewbits.Index: {content}, {state.description.summary()}>"

    def explain(self) -> str:
        """Describe the parts of this index, why they were chosen (by `fb.build`), and their sizes in bytes, as text.

        Returns
        -------
        str

        Examples
        --------
        >>> print(index.explain())
        fewbits.Index of 2,000 vectors, 16 dimensions, cosine
        ...
        """
        state = self._state
        return report.explain(state.description, state.engine, state.why, state.calibration, state.tries)

    @property
    def tries(self) -> Tries | None:
        """The configurations that `fb.build` compared, as a table; None if there was no comparison."""
        return self._state.tries

    def stats(self) -> IndexStats:
        """Count vectors and bytes.

        Returns
        -------
        IndexStats
            Attributes that are also items: `n`, `segments`, `removed`, `bytes_per_vector`, `bytes_fixed` and others.

        Examples
        --------
        >>> stats = index.stats()
        >>> stats.n
        2000
        >>> stats["bytes_per_vector"] == stats.bytes_per_vector
        True
        """
        return report.stats(self._trained("stats"))

    # --- filling it ---

    def train(
        self,
        sample: Any,
        *,
        queries: Any = None,
        rerank_vectors: Any = None,
        expected: int | None = None,
        centroids: Any = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """Fit transform, partition, codec and rerank codec to a sample.

        Parameters
        ----------
        sample : (n, dim) array or iterable of blocks
            As x of `add`. Any n >= 1 works; a representative sample of 65,536 or more is best.
        queries : (m, dim) array, optional
            For `LeanVec`, which is also fitted to queries: a sample of 1,000 or more, without the queries that the
            index will be evaluated on.
        rerank_vectors : (n, rerank.dim) array or iterable of blocks, optional
            The same sample in the embedding of the rerank store, if that has another one.
        expected : int, optional
            How many vectors the index will hold (None: n), from which IVF() chooses nlist.
        centroids : (nlist, dim) array, optional
            Of the lists, among the vectors as they are given, such as `fewbits.shards.next_centroids` returns. None:
            k-means of the sample.
        progress, threads
            As in `build`.

        Returns
        -------
        Index
            This index.

        Raises
        ------
        ValueError
            If the index holds vectors already: their codes would lose their meaning. If queries are missing that
            `LeanVec` needs, or given where nothing is fitted to them.

        Warns
        -----
        UserWarning
            If the sample has fewer vectors than there are codewords, lists or directions to fit, and the index is to
            hold at least four times as many: here, if that number is known already, otherwise from `add`. If `LeanVec`
            gains nothing.

        Examples
        --------
        >>> index = fb.Index(x.shape[1], metric="l2", codec=fb.Scalar(8)).train(x[:1000]).add(x)
        """
        n = None if expected is None else whole_number(expected, "expected", 1)
        count = thread_count(threads)
        before = self._state.untouched("train")
        description = before.description
        size = description.sample_size(n or _length(sample))
        asked, known_centroids = self._sample_of_queries(queries), given_centroids(description, centroids)
        x, source, known = split_sample(sample, description.dim, size, description.seed, nonzero=self._normalises)
        others, rest = sampled(description, rerank_vectors, known)
        del source, rest  # nothing is added here: their rows need not be kept while training
        expected = n or known or len(x)
        engine, training = fitted(description, x, expected, count, Progress(progress), asked, known_centroids, others)
        engine.number_from(before.next_id)
        training.check(expected, stacklevel=2)
        turn, after = self._prepare_built(engine, training, "train")
        self._state = after
        del turn
        return self

    def add(
        self,
        x: Any,
        ids: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        rerank_vectors: Any = None,
        on_conflict: str = "error",
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """Add vectors: all of them or, if anything is wrong with x or ids, none.

        Parameters
        ----------
        x : (n, dim) array, or an iterable of (m, dim) blocks, of pairs (ids, block), or of (dim,) rows
            float16, float32, float64, bfloat16, int8 or uint8, of any strides: array, memmap, memoryview, list of
            lists, CPU tensor. One block of 16 MiB at a time is converted to float32.
        ids : (n,) whole numbers >= 0, optional
            Unique. By default consecutive numbers, continuing after the largest id ever assigned. Not with blocks that
            have ids of their own.
        labels : (n,) array of int, optional
            A whole number (int64) per vector, for `Filter.label`: in every list, vectors are ordered by label. All
            vectors of an index have labels, or none has. See docs/filters.md.
        rerank_vectors : (n, rerank.dim) array or iterable of blocks, optional
            The same objects in the embedding of the rerank store, if that has another one (``rerank=fb.Float(16,
            dim=...)``). Blocks need not have the sizes of those of x.
        on_conflict : {"error", "replace"}
            What to do if the index has an id already: raise ValueError, or replace its vector.
        progress : bool or callable, optional
            Show a bar, or call ``progress(stage, fraction)``. None: a bar if stderr is a terminal.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        Index
            This index.

        Raises
        ------
        TypeError, ValueError
            For rows that are not finite, too long for float32 scores (length above 2^62) or, under "cosine", zero;
            for first vectors that are all below 1e-15 under "l2" and "ip"; for wrong shapes, dtypes or ids.

        Examples
        --------
        >>> index = index.add(more, ids=np.arange(10_000, 10_000 + len(more)))
        """
        count = thread_count(threads)
        needed = conflict_rule(on_conflict) == "replace" and ids is None
        if needed and not is_blocks(x):
            raise ValueError(NEEDS_IDS)
        shown = Progress(progress)
        before = self._state
        engine, dim = before.trained("add"), before.description.dim
        n = None if is_blocks(x) else len(Rows(x, dim))
        others = beside(before.description, rerank_vectors, n)
        builder, own = encoded(
            engine,
            all_rows(x, dim, numbered=True),
            n,
            ids,
            labels=labels,
            others=others,
            new=on_conflict == "error",
            needed=needed,
            directory=self._temp_dir,
            nonzero=self._normalises,
            first=None if before.n else before.check_first,
            threads=count,
            progress=shown,
        )
        prepare = self._prepare_added if before.automatic == "no" else self._prepare_automatic
        turn, after = prepare(before, builder, on_conflict, count, shown, own)
        self._state = after
        del turn
        return self

    def upgrade(self, codec: RecurrentBinary) -> Index:
        """Change to a newer embedding: from now on, vectors and queries are those that `codec` was trained on.

        The stored codes do not change, and new queries can search them. Vectors of the new embedding can be added, or
        replace old ones with the same ids. `reconstruct` returns the new embedding of all vectors, and `dim` is that of
        the new embedding.

        Parameters
        ----------
        codec : RecurrentBinary
            The result of ``fb.train.recurrent_binary(..., compatible_with=..., old=...)`` for the codec of this index,
            which must be a trained `RecurrentBinary`, without rerank store and query map.

        Returns
        -------
        Index
            This index.

        Raises
        ------
        TypeError, ValueError
            If the codec or the index is not as described. The index is then unchanged.

        References
        ----------
        Shen et al., "Towards Backward-Compatible Representation Learning", 2020. Gan et al., "Binary Embedding-based
        Retrieval at Tencent", 2023.

        Examples
        --------
        >>> new = fb.train.recurrent_binary(x_new, compatible_with=index, old=x_old)  # doctest: +SKIP
        >>> index.upgrade(new).add(x_new[:1000], ids=np.arange(1000), on_conflict="replace")  # doctest: +SKIP
        """

        def newer(now: State) -> State:
            description, engine = upgraded(now.description, now.trained("upgrade"), codec)
            return now.retrained(engine, description)

        turn, after = self._prepare("upgrade", newer)
        self._state = after
        del turn
        return self

    def build(
        self,
        x: Any,
        ids: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
        queries: Any = None,
        rerank_vectors: Any = None,
        expected: int | None = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """Train on a sample of x, then add all of it.

        Parameters
        ----------
        x : (n, dim) array or iterable of blocks
            As in `add`. From an array a random sample is taken. From an iterable, which may be readable only once,
            the first rows are taken (about 65,536, or 256 per list): if its order is not random, `train` on a
            representative sample and `add` instead.
        ids, labels : (n,) array of int, optional
            As in `add`.
        queries : (m, dim) array, optional
            As in `train`.
        rerank_vectors : (n, rerank.dim) array or iterable of blocks, optional
            As in `add`.
        expected : int, optional
            About how many vectors an iterable will yield, from which `IVF` chooses the number of lists. None: the
            size of the sample.
        progress : bool or callable, optional
            Show a bar, or call ``progress(stage, fraction)``. None: a bar if stderr is a terminal.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        Index
            This index.

        Raises
        ------
        TypeError, ValueError
            As in `add` and `train`.

        Warns
        -----
        UserWarning
            As in `train`.

        Examples
        --------
        >>> index = fb.Index(x.shape[1], metric="l2", codec=fb.Scalar(8)).build(x)
        """
        n = None if expected is None else whole_number(expected, "expected", 1)
        count = thread_count(threads)
        shown = Progress(progress)
        before, nonzero = self._state.untouched("build"), self._normalises
        description = before.description
        size = description.sample_size(n or _length(x))
        asked = self._sample_of_queries(queries)
        sample, source, known = split_sample(x, description.dim, size, description.seed, nonzero=nonzero, numbered=True)
        other_sample, others = sampled(description, rerank_vectors, known)
        holds = known or n or len(sample)
        engine, training = fitted(description, sample, holds, count, shown, asked, others=other_sample)
        engine.number_from(before.next_id)
        builder, _ = encoded(
            engine,
            source,
            known,
            ids,
            labels=labels,
            others=others,
            new=False,
            directory=self._temp_dir,
            nonzero=nonzero,
            threads=count,
            progress=shown,
        )
        training.check(len(builder), stacklevel=2)
        publish(engine, builder, "error", count, shown)
        turn, after = self._prepare_built(engine, training, "build", lambda now: self._grown(now, count, shown))
        self._state = after
        del turn
        return self

    # --- using it ---

    @renamed(q="queries")
    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        nprobe: int | None = None,
        rerank: int | None = None,
        patience: int | None = None,
        filter: Any = None,
        min_score: float | None = None,
        max_distance: float | None = None,
        min_probability: float | None = None,
        scorer: Scorer | None = None,
        rerank_queries: Any = None,
        lists: Probes | None = None,
        keys: bool = False,
        threads: int | None = None,
    ) -> SearchResult:
        """Find the k best vectors for each query.

        Parameters
        ----------
        queries : (n, dim) or (dim,) array
            In any dtype that `add` takes.
        k : int
            Results per query.
        nprobe : int, optional
            Number of lists to probe; larger numbers mean all lists. None: the index's default. Only with a partition.
        rerank : int, optional
            How many candidates the rerank store scores. 0: none, and scores are those of the codec's codes. None: the
            index's default, or 10·k and at least 100. Only with a rerank store. With `scorer`: how many candidates the
            scorer scores; None: 100, or k if that is more.
        patience : int, optional
            Stop after this many lists without a new one among the k best (by the codes' scores) of a query; nprobe is
            then the most that it reads. A query with fewer than k results goes on. 0: read nprobe lists. None: the
            index's default if nprobe, lists and keys are not given, else 0. Only with a partition.
        filter : array, numba cfunc, Filter or list of Filter, optional
            Which vectors may be returned: a boolean mask by id, an array of ids, a compiled predicate of the id, or a
            prepared `fb.Filter` (by label, or worthwhile if it is reused); or a list with one per query. The fewer
            vectors a filter allows, the more lists are probed; if it allows only a few, exactly those are
            scanned. If nprobe covers all lists, min(k, allowed) vectors are found.
        min_score : float, optional
            For "ip" and "cosine": only results of at least this score.
        max_distance : float, optional
            For "l2": only results of at most this squared distance.
        min_probability : float, optional
            In 0..1: only results with at least this probability of being relevant, as fitted by
            `fb.train.calibrate`. The result also has `probabilities`. Results are still ordered by score.
        scorer : function of (query numbers, ids), optional
            Reranks the candidates of the index, for example with a cross-encoder. It is called once per search, without
            any lock, with two int64 arrays (m,): for each candidate the row number in `queries` and the id. It returns
            scores (m,), larger is better under every metric, which become the scores of the results.
        rerank_queries : (n, rerank.dim) or (rerank.dim,) array, optional
            The same queries in the embedding of the rerank store, if that has another one and rerank is not 0. Scores
            and thresholds are then those of that embedding.
        lists : Probes, optional
            What `probe` of this index, or of another one with the same `training_id`, returned for these queries:
            exactly these lists are read, instead of nprobe. Several parts of a data set are searched faster if only
            the first of them, or an empty one, looks for the nearest lists.
        keys : bool
            Also return by what the results were selected, as a `KeyedResult`, from which `fewbits.shards.gather` makes
            the results of several parts those of one index. Not with `scorer` and `min_probability`.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        SearchResult
            Arrays ids and scores, best first, and of equal scores the smaller id first. They are bitwise equal for any
            number of threads, for queries in a batch or alone, and for vectors added or merged in any order. If fewer
            than k vectors are found, the end is padded; ``counts`` has the number found.

        Raises
        ------
        NotTrainedError
            Before `train`. (An empty index returns padding.)
        TypeError, ValueError
            For wrong shapes, dtypes or settings.

        Examples
        --------
        >>> ids, scores = index.search(queries, k=10, nprobe=32, rerank=100)
        """
        state = self._state
        engine, description = state.trained("search"), state.description
        count = thread_count(threads)
        k = result_count(k)
        matrix, single = as_queries(queries, description.dim, nonzero=description.metric == "cosine")
        filters, filter_of = core_filters(filter, len(matrix))
        by_score = min_score is not None or max_distance is not None
        stage = second_stage(k, rerank, scorer, min_probability, state.calibration, by_score)
        depth = min(rerank_depth(state, stage.rerank, stage.width if scorer else k), 2**31)
        others = other_queries(description, rerank_queries, len(matrix), single, depth > 0)
        given = given_lists(state, lists, nprobe, single)
        boolean(keys, "keys")
        if keys and (scorer is not None or min_probability is not None):
            raise ValueError("keys: expected without scorer and min_probability, which select results afterwards")
        by_default = nprobe is None and lists is None and not keys
        asked = (  # by position, which is faster
            lists_to_read(state, nprobe),
            depth,
            filters,
            filter_of,
            min_similarity(min_score, max_distance, description.metric),
            given,
            lists_in_vain(state, patience, by_default=by_default),
            others,
            count,
        )
        if keys:
            found = engine.search(matrix, k, *asked, keys=True)
            ids, scores, own = (array[0] for array in found) if single else found
            return KeyedResult(ids, scores, own, smaller_first=description.metric == "l2")
        ids, scores = engine.search(matrix, stage.width_at(depth), *asked)
        return stage.result(ids, scores, matrix, description.metric, single)

    @renamed(q="queries")
    def probe(self, queries: Any, nprobe: int | None = None, *, threads: int | None = None) -> Probes:
        """Find the nearest lists of each query, for ``search(..., lists=)`` of this index or of parts like it.

        Parameters
        ----------
        queries : (n, dim) or (dim,) array
            In any dtype that `add` takes.
        nprobe : int, optional
            Number of lists; larger numbers mean all lists. None: the index's default.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        Probes
            Arrays lists and scores, nearest list first. They depend on the training only: an `empty` index returns the
            same.

        Raises
        ------
        NotTrainedError
            Before `train`.
        TypeError, ValueError
            For wrong shapes, dtypes or settings; for an index without a partition.

        Examples
        --------
        >>> whole = index.search(queries, k=10, nprobe=4)
        >>> probes = index.probe(queries, nprobe=4)
        >>> bool((index.search(queries, k=10, lists=probes).ids == whole.ids).all())
        True
        """
        state = self._state
        engine = state.trained("probe")
        count = thread_count(threads)
        if state.description.partition is None:
            raise ValueError("probe: this index has no partition, so every vector is scanned")
        matrix, single = as_queries(queries, state.description.dim, nonzero=self._normalises)
        lists, scores = engine.probe(matrix, lists_to_read(state, nprobe), threads=count)
        return Probes(lists[0], scores[0]) if single else Probes(lists, scores)

    @renamed(q="queries")
    def score(self, queries: Any, ids: ArrayLike, *, threads: int | None = None) -> F32:
        """Score vectors that are given by id, as a search reports them.

        Scores are those of the rerank store if there is one, else those of the codec's codes, in all lists. `fb.fuse`
        uses this to score the results of another index.

        Parameters
        ----------
        queries : (n, dim) or (dim,) array
            In any dtype that `add` takes. If the rerank store has another embedding, queries are of that one,
            (n, rerank.dim): the `rerank_queries` of a search.
        ids : (m,) or (n, m) array of int
            The same for all queries, or one row per query. -1, the padding of search results, gets the score of
            padding.
        threads : int, optional
            None: all CPUs.

        Returns
        -------
        (n, m) or (m,) float32 array
            (m,) for a single query and ids of shape (m,). Squared distances under "l2", else similarities.

        Raises
        ------
        NotTrainedError
            Before `train`.
        TypeError, ValueError
            For wrong shapes or dtypes, and for an id that the index does not have (the message names it).

        Examples
        --------
        >>> found = index.search(queries, k=10)
        >>> bool((index.score(queries, found.ids) == found.scores).all())
        True
        """
        state = self._state
        engine = state.trained("score")
        count = thread_count(threads)
        matrix, single = as_queries(queries, state.description.rerank_dim, nonzero=self._normalises)
        scores = engine.score(matrix, id_table(ids, len(matrix)), threads=count)
        return scores[0] if single and np.ndim(ids) < 2 else scores

    def reconstruct(self, ids: ArrayLike, *, rerank_vectors: bool = False) -> F32:
        """Decode vectors from the finest codes that are stored.

        Parameters
        ----------
        ids : (n,) array of int
        rerank_vectors : bool
            Decode the other embedding, if the rerank store has one. Without this, the vectors of such an index are
            decoded from the codec's codes.

        Returns
        -------
        (n, dim) float32 array
            Normalised under "cosine". (n, rerank.dim) with rerank_vectors.

        Raises
        ------
        ValueError
            If the index does not have an id; the message names the first one. If rerank_vectors is True and the index
            has one embedding.

        Examples
        --------
        >>> index.reconstruct([3, 5]).shape
        (2, 16)
        """
        engine = self._trained("reconstruct")
        boolean(rerank_vectors, "rerank_vectors")
        return engine.reconstruct(vector_ids(ids), rerank_vectors=rerank_vectors)

    def labels(self, ids: ArrayLike) -> I64:
        """Return the labels of vectors, as given to `add` or `build`.

        Parameters
        ----------
        ids : (n,) array of int

        Returns
        -------
        (n,) int64 array

        Raises
        ------
        ValueError
            If the vectors of this index have no labels, or it does not have an id; the message names the first one.

        Examples
        --------
        >>> labelled = fb.Index(x.shape[1], metric="l2").add(x[:3], labels=[70, -5, 70])
        >>> labelled.labels([1, 2])
        array([-5, 70])
        """
        engine = self._trained("labels")
        return engine.labels(vector_ids(ids))

    @staticmethod
    def open(path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False) -> Index:
        """Open a file that `save` wrote.

        Parameters
        ----------
        path, mmap, verify
            As in `fb.open`.

        Returns
        -------
        Index

        Raises
        ------
        FileNotFoundError, CorruptIndexError, FormatVersionError
            If the file cannot be read; the message says what is wrong with it, and where.
        ValueError
            If the file holds a multi-vector index.

        Examples
        --------
        >>> index.save("wiki.fb")
        >>> index = fb.Index.open("wiki.fb")
        """
        check_flags(mmap, verify)
        content = contents(path)
        if content is not None:
            return Index.from_bytes(content)
        file = open_file(path, stacklevel=2)  # type: ignore[arg-type]
        index = described(shown(path), _core.Engine.open(file, mapped=mmap, verify_all=verify))  # type: ignore[arg-type]
        files_of(index).opened(path, file)  # type: ignore[arg-type]
        return index

    @staticmethod
    def from_bytes(file: Buffer) -> Index:
        """Make an index from what `to_bytes` returned, or from the contents of a file; every byte is checked.

        Parameters
        ----------
        file : bytes, bytearray, memoryview, mmap or another buffer
            It is copied.

        Returns
        -------
        Index

        Raises
        ------
        CorruptIndexError, FormatVersionError
            If the contents are not valid; the message says what is wrong, and where.
        ValueError
            If they are those of a multi-vector index.

        Examples
        --------
        >>> same = fb.Index.from_bytes(index.to_bytes())
        """
        return described("bytes", engine_of_bytes(file))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        same = frozen(self)
        if same.is_trained:
            return Index.from_bytes, (pickled(same.to_bytes(), protocol),)
        return _untrained, (state_of(same).description, state_of(same).notes)

    # --- inside ---

    @property
    def _normalises(self) -> bool:
        return self.metric == "cosine"

    def _sample_of_queries(self, queries: Any) -> F32 | None:
        return None if queries is None else as_queries(queries, self.dim, nonzero=self._normalises)[0]

    def _meta(self, state: State) -> bytes:
        calibration = state.calibration.stored() if state.calibration else None
        tries = state.tries.stored() if state.tries else None
        automatic = state.automatic != "no"
        return encode_meta(state.description, state.why, calibration, automatic, tries, state.notes.stored())

    def _prepare_automatic(
        self,
        before: State,
        builder: _core.Builder,
        on_conflict: str,
        threads: int,
        progress: Progress,
        ids: ArrayLike | None,
    ) -> tuple[_core.Turn, State]:
        """As `_prepare_added`, of an index that may be coded anew, now or by another thread meanwhile."""

        def added(now: State) -> State:
            own = builder
            if now.training is not before.training and starts(before.description):
                own = translated(before, builder, ids, now, self._temp_dir, threads, progress)
            else:
                now.of_training(before, "add")
            after = now.changed("add", lambda engine: publish(engine, own, on_conflict, threads, progress))
            return self._grown(after, threads, progress) if now.automatic == "in add" else after

        return self._prepare("add", added)

    def _compacted(self, state: State, threads: int, progress: Progress) -> State:
        return self._grown(state, threads, progress)

    def _grown(self, state: State, threads: int, progress: Progress) -> State:
        """The state coded anew, if it is that of an index with codec="auto" and has enough vectors."""
        if not is_due(state):
            return state
        engine, dim = state.trained("add"), state.description.dim
        ids = engine.ids()
        stored = Stored(engine, ids, dim)
        settings: dict[str, Any] = {"metric": state.description.metric, "seed": state.description.seed}
        index = Index(dim, **settings, temp_dir=self.temp_dir, **recoded_parts(dim))
        own = None if np.array_equal(ids, np.arange(len(ids))) else ids  # numbers need fewer bytes than ids
        labels = engine.labels(ids) if engine.labelled else None
        index.build(stored, own, labels=labels, progress=progress.argument, threads=threads or None)
        after = state_of(index).changed("add", lambda engine: engine.number_from(state.next_id))
        recoded = state.retrained(after.trained("add"), after.description, after.training)
        return recoded.explained((recoded_reason(dim, len(ids)), *after.why))


def index_of(description: Description, engine: _core.Engine, why: Sequence[str]) -> Index:
    """An index over an existing engine."""
    return started(Index.__new__(Index), State(description, engine, tuple(why), Training()))


def growing_in_compact(index: Index) -> Index:
    """The same index; with codec="auto" it is coded anew by `compact`, not by `add`."""
    state = state_of(index)
    return index if state.automatic == "no" else in_state(index, replace(state, automatic="in compact"))


def described(name: str, engine: _core.Engine) -> Index:
    """The index of an engine that was read. name: of its source, for messages."""
    if is_multivector(engine.params):
        raise ValueError(f"{name}: holds a multi-vector index: open it with fewbits.MultiVectorIndex")
    description, why = decode_meta(name, engine)
    index = index_of(description, engine, why)
    calibration = decode_optional(
        name, engine, "calibration", lambda stored: calibration_of(stored, description, engine)
    )
    tries, automatic = decode_optional(name, engine, "tries", tries_of), decode_automatic(name, engine)
    notes = decode_by(name, engine, notes_of)
    state = replace(state_of(index), calibration=calibration, tries=tries, automatic="in add" if automatic else "no")
    return in_state(index, replace(state, notes=notes))


def is_due(state: State) -> bool:
    """Whether an index with codec="auto" has enough vectors to be coded anew."""
    return state.automatic != "no" and state.n >= ENOUGH and starts(state.description)


def _untrained(description: Description, notes: Notes | None = None) -> Index:
    """notes: None in older pickles."""
    parts = {field.name: getattr(description, field.name) for field in fields(description)}
    index = Index(**parts)
    return in_state(index, replace(state_of(index), notes=notes or Notes()))


def _length(x: Any) -> int:
    """Number of rows of x if it is known, else 0."""
    try:
        return len(x) if not is_blocks(x) else 0
    except TypeError:
        return 0
