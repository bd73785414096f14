"""One call of a trainer over an index: checks and splits its data, runs its stages and publishes the result.

The index does not change until the end, when the best scoring is published in one step.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _core
from ..errors import NotTrainedError
from ..index.base import folder_of
from ..index.index import Index
from ..index.state import State
from ..index.turns import replace_state, state_of
from ..input.progress import Progress, ProgressArgument
from ..input.queries import as_queries
from .batches import Batches
from .descent import Descent
from .examples import Examples, judged, near, split, unjudged, why_few
from .joint import CodesSettings, JointDescent, JointRanking
from .kernels import F64
from .losses import MARGIN
from .pseudo import pseudo_queries
from .query_map import starting_map
from .report import StageReport, TrainingReport
from .scorer import CodeScorer, Scorer
from .settings import Settings
from .stages import Distillation, Ranking, run
from .teacher import Teacher, teacher_of
from .validation import Measure, clearly_better, ndcg, overlap

_PSEUDO_QUERIES = 6000  # per epoch, minus the given queries
_MIN_PSEUDO_QUERIES = 2000
_VALIDATION_QUERIES = 300  # with fewer, pseudo-queries are added if distillation is measured
_MIN_VALIDATION_QUERIES = 30  # fewer cause a warning
_OVERLAP, _NDCG = "overlap@10 with float", "nDCG@10"


class Session:
    def __init__(
        self,
        index: Index,
        queries: Any,
        positives: Any,
        x: Any,
        x_ids: Any,
        settings: Settings,
        teacher: Any = None,
    ) -> None:
        self.before = state_of(index)  # the one state that training uses
        if self.before.engine is None or not self.before.n:
            raise NotTrainedError("train: expected an index that holds its vectors, got an empty one")
        if positives is not None and queries is None:
            raise ValueError("positives: expected queries with them, got queries=None")
        if (teacher is not None) != (settings.loss == MARGIN):
            given_one = f"loss={settings.loss!r} and {'no ' if teacher is None else ''}teacher"
            raise ValueError(f"teacher: expected loss='margin' and the teacher's scores together, got {given_one}")
        if teacher is not None and positives is None:
            raise ValueError("teacher: expected positives with it, rows that it has scored, got positives=None")
        self.index, self.settings, self.engine = index, settings, self.before.engine
        self.cosine = index.metric == "cosine"
        self.ids = self.engine.codes()[0]
        self.teacher = teacher_of(index, self.engine, self.ids, x, x_ids, settings.workers)
        given = np.zeros((0, index.dim), np.float32)
        if queries is not None:
            given = as_queries(queries, index.dim, nonzero=self.cosine)[0]
            given = _core.normalize_rows(given) if self.cosine else given
        self.recoded: JointDescent | None = None  # the codes that are to replace those of the index
        self.labels: Examples | None = None
        others = given
        if positives is not None:
            self.labels, others = judged(given, positives, self.ids, teacher)
        if self.labels is None and self.teacher is None:
            raise ValueError(
                "train: expected x= (the float vectors) or an index with a rerank store, because without positives the "
                "float ranking is distilled"
            )
        self.train, self.held = split(
            unjudged(given) if self.labels is None else self.labels, settings.validation, settings.seed
        )
        self.pool = self.train.queries  # the queries available to distillation
        if self.labels is not None:
            self.pool = np.concatenate([self.pool, others[~near(others, self.held.queries)]])
            self._check_held(self.labels)

    def _check_held(self, labels: Examples) -> None:
        """Checks that labels leave queries for validation and for training; warns if few are left for validation."""
        held, judged_queries = len(self.held), f"{len(labels):,} judged queries"
        if not held:
            reason = why_few(labels, self.settings.validation)
            raise ValueError(f"positives: {judged_queries} leave none to validate on: {reason}")
        if not len(self.train):
            raise ValueError(
                f"positives: {judged_queries} leave none to train on: all are near duplicates of the {held:,} held out"
            )
        if held < _MIN_VALIDATION_QUERIES:
            reason = why_few(labels, self.settings.validation)
            warnings.warn(
                f"positives: {held} of {judged_queries} are held out, too few to tell a gain from chance: {reason}",
                UserWarning,
                stacklevel=4,
            )

    def start(self, scorer: Scorer, kind: str | int | None, *, reranked: bool) -> None:
        """kind: that of the query map. reranked: whether training and validation use reranked results."""
        settings, self.kind = self.settings, kind
        query_map = starting_map(self.engine, kind, settings.seed)
        self.descent = Descent(
            self.engine,
            scorer,
            query_map,
            rate=settings.rate,
            depth=settings.negatives,
            threads=settings.workers,
            reranked=reranked,
        )

    def run(self, progress: ProgressArgument, codes: CodesSettings | None = None) -> TrainingReport:
        """codes: first learn codes with these settings, instead of training with those of the index."""
        started = time.monotonic()
        settings = self.settings
        random = np.random.default_rng(settings.seed)
        distillation = None if self.teacher is None else self._distillation(self.teacher, random)
        overlaps = None if self.teacher is None else self._overlap(self.teacher, random)
        whole = overlaps if self.labels is None else ndcg(self.held)
        assert whole is not None
        began, beginning, before = self.descent, self.descent.state(), whole(self.descent)
        stages: list[StageReport] = []
        with Progress(progress) as shown:
            if codes is not None and distillation is not None:
                stages.append(self._learn_codes(codes, distillation, before, whole, shown))
            descent = self.descent
            if distillation is not None:
                distillation.descent = descent
            learnt_from_labels = self.labels is not None and self.recoded is not None  # distillation would undo that
            interrupted = any(stage.interrupted for stage in stages)
            if distillation is not None and overlaps is not None and not learnt_from_labels and not interrupted:
                stages.append(self._stage("distillation", _OVERLAP, distillation, overlaps, shown))
            if self.labels is not None and not any(stage.interrupted for stage in stages):
                descent.hold_codebook()
                beside = distillation if settings.distillation > 0 else None
                ranking = Ranking(
                    descent, self.train, settings.loss, self._batches(random), beside, settings.distillation, random
                )
                stages.append(self._stage(f"labels ({settings.loss})", _NDCG, ranking, whole, shown))
        after = whole(descent)
        if np.mean(after) < np.mean(before):
            began.restore(beginning)
            self.descent, self.recoded = began, None
            after, stages = before, [replace(stage, kept=False) for stage in stages]
        if any(stage.kept for stage in stages):
            self._publish()
        return TrainingReport(
            measure=_OVERLAP if self.labels is None else _NDCG,
            before=float(np.mean(before)),
            after=float(np.mean(after)),
            queries=len(self.pool),
            validation_queries=len(after),
            stages=tuple(stages),
            seconds=time.monotonic() - started,
        )

    def _batches(self, random: np.random.Generator) -> Batches:
        """Batches for given queries, or for given queries and pseudo-queries: each has its own topics."""
        return Batches(self.settings.batch_size, self.settings.topics, random, self.settings.workers)

    def _distillation(self, teacher: Teacher, random: np.random.Generator) -> Distillation:
        made = self.settings.pseudo_queries
        if made is None:
            made = max(_PSEUDO_QUERIES - len(self.pool), _MIN_PSEUDO_QUERIES)
        if not made + len(self.pool):
            raise ValueError("pseudo_queries: expected at least 1 if there are no queries to train on, got 0")
        return Distillation(self.descent, teacher, self.pool, made, self._batches(random), self.cosine, random)

    def _overlap(self, teacher: Teacher, random: np.random.Generator) -> Measure:
        """Overlap on the held-out queries; if these are few, also on pseudo-queries that are not used in training."""
        missing = max(0, _VALIDATION_QUERIES - len(self.held))
        made = pseudo_queries(teacher, self.held.queries, missing, self.cosine, random)
        return overlap(np.concatenate([self.held.queries, made]), teacher)

    def _stage(
        self, name: str, measure_name: str, source: Distillation | Ranking, measure: Measure, shown: Progress
    ) -> StageReport:
        """Runs a stage from the current state of the descent; a state that is not clearly better is discarded."""
        began = self.descent.state()
        stage = run(self.descent, source, self.settings.epochs, measure, shown.stage(name))
        kept = clearly_better(stage.best, stage.start)
        if not kept:
            self.descent.restore(began)
        return StageReport(name, measure_name, tuple(stage.values), tuple(stage.losses), kept, stage.interrupted)

    def _learn_codes(
        self, codes: CodesSettings, distillation: Distillation, before: F64, whole: Measure, shown: Progress
    ) -> StageReport:
        """Learns codes, and continues with the resulting index if it is clearly better than the current one."""
        settings, teacher = self.settings, distillation.teacher
        joint = JointDescent(self.engine, teacher, starting_map(self.engine, self.kind, settings.seed), codes, settings)
        source = JointRanking(
            joint,
            distillation,
            None if self.labels is None else self.train,
            self._batches(distillation.random),
            settings.distillation,
            distillation.random,
        )
        stage = run(joint, source, settings.epochs, whole, shown.stage("codes"))
        kept = clearly_better(stage.best, before)
        if kept:
            self.recoded = joint
            self.engine = joint.engine()
            self.start(CodeScorer(self.engine, self.ids), self.kind, reranked=False)
        measure = _OVERLAP if self.labels is None else _NDCG
        return StageReport("codes", measure, tuple(stage.values), tuple(stage.losses), kept, stage.interrupted)

    def _publish(self) -> None:
        model = self.descent.scoring()
        recoded = None if self.recoded is None else self.recoded.engine(rerank=True, directory=folder_of(self.index))

        def published(now: State) -> State:
            if recoded is None:
                return now.of_training(self.before, "train").scored_by(model)
            if now.engine is not self.before.engine:
                raise RuntimeError("train: the index was changed meanwhile; its vectors cannot be encoded again")
            return now.retrained(recoded.with_scoring(model.params, model.arrays))

        replace_state(self.index, "train", published)
