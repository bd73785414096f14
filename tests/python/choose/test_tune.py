"""Tuning: the target holds on other queries, is the cheapest that does, and is kept with the index."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.cli.main import main
from support.data import F32, vectors

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
    monkeypatch.setattr("fewbits.choose.rules._MIN_N_FOR_LISTS", 1000)  # and too few for OPQ, which takes its time
    x = vectors(4000, DIM, clusters=200)
    ids = np.arange(len(x)) * 3 + 5
    for own in (None, ids):
        index = fb.build(x, metric="cosine", bytes_per_vector=56, recall=0.9, ids=own, effort="quick")
        assert "recall 0.9 asked for: nprobe=" in index.explain()
        q = vectors(400, DIM, seed=8, clusters=200)
        truth = fb.exact_search(x, q, 10, metric="cosine").ids
        assert fb.recall(index, q, 10, truth=truth if own is None else own[truth]) > 0.88
    with pytest.warns(UserWarning, match=r"fb\.build: recall: 0\.99 asked for, these codes reach"):
        index = fb.build(x, metric="cosine", bytes_per_vector=8, recall=0.99, effort="quick")
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
    printed = capsys.readouterr().out
    assert "nprobe" in printed
    assert "of the true nearest (at least" in printed
    assert main(arguments) == 0
    assert "of an exhaustive search of its own codes (no --vectors)" in capsys.readouterr().out
    np.save(tmp_path / "ids.npy", np.arange(len(x))[::-1])
    assert main([*arguments, "--vectors", str(tmp_path / "x.npy"), "--ids", str(tmp_path / "ids.npy")]) == 1
    assert "is not the vector of id" in capsys.readouterr().err
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


# --- what recall is measured against ---

FEW = vectors(1200, DIM, clusters=50)
QUERIES = vectors(200, DIM, seed=7, clusters=50)
IDS = 11 + 5 * np.random.default_rng(0).permutation(len(FEW))
DATA: dict[str, F32] = {
    "plain": FEW,
    "shifted by 1000": FEW + np.float32(1000),
    "shifted by 20": FEW + np.float32(20),
    "repeated": FEW[np.arange(len(FEW)) // 6],
    "unequal lengths": FEW * np.exp(np.random.default_rng(1).normal(size=(len(FEW), 1))).astype(np.float32),
}
PARTS: dict[str, dict[str, Any]] = {
    "4 bytes": {"codec": fb.PQ(4, bits=8)},
    "1 bit": {"codec": fb.RaBitQ(1), "partition": fb.IVF(20)},
    "reranked": {"codec": fb.PQ(8, bits=4), "partition": fb.IVF(20), "rerank": fb.Scalar(8)},
}


def independent(x: F32, ids: Any, queries: F32, found: Any, metric: str, own: Any = None) -> float:
    """Recall by numpy in double, in which any vector as good as the k-th counts; own: rows not to be found."""
    k = found.shape[1]
    a, b = queries.astype(np.float64), x.astype(np.float64)
    if metric == "l2":
        every = np.array([-np.square(b - one).sum(axis=1) for one in a])
    else:
        every = a @ b.T / (np.linalg.norm(b, axis=1) if metric == "cosine" else 1)
    if own is not None:
        every[np.arange(len(own)), own] = -np.inf
    least = -np.partition(-every, k - 1, axis=1)[:, k - 1]
    least -= 1e-7 * np.abs(least)
    row_of = {int(number): row for row, number in enumerate(ids)}
    good = [np.sum(every[q, [row_of[int(i)] for i in row if i >= 0]] >= least[q]) for q, row in enumerate(found)]
    return float(np.mean(good) / k)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("data", DATA)
def test_recall_with_vectors_is_the_true_one(data: str, parts: str, metric: str) -> None:
    """Whatever the codes lose, and with own ids: what is said to be reached is reached."""
    x = DATA[data]
    q = (QUERIES + np.float32({"shifted by 1000": 1000, "shifted by 20": 20}.get(data, 0))).astype(np.float32)
    order = np.random.default_rng(3).permutation(len(x))
    index = fb.Index(DIM, metric=metric, **PARTS[parts]).build(x[order], IDS[order], progress=False)
    if fb.recall(index, q, x=x, x_ids=IDS, **({} if parts == "4 bytes" else {"nprobe": 20})) < 0.05:
        return  # the codes hold nothing of these vectors: tune may say either that or that x does not fit
    for target in (0.3, 0.95):
        try:
            found = fb.tune(index, q, recall=target, x=x, x_ids=IDS)
        except ValueError as error:
            best = float(re.search(r"these codes reach (0\.\d+)", str(error)).group(1))  # type: ignore[union-attr]
            assert best < target + 0.05
            continue
        assert found.truth == "exact"
        assert found.recall_low >= target
        assert found.recall == pytest.approx(independent(x, IDS, q, index.search(q).ids, metric), abs=2e-3)
        assert found.recall == pytest.approx(fb.recall(index, q, x=x, x_ids=IDS))


@pytest.mark.parametrize("own_ids", [False, True])
@pytest.mark.parametrize("data", DATA)
def test_build_reports_the_true_recall_or_that_it_is_out_of_reach(
    data: str, metric: str, own_ids: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the vectors themselves as queries, none of which counts as its own neighbour; its equals do."""
    monkeypatch.setattr("fewbits.choose.rules._MIN_N_FOR_LISTS", 1000)
    monkeypatch.setattr("fewbits.choose.rules._MIN_N_FOR_CODEBOOKS", 1500)  # OPQ takes its time
    monkeypatch.setattr("fewbits.choose.asked.TUNING_QUERIES", len(FEW))
    x, ids = DATA[data], IDS if own_ids else np.arange(len(FEW))
    for bytes_per_vector, target in ((14, 0.3), (60, 0.9)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            index = fb.build(
                x,
                metric=metric,
                bytes_per_vector=bytes_per_vector + 4 * own_ids,
                recall=target,
                effort="quick",
                ids=ids if own_ids else None,
                progress=False,
            )
        found = index.search(x, 11).ids
        own = np.argsort(found == ids[:, None], axis=1, kind="stable")[:, :10]
        true = independent(x, ids, x, np.take_along_axis(found, own, axis=1), metric, np.arange(len(x)))
        said = re.search(r"(?:reach|these codes reach) (\d\.\d+)(?: \(|$)", index.explain(), re.MULTILINE)
        assert said, index.explain()
        assert float(said.group(1)) == pytest.approx(true, abs=4e-3)
        assert bool(caught) == (f"recall: {target:g} asked for, these codes reach" in index.explain())
        assert bool(caught) or true >= target


def test_only_the_query_itself_is_left_out_of_its_neighbours() -> None:
    """With many equals it may not be among the first at all."""
    x = np.repeat(vectors(100, DIM), 30, axis=0)
    index = fb.build(x, metric="l2", bytes_per_vector=160, recall=0.99, effort="quick", progress=False)
    assert "a full scan reach 1.000" in index.explain()
    one = fb.build(x[:1], metric="l2", bytes_per_vector=160, recall=0.99, progress=False)
    assert "a single vector is always found" in one.explain()


@pytest.mark.parametrize(
    ("parts", "lossy"),
    [
        ({"codec": fb.PQ(8, bits=4)}, r"PQ.* \(1 bits per dimension\)"),
        ({"codec": fb.RaBitQ(4)}, r"RaBitQ.* \(4 bits per dimension\)"),
        ({"codec": fb.RaBitQ(bytes=12)}, r"RaBitQ, 12 bytes per vector \("),
        ({"codec": fb.Scalar(8), "transform": fb.PCA(8)}, r"\(2 bits per dimension\)"),
        ({"codec": fb.RaBitQ(1), "rerank": fb.Scalar(4)}, r"\(4 bits per dimension\)"),
        ({"codec": fb.PQ(8, bits=4), "rerank": fb.Scalar(8)}, None),
        ({"codec": fb.Float(16)}, None),
        ({"codec": fb.RaBitQ(8)}, None),
        ({"codec": fb.PQ(32, bits=8)}, None),
    ],
)
def test_without_vectors_it_says_what_recall_is_of(parts: Any, lossy: str | None) -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(10), **parts).build(FEW, progress=False)
    if lossy is None:
        found = fb.tune(index, QUERIES)  # any warning is an error
    else:
        with pytest.warns(
            UserWarning, match="without x, recall is relative to the index's own codes.*" + lossy
        ) as caught:
            found = fb.tune(index, QUERIES)
        assert caught[0].filename == __file__
    assert found.truth == "codes"
    assert "truth='codes'" in repr(found)
    assert found.recall == pytest.approx(fb.recall(index, QUERIES))


def test_vectors_have_to_be_the_index_s() -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(10), codec=fb.Scalar(8)).build(FEW, IDS, progress=False)
    engine = index.search(QUERIES)
    for x, x_ids, message in (
        (FEW[::-1], IDS, "is not the vector of id"),
        (FEW, None, "none for id"),
        (FEW[:100], IDS[:100], "got 100 rows and none for id"),
        (FEW, IDS[:-1], "x_ids: expected one per vector"),
        (None, IDS, "x_ids: expected x with them"),
        (FEW[:, :5], IDS, r"x: expected shape \(n, 32\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fb.tune(index, QUERIES, x=x, x_ids=x_ids)
    with pytest.raises(ValueError, match="x_ids: expected x with them"):
        fb.recall(index, QUERIES, x_ids=IDS)
    np.testing.assert_array_equal(index.search(QUERIES).scores, engine.scores)


def test_vectors_that_the_index_does_not_have_are_no_neighbours() -> None:
    index = fb.Index(DIM, metric="l2", codec=fb.Float()).build(FEW, progress=False)
    index.remove(np.arange(0, len(FEW), 2))
    assert fb.tune(index, QUERIES, recall=1.0, x=FEW).recall == 1
    assert fb.recall(index, QUERIES, x=FEW) == 1
