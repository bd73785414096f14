"""One call of a trainer over an index: its data checked and parted, its stages run, its outcome published.

Nothing of the index changes until the end, when the best scoring is published in one step.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from .. import _core
from ..errors import NotTrainedError
from ..index.index import Index
from ..index.state import State
from ..input.inputs import queries as as_queries
from ..input.progress import Progress, ProgressArgument
from .batches import Batches
from .descent import Descent
from .examples import Examples, judged, near, split, unjudged, why_few
from .joint import CodesSettings, JointDescent, JointRanking
from .kernels import F64
from .pseudo import pseudo_queries
from .query_map import starting_map
from .report import StageReport, TrainingReport
from .scorer import CodeScorer, Scorer
from .settings import Settings
from .stages import Distillation, Ranking, run
from .teacher import Teacher, teacher_of
from .validation import Measure, clearly_better, ndcg, overlap

_PSEUDO_QUERIES = 6000  # an epoch, less the given ones
_LEAST_PSEUDO_QUERIES = 2000
_VALIDATION_QUERIES = 300  # topped up to by pseudo-queries, where distillation is measured
_LEAST_VALIDATION_QUERIES = 30  # fewer are warned about
_OVERLAP, _NDCG = "overlap@10 with float", "nDCG@10"


class Session:
    def __init__(self, index: Index, queries: Any, positives: Any, x: Any, x_ids: Any, settings: Settings) -> None:
        self.before = index._state  # all of training sees this state
        if self.before.engine is None or not self.before.n:
            raise NotTrainedError("train: expected an index that holds its vectors, got an empty one")
        if positives is not None and queries is None:
            raise ValueError("positives: expected queries with them, got queries=None")
        self.index, self.settings, self.engine = index, settings, self.before.engine
        self.cosine = index.metric == "cosine"
        self.ids = self.engine.codes()[0]
        self.teacher = teacher_of(index, self.engine, self.ids, x, x_ids, settings.threads)
        given = np.zeros((0, index.dim), np.float32)
        if queries is not None:
            given = as_queries(queries, index.dim, nonzero=self.cosine)[0]
            given = _core.normalize_rows(given) if self.cosine else given
        self.recoded: JointDescent | None = None  # whose codes are to replace the index's
        self.labels: Examples | None = None
        others = given
        if positives is not None:
            self.labels, others = judged(given, positives, self.ids)
        if self.labels is None and self.teacher is None:
            raise ValueError(
                "train: without positives the float ranking is distilled: expected x=, the float vectors, or an index "
                "with a rerank store"
            )
        self.train, self.held = split(
            unjudged(given) if self.labels is None else self.labels, settings.validation, settings.seed
        )
        self.pool = self.train.queries  # what distillation may see
        if self.labels is not None:
            self.pool = np.concatenate([self.pool, others[~near(others, self.held.queries)]])
            self._check_held(self.labels)

    def _check_held(self, labels: Examples) -> None:
        """That labels leave queries to validate on, and to train on; few to validate on are a warning."""
        held, judged_queries = len(self.held), f"{len(labels):,} judged queries"
        if not held:
            reason = why_few(labels, self.settings.validation)
            raise ValueError(f"positives: {judged_queries} leave none to validate on: {reason}")
        if not len(self.train):
            raise ValueError(
                f"positives: {judged_queries} leave none to train on: all nearly repeat the {held:,} that validate"
            )
        if held < _LEAST_VALIDATION_QUERIES:
            reason = why_few(labels, self.settings.validation)
            warnings.warn(
                f"positives: {held} of {judged_queries} validate, too few to tell a gain from chance: {reason}",
                UserWarning,
                stacklevel=4,
            )

    def start(self, scorer: Scorer, kind: str | int | None, *, reranked: bool) -> None:
        """kind: of the query map. reranked: whether training and validation look at results after rerank."""
        settings, self.kind = self.settings, kind
        query_map = starting_map(self.engine, kind, settings.seed)
        self.descent = Descent(
            self.engine,
            scorer,
            query_map,
            rate=settings.rate,
            depth=settings.negatives,
            threads=settings.threads,
            reranked=reranked,
        )

    def run(self, progress: ProgressArgument, codes: CodesSettings | None = None) -> TrainingReport:
        """codes: to learn them too, first, instead of training over those that the index has."""
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
            learnt_from_labels = self.labels is not None and self.recoded is not None  # and would be unlearnt
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
        """Of given queries, or of given and made ones: each has topics of its own."""
        return Batches(self.settings.batch_size, self.settings.topics, random, self.settings.threads)

    def _distillation(self, teacher: Teacher, random: np.random.Generator) -> Distillation:
        made = self.settings.pseudo_queries
        if made is None:
            made = max(_PSEUDO_QUERIES - len(self.pool), _LEAST_PSEUDO_QUERIES)
        if not made + len(self.pool):
            raise ValueError("pseudo_queries: expected at least 1 where no queries are given to train on, got 0")
        return Distillation(self.descent, teacher, self.pool, made, self._batches(random), self.cosine, random)

    def _overlap(self, teacher: Teacher, random: np.random.Generator) -> Measure:
        """On the queries held out; where they are few, also on pseudo-queries that no epoch repeats."""
        missing = max(0, _VALIDATION_QUERIES - len(self.held))
        made = pseudo_queries(teacher, self.held.queries, missing, self.cosine, random)
        return overlap(np.concatenate([self.held.queries, made]), teacher)

    def _stage(
        self, name: str, measure_name: str, source: Distillation | Ranking, measure: Measure, shown: Progress
    ) -> StageReport:
        """Runs it from where the descent is; a state that is not clearly better is not kept."""
        began = self.descent.state()
        stage = run(self.descent, source, self.settings.epochs, measure, shown.stage(name))
        kept = clearly_better(stage.best, stage.start)
        if not kept:
            self.descent.restore(began)
        return StageReport(name, measure_name, tuple(stage.values), tuple(stage.losses), kept, stage.interrupted)

    def _learn_codes(
        self, codes: CodesSettings, distillation: Distillation, before: F64, whole: Measure, shown: Progress
    ) -> StageReport:
        """Goes on with the index that comes of it, if it is clearly better than the one there is."""
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
        recoded = None if self.recoded is None else self.recoded.engine(rerank=True, directory=self.index._temp_dir)

        def published(now: State) -> State:
            if recoded is None:
                engine = now.of_training(self.before, "train").trained("train")
                return replace(now, engine=engine.with_scoring(model.params, model.arrays))
            if now.engine is not self.before.engine:
                raise RuntimeError("train: the index was changed meanwhile; its vectors were to be coded anew")
            return now.retrained(recoded.with_scoring(model.params, model.arrays))

        turn, after = self.index._prepare("train", published)
        self.index._state = after
        del turn
