"""Calls of all shards: other replicas for slow ones, new actors for dead ones, and deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import FewbitsError
from ..index.result import SearchResult
from ..numeric.arrays import F32, I64
from .package import ray

_ATTEMPTS = 3  # of a call whose actor dies


class MissingShardsError(FewbitsError, RuntimeError):
    """Some shards did not answer.

    Attributes
    ----------
    missing : tuple of int
        Their numbers.
    """

    def __init__(self, message: str, missing: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)

    def __reduce__(self) -> tuple[Any, ...]:
        return MissingShardsError, (str(self), self.missing)


class PartialResult(SearchResult):
    """What a search with ``missing="partial"`` returns.

    Attributes
    ----------
    ids, scores, counts
        As of `SearchResult`, of the shards that answered.
    missing : tuple of int
        The numbers of those that did not; () if the result is complete.
    """

    missing: tuple[int, ...]

    def __new__(cls, ids: I64, scores: F32, missing: tuple[int, ...]) -> PartialResult:
        made = super().__new__(cls, ids, scores)
        made.missing = missing
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return PartialResult, (self.ids, self.scores, self.missing)


class Scatter:
    """One call of several shards. worker(shard, replica): a handle. call(handle, shard): starts the call. revive(shard,
    replica, handle): replaces a worker that is dead for good. replicas: how many each shard has. first: of which the
    first shard's is asked first."""

    def __init__(
        self,
        worker: Callable[[int, int], Any],
        call: Callable[[Any, int], Any],
        revive: Callable[[int, int, Any], None],
        shards: Iterable[int],
        replicas: int = 1,
        first: int = 0,
    ) -> None:
        self._worker, self._call, self._revive = worker, call, revive
        self._replicas, self._first = replicas, first
        self._shards = list(shards)
        self._attempts = dict.fromkeys(self._shards, 0)
        self._pending: dict[Any, tuple[int, int, Any]] = {}
        self.answers: dict[int, Any] = {}
        self.errors: dict[int, str] = {}

    def run(self, timeout: float | None, hedge: float | None) -> None:
        """Returns when every shard has answered or failed, or after `timeout` seconds. After `hedge` seconds, another
        replica is asked too."""
        started = time.monotonic()
        end = None if timeout is None else started + timeout
        second = None if hedge is None else started + hedge
        for number, shard in enumerate(self._shards):
            self._start(shard, (self._first + number) % self._replicas)
        while self._open():
            now = time.monotonic()
            if end is not None and now >= end:
                break
            if second is not None and now >= second:
                second = None
                for shard in self._open():
                    asked = [replica for of, replica, _ in self._pending.values() if of == shard]
                    self._start(shard, ((asked[0] if asked else 0) + 1) % self._replicas)
            until = min((time for time in (end, second) if time is not None), default=None)
            left = None if until is None else max(0.0, until - time.monotonic())
            refs = [ref for ref, (shard, *_) in self._pending.items() if shard not in self.answers]
            for ref in ray.wait(refs, num_returns=1, timeout=left)[0]:
                self._take(ref)

    def missing(self) -> tuple[int, ...]:
        return tuple(shard for shard in self._shards if shard not in self.answers)

    def reasons(self) -> str:
        return "; ".join(f"shard {shard}: {self.errors.get(shard, 'no answer in time')}" for shard in self.missing())

    def _open(self) -> list[int]:
        """The shards that may still answer."""
        waiting = {shard for shard, *_ in self._pending.values()}
        return [shard for shard in self._shards if shard not in self.answers and shard in waiting]

    def _start(self, shard: int, replica: int) -> None:
        self._attempts[shard] += 1
        worker = self._worker(shard, replica)
        try:
            self._pending[self._call(worker, shard)] = (shard, replica, worker)
        except ray.exceptions.RayActorError as error:
            self._lost(shard, replica, worker, error)

    def _take(self, ref: Any) -> None:
        shard, replica, worker = self._pending.pop(ref)
        try:
            answer = ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            self._lost(shard, replica, worker, error)
        else:
            self.answers.setdefault(shard, answer)

    def _lost(self, shard: int, replica: int, worker: Any, error: Exception) -> None:
        self.errors[shard] = f"its actor is lost ({str(error).splitlines()[0]})"
        if shard in self.answers or self._attempts[shard] >= _ATTEMPTS:
            return
        if isinstance(error, ray.exceptions.ActorDiedError):
            self._revive(shard, replica, worker)
        self._start(shard, replica)
