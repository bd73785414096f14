"""Learning codes: the map of documents, the codebook and the query map are trained together, through the codes.

For a document d of a batch, v = A z - origin is encoded (z: d after the transform of the index; A is initially the
identity), and v^ is the concatenation of its codewords; a query scores <T q', v^>. The ranking loss depends on v^ only;
its gradient is passed to the codewords, and straight through to v as if v^ were v. |v^ - v|^2 is added to the loss, in
units of the initial mean |v|^2. Validation and mining of negatives use the resulting index: every vector encoded anew,
with the nearest codeword.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..input.ids import are_positions
from ..kinds import NONE
from ..numeric.arrays import F32, I64, f32_array
from ..numeric.moments import without
from ..spec.parts import Model
from ..spec.transform import PAIR
from .adam import Adam
from .assignment import balanced, nearest, squared_distances
from .batches import Batches
from .descent import LEARNING_RATE, MAP_RATE
from .examples import Examples, RowOf
from .kernels import F64
from .losses import Loss, distillation, ranking_loss, spread_of
from .query_map import QueryMap
from .scorer import CodeScorer
from .settings import Settings
from .stages import Distillation
from .teacher import Teacher

_DRAWN = 12  # number of a query's mined documents drawn for a batch
_RANK_OFFSET = 10  # a document is drawn with weight 1 / (rank + this)
_BLOCK_ROWS = 16_384


@dataclass(frozen=True)
class Batch:
    """Queries, documents (rows), and for each loss its targets for all pairs and its weight."""

    queries: F32
    rows: I64
    losses: list[tuple[Loss, F64, float]]


@dataclass(frozen=True)
class CodesSettings:
    """How evenly a batch uses the codewords (0: no balancing), and the weight of the squared error."""

    epsilon: float
    reconstruction: float


class JointDescent:
    def __init__(
        self, engine: _core.Engine, teacher: Teacher, query_map: QueryMap, codes: CodesSettings, settings: Settings
    ) -> None:
        self.base, self.teacher, self.query_map = engine, teacher, query_map
        self.depth, self.threads = settings.negatives, settings.workers
        self.epsilon, self.reconstruction = codes.epsilon, codes.reconstruction
        scorer = CodeScorer(engine)
        self.ids, self.slots, self.out_dim = scorer.ids, scorer.slots, scorer.out_dim
        self.row_of = RowOf(self.ids)
        self.by_id = np.argsort(self.ids)
        self.counted = are_positions(self.ids[self.by_id])
        eye = np.eye(engine.params["dim"], dtype=np.float32)
        self.of_queries: F32 = eye if scorer.transform is None else scorer.transform
        self.of_documents: F32 = _core.apply_transform(engine.params, engine.arrays(), eye)
        self.direction = scorer.direction
        self.origins = scorer.centroids[scorer.lists] if len(scorer.centroids) else None
        self.documents = f32_array(np.eye(self.out_dim))
        self.book = engine.arrays()["codec.codebook"].reshape(scorer.book.shape).copy()
        self.parameters = [self.documents, self.book, *query_map.parameters]
        size = float(np.sqrt(np.mean(np.square(self.book)))) or 1.0
        rates = [MAP_RATE / np.sqrt(self.out_dim), size, *(MAP_RATE * r for r in query_map.rates)]
        self.rates = [settings.rate * LEARNING_RATE * r for r in rates]
        sample = np.linspace(0, len(self.ids) - 1, min(len(self.ids), 4096)).astype(np.int64)
        self.energy = float(np.mean(np.square(self.mapped(sample)[1]).sum(axis=1))) or 1.0
        self.restart()

    # --- the interface that `stages.run` and validation use ---

    def restart(self) -> None:
        self.adam = Adam(self.parameters, self.rates)
        self.coded: _core.Engine | None = None

    def state(self) -> list[F32]:
        return [parameter.copy() for parameter in self.parameters]

    def restore(self, state: list[F32]) -> None:
        for parameter, value in zip(self.parameters, state, strict=True):
            parameter[...] = value
        self.coded = None

    def search(self, queries: F32, k: int) -> I64:
        """Ids found in an index of the current state, with every vector encoded anew."""
        self.coded = self.engine()
        return self._found(self.coded, queries, k)

    def step(self, batch: Batch, rate: float) -> float:
        total, gradients = self.gradients(batch)
        self.adam.step(gradients, rate)
        return total

    # --- scores and gradients ---

    def mapped(self, rows: I64) -> tuple[F32, F32]:
        """z of documents, and v, the part that is encoded."""
        z, whole = self.whole_of(rows)
        return z, f32_array(without(whole, self.direction))

    def whole_of(self, rows: I64) -> tuple[F32, F32]:
        """z of documents, and v including its part along the direction that is not encoded."""
        z = f32_array(self.teacher.vectors[rows] @ self.of_documents)
        v = f32_array(z @ self.documents)
        return z, v if self.origins is None else f32_array(v - self.origins[rows])

    def parts(self, v: F32) -> F32:
        """v by subspace, (m, n, width)."""
        behind = np.concatenate([v, np.zeros((len(v), 1), np.float32)], axis=1)
        return np.ascontiguousarray(behind[:, self.slots].transpose(1, 0, 2))

    def whole(self, parts: F32) -> F32:
        out = np.zeros((parts.shape[1], self.out_dim + 1), np.float32)
        out[:, self.slots] = parts.transpose(1, 0, 2)
        inside: F32 = out[:, : self.out_dim]
        return inside

    def codes(self, v: F32) -> I64:
        """Codes (m, n), balanced within a batch."""
        distances = squared_distances(self.parts(v), self.book)
        return balanced(distances, self.epsilon) if self.epsilon > 0 else nearest(distances)

    def gradients(self, batch: Batch, codes: I64 | None = None) -> tuple[float, list[F32]]:
        """The loss and its gradients for the parameters; codes: used instead of those of the batch."""
        z, whole = self.whole_of(batch.rows)
        v = without(whole, self.direction)
        codes = self.codes(v) if codes is None else codes
        chosen = self.whole(np.take_along_axis(self.book, codes[:, :, None], axis=1))
        decoded = without(chosen, self.direction) + (whole - v)  # the part along the direction is exact
        decoded = decoded if self.origins is None else decoded + self.origins[batch.rows]
        q = self.query_map.apply(batch.queries) @ self.of_queries
        scores = (q @ decoded.T).astype(np.float64).reshape(-1)
        starts = np.arange(len(q) + 1) * len(batch.rows)
        total, of_scores = 0.0, np.zeros(len(scores))
        for loss, target, weight in batch.losses:
            own = np.zeros(len(scores))
            total += weight * loss(scores, target.reshape(-1), starts, own)
            of_scores += weight * own
        g = of_scores.reshape(len(q), -1).astype(np.float32)
        ranking = g.T @ q
        error = chosen - v
        scale = self.reconstruction / (len(v) * self.energy)
        total += scale * float(np.square(error).sum())
        of_documents = z.T @ (ranking - 2 * scale * without(error, self.direction))
        of_book = self._by_codeword(self.parts(without(ranking, self.direction) + 2 * scale * error), codes)
        of_maps = self.query_map.gradients(batch.queries, f32_array((g @ decoded) @ self.of_queries.T))
        return total, [of_documents, of_book, *of_maps]

    def _by_codeword(self, parts: F32, codes: I64) -> F32:
        """Sums over the vectors assigned to each codeword."""
        out: F32 = np.zeros_like(self.book)
        for of_part, part, own in zip(out, parts, codes, strict=True):
            np.add.at(of_part, own, part)
        return out

    # --- the resulting index ---

    def model(self) -> Model:
        """The model of the index with the learnt parts; the rerank store is unchanged."""
        documents = f32_array(self.documents.T @ self.of_documents.T)
        model = Model(self.base.params, self.base.arrays())
        for name in ("codec.scoring", "codec.eta", "transform.matrix"):
            model.arrays.pop(name, None)
        model.params |= {"transform.kind": PAIR, "transform.out_dim": self.out_dim}
        model.arrays |= {
            "transform.matrix": documents,
            "transform.queries": f32_array(self.of_queries.T),
            "transform.inverse": f32_array(np.linalg.pinv(documents.astype(np.float64))),
            "codec.codebook": self.book.copy(),
        }
        model.put("query", self.query_map.stored())
        return model

    def engine(self, rerank: bool = False, directory: bytes | None = None) -> _core.Engine:
        """An engine with every vector encoded anew, with the nearest codeword.

        directory: where codes that are kept on disk are written until they are saved."""
        model = self.model()
        if not rerank:
            model.params = {name: value for name, value in model.params.items() if not name.startswith("rerank.")}
            model.params["rerank.kind"] = NONE
            model.arrays = {name: array for name, array in model.arrays.items() if not name.startswith("rerank.")}
        engine = _core.Engine(model.params, model.arrays)
        builder = engine.builder(len(self.ids), directory=directory)
        for first in range(0, len(self.ids), _BLOCK_ROWS):
            rows = self.by_id[first : first + _BLOCK_ROWS]
            builder.append(
                f32_array(self.teacher.vectors[rows]), None if self.counted else self.ids[rows], threads=self.threads
            )
        engine.publish(builder)
        return engine

    def mined(self, queries: F32) -> I64:
        """Rows (queries, depth), padded with -1, found with the codes of the last validation and the current scores."""
        if self.coded is None:
            self.coded = self.engine()
        now = Model()
        now.put("query", self.query_map.stored())
        now.arrays["codec.scoring"] = self.book.copy()
        return self.row_of(self._found(self.coded.with_scoring(now.params, now.arrays), queries, self.depth))

    def _found(self, engine: _core.Engine, queries: F32, k: int) -> I64:
        nprobe = max(1, engine.params.get("default.nprobe", 0))
        return engine.search(queries, min(k, len(self.ids)), nprobe=nprobe, rerank=0, threads=self.threads)[0]


class JointRanking:
    """Batches of queries and documents that the index finds for them. Every document is compared with every query of
    the batch: the target is the float ranking and, if there are labels, the positives."""

    def __init__(
        self,
        descent: JointDescent,
        pool: Distillation,
        examples: Examples | None,
        batches: Batches,
        weight: float,
        random: np.random.Generator,
    ) -> None:
        self.descent, self.pool, self.examples, self.random = descent, pool, examples, random
        self.batches, self.weight = batches, weight
        self.steps = pool.steps if examples is None else batches.count(len(examples))
        self.spread: float | None = None

    def epoch(self) -> Iterator[Batch]:
        if self.examples is None:
            queries = self.pool.examples()
            for batch in self.pool.batches.of(queries):
                yield self.batch(queries[batch], None)
            return
        for batch in self.batches.of(self.examples.queries):
            some = self.examples.take(batch)
            yield self.batch(some.queries, some)

    def batch(self, queries: F32, labelled: Examples | None) -> Batch:
        mined = self.descent.mined(queries)
        chance = 1 / (np.arange(mined.shape[1]) + _RANK_OFFSET)
        drawn = np.argsort(self.random.exponential(size=mined.shape) / chance, axis=1)[:, :_DRAWN]
        rows = np.unique(np.take_along_axis(mined, drawn, axis=1))
        rows = rows[rows >= 0]
        if labelled is not None:
            rows = np.union1d(rows, labelled.rows)
        wanted = (queries @ self.descent.teacher.vectors[rows].T).astype(np.float64)
        if self.spread is None:
            found = self.descent.teacher.vectors[mined[0][mined[0] >= 0]]
            scores = (queries @ found.T).astype(np.float64)
            self.spread = spread_of(scores.reshape(-1), np.arange(len(queries) + 1) * len(found))
        losses: list[tuple[Loss, F64, float]] = []
        if labelled is None or self.weight > 0:
            losses.append((distillation(self.spread), wanted, 1.0 if labelled is None else self.weight))
        if labelled is not None:
            grades = np.zeros(wanted.shape)
            owner = np.repeat(np.arange(len(labelled)), np.diff(labelled.starts))
            grades[owner, np.searchsorted(rows, labelled.rows)] = labelled.grades
            losses.append((ranking_loss("softmax", self.spread), grades, 1.0))
        return Batch(queries, rows, losses)
