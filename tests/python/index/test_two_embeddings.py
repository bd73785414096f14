"""Indexes of two embeddings: candidates by the codes of one, and exact scores of the other by numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import _core
from fewbits.index.turns import state_of
from support.changes import other
from support.data import F32, brute_force, overlap, vectors

DIM, OTHER, N = 12, 30, 900
X, Q = vectors(N, DIM, seed=1), vectors(25, DIM, seed=2)
Y, Q2 = other(X, OTHER), other(Q, OTHER)
RERANK = {
    "float32": fb.Float(dim=OTHER),
    "float16-disk": fb.Float(16, dim=OTHER, on_disk=True),
    "scalar8": fb.Scalar(8, dim=OTHER),
    "scalar4-disk": fb.Scalar(4, dim=OTHER, on_disk=True),
    "pq8": fb.PQ(15, dim=OTHER),
}
FLAT: dict[str, Any] = {"codec": fb.Scalar(4)}
LISTS: dict[str, Any] = {"partition": fb.IVF(6), "codec": fb.PQ(6, bits=4)}


def built(metric: str = "cosine", rerank: str = "float32", parts: dict[str, Any] = LISTS, **more: Any) -> fb.Index:
    index = fb.Index(DIM, metric=metric, rerank=RERANK[rerank], **parts, **more)
    return index.build(X, rerank_vectors=Y, progress=False)


def ranked(index: fb.Index, candidates: Any, k: int, y: F32, q: F32 = Q2) -> tuple[Any, Any]:
    """Ids and scores of the k best candidates of each query, by the rows of y as they are: not normalised again."""
    metric, q = ("ip", _core.normalize_rows(q)) if index.metric == "cosine" else (index.metric, q)
    found = [brute_force(y[own[own >= 0]], q[i : i + 1], k, metric) for i, own in enumerate(candidates)]
    ids = [own[own >= 0][order[0]] for own, (order, _) in zip(candidates, found, strict=True)]
    return ids, [scores[0] for _, scores in found]


@pytest.mark.parametrize("rerank", RERANK)
@pytest.mark.parametrize("parts", [FLAT, LISTS], ids=["flat", "lists"])
def test_candidates_of_one_embedding_are_ranked_by_the_other(metric: str, rerank: str, parts: dict[str, Any]) -> None:
    index = built(metric, rerank, parts)
    first = index.search(Q, 60, rerank=0)
    np.testing.assert_array_equal(first.ids, index.search(Q, 60, rerank=0, threads=1).ids)
    found = index.search(Q, 10, rerank=60, rerank_queries=Q2, threads=2)
    stored = index.reconstruct(np.arange(N), rerank_vectors=True)
    ids, scores = ranked(index, first.ids, 10, stored)
    tolerance = 2e-3 if rerank.startswith(("scalar", "pq")) else 1e-5  # queries of 12 bits, and float tables
    for own, expected, score, exact in zip(found.ids, ids, found.scores, scores, strict=True):
        np.testing.assert_allclose(score, exact, rtol=tolerance, atol=tolerance)
        assert len(set(own.tolist()) & set(expected.tolist())) >= 9
        if rerank.startswith("float"):
            np.testing.assert_array_equal(own, expected)
    if rerank == "float32":
        np.testing.assert_allclose(stored, _core.normalize_rows(Y) if metric == "cosine" else Y, rtol=1e-6, atol=1e-6)


def test_results_do_not_depend_on_batches_and_threads(metric: str) -> None:
    index = built(metric, "scalar8")
    whole = index.search(Q, 10, rerank_queries=Q2, threads=1)
    for threads in (2, 5):
        again = index.search(Q, 10, rerank_queries=Q2, threads=threads)
        np.testing.assert_array_equal(again.ids, whole.ids)
        np.testing.assert_array_equal(again.scores, whole.scores)
    for i in range(len(Q)):
        alone = index.search(Q[i], 10, rerank_queries=Q2[i])
        np.testing.assert_array_equal(alone.scores, whole.scores[i])
        np.testing.assert_array_equal(alone.ids, whole.ids[i])


def test_filters_and_thresholds(metric: str) -> None:
    index = built(metric)
    odd, few = fb.Filter.allow(np.arange(1, N, 2)), fb.Filter.allow(np.arange(30))
    each = [odd if i % 2 else few for i in range(len(Q))]
    everything: dict[str, Any] = {"nprobe": 6, "rerank": N, "rerank_queries": Q2}
    found = index.search(Q, 10, filter=each, **everything)
    allowed = [np.arange(1, N, 2) if i % 2 else np.arange(30) for i in range(len(Q))]
    ids, _ = ranked(index, allowed, 10, index.reconstruct(np.arange(N), rerank_vectors=True))
    np.testing.assert_array_equal(found.ids, np.stack(ids))

    middle = float(np.median(found.scores))
    limit = {"max_distance": middle} if metric == "l2" else {"min_score": middle}
    cut = index.search(Q, 10, filter=each, **everything, **limit)
    good = found.scores <= middle if metric == "l2" else found.scores >= middle
    np.testing.assert_array_equal(cut.counts, good.sum(axis=1))
    np.testing.assert_array_equal(np.where(good, found.ids, -1), cut.ids)


def test_equal_cosines_are_one() -> None:
    index = built("cosine", parts=FLAT)
    found = index.search(X[:50], 1, rerank_queries=7 * Y[:50], rerank=N, min_score=1.0)
    np.testing.assert_array_equal(found.ids[:, 0], np.arange(50))
    assert (found.scores == 1).all()


def test_scores_of_given_ids_are_those_of_the_search(metric: str) -> None:
    index = built(metric, "scalar8")
    found = index.search(Q, 7, rerank_queries=Q2)
    np.testing.assert_array_equal(index.score(Q2, found.ids), found.scores)
    np.testing.assert_array_equal(index.score(Q2[3], found.ids[3]), found.scores[3])
    with pytest.raises(ValueError, match=rf"queries: expected shape \({OTHER},\)"):
        index.score(Q, found.ids)


def test_a_scorer_and_keys_come_after_the_other_embedding() -> None:
    index = built("ip")
    found = index.search(Q, 5, rerank_queries=Q2, scorer=lambda _, ids: -ids.astype(float), rerank=20)
    candidates = index.search(Q, 20, rerank_queries=Q2)
    np.testing.assert_array_equal(found.ids, np.sort(candidates.ids, axis=1)[:, :5])
    keyed = index.search(Q, 5, rerank_queries=Q2, keys=True)
    np.testing.assert_array_equal(keyed.ids, index.search(Q, 5, rerank_queries=Q2).ids)


@pytest.mark.parametrize("rerank", ["float16-disk", "scalar8"])
def test_far_from_the_origin_the_other_embedding_ranks_as_well(rerank: str) -> None:
    truth = brute_force(Y, Q2, 10, "l2")[0]
    for far in (0, 1000):
        index = fb.Index(DIM, metric="l2", rerank=RERANK[rerank], **FLAT)
        index.build(X, rerank_vectors=Y + np.float32(far), progress=False)
        found = index.search(Q, 10, rerank=N, rerank_queries=Q2 + np.float32(far))
        assert overlap(found.ids, truth) > 0.9
        rows = index.reconstruct(np.arange(N), rerank_vectors=True)
        np.testing.assert_allclose(rows, Y + np.float32(far), atol=0.05)
    assert "rerank.center" in state_of(index).trained("test").arrays()


def test_a_long_mean_is_left_out_of_the_codes() -> None:
    y, q2 = Y + np.float32(8), Q2 + np.float32(8)  # in a narrow cone
    index = fb.Index(DIM, metric="cosine", rerank=RERANK["scalar8"], **FLAT).build(X, rerank_vectors=y, progress=False)
    found = index.search(Q, 10, rerank=N, rerank_queries=q2)
    assert overlap(found.ids, brute_force(y, q2, 10, "cosine")[0]) > 0.9
    assert "rerank.direction" in state_of(index).trained("test").arrays()


def blocks(x: F32, size: int) -> Iterator[F32]:
    """As a reader that uses one buffer for all blocks."""
    buffer = np.empty((size, x.shape[1]), np.float32)
    for begin in range(0, len(x), size):
        part = buffer[: min(size, len(x) - begin)]
        part[:] = x[begin : begin + size]
        yield part


@pytest.mark.parametrize("sizes", [(100, 100), (7, 1000), (1000, 7), (64, 100), (1, 33)])
def test_blocks_of_any_sizes_give_the_same_index(sizes: tuple[int, int]) -> None:
    index = fb.Index(DIM, metric="l2", rerank=RERANK["scalar8"], **FLAT).train(X, rerank_vectors=Y, progress=False)
    whole = index.empty().add(X, rerank_vectors=Y, progress=False).to_bytes()
    for first, second in [
        (blocks(X, sizes[0]), blocks(Y, sizes[1])),
        (X, blocks(Y, sizes[1])),
        (blocks(X, sizes[0]), Y),
        (list(X), Y.tolist()),
    ]:
        assert index.empty().add(first, rerank_vectors=second, progress=False).to_bytes() == whole
    fresh = fb.Index(DIM, metric="l2", rerank=RERANK["scalar8"], **FLAT)
    other_way = fb.Index(DIM, metric="l2", rerank=RERANK["scalar8"], **FLAT)
    fresh.build(blocks(X, sizes[0]), rerank_vectors=blocks(Y, sizes[1]), progress=False)
    other_way.build([X], rerank_vectors=[Y], progress=False)
    assert fresh.to_bytes() == other_way.to_bytes()


def test_vectors_can_be_added_without_training() -> None:
    index = fb.Index(DIM, metric="ip", rerank=fb.Float(dim=OTHER))
    index.add(X[:100], rerank_vectors=Y[:100]).add(X[100:], rerank_vectors=Y[100:], ids=np.arange(100, N))
    found = index.search(Q, 10, rerank=N, rerank_queries=Q2)
    np.testing.assert_array_equal(found.ids, brute_force(Y, Q2, 10, "ip")[0])


WRONG: dict[str, tuple[Callable[[fb.Index], object], str]] = {
    "none": (lambda index: index.add(X), r"rerank_vectors: expected the same objects .* shape \(n, 30\), got None"),
    "dim": (lambda index: index.add(X, rerank_vectors=X), r"rerank_vectors: expected shape \(n, 30\), got \(900, 12\)"),
    "first dim": (lambda index: index.add(Y, rerank_vectors=Y), r"x: expected shape \(n, 12\)"),
    "fewer": (lambda index: index.add(X, rerank_vectors=Y[:-1]), r"one for each vector of x \(900\), got 899"),
    "fewer blocks": (lambda index: index.add(X, rerank_vectors=blocks(Y[:-1], 64)), "got 899, 1 or more too few"),
    "more blocks": (lambda index: index.add(blocks(X[:-1], 64), rerank_vectors=Y), r"vector of x \(899\), got more"),
    "block dim": (lambda index: index.add(X, rerank_vectors=blocks(X, 64)), r"rerank_vectors: block 0: expected shape"),
    "nan": (lambda index: index.add(X, rerank_vectors=np.where(Y[7, 0] == Y, np.nan, Y)), "rerank_vectors: .* row 7"),
    "zero": (lambda index: index.add(X, rerank_vectors=Y * (np.arange(N) != 5)[:, None]), "rerank_vectors: a zero .*5"),
    "ids": (lambda index: index.add(X, rerank_vectors=Y, ids=np.arange(N)), "ids: expected ids that are not"),
    "text": (lambda index: index.add(X, rerank_vectors="words"), "rerank_vectors"),
    "search": (lambda index: index.search(Q), r"rerank_queries: expected the queries in .* \(25, 30\), or rerank=0"),
    "search dim": (lambda index: index.search(Q, rerank_queries=Q), r"rerank_queries: expected shape \(30,\) or"),
    "search count": (lambda index: index.search(Q, rerank_queries=Q2[1:]), r"shape \(25, 30\), got \(24, 30\)"),
    "search one": (lambda index: index.search(Q[0], rerank_queries=Q2[:1]), r"shape \(30,\), got \(1, 30\)"),
    "unused": (
        lambda index: index.search(Q, rerank=0, rerank_queries=Q2),
        "rerank_queries: expected None with rerank=0",
    ),
    "flag": (lambda index: index.reconstruct([1], rerank_vectors=1), "rerank_vectors"),  # type: ignore[arg-type]
    "calibrate": (
        lambda index: fb.train.calibrate(index, Q, [[0, 1]]),
        "calibrate: expected an index of one embedding",
    ),
    "repconc": (lambda index: fb.train.repconc(index, Q, x=X), "repconc: expected an index of one embedding"),
    "join": (lambda index: fb.join(X, X, metric="cosine", k=3, index=index), "index: expected an index of one"),
    "copies": (
        lambda index: fb.deduplicate(X, metric="cosine", min_score=0.9, index=index),
        "index: expected an index",
    ),
    "feedback": (lambda index: fb.feedback(index, Q), "rerank_queries: expected .* or rerank=0"),
    "recall": (lambda index: fb.recall(index, Q, x=Y), "rerank_queries: expected"),
    "tune": (lambda index: fb.tune(index, Q, x=Y), "rerank_queries: expected"),
    "tuned by x": (lambda index: fb.tune(index, Q, x=X, rerank_queries=Q2), r"x: expected shape \(n, 30\)"),
    "tuned by others": (lambda index: fb.tune(index, Q, x=Y[::-1], rerank_queries=Q2), "x: row .* is not the vector"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_changes_nothing(case: str) -> None:
    index = built("cosine", "float16-disk")
    before = index.to_bytes()
    call, message = WRONG[case]
    with pytest.raises((TypeError, ValueError), match=message):
        call(index)
    assert index.to_bytes() == before


def test_one_embedding_takes_no_other() -> None:
    index = fb.Index(DIM, metric="l2", rerank=fb.Scalar(8))
    with pytest.raises(ValueError, match="rerank_vectors: expected None: this index has one embedding"):
        index.build(X, rerank_vectors=Y)
    with pytest.raises(ValueError, match="rerank_vectors: expected None: this index has one embedding"):
        index.train(X, rerank_vectors=Y)
    index.build(X)
    with pytest.raises(ValueError, match="rerank_vectors: expected None: this index has one embedding"):
        index.add(X, rerank_vectors=X)
    with pytest.raises(ValueError, match="rerank_queries: expected None for an index of one embedding"):
        index.search(Q, rerank_queries=Q)
    with pytest.raises(ValueError, match="rerank_vectors: this index has no other embedding"):
        index.reconstruct([1], rerank_vectors=True)
    with pytest.raises(ValueError, match="rerank_queries: expected None"):
        fb.tune(fb.SparseIndex().build([{1: 1.0}]), [{1: 1.0}], rerank_queries=Q)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rerank_queries: expected None, because results are ids"):
        fb.evaluate(np.zeros((1, 1), int), None, [[0, 0, 1]], rerank_queries=Q)
    engine = state_of(index).trained("test")
    with pytest.raises(ValueError, match="rerank_queries: expected none"):
        engine.search(Q, 5, nprobe=1, rerank=20, rerank_queries=Q2)
    with pytest.raises(ValueError, match="rerank_vectors: this index has no other embedding"):
        engine.builder(0).append(X, rerank_vectors=Y)


def test_the_core_refuses_what_python_lets_through() -> None:
    engine = state_of(built("cosine")).trained("test")
    for wrong in (None, Q2[1:], Q):
        with pytest.raises(ValueError, match="rerank_queries: expected 25 of 30 dimensions"):
            engine.search(Q, 5, nprobe=1, rerank=20, rerank_queries=wrong)
    for wrong in (None, Y[1:], X):
        with pytest.raises(ValueError, match="rerank_vectors: got"):
            engine.builder(0).append(X, rerank_vectors=wrong)
    with pytest.raises(ValueError, match="rerank_queries"):
        engine.search(np.ascontiguousarray(Q), 5, nprobe=1, rerank=20, rerank_queries=Q2 * np.float32(np.nan))


@pytest.mark.parametrize("codec", [fb.Float, fb.Scalar, lambda **dim: fb.PQ(4, **dim)])
def test_dim_is_for_rerank_stores(codec: Callable[..., Any]) -> None:
    for wrong in (0, 65_536, 2.5, True, "4"):
        with pytest.raises((TypeError, ValueError), match="dim: expected"):
            codec(dim=wrong)
    with pytest.raises(ValueError, match="codec: dim is for a rerank store"):
        fb.Index(DIM, metric="l2", codec=codec(dim=DIM))
    with pytest.raises(ValueError, match="tokens: dim is for a rerank store"):
        fb.MultiVectorIndex(DIM, tokens=codec(dim=DIM))
    assert codec(dim=np.int64(9)) == codec(dim=9)
    assert codec().dim is None
    if codec not in (fb.Float, fb.Scalar):
        with pytest.raises(ValueError, match=r"rerank: PQ has at most one code per dimension \(3\)"):
            fb.Index(DIM, metric="l2", rerank=codec(dim=3))


def test_collections_take_one_embedding(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="index: expected an index of one embedding"):
        fb.Collection(tmp_path / "c", index=built().empty())
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("rerank", RERANK)
def test_files_keep_both_embeddings(tmp_path: Path, metric: str, rerank: str) -> None:
    index = built(metric, rerank)
    index.remove(range(5, 50))
    path = tmp_path / "a.fb"
    index.save(path)
    assert fb.inspect(path).version == (2, 0)
    for mmap in (True, False):
        same = fb.open(path, mmap=mmap, verify=True)
        assert same.rerank == RERANK[rerank]
        assert same.to_bytes() == path.read_bytes()
        for one, two in zip(*(each.search(Q, 9, rerank_queries=Q2) for each in (index, same)), strict=True):
            np.testing.assert_array_equal(one, two)
    halves = [index.take(index.ids()[i::2]) for i in (0, 1)]
    merged = fb.merge(halves).compact()
    for one, two in zip(*(each.search(Q, 9, rerank_queries=Q2) for each in (index, merged)), strict=True):
        np.testing.assert_array_equal(one, two)


DAMAGE: dict[str, Callable[[dict[str, int], dict[str, Any]], object]] = {
    "zero": lambda params, _: params.update({"rerank.dim": 0}),
    "huge": lambda params, _: params.update({"rerank.dim": 65_536}),
    "without a store": lambda params, _: params.update({"rerank.kind": 0}),
    "center too short": lambda _, arrays: arrays.update({"rerank.center": arrays["rerank.center"][1:]}),
    "center not finite": lambda _, arrays: arrays.update(
        {"rerank.center": arrays["rerank.center"] * np.float32(np.inf)}
    ),
    "center without dim": lambda params, _: params.pop("rerank.dim"),
    "center of cosines": lambda params, _: params.update({"metric": 2}),
    "step too long": lambda params, _: params.update({"rerank.dim": OTHER - 1}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_models_are_refused(case: str) -> None:
    y = Y + np.float32(50)
    index = fb.Index(DIM, metric="l2", rerank=RERANK["scalar8"], **FLAT).build(X, rerank_vectors=y, progress=False)
    engine = state_of(index).trained("test")
    params, arrays = dict(engine.params), dict(engine.arrays())
    _core.Engine(params, arrays)
    DAMAGE[case](params, arrays)
    with pytest.raises(fb.CorruptIndexError, match=r"rerank|center|metric"):
        _core.Engine(params, arrays)


def test_a_description_of_other_dims_is_corrupt() -> None:
    data = built("cosine", "float32").to_bytes()
    engine = _core.Engine.from_bytes(data)
    for wrong in (b'"dim": 31', b'"dim": 12'):
        assert engine.meta.count(b'"dim": 30') == 1
        broken = _core.Engine.from_bytes(data).to_bytes(engine.meta.replace(b'"dim": 30', wrong))
        with pytest.raises(fb.CorruptIndexError, match="the description has dim="):
            fb.Index.from_bytes(broken)


def test_tune_and_recall_are_of_the_ranking(metric: str) -> None:
    index = built(metric, "scalar8")
    tuned = fb.tune(index, Q, 5, recall=0.6, x=Y, rerank_queries=Q2)
    assert tuned.truth == "exact"
    assert tuned.rerank is not None
    truth = brute_force(Y, Q2, 5, metric)[0]
    found = index.search(Q, 5, rerank_queries=Q2)
    assert overlap(found.ids, truth) == pytest.approx(tuned.recall, abs=0.02)
    assert fb.recall(index, Q, 5, x=Y, rerank_queries=Q2) == pytest.approx(tuned.recall)
    assert fb.recall(index, Q, 5, truth=truth, rerank_queries=Q2) == pytest.approx(overlap(found.ids, truth))
    assert fb.recall(index, Q, 5, rerank_queries=Q2, rerank=N, nprobe=6) == 1
    codes = fb.tune(index, Q, 5, recall=0.6, rerank_queries=Q2)
    assert codes.truth == "codes"
    qrels = [[i, int(best), 1] for i, best in enumerate(truth[:, 0])]
    scores = fb.evaluate(index, Q, qrels, rerank_queries=Q2)
    assert scores == fb.evaluate(index.search(Q, 10, rerank_queries=Q2).ids, None, qrels)


def test_trainers_train_the_first_stage() -> None:
    index = fb.Index(DIM, metric="cosine", codec=fb.PQ(2), rerank=fb.Float(dim=OTHER))
    index.build(X, rerank_vectors=Y, progress=False)
    plain = index.search(Q, 10, rerank=0)
    report = fb.train.adapter(index, vectors(200, DIM, seed=9), x=X, epochs=1, pseudo_queries=200, progress=False)
    assert report.after >= report.before
    with pytest.raises(ValueError, match="train: expected x="):  # the store does not have the vectors
        fb.train.jpq(index, vectors(50, DIM, seed=9), progress=False)
    mapped = index._engine is not None and "query.kind" in index._engine.params
    if mapped:  # the map is for queries of the first stage alone
        same = index.search(Q, 10, rerank=N, rerank_queries=Q2)
        np.testing.assert_array_equal(same.ids, brute_force(Y, Q2, 10, "cosine")[0])
        assert not np.array_equal(index.search(Q, 10, rerank=0).scores, plain.scores)


def test_feedback_moves_queries_of_the_first_stage() -> None:
    index = built()
    moved = fb.feedback(index, Q, rerank=0)
    assert moved.shape == Q.shape
    assert not np.array_equal(moved, Q)


def test_it_says_what_it_is() -> None:
    index = built("cosine", "float16-disk")
    assert f"rerank float16 of another embedding, {OTHER} dimensions on disk" in repr(index)
    assert f"float16 of another embedding, {OTHER} dimensions, on disk" in index.explain()
    assert index.stats().bytes_on_disk_per_vector == 2 * OTHER
    assert index.rerank is not None
    assert index.rerank.other_dim == OTHER
    assert fb.RecurrentBinary(2).other_dim is None
    assert index.rerank.bytes_per_vector(OTHER, "cosine") == 2 * OTHER
    assert repr(fb.Index(DIM, metric="l2", rerank=fb.Float(dim=4))) == (
        "<fewbits.Index: 0 vectors, dim 12, l2, float32, rerank float32 of another embedding, 4 dimensions>"
    )
