"""Scores of listed vectors exactly as an index computes them, and their gradients for any loss.

    CodeScorer      <z, origin + sum over s of book[s, code_s]>,   z = T q,   origin: the centroid of the row's list
                    (in a cone: the part along the direction u of the mean is not encoded, and <z, u> b is added)
    VectorScorer    <q, x^> (less |x^|^2 / 2 under l2, which orders as the distance does), x^: the decoded vector

T, the codes and the decoded vectors are constants of the index; the book is trained. The products of a query with all
codewords are its tables; `gather` sums their entries by code, and `scatter` is its backward pass:
dL/dtables[s, k] = sum of g over the listed rows of code k.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..kinds import NONE, TRANSFORMS
from ..numeric.arrays import F32, I64, f32_array
from ..numeric.moments import without
from ..spec.parts import Fitted
from ..spec.transform import PAIR
from .examples import RowOf
from .kernels import F64, gather, scatter


@dataclass(frozen=True)
class Lists:
    """Rows to score: rows[starts[b] : starts[b + 1]] for query b."""

    rows: I64
    starts: I64

    @property
    def query(self) -> I64:
        """The query number of each entry."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


class Scorer(Protocol):
    ids: I64
    """The id of every row."""
    parameters: list[F32]
    rates: list[float]

    def scores(self, q: F32, lists: Lists) -> F64: ...
    def gradients(self, q: F32, lists: Lists, of_scores: F64) -> tuple[list[F32], F32]:
        """Gradients of the parameters and of the queries."""

    def stored(self) -> Fitted:
        """The arrays of the codec."""


class CodeScorer:
    def __init__(self, engine: _core.Engine, ids: I64 | None = None) -> None:
        """ids: the order of rows, if not that of the engine."""
        params, arrays = engine.params, engine.arrays()
        self.m, bits = params["codec.m"], params["codec.bits"]
        dim, self.out_dim = params["dim"], params["transform.out_dim"]
        self.transform: F32 | None = None  # (dim, out_dim): z = q @ transform
        if params["transform.kind"] == PAIR:
            self.transform = arrays["transform.queries"].reshape(self.out_dim, dim).T
        elif params["transform.kind"] != TRANSFORMS["identity"]:
            self.transform = _core.apply_transform(params, arrays, np.eye(dim, dtype=np.float32))
        self.ids, self.lists, packed = engine.codes()
        if ids is not None:
            rows = RowOf(self.ids)(ids)
            self.ids, self.lists, packed = ids, self.lists[rows], packed[rows]
        self.codes = unpacked(packed, self.m, bits)
        self.centroids = np.zeros((0, self.out_dim), np.float32)
        if params.get("partition.residual", 0):
            self.centroids = f32_array(arrays["partition.centroids"]).reshape(-1, self.out_dim)
        self.direction: F32 | None = arrays.get("codec.direction")
        self.along = np.zeros(0, np.float32)  # per vector, the factor of the query's product with the direction
        if self.direction is not None:
            self.along = engine.factors_b() if ids is None else engine.factors_b()[rows]
        self.slots = subspaces(self.m, self.out_dim)
        book = arrays.get("codec.scoring", arrays["codec.codebook"])
        book = book.reshape(self.m, 1 << bits, -1).copy()
        self.parameters: list[F32] = [book]
        self.rates = [float(np.sqrt(np.mean(np.square(book)))) or 1.0]

    @property
    def book(self) -> F32:
        return self.parameters[0]

    def with_book(self, book: F32) -> CodeScorer:
        """A scorer over the same codes with another codebook."""
        other = copy.copy(self)
        other.parameters = [book]
        return other

    def scores(self, q: F32, lists: Lists) -> F64:
        z, _, tables = self._tables(q)
        scores = np.empty(len(lists.rows))
        gather(tables, self.codes, lists.rows, lists.starts, z, self.centroids, self.lists, scores)
        if self.direction is not None:
            scores += (z @ self.direction)[lists.query] * self.along[lists.rows]
        return scores

    def gradients(self, q: F32, lists: Lists, of_scores: F64) -> tuple[list[F32], F32]:
        _, parts, tables = self._tables(q)
        of_tables, of_z = np.zeros(tables.shape), np.zeros((len(q), self.out_dim))
        scatter(of_scores, self.codes, lists.rows, lists.starts, self.centroids, self.lists, of_tables, of_z)
        narrow = of_tables.astype(np.float32)
        of_book = np.matmul(narrow.transpose(0, 2, 1), parts)
        of_parts = np.matmul(narrow, self.book)
        inside = self.slots < self.out_dim
        of_coded = np.zeros_like(of_z)
        of_coded[:, self.slots[inside]] += of_parts.transpose(1, 0, 2)[:, inside]
        of_z += without(of_coded, self.direction)
        if self.direction is not None:
            own = np.bincount(lists.query, of_scores * self.along[lists.rows], minlength=len(q))
            of_z += own[:, None] * self.direction
        of_q = of_z if self.transform is None else of_z @ self.transform.T
        return [of_book], f32_array(of_q)

    def stored(self) -> Fitted:
        return Fitted({}, {"scoring": self.book.copy()})

    def _tables(self, q: F32) -> tuple[F32, F32, F32]:
        """z (queries, out_dim), z by subspace (m, queries, width), and the tables (m, queries, k)."""
        z = q if self.transform is None else q @ self.transform
        coded = without(z, self.direction)
        behind = np.concatenate([coded, np.zeros((len(z), 1), np.float32)], axis=1)
        parts = np.ascontiguousarray(behind[:, self.slots].transpose(1, 0, 2))
        tables: F32 = np.matmul(parts, self.book.transpose(0, 2, 1))
        return z, parts, tables


class VectorScorer:
    def __init__(self, engine: _core.Engine, metric: str) -> None:
        self.ids = engine.codes()[0]
        self.vectors = engine.reconstruct(self.ids)
        if engine.params["transform.kind"] == PAIR and not reranks_same(engine):
            self.vectors = f32_array(self.vectors @ _document_side(engine))
        self.bias = norms_bias(self.vectors, metric)
        self.parameters: list[F32] = []
        self.rates: list[float] = []

    def scores(self, q: F32, lists: Lists) -> F64:
        scores: F64 = products(q, self.vectors, lists) + self.bias[lists.rows]
        return scores

    def gradients(self, q: F32, lists: Lists, of_scores: F64) -> tuple[list[F32], F32]:
        weights = of_scores.astype(np.float32)
        parts = [
            weights[a:b] @ self.vectors[lists.rows[a:b]]
            for a, b in zip(lists.starts[:-1], lists.starts[1:], strict=True)
        ]
        return [], np.stack(parts)

    def stored(self) -> Fitted:
        return Fitted({}, {})


def reranks_same(engine: _core.Engine) -> bool:
    """Whether there is a rerank store of the same vectors, not of another embedding."""
    return engine.params["rerank.kind"] != NONE and "rerank.dim" not in engine.params


def _document_side(engine: _core.Engine) -> F32:
    """The matrix (dim, dim) between a query and a decoded vector in their product, if the two have separate maps."""
    params, arrays = engine.params, engine.arrays()
    shape = params["transform.out_dim"], params["dim"]
    side: F32 = arrays["transform.matrix"].reshape(shape).T @ arrays["transform.queries"].reshape(shape)
    return side


def inner_metric(metric: str) -> str:
    """The metric of rows that are normalised under cosine."""
    return "l2" if metric == "l2" else "ip"


def norms_bias(vectors: F32, metric: str) -> F32:
    """The term of a vector's score that does not depend on the query."""
    squares: F32 = np.einsum("ij,ij->i", vectors, vectors)
    return -0.5 * squares if inner_metric(metric) == "l2" else np.zeros_like(squares)


def products(q: F32, vectors: F32, lists: Lists) -> F64:
    """<q, vectors[row]> of every entry."""
    out = np.empty(len(lists.rows))
    for b, (first, last) in enumerate(zip(lists.starts[:-1], lists.starts[1:], strict=True)):
        out[first:last] = vectors[lists.rows[first:last]] @ q[b]
    return out


def subspaces(m: int, dim: int) -> I64:
    """The dimension, (m, width), of each position in a padded codeword; `dim` for padding."""
    width = -(-dim // m)
    begins = np.arange(m + 1) * dim // m
    slots = begins[:-1, None] + np.arange(width)
    return np.where(slots < begins[1:, None], slots, dim)


def unpacked(rows: NDArray[np.uint8], m: int, bits: int) -> NDArray[np.uint8]:
    """Codes (n, m), one byte each, from packed rows (low half first)."""
    if bits == 8:
        return rows
    halves = np.stack([rows & 15, rows >> 4], axis=2).reshape(len(rows), -1)
    return np.ascontiguousarray(halves[:, :m])
