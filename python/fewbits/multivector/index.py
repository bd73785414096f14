"""fb.MultiVectorIndex: documents and queries of many vectors each, ranked by Chamfer similarity (MaxSim).

An `Index` over fixed-dimensional encodings finds candidates, a store of coded tokens ranks them. Both carry the same
ids and lie in one file. Invariant: the tokens of a document are published before its encoding and dropped after it, so
that whatever the index finds has its tokens.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, overload

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from ..errors import CorruptIndexError, NotTrainedError
from ..file.engines import is_multivector
from ..file.places import Path, buffer, contents, encoded, shown, write
from ..index.index import Index, candidates, index_of
from ..index.result import SearchResult
from ..input.checks import conflict_rule, thread_count, whole_number
from ..input.ids import vector_ids
from ..input.progress import Progress, ProgressArgument
from ..input.queries import min_similarity
from ..input.rows import BLOCK_FLOATS, check_scale
from ..input.sets import Sets, SetsInput, read_sets, token_dim
from ..numeric.arrays import F32, I64
from ..spec.codec import Codec
from ..spec.ivf import IVF
from ..spec.parts import Fitting
from ..spec.rabitq import RaBitQ
from ..spec.scalar import Scalar
from ..spec.transform import Transform
from .fde import FDE
from .pooling import Pooling, carved
from .stats import MultiVectorStats
from .token_codecs import TOKEN_SAMPLE, TokenCodec, checked, new_store

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ..file.places import SupportsWrite

_RANKED_AT_ONCE = 64


def chamfer(queries: Any, documents: Any, *, threads: int | None = None) -> F32:
    """Chamfer similarity (MaxSim) of every query with every document, exactly: the sum over the query's tokens of the
    largest inner product with a token of the document.

    Each side: a list of (t, d) arrays, an (n, t, d) array or (tokens, offsets); no set is empty. Returns (queries,
    documents) float32; a side given as one (t, d) array has no axis. The same bits for any number of threads.

    >>> fb.chamfer(query, documents)  # (n,)
    """
    dim = token_dim(documents, "documents")
    left, one_query = read_sets(queries, dim, "queries")
    right, one_document = read_sets(documents, dim, "documents")
    scores = _core.chamfer(*left, *right, threads=thread_count(threads))
    scores = scores[0] if one_query else scores
    return scores[..., 0] if one_document else scores


class MultiVectorIndex:
    """A compact index of documents that are sets of token vectors, as ColBERT or ColPali make them.

    dim: of the tokens. fde: how a document becomes one vector (None: FDE(dim), 10,240 dimensions). transform,
    partition, codec: of the index over these, as in `Index` (codec None: RaBitQ(bits=1), which needs no training).
    tokens: how tokens are kept for the final ranking: Float, Scalar, PQ or RaBitQ (None: Scalar(8)), with on_disk=True
    in a file. pooling: makes documents smaller as they are added. seed: of everything random but the encodings, which
    have their own.

    >>> index = fb.MultiVectorIndex(128, tokens=fb.Scalar(8))
    >>> index.build(documents)  # list of (t, 128) arrays
    >>> ids, scores = index.search(queries, k=10)

    Searching is safe from many threads, also while documents are added, removed or compacted.
    """

    def __init__(
        self,
        dim: int,
        *,
        fde: FDE | None = None,
        transform: Transform | None = None,
        partition: IVF | None = None,
        codec: Codec | None = None,
        tokens: TokenCodec | None = None,
        pooling: Pooling | None = None,
        seed: int = 0,
    ) -> None:
        self._fde = FDE(dim) if fde is None else _expect(fde, "fde", FDE)
        if self._fde.dim != dim:
            raise ValueError(f"fde: expected one of the tokens' dimension {dim}, got {self._fde!r}")
        self._tokens = checked(Scalar(8) if tokens is None else tokens, dim)
        self._pooling = None if pooling is None else _expect(pooling, "pooling", Pooling)
        self._index = Index(
            self._fde.dims,
            metric="ip",
            transform=transform,
            partition=partition,
            codec=RaBitQ(bits=1) if codec is None else codec,
            seed=seed,
        )
        self._seed = seed
        self._store: _core.TokenStore | None = None
        self._next_id = 0
        self._change = _core.Turns()

    # --- what it is ---

    @property
    def dim(self) -> int:
        return self._fde.dim

    @property
    def fde(self) -> FDE:
        return self._fde

    @property
    def codec(self) -> Codec:
        return self._index.codec

    @property
    def partition(self) -> IVF | None:
        return self._index.partition

    @property
    def tokens(self) -> TokenCodec:
        return self._tokens

    @property
    def pooling(self) -> Pooling | None:
        return self._pooling

    @property
    def is_trained(self) -> bool:
        return self._store is not None

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, item: object) -> bool:
        """Whether a document has this id."""
        return item in self._index

    @overload
    def ids(self, *, block: None = None) -> I64: ...
    @overload
    def ids(self, *, block: int) -> Iterator[I64]: ...
    def ids(self, *, block: int | None = None) -> I64 | Iterator[I64]:
        """The ids of all documents in the index; block and order as in `Index.ids`."""
        return self._index.ids(block=block)

    def __repr__(self) -> str:
        state = f"{len(self):,} documents" if self.is_trained else "not trained"
        return f"<fewbits.MultiVectorIndex: {state}, {self._fde.describe()}, {self.codec.describe()}>"

    def stats(self) -> MultiVectorStats:
        """Counts and bytes: `n` documents, their `tokens` as stored, `lists` to probe; bytes per document of the
        encodings' codes and ids (`fde_bytes`), of the coded tokens (`token_bytes`, or `token_bytes_on_disk`);
        `bytes_fixed`."""
        store = self._trained("stats")
        index = self._index.stats()
        n = index["n"]
        parts = store.bytes()
        codes = parts.pop("codes", 0)
        on_disk = codes if self._tokens.on_disk else 0
        fixed = sum(parts.pop(name, 0) for name in ("mean", "step", "levels", "codebook", "eta"))
        numbers: dict[str, Any] = {
            "n": n,
            "lists": index["lists"],
            "tokens": store.tokens,
            "fde_bytes": index["bytes_per_vector"],
            "token_bytes": (sum(parts.values()) + codes - on_disk) / n if n else 0.0,
            "token_bytes_on_disk": on_disk / n if n else 0.0,
            "bytes_fixed": index["bytes_fixed"] + fixed,
        }
        return MultiVectorStats(**numbers)

    def explain(self) -> str:
        """What this index is made of, why (if `fb.build_multivector` chose it), and where its bytes are; for people."""
        lines = [f"fewbits.MultiVectorIndex of {len(self):,} documents, tokens of {self.dim} dimensions"]
        lines.append(f"  encoding   {self._fde.describe()}")
        lines.append(f"  codec      {self.codec.describe()}")
        lines.append(f"  tokens     {self._tokens.describe()}{', on disk' if self._tokens.on_disk else ''}")
        if self._pooling is not None:
            lines.append(f"  pooling    {self._pooling.describe()}")
        if not self.is_trained:
            return "\n".join([*lines, "  not trained yet"])
        numbers = self.stats()
        lines.append(
            f"  a document {numbers['fde_bytes']:,.0f} bytes to find it, {numbers['token_bytes']:,.0f} to rank it"
            f" ({numbers['tokens'] / max(1, len(self)):,.1f} tokens)"
        )
        if self._tokens.on_disk:
            lines.append(f"  on disk    {numbers['token_bytes_on_disk']:,.0f} bytes a document")
        lines.append(f"  fixed      {numbers['bytes_fixed']:,} bytes")
        if self._index._why:
            lines += ["  why:", *(f"  - {reason}" for reason in self._index._why)]
        return "\n".join(lines)

    # --- filling it ---

    def train(self, sample: Any, *, progress: ProgressArgument = None, threads: int | None = None) -> MultiVectorIndex:
        """Fits the codecs to a sample of documents, in any form that `add` takes; some 10,000 or more is best.

        Raises ValueError if the index holds documents already.
        """
        with self._change.take("train"):
            self._fit(SetsInput(sample, self.dim, "sample"), None, progress, threads)
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
        """Adds documents: all of them or, if anything is wrong with them or their ids, none.

        documents: a list of (t, dim) arrays (numpy, torch, anything with `__array__` or DLPack), an (n, t, dim) array,
        or (tokens, offsets), where document i is tokens[offsets[i]:offsets[i + 1]] (tokens may be a memmap: they are
        read by blocks). Every document has at least one token. ids, on_conflict: as in `Index.add`.
        """
        with self._change.take("add"):
            self._append(SetsInput(documents, self.dim, "documents"), ids, on_conflict, progress, threads)
        return self

    def build(
        self,
        documents: Any,
        ids: ArrayLike | None = None,
        *,
        progress: ProgressArgument = None,
        threads: int | None = None,
    ) -> MultiVectorIndex:
        """`train` on a random sample of the documents, then `add` all of them."""
        source = SetsInput(documents, self.dim, "documents")
        with self._change.take("build"):
            index, store = self._index._engine, self._store
            try:
                self._fit(source, len(source), progress, threads)
                self._append(source, ids, "error", progress, threads)
            except BaseException:
                self._index._engine, self._store = index, store
                raise
        return self

    def remove(self, ids: ArrayLike) -> int:
        """Removes the documents of these ids; returns how many there were. Their tokens stay until `compact`."""
        self._trained("remove")
        with self._change.take("remove"):
            return self._index.remove(ids)

    def compact(self, *, threads: int | None = None) -> MultiVectorIndex:
        """Rewrites encodings and tokens without what was removed or replaced; ids stay."""
        store = self._trained("compact")
        with self._change.take("compact"):
            self._index.compact(threads=threads)
            ids = store.ids()
            assert self._index._engine is not None
            store.keep(ids[self._index._engine.contains(ids)], os.fsencode(tempfile.gettempdir()))
        return self

    # --- using it ---

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        rerank: int | None = None,
        nprobe: int | None = None,
        carve: float | None = None,
        filter: Any = None,
        min_score: float | None = None,
        threads: int | None = None,
    ) -> SearchResult:
        """The k documents of largest Chamfer similarity to each query.

        queries: sets, as `add` takes them, or one (t, dim) array. rerank: how many candidates of the encodings are
        ranked by their tokens (None: what `fb.tune` set, else 10·k and at least 100; 0: none, scores are then the
        encodings' estimates of Chamfer). nprobe: lists to read, with a partition. carve: rank by fewer query tokens, as
        `fb.carve` makes them (candidates are found by all). filter: which documents may be returned, by id, as in
        `Index.search`. min_score: results score at least this; `counts` says how many there are.

        Returns SearchResult(ids, scores), bit-identical for any number of threads; scores are Chamfer similarities of
        the query and the document's tokens as stored.
        """
        store = self._trained("search")
        k = whole_number(k, "k", 1)
        assert self._index._engine is not None
        depth = min(candidates(self._index._engine, rerank, k), max(k, len(self)))
        least = min_similarity(min_score, None, "ip")
        sets, single = read_sets(queries, self.dim, "queries")
        count = thread_count(threads)
        encoded = self._fde._encoder.encode_queries(*sets, threads=count)
        found = self._index.search(encoded, depth or k, nprobe=nprobe, filter=filter, threads=threads)
        if depth:
            ranked_by = sets if carve is None else carved(sets, carve, count)
            ids, scores = store.rerank(*ranked_by, found.ids, k, threads=count)
        else:
            ids, scores = found.ids, found.scores / np.float32(self._fde.repetitions)
        enough = scores >= np.float32(least)
        ids, scores = np.where(enough, ids, -1), np.where(enough, scores, np.float32(-np.inf))
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def rank_all(self, queries: Any, k: int = 10, *, threads: int | None = None) -> SearchResult:
        """The k documents of largest Chamfer similarity to each query, of all of them and by their stored tokens: what
        `search` approaches with more candidates. Slow: for measuring and tuning."""
        store = self._trained("rank_all")
        k = whole_number(k, "k", 1)
        sets, single = read_sets(queries, self.dim, "queries")
        assert self._index._engine is not None
        everyone = store.ids()
        everyone = everyone[self._index._engine.contains(everyone)]
        found: list[tuple[I64, F32]] = []
        for first in range(0, len(sets.offsets) - 1, _RANKED_AT_ONCE):
            some = SetsInput(sets, self.dim, "queries").take(first, min(first + _RANKED_AT_ONCE, len(sets.offsets) - 1))
            candidates = np.ascontiguousarray(np.broadcast_to(everyone, (len(some.offsets) - 1, len(everyone))))
            found.append(store.rerank(*some, candidates, k, threads=thread_count(threads)))
        ids, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return SearchResult(ids[0], scores[0]) if single else SearchResult(ids, scores)

    def save(self, path: Path | SupportsWrite) -> None:
        """Writes the index with its tokens to one file, atomically; path: as in `Index.save`."""
        store = self._trained("save")
        engine = self._index._engine
        assert engine is not None

        def save(name: bytes) -> None:
            with self._change.take("save"):  # encodings and tokens of one moment
                engine.save(name, self._meta(), tokens=store, params=self._params())

        write(path, save, self.to_bytes)

    def to_bytes(self) -> bytes:
        """The file that `save` would write, as bytes; tokens that lie on disk are among them."""
        store = self._trained("to_bytes")
        assert self._index._engine is not None
        with self._change.take("to_bytes"):
            return self._index._engine.to_bytes(self._meta(), tokens=store, params=self._params())

    @staticmethod
    def open(path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False) -> MultiVectorIndex:
        """Opens a file that `save` wrote; path, mmap, verify and errors as in `fb.open`."""
        from ..file.engines import check_flags, open_engine

        check_flags(mmap, verify)
        file = contents(path)
        if file is not None:
            return MultiVectorIndex.from_bytes(file)
        name = encoded(path)
        return MultiVectorIndex._of(
            shown(name), open_engine(name, mmap, verify), lambda: _core.TokenStore.open(name, mapped=mmap)
        )

    @staticmethod
    def from_bytes(file: Buffer) -> MultiVectorIndex:
        """An index, all in memory, from what `to_bytes` returned or the contents of a file; every byte is checked.
        file and errors: as in `Index.from_bytes`."""
        from ..file.engines import engine_of_bytes

        view = buffer(file)
        return MultiVectorIndex._of("bytes", engine_of_bytes(view), lambda: _core.TokenStore.from_bytes(view))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_trained:
            return MultiVectorIndex.from_bytes, (self.to_bytes(),)
        of_index = {name: getattr(self._index, name) for name in ("transform", "partition", "codec")}
        parts = of_index | {"fde": self._fde, "tokens": self._tokens, "pooling": self._pooling, "seed": self._seed}
        return partial(MultiVectorIndex, **parts), (self.dim,)

    # --- inside ---

    def _meta(self) -> bytes:
        from ..file.meta import encode_meta

        return encode_meta(self._index._description, self._index._why, tokens=self._tokens, pooling=self._pooling)

    def _params(self) -> dict[str, int]:
        of_fde = {f"fde.{name}": value for name, value in self._fde.params.items()}
        return of_fde | {"tokens.next_id": self._next_id}

    @classmethod
    def _of(cls, name: str, engine: _core.Engine, read_tokens: Callable[[], _core.TokenStore]) -> MultiVectorIndex:
        """The index of an engine, and tokens beside it, that are read from what is called `name`."""
        from ..file.meta import decode_meta, decode_part

        if not is_multivector(engine):
            raise ValueError(f"{name}: holds an index of single vectors: that is for fewbits.Index to read")
        description, why = decode_meta(name, engine)
        store = read_tokens()
        index = cls.__new__(cls)
        try:
            index._fde = FDE.of({name[4:]: value for name, value in engine.params.items() if name.startswith("fde.")})
            index._tokens = checked(decode_part(name, engine, "tokens"), index._fde.dim)
            index._pooling = _expect(decode_part(name, engine, "pooling", Pooling), "pooling", (Pooling, type(None)))
            if index._fde.dims != description.dim or index._fde.dim != store.params["tokens.dim"]:
                raise ValueError("encodings, index and tokens differ in their dimensions")
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"{name}: the settings of encodings or tokens are not usable ({error})") from None
        index._index = index_of(description, engine, why)
        index._seed = description.seed
        index._store = store
        index._next_id = store.params.get("tokens.next_id", 0)
        index._change = _core.Turns()
        return index

    def _trained(self, action: str) -> _core.TokenStore:
        if self._store is None:
            raise NotTrainedError(f"{action}: this index needs training first: call train(sample) or build(documents)")
        return self._store

    def _fit(self, source: SetsInput, expected: int | None, progress: ProgressArgument, threads: int | None) -> None:
        if len(self):
            raise ValueError(f"train: expected an empty index, got one of {len(self)} documents; make a new one")
        if not len(source):
            raise ValueError("training: expected at least 1 document, got none")
        size = self._index._description.sample_size(len(source)) if self._index._description.needs_training else 1024
        encodings, tokens, held = [], [], 0
        for sets in source.sample(size, self._seed):
            if self._index._description.needs_training:
                encodings.append(self._encode(sets, threads))
            if held < TOKEN_SAMPLE:
                tokens.append(self._pooled(sets, threads).tokens)
                held += len(tokens[-1])
        with Progress(progress) as shown:
            fitting = Fitting("ip", self._seed, thread_count(threads), progress=shown.stage("token codec"))
            sampled = np.concatenate(tokens)[:TOKEN_SAMPLE]
            check_scale(sampled, source.name)
            store = new_store(self._tokens, sampled, fitting)
        if encodings:
            self._index.train(np.concatenate(encodings), expected=expected, progress=progress, threads=threads)
        self._store = store

    def _pooled(self, sets: Sets, threads: int | None) -> Sets:
        return sets if self._pooling is None else self._pooling.of(sets, thread_count(threads))

    def _encode(self, sets: Sets, threads: int | None) -> F32:
        return self._fde._encoder.encode_documents(*sets, threads=thread_count(threads))

    def _append(
        self,
        source: SetsInput,
        ids: ArrayLike | None,
        on_conflict: str,
        progress: ProgressArgument,
        threads: int | None,
    ) -> None:
        store = self._trained("add")
        if conflict_rule(on_conflict) == "replace" and ids is None:
            raise ValueError("on_conflict: 'replace' needs ids; documents without get new ones")
        n = len(source)
        own = np.arange(self._next_id, self._next_id + n) if ids is None else vector_ids(ids, n)
        if not n:
            return
        builder = store.builder(os.fsencode(tempfile.gettempdir()))
        published = False

        def encodings() -> Iterator[F32]:
            nonlocal published
            done = 0
            for sets in source.blocks(max(1, BLOCK_FLOATS // self._fde.dims)):
                end = done + len(sets.offsets) - 1
                pooled = self._pooled(sets, threads)
                builder.append(*pooled, _slice(own, done, end), threads=thread_count(threads))
                yield self._encode(sets, threads)
                done = end
            store.publish(builder)
            published = True

        try:
            self._index.add(encodings(), own, on_conflict=on_conflict, progress=progress, threads=threads)
        except BaseException:
            if published:
                store.withdraw()
            raise
        self._next_id = max(self._next_id, int(own.max()) + 1)


def encodings_of(index: MultiVectorIndex) -> Index:
    return index._index


def _slice(ids: I64, first: int, end: int) -> I64:
    return np.ascontiguousarray(ids[first:end])


def _expect(value: Any, name: str, kinds: type | tuple[type, ...]) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"{name}: expected {kinds}, got {value!r}")
    return value
