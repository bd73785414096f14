"""Whether calls that ran side by side are explained by some order of them, one after the other.

A history is what each thread called, when the call began and ended, and what it returned. It is linearizable if the
calls have an order in which each returns what a model says, and in which a call that ended before another one began
comes first (Herlihy & Wing 1990). The search for one is Wing & Gong's: of the calls that may come next, try each; the
same calls done with the same state reached is not tried twice (Lowe 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    thread: int
    began: int
    ended: int
    name: str
    arguments: tuple[Any, ...]
    result: Any


Model = Callable[[Any, Call], tuple[Hashable, Any]]
"""(state, call) -> (state afterwards, what the call returns)."""


def final_states(history: Sequence[Call], states: set[Any], model: Model) -> set[Any]:
    """The states that orders of all calls, begun in any of `states`, may end in; empty if there is no such order."""
    threads = sorted({call.thread for call in history})
    lines = [sorted((call for call in history if call.thread == thread), key=lambda c: c.began) for thread in threads]
    start = tuple(0 for _ in lines)
    frontier = {(start, state) for state in states}
    seen, ends = set(frontier), set()
    while frontier:
        done, state = frontier.pop()
        waiting = [(i, line[at]) for i, (line, at) in enumerate(zip(lines, done, strict=True)) if at < len(line)]
        if not waiting:
            ends.add(state)
        first_end = min((call.ended for _, call in waiting), default=0)
        for i, call in waiting:
            if call.began > first_end:
                continue
            after, result = model(state, call)
            if result == call.result:
                reached = (*done[:i], done[i] + 1, *done[i + 1 :]), after
                if reached not in seen:
                    seen.add(reached)
                    frontier.add(reached)
    return ends
