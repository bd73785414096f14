"""Measures encodings and token stores on a sample of documents: what searches find of the highest Chamfer similarities.

The candidates of an encoding and the scores by the tokens of a store are computed once for each, and combined for every
pair of them: recall is that of a search with this encoder, codec and store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..index.index import Index
from ..input.sets import Sets, SetsInput
from ..multivector.chamfer import chamfer
from ..multivector.fde import FDE
from ..multivector.index import MultiVectorIndex
from ..multivector.lemur import LEMUR
from ..multivector.pooling import Pooling
from ..multivector.token_codecs import TokenCodec, bytes_in_memory
from ..numeric.arrays import F32, I64
from ..spec.codec import Codec

_DOCUMENTS = 1000
_QUERIES = 128
_TOKENS = 16  # of a document, as a query
_CANDIDATES = 100
_LEAST_CANDIDATES = 20
_K = 10
_DIMS = 1024  # that encoders of fewer are measured from: a reduction's first dimensions are a smaller one


class Store(NamedTuple):
    """How tokens are stored, and how many of them."""

    codec: TokenCodec
    pooling: Pooling | None = None

    def kept(self, counts: I64) -> I64:
        """Numbers of tokens that are stored of documents with these numbers."""
        return counts if self.pooling is None else self.pooling.counts(counts)

    def bytes_per_document(self, counts: I64, dim: int) -> float:
        """Of memory, on average."""
        kept = self.kept(counts)
        return float((kept + kept % 2).mean()) * bytes_in_memory(self.codec, dim)  # half bytes: per pair of tokens

    def describe(self) -> str:
        where = " on disk" if self.codec.on_disk else ""
        return f"tokens {self.codec.describe()}{where}{'' if self.pooling is None else ', half of them'}"


class Encoding(NamedTuple):
    encoder: FDE | LEMUR
    codec: Codec

    def describe(self) -> str:
        return f"{self.encoder.describe()}, {self.codec.describe()}"


class Found(NamedTuple):
    """Of the true 10 best, the share that a search finds; and the same with the weights that nDCG gives to their ranks,
    as those at the top are more often the relevant ones."""

    recall: float
    weighed: float


class SetsSample(NamedTuple):
    """n: number of all documents. own: of queries that were made from documents, their numbers in the sample. to_fit:
    given queries that are not measured with."""

    n: int
    documents: Sets
    queries: Sets
    own: I64 | None
    to_fit: Sets | None


def sets_sample(source: SetsInput, asked: SetsInput | None, seed: int) -> SetsSample:
    documents = _joined(list(source.sample(_DOCUMENTS, seed)))
    if asked is not None and len(asked):
        half = len(asked) // 2
        queries = _joined([asked.take(i, i + 1) for i in range(half, min(len(asked), half + _QUERIES))])
        return SetsSample(len(source), documents, queries, None, asked.take(0, half) if half else None)
    random = np.random.default_rng(seed)
    own = np.sort(random.choice(len(documents.offsets) - 1, _QUERIES, replace=False))
    made = []
    for document in own:
        tokens = documents.tokens[documents.offsets[document] : documents.offsets[document + 1]]
        picked = random.permutation(len(tokens))[:_TOKENS]
        made.append(Sets(tokens[np.sort(picked)], np.array([0, len(picked)])))
    return SetsSample(len(source), documents, _joined(made), own, None)


def _joined(parts: list[Sets]) -> Sets:
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
    return Sets(np.ascontiguousarray(np.concatenate([part.tokens for part in parts])), offsets)


class SetsTrial:
    """The sample, its true neighbours, and what was computed so far."""

    def __init__(self, sample: SetsSample, dim: int, seed: int, threads: int) -> None:
        self.sample, self.dim, self.seed, self.threads = sample, dim, seed, threads or None
        count = len(sample.documents.offsets) - 1
        self.depth = int(np.clip(round(_CANDIDATES * count / sample.n), min(_LEAST_CANDIDATES, count), count))
        scores = chamfer(sample.queries, sample.documents, threads=self.threads)
        self.top = self._best(scores, np.broadcast_to(np.arange(count), scores.shape), _K)
        self._candidates: dict[Encoding, I64] = {}
        self._scores: dict[Store, F32] = {}
        self._encoded: dict[FDE | LEMUR, tuple[F32, F32]] = {}

    def describe(self) -> str:
        made = "made of tokens of documents; real ones may find less" if self.sample.own is not None else "given"
        queries = f"{len(self.sample.queries.offsets) - 1} queries ({made})"
        documents = f"{len(self.sample.documents.offsets) - 1:,} of {self.sample.n:,} documents"
        return f"{documents} with {queries}, {self.depth} candidates"

    def found(self, store: Store, encoding: Encoding) -> Found:
        if encoding not in self._candidates:
            self._candidates[encoding] = self._found(encoding)
        if store not in self._scores:
            self._scores[store] = self._scored(store)
        candidates = self._candidates[encoding]
        scores = np.take_along_axis(self._scores[store], candidates, axis=1)
        found = self._best(scores, candidates, _K)
        held = (found[:, :, None] == self.top[:, None, :]).any(axis=1).mean(axis=0)
        return Found(float(held.mean()), float(np.average(held, weights=1 / np.log2(np.arange(len(held)) + 2))))

    def _best(self, scores: F32, ids: I64, k: int) -> I64:
        """The ids of the k highest scores of each query, without its own document."""
        if self.sample.own is not None:
            scores = np.where(ids == self.sample.own[:, None], -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.asarray(np.take_along_axis(ids, order, axis=1), np.int64)

    def _found(self, encoding: Encoding) -> I64:
        documents, queries = self._encodings(encoding.encoder)
        index = Index(documents.shape[1], metric="ip", codec=encoding.codec, seed=self.seed)
        index.build(documents, progress=False, threads=self.threads)
        extra = self.sample.own is not None
        depth = min(self.depth + extra, len(index))
        return index.search(queries, depth, threads=self.threads).ids

    def _encodings(self, encoder: FDE | LEMUR) -> tuple[F32, F32]:
        """Of documents and queries."""
        whole, dims = encoder, encoder.dims_of(self.dim)
        if isinstance(encoder, LEMUR) and encoder.dim is not None:
            whole = replace(encoder, dim=max(dims, min(_DIMS, encoder.features or self.dim)))
        if whole not in self._encoded:
            fitted = self._fitted(whole)
            self._encoded[whole] = (
                fitted.encode_documents(self.sample.documents, threads=self.threads),
                fitted.encode_queries(self.sample.queries, threads=self.threads),
            )
        documents, queries = self._encoded[whole]
        return np.ascontiguousarray(documents[:, :dims]), np.ascontiguousarray(queries[:, :dims])

    def _fitted(self, encoder: FDE | LEMUR) -> FDE | LEMUR:
        """Fitted to every second document if there are more than the sample, as most will not be among those."""
        if isinstance(encoder, FDE):
            return encoder
        documents = self.sample.documents
        count = len(documents.offsets) - 1
        if count < self.sample.n:
            source = SetsInput(documents, self.dim, "documents")
            documents = _joined([source.take(i, i + 1) for i in range(0, count, 2)])
        return encoder.train(documents, self.sample.to_fit, progress=False, threads=self.threads)

    def _scored(self, store: Store) -> F32:
        """Similarities of all queries and documents by the tokens of the store."""
        codec = replace(store.codec, on_disk=False)
        encoder = FDE(self.dim, 1, 0, 1)
        index = MultiVectorIndex(self.dim, encoder=encoder, tokens=codec, pooling=store.pooling, seed=self.seed)
        index.build(self.sample.documents, progress=False, threads=self.threads)
        every = np.arange(len(index))
        count = len(self.sample.queries.offsets) - 1
        return index.score(self.sample.queries, np.broadcast_to(every, (count, len(every))), threads=self.threads)
