"""fb.Index: vectors in, a compact searchable index out. This file checks arguments; the core does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..file.places import Path
from ..fit.few import too_few
from ..fit.model import train
from ..input.filters import core_filters
from ..input.inputs import (
    F32,
    Rows,
    Sample,
    all_rows,
    conflict_rule,
    is_blocks,
    least_similarity,
    metric_name,
    queries,
    split_sample,
    thread_count,
    vector_ids,
    whole_number,
)
from ..input.progress import Progress, ProgressArgument
from ..spec.codecs import CODECS, Codec, Float
from ..spec.codecs_rotated import RecurrentBinary
from ..spec.description import Description
from ..spec.ivf import IVF, MAX_NLIST
from ..spec.parts import Model
from ..spec.transforms import OPQ, PCA, Identity, RandomRotation, Transform
from . import report
from .base import BaseIndex
from .filling import encoded, publish
from .result import SearchResult
from .state import State, Training
from .upgrades import encoder, upgraded

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_DIM = 65_535
_MOST_RESULTS = 2**40  # of a query: far beyond any memory
_RERANK_A_RESULT = 10  # candidates, where no depth is given or stored
_LEAST_RERANK = 100


def _default_transform(codec: Codec | None) -> Transform:
    return RandomRotation() if getattr(codec, "rotates", False) else Identity()


class Index(BaseIndex):
    """A compact nearest-neighbour index over float vectors.

    dim: of the vectors, 1..65,535. metric: "l2" (scores are squared distances, smaller first), "ip" or "cosine"
    (similarities, larger first; cosine normalises vectors and queries by itself). transform: Identity, RandomRotation,
    PCA or OPQ (None: RandomRotation for RaBitQ and RecurrentBinary, which rely on it, else Identity). partition: IVF,
    or None to scan everything. codec: Float, Scalar, PQ, RaBitQ or RecurrentBinary. rerank: a codec for a finer copy
    of every vector, scored for the best candidates only; with on_disk=True it stays in a file. seed: of everything
    random; the same seed and vectors give the same index for any number of threads. temp_dir: the folder of the
    temporary files of what is kept on disk, until it is saved (None: the system's).

    >>> index = fb.Index(384, metric="cosine", transform=fb.OPQ(), partition=fb.IVF(), codec=fb.PQ(96, bits=4),
    ...                  rerank=fb.Scalar(8))
    >>> index.build(x)
    >>> ids, scores = index.search(queries, k=10)

    Searching is safe from many threads, also while vectors are added, removed or compacted: a search sees the index
    before a change or after it.
    """

    def __init__(
        self,
        dim: int,
        *,
        metric: str,
        transform: Transform | None = None,
        partition: IVF | None = None,
        codec: Codec | None = None,
        rerank: Codec | None = None,
        seed: int = 0,
        temp_dir: Path | None = None,
    ) -> None:
        description = checked_description(dim, MAX_DIM, metric, transform, partition, codec, rerank, seed)
        engine = None
        if not description.needs_training:
            engine = _fitted(description, Sample(np.zeros((0, dim), np.float32)), 0, None, Progress(False))
        self._begin(State(description, engine, (), Training()), temp_dir)

    @classmethod
    def _of(cls, description: Description, engine: _core.Engine, why: Sequence[str]) -> Index:
        index = cls.__new__(cls)
        index._begin(State(description, engine, tuple(why), Training()))
        return index

    # --- what it is ---

    @property
    def dim(self) -> int:
        return self._description.dim

    @property
    def metric(self) -> str:
        return self._description.metric

    @property
    def rerank(self) -> Codec | None:
        return self._description.rerank

    def __repr__(self) -> str:
        state = self._state
        content = "not trained" if state.engine is None else f"{state.n:,} vectors"
        return f"<fewbits.Index: {content}, {state.description.summary()}>"

    def explain(self) -> str:
        """What this index is made of, why (if `fb.build` chose it), and where its bytes are; for people to read."""
        state = self._state
        return report.explain(state.description, state.engine, state.why)

    def stats(self) -> dict[str, Any]:
        """Counts and bytes: `n`, `segments` with the `segment_sizes`, `removed` vectors that still take bytes and their
        share `removed_share`; `bytes_per_vector` (codes, factors, ids, padding), `bytes_fixed` (codebooks, maps,
        centroids, lists) and `bytes_on_disk_per_vector` (a rerank store with on_disk=True); under `bytes` the same part
        by part, summed."""
        return report.stats(self._trained("stats"))

    # --- filling it ---

    def train(
        self,
        sample: Any,
        *,
        expected: int | None = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """Fit transform, partition, codec and rerank codec to a sample.

        Parameters
        ----------
        sample : (n, dim) array or iterable of blocks
            As x of `add`. Any n >= 1 works; a representative 65,536 or more is best.
        expected : int, optional
            How many vectors the index will hold (None: n), by which IVF() chooses nlist.
        progress, threads
            As in `build`.

        Returns
        -------
        Index
            Itself.

        Raises
        ------
        ValueError
            If the index holds vectors already: their codes would lose their meaning.

        Warns
        -----
        UserWarning
            If the sample has fewer vectors than there are codewords, lists or directions to fit, and the index is to
            hold at least four times as many: here, if `expected` says so, or from `add`.
        """
        n = None if expected is None else whole_number(expected, "expected", 1)
        count = thread_count(threads)
        before = self._state.untouched("train")
        description = before.description
        size = description.sample_size(n or _length(sample))
        x, source, known = split_sample(sample, description.dim, size, description.seed, nonzero=self._normalises)
        del source  # nothing is added here: its rows need not be kept while training
        expected = n or known or len(x)
        training = Training(too_few(description, len(x), expected), len(x))
        engine = _fitted(description, x, expected, count, Progress(progress))
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
        on_conflict: str = "error",
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """Adds vectors: all of them or, if anything is wrong with x or ids, none.

        Parameters
        ----------
        x : (n, dim) array, or an iterable of (m, dim) blocks or (dim,) rows
            float16, float32, float64, bfloat16, int8 or uint8, of any strides: array, memmap, memoryview, list of
            lists, CPU tensor. One block of 16 MiB at a time is converted to float32.
        ids : (n,) whole numbers >= 0, optional
            Unique. By default consecutive numbers, continuing after the largest id ever assigned.
        on_conflict : {"error", "replace"}
            What to do if the index has an id already: raise ValueError, or replace its vector.
        progress : bool or callable, optional
            Show a bar, or call ``progress(stage, fraction)``. By default a bar if stderr is a terminal.
        threads : int, optional
            By default all CPUs.

        Returns
        -------
        Index
            This index.

        Raises
        ------
        TypeError, ValueError
            For rows that are not finite, too long for float32 scores (length above 2^62) or, under "cosine", zero;
            for first vectors that are all below 1e-15 under "l2" and "ip"; for wrong shapes, dtypes or ids.
        """
        count = thread_count(threads)
        if conflict_rule(on_conflict) == "replace" and ids is None:
            raise ValueError("on_conflict: 'replace' needs ids; vectors without get new ones")
        shown = Progress(progress)
        before = self._state
        engine, dim = before.trained("add"), before.description.dim
        n = None if is_blocks(x) else len(Rows(x, dim))
        builder = encoded(
            engine,
            all_rows(x, dim),
            n,
            ids,
            new=on_conflict == "error",
            directory=self._temp_dir,
            nonzero=self._normalises,
            first=not (before.n or before.description.needs_training),
            threads=count,
            progress=shown,
        )
        turn, after = self._prepare_added(before, builder, on_conflict, count, shown)
        self._state = after
        del turn
        return self

    def upgrade(self, codec: RecurrentBinary) -> Index:
        """Goes over to a newer embedding: from now on vectors and queries are what `codec` was trained on.

        codec: what `fb.train.recurrent_binary(..., compatible_with=..., old=...)` returned, for the codec of this index
        (trained `RecurrentBinary`, without rerank or query map). What is in the index stays as it is, and new queries
        search it; vectors of the new embedding that are added, or replace the old ones of the same ids, lie
        beside it. `reconstruct` gives the new embedding of all of them. `dim` is the new one's.

        Raises TypeError or ValueError for a codec or an index that is not as described; the index is then unchanged.
        (Shen et al., "Towards Backward-Compatible Representation Learning", 2020; Gan et al. 2023.)

        >>> new = fb.train.recurrent_binary(x_new, compatible_with=index, old=x_old)
        >>> index.upgrade(new).add(x_new[:1000], ids=np.arange(1000), on_conflict="replace")
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
        expected: int | None = None,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> Index:
        """`train` on a sample of x, then `add` all of it. x, ids: as in `add`.

        An array is sampled at random by the seed. Of an iterable of blocks, which may be readable only once, the first
        rows are the sample (some 65,536, or 256 a list): if its order is not random, `train` on a fair sample and `add`
        instead. expected: about how many vectors an iterable will yield, by which IVF() chooses nlist (None: as many as
        were sampled).
        """
        n = None if expected is None else whole_number(expected, "expected", 1)
        count = thread_count(threads)
        shown = Progress(progress)
        before, nonzero = self._state.untouched("build"), self._normalises
        description = before.description
        size = description.sample_size(n or _length(x))
        sample, source, known = split_sample(x, description.dim, size, description.seed, nonzero=nonzero)
        holds = known or n or len(sample)
        training = Training(too_few(description, len(sample), holds), len(sample))
        engine = _fitted(description, sample, holds, count, shown)
        engine.number_from(before.next_id)
        builder = encoded(
            engine,
            source,
            known,
            ids,
            new=False,
            directory=self._temp_dir,
            nonzero=nonzero,
            threads=count,
            progress=shown,
        )
        training.check(len(builder), stacklevel=2)
        publish(engine, builder, "error", count, shown)
        turn, after = self._prepare_built(engine, training, "build")
        self._state = after
        del turn
        return self

    # --- using it ---

    def search(
        self,
        q: Any,
        k: int = 10,
        *,
        nprobe: int | None = None,
        rerank: int | None = None,
        filter: Any = None,
        min_score: float | None = None,
        max_distance: float | None = None,
        threads: int | None = None,
    ) -> SearchResult:
        """The k best vectors of each query.

        q: (n, dim) or (dim,), of the dtypes that `add` takes. nprobe: lists to read (None: the index's default; more
        than there are reads all). rerank: how many candidates the rerank store scores (0: none, the scores are those of
        the codec's codes; None: the index's default, or 10·k and at least 100). threads: None for all CPUs.

        filter: which vectors may be returned: a boolean mask by id, an array of ids, a numba cfunc or a prepared
        `fb.Filter` (see there; prepare one that is used again); or a list of `fb.Filter`, one a query. The less is
        allowed the more lists are read; where it is little, exactly what is allowed is. nprobe of all lists finds
        min(k, allowed). min_score ("ip", "cosine") or max_distance ("l2"): results are at least as good; `counts` says
        how many there are.

        Returns SearchResult(ids, scores), bit-identical for any number of threads and for queries in a batch or alone.
        Raises NotTrainedError before `train`; an empty index returns padding. nprobe without a partition and rerank
        without a rerank store are ValueErrors.

        >>> ids, scores = index.search(q, k=10, nprobe=32, rerank=100)
        """
        state = self._state
        engine, description = state.trained("search"), state.description
        count = thread_count(threads)
        k = result_count(k)
        matrix, single = queries(q, description.dim, nonzero=self._normalises)
        filters, filter_of = core_filters(filter, len(matrix))
        ids, scores = engine.search(
            matrix,
            k,
            nprobe=lists_to_read(state, engine, nprobe),
            rerank=min(_rerank_depth(state, engine, rerank, k), 2**31),
            filters=filters,
            filter_of=filter_of,
            least=least_similarity(min_score, max_distance, description.metric),
            threads=count,
        )
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def reconstruct(self, ids: ArrayLike) -> F32:
        """The vectors of these ids, (n, dim) float32, as the finest stored codes hold them (normalised, under cosine).

        Raises ValueError naming the first id that the index has not.
        """
        engine = self._trained("reconstruct")
        return engine.reconstruct(vector_ids(ids))

    @staticmethod
    def from_bytes(file: Buffer) -> Index:
        """An index from what `to_bytes` returned, or the contents of a file; every byte is checked.

        Parameters
        ----------
        file : bytes, bytearray, memoryview, mmap or another buffer
            It is copied.

        Raises
        ------
        CorruptIndexError, FormatVersionError
            What is wrong with the contents, and where.
        """
        from ..file.files import described, engine_of_bytes

        return described("bytes", engine_of_bytes(file))

    def __reduce__(self) -> tuple[Any, ...]:
        frozen = self._frozen()
        if frozen.is_trained:
            return Index.from_bytes, (frozen.to_bytes(),)
        return _untrained, (frozen._description,)

    # --- inside ---

    @property
    def _normalises(self) -> bool:
        return self.metric == "cosine"

    def _meta(self, state: State) -> bytes:
        from ..file.files import encode_meta

        return encode_meta(state.description, state.why)

    def _encoder(self) -> RecurrentBinary:
        state = self._state
        return encoder(state.description, state.trained("upgrade"))

    def _score_by(self, model: Model) -> None:
        """From now on: by this scoring codebook and query map."""

        def scoring(now: State) -> State:
            return replace(now, engine=now.trained("train").with_scoring(model.params, model.arrays))

        turn, after = self._prepare("train", scoring)
        self._state = after
        del turn


def checked_description(
    dim: object,
    most_dims: int,
    metric: object,
    transform: Transform | None,
    partition: IVF | None,
    codec: Codec | None,
    rerank: Codec | None,
    seed: object,
) -> Description:
    _expect(transform, "transform", (Identity, RandomRotation, PCA, OPQ))
    _expect(partition, "partition", (IVF,))
    _expect(codec, "codec", CODECS)
    _expect(rerank, "rerank", CODECS)
    return Description(
        dim=whole_number(dim, "dim", 1, most_dims),
        metric=metric_name(metric),
        transform=_default_transform(codec) if transform is None else transform,
        partition=partition,
        codec=Float() if codec is None else codec,
        rerank=rerank,
        seed=whole_number(seed, "seed", 0, 2**63 - 1),
    )


def _fitted(
    description: Description, sample: Sample, expected: int, threads: int | None, progress: Progress
) -> _core.Engine:
    """An engine without vectors, trained on a sample."""
    model = fitted_model(description, sample, expected, threads, progress)
    return _core.Engine(model.params, model.arrays)


def fitted_model(
    description: Description, sample: Sample, expected: int, threads: int | None, progress: Progress
) -> Model:
    if description.needs_training and not len(sample):
        raise ValueError(f"training: expected at least 1 vector of dimension {description.dim}, got none")
    with progress:
        return train(description, sample, expected, threads or 0, progress)


def result_count(k: object) -> int:
    count = whole_number(k, "k", 1)
    if count > _MOST_RESULTS:
        raise ValueError(f"k: expected at most {_MOST_RESULTS}, got {count}")
    return count


def lists_to_read(state: State, engine: _core.Engine, nprobe: int | None) -> int:
    if nprobe is None:
        return max(1, engine.params.get("default.nprobe", 0))
    if state.description.partition is None:
        raise ValueError(f"nprobe: this index has no partition, so every vector is read; got nprobe={nprobe!r}")
    return min(whole_number(nprobe, "nprobe", 1), MAX_NLIST)


def _rerank_depth(state: State, engine: _core.Engine, rerank: int | None, k: int) -> int:
    if state.description.rerank is None:
        if rerank is not None and whole_number(rerank, "rerank", 0):
            raise ValueError(f"rerank: this index has no rerank store (Index(rerank=...)), got rerank={rerank}")
        return 0
    return candidates(engine, rerank, k)


def _untrained(description: Description) -> Index:
    parts = {field.name: getattr(description, field.name) for field in fields(description)}
    return Index(**parts)


def candidates(engine: _core.Engine, rerank: int | None, k: int) -> int:
    """How many are reranked for k results, where `rerank` of them were asked for (None: the default, stored or not)."""
    if rerank is None:
        stored = engine.params.get("default.rerank", 0)
        return max(stored, k) if stored else max(_LEAST_RERANK, _RERANK_A_RESULT * k)
    depth = whole_number(rerank, "rerank", 0)
    if 0 < depth < k:
        raise ValueError(f"rerank: expected 0 or at least k={k} candidates, got {depth}")
    return depth


def _length(x: Any) -> int:
    """Rows of x if it can say so, else 0."""
    try:
        return len(x) if not is_blocks(x) else 0
    except TypeError:
        return 0


def _expect(value: object, name: str, kinds: tuple[type, ...]) -> None:
    if value is not None and not isinstance(value, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name}: expected None or one of {names} (an instance), got {value!r}")
