"""Ctrl-C stops long calls within a second, and what was called can be called again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import F32, vectors

N, DIM = 50_000, 64
MANY = 100_000  # queries: minutes of work


@pytest.fixture(scope="module")
def x() -> F32:
    return vectors(N, DIM)


@pytest.fixture(scope="module")
def queries(x: F32) -> F32:
    return np.resize(x, (MANY, DIM))


@pytest.fixture(autouse=True)
def python_handles_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def seconds_to_stop(call: Callable[[], Any]) -> float:
    """From SIGINT, half a second into the call, to its KeyboardInterrupt."""
    sent: list[float] = []

    def press() -> None:
        time.sleep(0.5)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        call()
    return time.monotonic() - sent[0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("lists", [None, 64])
def test_search(x: F32, queries: F32, threads: int, lists: int | None) -> None:
    partition = None if lists is None else fb.IVF(lists, iterations=2)
    index = fb.Index(DIM, metric="l2", partition=partition, rerank=fb.Scalar(8)).build(x, progress=False)
    everything = {} if lists is None else {"nprobe": lists}
    assert seconds_to_stop(lambda: index.search(queries, rerank=1000, threads=threads, **everything)) < 1
    assert np.array_equal(index.search(x[:9], k=1, threads=threads).ids[:, 0], np.arange(9))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_exact_search(x: F32, queries: F32, threads: int, metric: str) -> None:
    assert seconds_to_stop(lambda: fb.exact_search(x, queries, metric=metric, threads=threads)) < 1
    assert np.array_equal(fb.exact_search(x, x[:9], 1, metric=metric, threads=threads).ids[:, 0], np.arange(9))


@pytest.mark.parametrize("threads", [1, 3])
def test_chamfer_and_multi_vector_search(x: F32, threads: int) -> None:
    sets = list(x.reshape(-1, 100, DIM))
    assert seconds_to_stop(lambda: fb.chamfer(sets * 8, sets * 8, threads=threads)) < 1
    index = fb.MultiVectorIndex(DIM).build(sets, progress=False)
    assert seconds_to_stop(lambda: index.search(sets * 40, rerank=500, threads=threads)) < 1
    assert index.search(sets[7], 1).ids[0] == 7


def test_a_slow_filter(x: F32) -> None:
    numba = pytest.importorskip("numba")

    @numba.cfunc("boolean(int64)")
    def slow(i):  # type: ignore[no-untyped-def]
        total = 0.0
        for j in range(100_000):
            total += (i * j) % 7
        return total >= 0

    index = fb.Index(DIM, metric="l2").add(x)
    prepared = fb.Filter(slow)
    for _ in range(2):  # the filter is as it was
        assert seconds_to_stop(lambda: index.search(x[:1], filter=prepared)) < 1


@pytest.mark.parametrize("codec", [fb.RaBitQ(8), fb.PQ(64, score_aware=4.0)], ids=str)
def test_add(x: F32, codec: Any) -> None:
    index = fb.Index(DIM, metric="ip", codec=codec)
    if not index.is_trained:
        index.train(x[:300], progress=False)
    assert seconds_to_stop(lambda: index.add([x] * 100, progress=False, threads=1)) < 1
    assert len(index) == 0


def test_a_handler_may_use_what_it_interrupts(x: F32) -> None:
    numba = pytest.importorskip("numba")

    @numba.cfunc("boolean(int64)")
    def slow(i):  # type: ignore[no-untyped-def]
        total = 0.0
        for j in range(20_000):
            total += (i * j) % 7
        return total >= 0

    index = fb.Index(DIM, metric="l2").add(x)
    prepared = fb.Filter(slow)
    heard: list[int] = []

    def handler(number: int, frame: Any) -> None:
        heard.append(int(index.search(x[3], k=1, filter=prepared).ids[0]))

    signal.signal(signal.SIGINT, handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert index.search(x[7], k=1, filter=prepared).ids[0] == 7
    while not heard:
        time.sleep(0.01)
    assert heard == [3]


def test_a_handler_that_raises_nothing_stops_nothing(x: F32) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    index = fb.Index(DIM, metric="l2").add(x)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    found = index.search(x[:4000], k=1, threads=2)
    while not heard:
        time.sleep(0.01)
    assert np.array_equal(found.ids[:, 0], np.arange(4000))
