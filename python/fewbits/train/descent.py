"""The parameters during training: an index's scorer and query map, updated by Adam on freshly mined lists.

Every step searches the index with its current scores (`engine`), so negatives are always up to date.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _core
from ..numeric.arrays import F32, I64
from ..spec.parts import Model
from .adam import Adam
from .examples import RowOf
from .kernels import F64
from .losses import Loss
from .query_map import QueryMap
from .scorer import Lists, Scorer, reranks_same

LEARNING_RATE = 0.02  # relative to the root mean square of a codebook's values
MAP_RATE = 0.5  # relative to LEARNING_RATE
_HELD_RATE = 0.1  # relative to the codebook's own rate


@dataclass(frozen=True)
class Term:
    """One part of a step's loss: result lists of some queries, the target of each entry, and a weight."""

    queries: F32
    lists: Lists
    target: F64
    loss: Loss
    weight: float = 1.0


class Descent:
    def __init__(
        self,
        engine: _core.Engine,
        scorer: Scorer,
        query_map: QueryMap,
        *,
        rate: float = 1.0,
        depth: int,
        threads: int,
        reranked: bool = False,
    ) -> None:
        self._engine, self.scorer, self.query_map = engine, scorer, query_map
        self.depth, self.threads = depth, threads
        self.reranked = reranked and reranks_same(engine)
        self.row_of = RowOf(scorer.ids)
        self.nprobe = max(1, engine.params.get("default.nprobe", 0))
        self.rates = [rate * LEARNING_RATE * r for r in scorer.rates]
        self.rates += [rate * LEARNING_RATE * MAP_RATE * r for r in query_map.rates]
        self.restart()

    @property
    def parameters(self) -> list[F32]:
        return self.scorer.parameters + self.query_map.parameters

    def hold_codebook(self) -> None:
        """Reduces the codebook's rate permanently if there is a query map to train: labels touch few vectors of each
        codeword, and would be memorised."""
        if self.query_map.parameters:
            books = len(self.scorer.parameters)
            self.rates[:books] = [_HELD_RATE * rate for rate in self.rates[:books]]

    def restart(self) -> None:
        """Discards the accumulated gradients."""
        self.adam = Adam(self.parameters, self.rates)

    def state(self) -> list[F32]:
        return [parameter.copy() for parameter in self.parameters]

    def restore(self, state: list[F32]) -> None:
        for parameter, value in zip(self.parameters, state, strict=True):
            parameter[...] = value

    def scoring(self) -> Model:
        """The parts an index needs for the current scores."""
        model = Model()
        model.put("codec", self.scorer.stored())
        model.put("query", self.query_map.stored())
        return model

    def engine(self) -> _core.Engine:
        model = self.scoring()
        return self._engine.with_scoring(model.params, model.arrays)

    def search(self, queries: F32, k: int) -> I64:
        """Ids (queries, k) found with the current scores, padded with -1."""
        found = min(k, len(self.scorer.ids))
        rerank = max(found, self.depth) if self.reranked else 0
        return self.engine().search(queries, found, nprobe=self.nprobe, rerank=rerank, threads=self.threads)[0]

    def mined(self, queries: F32) -> Lists:
        ids = self.search(queries, self.depth)
        present = ids >= 0
        return Lists(self.row_of(ids[present]), np.concatenate([[0], np.cumsum(present.sum(axis=1))]))

    def step(self, terms: list[Term], rate: float) -> float:
        """One step that lowers the weighted sum of the terms; returns that sum."""
        sums = [np.zeros_like(parameter) for parameter in self.parameters]
        total = 0.0
        for term in terms:
            mapped = self.query_map.apply(term.queries)
            scores = self.scorer.scores(mapped, term.lists)
            of_scores = np.zeros(len(scores))
            total += term.weight * term.loss(scores, term.target, term.lists.starts, of_scores)
            of_scorer, of_mapped = self.scorer.gradients(mapped, term.lists, of_scores * term.weight)
            gradients = of_scorer + self.query_map.gradients(term.queries, of_mapped)
            for own, gradient in zip(sums, gradients, strict=True):
                own += gradient
        self.adam.step(sums, rate)
        return total
