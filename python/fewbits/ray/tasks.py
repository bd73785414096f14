"""Tasks on a Ray cluster: run again if their workers or nodes are lost, and submitted a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .package import ray

_RETRIES = 5  # of a task whose worker or node is lost
_AHEAD = 2  # tasks per CPU that are submitted before their turn


def task_of(function: Callable[..., Any], num_cpus: float = 1) -> Any:
    return ray.remote(num_cpus=num_cpus, max_retries=_RETRIES)(function)


def results_of(calls: Iterator[Any], count: int, report: Callable[[float], None]) -> Iterator[Any]:
    """The results of tasks, which start as the iterator goes on, in any order. The first error ends the others."""
    ahead = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    pending: list[Any] = []
    done = 0
    report(0.0)
    try:
        while done < count:
            while len(pending) < ahead and (call := next(calls, None)) is not None:
                pending.append(call)
            ready, pending = ray.wait(pending, num_returns=1)
            done += len(ready)
            report(done / count)
            yield from ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        for call in pending:
            ray.cancel(call)
        raise error.cause from None
