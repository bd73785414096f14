"""The words of a collection's documents: BM25 of exactly the documents that are there.

Nothing of it is stored. A process derives it from the documents that a transaction sees, and then takes over what later
transactions have changed; so it agrees with them after any crash. Scores depend on the documents alone, not on the
order of changes or on what a process has seen of them:

- a document's vector holds tf / (tf + k1 (1 - b + b length / mean)), in units of 1/255 for every term. The mean length
  is rounded to a power of 2^(1/4), so that vectors stay as they are until it has changed by some 20 %;
- the rest of BM25, log(1 + (n - found_in + .5) / (found_in + .5)), is the query's weight of a term.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..index.result import SearchResult
from ..input.filters import core_filters
from ..numeric.arrays import I64
from ..sparse.bm25 import of_texts, words
from ..sparse.csr import Csr
from . import items, view

Tokens = Callable[[Any], Iterable[str]]
_K1, _B = 1.2, 0.75
_STEPS = 4  # per doubling of the mean length
_BLOCK = 4096  # documents
_UNUSED = 0  # an id that no item has


def default_tokens(document: Any) -> Iterable[str]:
    """Words of documents that are text; none of others."""
    return words(document) if isinstance(document, str) else ()


class Block(NamedTuple):
    """Documents with at least one token: ids, lengths in tokens, and how often each token is in each."""

    ids: I64
    lengths: I64
    counts: Csr


@dataclass(frozen=True)
class Texts:
    """ids, lengths: of the documents with at least one token, by id; found_in: by term, how many have it.

    version, generation, last_id, last_removed: up to where changes are taken over, as in `View`.
    """

    engine: _core.SparseEngine
    vocabulary: dict[str, int]
    found_in: I64
    ids: I64
    lengths: I64
    tokens: Tokens
    version: int = -1
    generation: int = -1
    last_id: int = 0
    last_removed: int = 0

    @property
    def mean(self) -> float:
        """The mean length, rounded to a power of 2^(1/4)."""
        mean = float(self.lengths.sum()) / max(len(self.lengths), 1)
        return float(2 ** (round(_STEPS * math.log2(mean)) / _STEPS)) if mean else 1.0

    def search(self, queries: Sequence[str], k: int, only: I64 | None, threads: int) -> SearchResult:
        """The k best documents of each query, (n, k), padded."""
        filters, filter_of = core_filters(only, len(queries))
        asked = self._weighted(queries)
        return SearchResult(*self.engine.search(*asked, k, filters=filters, filter_of=filter_of, threads=threads))

    def _weighted(self, queries: Sequence[str]) -> Csr:
        """Queries as vectors, of the terms that are in a document."""
        tokens, _ = of_texts(queries, self.tokens, self.vocabulary, grows=False)
        counts = tokens.counted()
        found_in = self.found_in[counts.terms]
        weights = counts.values * np.log1p((len(self.ids) - found_in + 0.5) / (found_in + 0.5))
        kept = found_in > 0
        offsets = np.concatenate([[0], np.cumsum(kept)])[counts.offsets].astype(np.int64)
        return Csr(offsets, counts.terms[kept], weights[kept].astype(np.float32))


def caught_up(connection: sqlite3.Connection, before: Texts | None, tokens: Tokens) -> Texts:
    """The words of what this transaction sees, from those of an earlier one or from all documents."""
    version, generation = view.version_of(connection)
    if before is None:
        return _of_all(connection, tokens, version, generation)
    removed, last_removed = _removed_since(connection, before, generation)
    now, blocks = _grown(_without(before, removed), connection)
    if now.mean != before.mean:
        return _of_all(connection, tokens, version, generation)
    for block in blocks:
        now = _with(now, block, now.mean)
    return replace(now, version=version, generation=generation, last_removed=last_removed)


def _of_all(connection: sqlite3.Connection, tokens: Tokens, version: int, generation: int) -> Texts:
    nothing = np.zeros(0, np.int64)
    empty = Texts(_core.SparseEngine(), {}, nothing, nothing, nothing, tokens, version, generation)
    now, blocks = _grown(empty, connection)
    for block in blocks:
        now = _with(now, block, now.mean)
    return now


def _grown(now: Texts, connection: sqlite3.Connection) -> tuple[Texts, list[Block]]:
    """With the ids, lengths and terms of later documents, whose vectors are not there yet; and these documents."""
    blocks: list[Block] = []
    vocabulary, last_id = now.vocabulary, now.last_id
    for ids, documents in _documents(connection, last_id):
        tokens, vocabulary = of_texts(documents, now.tokens, vocabulary, grows=True)
        lengths = np.diff(tokens.offsets)
        counts, has = tokens.counted(), lengths > 0
        offsets = counts.offsets[np.concatenate([[True], has])]
        blocks.append(Block(ids[has], lengths[has], counts._replace(offsets=offsets)))
        last_id = int(ids[-1])
    found_in = np.zeros(len(vocabulary), np.int64)
    found_in[: len(now.found_in)] = now.found_in
    for block in blocks:
        found_in += np.bincount(block.counts.terms, minlength=len(vocabulary))
    grown = replace(
        now,
        engine=_with_units(now.engine, len(now.vocabulary), len(vocabulary)),
        vocabulary=vocabulary,
        found_in=found_in,
        ids=np.concatenate([now.ids, *(block.ids for block in blocks)]),
        lengths=np.concatenate([now.lengths, *(block.lengths for block in blocks)]),
        last_id=last_id,
    )
    return grown, blocks


def _with_units(engine: _core.SparseEngine, first: int, end: int) -> _core.SparseEngine:
    """With a unit of 1/255 for new terms: the engine takes it from their first value, here 1."""
    terms = np.arange(first, end, dtype=np.uint32)
    if not len(terms):
        return engine
    largest = Csr(np.array([0, len(terms)], np.int64), terms, np.ones(len(terms), np.float32))
    ids = np.array([_UNUSED], np.int64)
    return engine.added(*largest, ids).removed(ids)


def _with(now: Texts, block: Block, mean: float) -> Texts:
    """With the vectors of documents."""
    counts, tf = block.counts, block.counts.values.astype(np.float64)
    lengths = np.repeat(block.lengths, np.diff(counts.offsets))
    weights = tf / (tf + _K1 * (1 - _B + _B * lengths / mean))
    return replace(now, engine=now.engine.added(*counts._replace(values=weights.astype(np.float32)), block.ids))


def _without(now: Texts, removed: I64) -> Texts:
    own = removed[now.engine.contains(removed)]
    if not len(own):
        return now
    _, terms, _ = now.engine.reconstruct(own)
    stays = ~np.isin(now.ids, own)
    found_in = now.found_in - np.bincount(terms, minlength=len(now.found_in))
    return replace(
        now, engine=now.engine.removed(own), found_in=found_in, ids=now.ids[stays], lengths=now.lengths[stays]
    )


def _removed_since(connection: sqlite3.Connection, now: Texts, generation: int) -> tuple[I64, int]:
    """The ids of items that are there no more, and the last number in the log of removals."""
    if generation == now.generation:
        rows = connection.execute("SELECT number, id FROM removed WHERE number > ? ORDER BY number", [now.last_removed])
        log = np.array(rows.fetchall(), np.int64).reshape(-1, 2)
        return np.unique(log[:, 1]), int(log[-1, 0]) if len(log) else now.last_removed
    there = np.array(connection.execute("SELECT id FROM items").fetchall(), np.int64).ravel()  # the log was emptied
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM removed").fetchone()
    return now.ids[~np.isin(now.ids, there)], last


def _documents(connection: sqlite3.Connection, after: int) -> Iterator[tuple[I64, list[Any]]]:
    """Later documents, in blocks by id."""
    rows = connection.execute(
        "SELECT id, document FROM items WHERE id > ? AND document IS NOT NULL ORDER BY id", [after]
    )
    while some := rows.fetchmany(_BLOCK):
        yield np.array([id for id, _ in some], np.int64), [items.loaded(document) for _, document in some]
