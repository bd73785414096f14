"""Trainable linear maps of queries, initially the identity: full, a low-rank residual, or none.

Each has its parameters, their gradients and its stored form; with `rates`, one learning rate means about the same
relative change of a query for all maps and dimensions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .. import _core
from ..kinds import NONE, QUERY_MAPS
from ..numeric.arrays import F32, f32_array
from ..spec.parts import Fitted


class QueryMap(Protocol):
    parameters: list[F32]
    rates: list[float]

    def apply(self, q: F32) -> F32: ...
    def gradients(self, q: F32, of_mapped: F32) -> list[F32]: ...
    def stored(self) -> Fitted: ...


class NoMap:
    """q' = q."""

    def __init__(self) -> None:
        self.parameters: list[F32] = []
        self.rates: list[float] = []

    def apply(self, q: F32) -> F32:
        return q

    def gradients(self, q: F32, of_mapped: F32) -> list[F32]:
        return []

    def stored(self) -> Fitted:
        return Fitted({"kind": NONE}, {})


class FullMap:
    """q' = M q."""

    def __init__(self, matrix: F32) -> None:
        self.parameters = [f32_array(matrix)]
        self.rates = [1 / np.sqrt(len(matrix))]

    def apply(self, q: F32) -> F32:
        mapped: F32 = q @ self.parameters[0].T
        return mapped

    def gradients(self, q: F32, of_mapped: F32) -> list[F32]:
        return [of_mapped.T @ q]

    def stored(self) -> Fitted:
        return Fitted({"kind": QUERY_MAPS["full"]}, {"matrix": self.parameters[0].copy()})


class LowRankMap:
    """q' = q + up (down q). (Adapted dense retrieval: arXiv 2310.05380.)"""

    def __init__(self, down: F32, up: F32) -> None:
        self.parameters = [f32_array(down), f32_array(up)]
        rank, dim = down.shape
        self.rates = [1 / np.sqrt(dim), 1 / np.sqrt(rank)]

    def apply(self, q: F32) -> F32:
        down, up = self.parameters
        mapped: F32 = q + (q @ down.T) @ up.T
        return mapped

    def gradients(self, q: F32, of_mapped: F32) -> list[F32]:
        down, up = self.parameters
        return [(of_mapped @ up).T @ q, of_mapped.T @ (q @ down.T)]

    def stored(self) -> Fitted:
        down, up = self.parameters
        return Fitted({"kind": QUERY_MAPS["low_rank"], "rank": len(down)}, {"down": down.copy(), "up": up.copy()})


def starting_map(engine: _core.Engine, kind: str | int | None, seed: int) -> QueryMap:
    """The index's own map, or else the identity of this kind: "full", the rank of a low-rank residual, or None."""
    dim = engine.params["dim"]
    own = map_of(engine)
    if not isinstance(own, NoMap):
        has = "full" if isinstance(own, FullMap) else len(own.parameters[0])
        if has != kind:
            raise ValueError(f"query_map: expected {has!r}, the kind of the map that this index has, got {kind!r}")
        return own
    if kind is None:
        return NoMap()
    if kind == "full":
        return FullMap(np.eye(dim, dtype=np.float32))
    assert isinstance(kind, int)
    down = np.random.default_rng(seed).normal(size=(kind, dim)) / np.sqrt(dim)
    return LowRankMap(f32_array(down), np.zeros((dim, kind), np.float32))


def map_of(engine: _core.Engine) -> NoMap | FullMap | LowRankMap:
    """The map of an index."""
    params, arrays = engine.params, engine.arrays()
    dim = params["dim"]
    kind = params.get("query.kind", NONE)
    if kind == QUERY_MAPS["full"]:
        return FullMap(arrays["query.matrix"].reshape(dim, dim))
    if kind == QUERY_MAPS["low_rank"]:
        rank = params["query.rank"]
        return LowRankMap(arrays["query.down"].reshape(rank, dim), arrays["query.up"].reshape(dim, rank))
    return NoMap()
