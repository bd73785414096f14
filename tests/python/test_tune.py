"""Tuning: the target holds on other queries, is the cheapest that does, and is kept with the index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from conftest import F32, vectors
from fewbits.cli import main

DIM = 32


@pytest.fixture(scope="module")
def x() -> F32:
    return vectors(12_000, DIM, clusters=200)


def built(x: F32, metric: str = "l2", rerank: bool = True) -> fb.Index:
    codec = fb.PQ(16, bits=4) if rerank else fb.Float()
    index = fb.Index(DIM, metric=metric, partition=fb.IVF(100), codec=codec, rerank=fb.Scalar(8) if rerank else None)
    return index.build(x)


@pytest.mark.parametrize("rerank", [True, False])
def test_the_target_holds_on_other_queries(x: F32, metric: str, rerank: bool, tmp_path: Path) -> None:
    index = built(x, metric, rerank)
    others = vectors(500, DIM, seed=8, clusters=200)
    found = fb.tune(index, vectors(500, DIM, seed=7, clusters=200), recall=0.9, x=x)
    assert found.recall >= found.recall_low >= 0.9
    assert found.queries_per_second > 0
    assert fb.recall(index, others, 10, x=x) > 0.89
    assert found.nprobe is not None
    assert found.nprobe < 60
    assert (found.rerank is not None) == rerank
    less = fb.recall(index, others, 10, x=x, nprobe=max(1, found.nprobe // 3))
    assert less < found.recall
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb")
    np.testing.assert_array_equal(opened.search(others).ids, index.search(others).ids)
    options = {"nprobe": found.nprobe} | ({"rerank": found.rerank} if rerank else {})
    np.testing.assert_array_equal(opened.search(others).ids, index.search(others, **options).ids)


def test_higher_recall_reads_more(x: F32) -> None:
    index = built(x)
    q = vectors(300, DIM, seed=7, clusters=200)
    costs = [fb.tune(index, q, recall=recall).nprobe or 0 for recall in (0.5, 0.9, 0.99)]
    assert costs == sorted(costs)
    assert costs[0] < costs[2]
    assert fb.tune(index, q, recall=0.0).nprobe == 1


def test_out_of_reach_leaves_the_defaults(x: F32) -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(50), codec=fb.PQ(4, bits=4)).build(x)
    q = vectors(200, DIM, seed=7, clusters=200)
    before = index.search(q).ids
    with pytest.raises(ValueError, match=r"recall: 0\.99 asked for, these codes reach 0\.\d+"):
        fb.tune(index, q, recall=0.99, x=x)
    np.testing.assert_array_equal(index.search(q).ids, before)


def test_build_for_a_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fewbits.auto._LEAST_N_FOR_LISTS", 1000)  # and too few for OPQ, which takes its time
    x = vectors(4000, DIM, clusters=200)
    ids = np.arange(len(x)) * 3 + 5
    for own in (None, ids):
        index = fb.build(x, metric="cosine", bytes_per_vector=56, recall=0.9, ids=own)
        assert "recall 0.9 asked for: nprobe=" in index.explain()
        q = vectors(400, DIM, seed=8, clusters=200)
        truth = fb.exact_search(x, q, 10, metric="cosine").ids
        assert fb.recall(index, q, 10, truth=truth if own is None else own[truth]) > 0.88
    with pytest.warns(UserWarning, match=r"fb\.build: recall: 0\.99 asked for, these codes reach"):
        index = fb.build(x, metric="cosine", bytes_per_vector=8, recall=0.99)
    assert "all is read by default" in index.explain()


def test_wrong_arguments(x: F32) -> None:
    index = fb.Index(DIM, metric="l2", codec=fb.Float()).build(x[:100])
    with pytest.raises(ValueError, match=r"recall: expected a number in 0\.\.1, got 95"):
        fb.tune(index, x[:5], recall=95)
    with pytest.raises(ValueError, match="tune: expected queries and vectors, got 0 queries"):
        fb.tune(index, x[:0])
    with pytest.raises(ValueError, match=r"recall: expected a number in 0\.\.1"):
        fb.build(x[:100], metric="l2", recall=1.5)
    with pytest.raises(TypeError, match=r"index: expected a fewbits\.Index, got NoneType"):
        fb.tune(None, x[:5])  # type: ignore[arg-type]
    assert fb.tune(index, x[:5]).nprobe is None


def test_command_line(x: F32, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(x).save(tmp_path / "a.fb")
    np.save(tmp_path / "q.npy", vectors(300, DIM, seed=7, clusters=200))
    np.save(tmp_path / "x.npy", x)
    arguments = ["tune", str(tmp_path / "a.fb"), str(tmp_path / "q.npy"), "--recall", "0.9"]
    assert main([*arguments, "--vectors", str(tmp_path / "x.npy")]) == 0
    assert "nprobe" in capsys.readouterr().out
    params = fb.inspect(tmp_path / "a.fb")["params"]
    assert params["default.nprobe"] >= 1
    assert params["default.rerank"] >= 10
    assert main([*arguments[:3], "--recall", "2"]) == 1
    assert "recall: expected a number in 0..1" in capsys.readouterr().err


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_few_vectors_are_all_found(x: F32, n: int) -> None:
    index = fb.build(x[:n], metric="l2", recall=0.9)  # without a warning
    assert index.search(x[0]).counts == n
    assert "recall 0.9 asked for" in index.explain()
