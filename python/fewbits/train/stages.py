"""Stages of training: epochs of steps that keep the best state in validation, and stop when there is no more gain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from ..numeric.arrays import F32
from .batches import Batches
from .descent import Descent, Term
from .examples import Examples
from .kernels import F64
from .losses import MARGIN, Loss, distillation, margin, ranking_loss, spread_of
from .pseudo import pseudo_queries
from .scorer import Lists
from .teacher import Teacher
from .validation import Measure, Searcher

_WARM_UP = 20
_LAST_RATE = 0.1
_PATIENCE = 3


@dataclass
class Stage:
    """Validation values per query at the start and at best; their mean before and after each epoch; the mean losses."""

    start: F64
    best: F64
    values: list[float]
    losses: list[float] = field(default_factory=list)
    interrupted: bool = False


Given = TypeVar("Given")
Taken = TypeVar("Taken", contravariant=True)
Made = TypeVar("Made", covariant=True)


class Source(Protocol[Made]):
    """What each step minimises."""

    steps: int
    """The number of steps per epoch."""

    def epoch(self) -> Iterator[Made]: ...


class Descends(Searcher, Protocol[Taken]):
    """Parameters that are updated by steps."""

    def restart(self) -> None: ...
    def state(self) -> list[F32]: ...
    def restore(self, state: list[F32]) -> None: ...
    def step(self, terms: Taken, rate: float) -> float: ...


def run(
    descent: Descends[Given],
    source: Source[Given],
    epochs: int,
    measure: Measure,
    progress: Callable[[float], None],
) -> Stage:
    """Leaves the best state in validation in place, possibly the initial one; Ctrl-C ends the stage early."""
    descent.restart()
    best, values = descent.state(), measure(descent)
    stage = Stage(values, values, [float(np.mean(values))])
    try:
        for epoch in range(epochs):
            stage.losses.append(_epoch(descent, source, epoch, epochs, progress))
            values = measure(descent)
            if np.mean(values) > np.mean(stage.best):
                best, stage.best = descent.state(), values
            stage.values.append(float(np.mean(values)))
            if epoch - int(np.argmax(stage.values)) + 1 >= _PATIENCE:
                break
    except KeyboardInterrupt:
        stage.interrupted = True
    descent.restore(best)
    return stage


def _epoch(
    descent: Descends[Given], source: Source[Given], epoch: int, epochs: int, progress: Callable[[float], None]
) -> float:
    """Returns the mean loss. The learning rate rises during the first steps of the stage, then falls to a tenth."""
    losses: list[float] = []
    for terms in source.epoch():
        step = epoch * source.steps + len(losses)
        part = step / (epochs * source.steps)
        losses.append(descent.step(terms, min(1.0, (step + 1) / _WARM_UP) * (1 - (1 - _LAST_RATE) * part)))
        progress(part)
    return float(np.mean(losses))


class Distillation:
    """Terms that pull the compressed ranking towards the float ranking, on given queries and pseudo-queries."""

    def __init__(
        self,
        descent: Descent,
        teacher: Teacher,
        queries: F32,
        n: int,
        batches: Batches,
        cosine: bool,
        random: np.random.Generator,
    ) -> None:
        self.descent, self.teacher, self.queries, self.n, self.batches = descent, teacher, queries, n, batches
        self.cosine, self.random = cosine, random
        self.steps = batches.count(len(queries) + n)
        self.loss: Loss | None = None

    def examples(self) -> F32:
        made = pseudo_queries(self.teacher, self.queries, self.n, self.cosine, self.random)
        return np.concatenate([self.queries, made])

    def term(self, queries: F32, weight: float = 1.0) -> Term:
        lists = self.descent.mined(queries)
        wanted = self.teacher.scores(queries, lists)
        if self.loss is None:
            self.loss = distillation(spread_of(wanted, lists.starts))
        return Term(queries, lists, wanted, self.loss, weight)

    def epoch(self) -> Iterator[list[Term]]:
        queries = self.examples()
        for batch in self.batches.of(queries):
            yield [self.term(queries[batch])]


class Ranking:
    """Terms of labelled queries: the positives against the current results of the index, or what a teacher has scored,
    with distillation added."""

    def __init__(
        self,
        descent: Descent,
        examples: Examples,
        loss: str,
        batches: Batches,
        beside: Distillation | None,
        weight: float,
        random: np.random.Generator,
    ) -> None:
        self.descent, self.examples, self.name, self.batches = descent, examples, loss, batches
        self.beside, self.weight, self.random = beside, weight, random
        self.steps = batches.count(len(examples))
        self.loss: Loss | None = None

    def term(self, batch: Examples) -> Term:
        if self.name == MARGIN:
            lists, target = Lists(batch.rows, batch.starts), batch.scores
        else:
            lists, target = with_positives(self.descent.mined(batch.queries), batch)
        if self.loss is None:
            scores = self.descent.scorer.scores(self.descent.query_map.apply(batch.queries), lists)
            spread = spread_of(scores, lists.starts)
            known = self.examples
            of_teacher = spread_of(known.scores, known.starts) if self.name == MARGIN else spread
            self.loss = margin(spread, of_teacher) if self.name == MARGIN else ranking_loss(self.name, spread)
        return Term(batch.queries, lists, target, self.loss)

    def epoch(self) -> Iterator[list[Term]]:
        pool = self.beside.examples() if self.beside else None
        for batch in self.batches.of(self.examples.queries):
            terms = [self.term(self.examples.take(batch))]
            if self.beside and pool is not None:
                drawn = pool[self.random.integers(len(pool), size=self.batches.size)]
                terms.append(self.beside.term(drawn, self.weight))
            yield terms


def with_positives(mined: Lists, examples: Examples) -> tuple[Lists, F64]:
    """The lists with positives that were not mined appended after all mined rows, and the grade of every entry."""
    rows, grades, starts = [], [], [0]
    for b in range(len(examples)):
        found = mined.rows[mined.starts[b] : mined.starts[b + 1]]
        own = slice(examples.starts[b], examples.starts[b + 1])
        positives, given = examples.rows[own], examples.grades[own]
        listed = np.concatenate([found, positives[~np.isin(positives, found)]])
        order = np.argsort(positives)
        at = np.minimum(np.searchsorted(positives[order], listed), len(positives) - 1)
        hit = positives[order][at] == listed
        rows.append(listed)
        grades.append(np.where(hit, given[order][at], 0.0))
        starts.append(starts[-1] + len(listed))
    return Lists(np.concatenate(rows), np.array(starts)), np.concatenate(grades)
