"""fb.build by measurement: ranks estimated from a sample, candidates within the bytes, and what is chosen and said."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from fewbits.choose.candidates import Setting, candidates, larger, on_disk, with_other_lists, with_second_lists
from fewbits.choose.sample import Sample
from fewbits.choose.trial import predicted
from fewbits.index.tried import tries_of
from fewbits.input.rows import Rows
from support.data import F32, brute_force, overlap, two_sided, vectors

DIM = 24


def sample_of(x: F32, queries: F32, size: int, metric: str = "l2", own: object = None) -> Sample:
    return Sample(Rows(x, x.shape[1]), metric, queries, own, size, 10, 0, 1)  # type: ignore[arg-type]


# --- ranks ---


def noisy_order(x: F32, queries: F32, rows: F32) -> np.ndarray:
    """The order of `rows` by distances from rounded vectors, as codes would have it."""
    coarse = np.round(rows * 1.5) / 1.5
    return np.argsort(np.square(queries[:, None] - coarse[None]).sum(axis=2), axis=1, kind="stable")


def test_ranks_in_a_sample_estimate_those_among_all() -> None:
    x, queries = vectors(6000, DIM), vectors(80, DIM, seed=5)
    top = brute_force(x, queries, 10, "l2")[0]
    order = noisy_order(x, queries, x)
    true = np.argsort(order, axis=1)[np.arange(len(queries))[:, None], top]  # ranks from 0 of the ten nearest
    sample = sample_of(x, queries, 4000)
    assert not sample.whole
    assert 2000 <= len(sample.drawn) < len(sample.x) < 5000
    estimated = sample.ranks(noisy_order(x, queries, sample.x))[:, :10] - 1
    assert np.isfinite(estimated).all()
    assert np.median(np.abs(estimated - true) / (true + 10)) < 0.1
    assert estimated.mean() == pytest.approx(true.mean(), rel=0.1)
    for depth in (10, 30, 100):
        assert (estimated < depth).mean() == pytest.approx((true < depth).mean(), abs=0.03)


def test_ranks_are_exact_where_the_sample_has_all() -> None:
    x, queries = vectors(500, DIM), vectors(20, DIM, seed=5)
    sample = sample_of(x, queries, 500)
    order = noisy_order(x, queries, x)
    true = np.argsort(order, axis=1)[np.arange(20)[:, None], brute_force(x, queries, 64, "l2")[0]]
    assert sample.whole
    np.testing.assert_array_equal(sample.ranks(order), true + 1)
    shorter = sample.ranks(order[:, :50])
    np.testing.assert_array_equal(shorter, np.where(true < 50, true + 1, np.inf))


def test_vectors_as_queries_are_not_their_own_neighbours() -> None:
    x = vectors(400, DIM)
    own = np.arange(0, 400, 10)
    sample = sample_of(x, x[own], 400, own=own)
    assert not (sample.top == own[:, None]).any()
    exact = np.argsort(np.square(x[own][:, None] - x[None]).sum(axis=2), axis=1, kind="stable")
    ranks = sample.ranks(exact)  # each begins with the query itself
    np.testing.assert_array_equal(ranks[:, :10], np.broadcast_to(np.arange(1, 11), (40, 10)))
    np.testing.assert_array_equal(sample.recalls(ranks <= 10), 1)


def test_vectors_as_good_as_the_tenth_count() -> None:
    x = np.repeat(vectors(50, DIM), 30, axis=0)
    queries = vectors(10, DIM, seed=5)
    sample = sample_of(x, queries, len(x))
    hits = np.zeros(sample.top.shape, np.bool_)
    hits[:, 15:25] = True  # equals of the first ten
    np.testing.assert_array_equal(sample.recalls(hits), 1)
    np.testing.assert_array_equal(sample.recalls(np.roll(hits, 20, axis=1)), 0)


# --- candidates ---

SETTINGS = [
    Setting(3000, DIM, "l2", 30.0),
    Setting(3000, DIM, "ip", 12.0, own_ids=True),
    Setting(3000, DIM, "cosine", 70.0, cone=True, aware=True),
    Setting(1500, DIM, "l2", 200.0, disk=True),
    Setting(3000, 7, "ip", 9.0, disk=True, aware=True),
    Setting(3000, 1, "l2", 40.0),
]


@pytest.mark.parametrize("effort", ["normal", "thorough"])
@pytest.mark.parametrize("given", SETTINGS)
def test_candidates_keep_to_the_bytes(given: Setting, effort: str) -> None:
    x = vectors(given.n, given.dim) + np.float32(20 if given.cone else 0)
    queries = vectors(200, given.dim, seed=3)
    found = candidates(given, effort)
    assert found
    assert len(set(found)) == len(found)
    found += with_other_lists(found[0], given)
    second = with_second_lists(found, given)
    assert (with_second_lists(found, given._replace(budget=1e6)) is None) == (not any(each.lists for each in found))
    found += [] if second is None else [second]
    for candidate in found:
        index = candidate.hasty().index(given, given.n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            index.build(
                x,
                np.arange(given.n) * 2 if given.own_ids else None,
                queries=queries if index.transform.needs_queries else None,
                progress=False,
            )
        stats = index.stats()
        # a list of an odd number of half bytes
        padding = candidate.spill * stats.lists * stats.bytes.per_vector["codes"] / given.n**2
        assert candidate.bytes_per_vector(given) <= given.budget
        assert stats.bytes_per_vector <= candidate.bytes_per_vector(given) + padding
        assert (index.stats().bytes_on_disk_per_vector > 0) <= given.disk


def test_larger_candidates_are_beyond_the_bytes() -> None:
    for given in SETTINGS:
        sizes = [each.bytes_per_vector(given) for each in larger(given)]
        assert sizes == sorted(sizes)
        assert all(size > given.budget for size in sizes)
    store = on_disk(Setting(3000, DIM, "l2", 30.0))
    assert store is not None
    assert store.rerank == fb.Float(16, on_disk=True)


# --- what is chosen ---


def unequal(n: int, dim: int, seed: int = 0) -> F32:
    lengths = np.exp(0.3 * np.random.default_rng(seed).normal(size=(n, 1)))
    return (vectors(n, dim, seed=seed) * lengths).astype(np.float32)


CASES = {
    "l2": (unequal(4000, DIM) + np.float32(30), unequal(500, DIM, 8) + np.float32(30), "l2", 60, 0.9),
    "ip, few queries": (unequal(3000, 50), unequal(260, 50, 8), "ip", 90, 0.85),
    "cosine": (vectors(2500, DIM), vectors(500, DIM, seed=8), "cosine", 40, 0.9),
    "no lists": (vectors(1200, DIM), vectors(500, DIM, seed=8), "l2", 40, 0.9),
}


@pytest.mark.parametrize("case", CASES)
def test_the_recall_is_reached_within_the_bytes(case: str, tmp_path: Path) -> None:
    x, queries, metric, budget, target = CASES[case]
    index = fb.build(x, metric=metric, bytes_per_vector=budget, recall=target, queries=queries[:-200], progress=False)
    held_out = overlap(index.search(queries[-200:]).ids, brute_force(x, queries[-200:], 10, metric)[0])
    assert held_out > target - 0.025
    assert index.stats().bytes_per_vector <= budget + 0.1  # padding
    tries = index.tries
    assert tries is not None
    assert tries.effort == "normal"
    assert tries.vectors == len(x)
    (chosen,) = [row for row in tries.rows if row.chosen]
    assert chosen.built_recall is not None
    assert chosen.built_recall >= target
    for row in tries.rows:
        assert row.bytes_per_vector <= budget
        assert row.built_recall is None or row.recall is None or abs(row.built_recall - row.recall) < 0.08
    assert str(tries).count("\n") == len(tries.rows)
    assert str(tries).splitlines()[1] in index.explain()
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb")
    assert opened.tries == tries == tries_of(tries.stored())
    assert opened.explain() == index.explain()
    np.testing.assert_array_equal(opened.search(queries).ids, index.search(queries).ids)


def test_predictions_from_a_part_hold_for_all() -> None:
    x, queries = vectors(16_000, DIM, clusters=100), vectors(300, DIM, seed=8, clusters=100)
    given = Setting(len(x), DIM, "l2", 60.0)
    part, whole = (sample_of(x, queries[:60], size) for size in (7000, len(x)))
    assert 2 * len(part.x) < 3 * len(x)
    for candidate in candidates(given, "normal")[:6]:
        few, every = (predicted(candidate, given, sample, 0.9, None) for sample in (part, whole))
        assert few.reaches == every.reaches or abs(few.low - every.low) < 0.05
        assert abs((few.recall or 0) - (every.recall or 0)) < 0.06


def test_without_queries_it_says_what_recall_is_of() -> None:
    index = fb.build(vectors(1500, DIM), metric="l2", bytes_per_vector=60, recall=0.9, progress=False)
    assert "1,000 vectors of x as queries; queries of another kind find less" in index.explain()


def test_out_of_reach_it_says_what_would_reach() -> None:
    x = vectors(2500, DIM)
    with pytest.warns(UserWarning, match=r"these codes reach 0\.\d+ with 6 bytes; \d+ bytes would reach") as caught:
        index = fb.build(x, metric="l2", bytes_per_vector=6, recall=0.95, progress=False)
    assert caught[0].filename == __file__
    explained = index.explain()
    assert "all is read by default: recall: 0.95 asked for, these codes reach 0." in explained
    assert "with on_disk=True, 6 bytes would reach 0.9" in explained
    assert index.stats().bytes_per_vector <= 6
    again = fb.build(x, metric="l2", bytes_per_vector=6, recall=0.95, on_disk=True, progress=False)
    assert again.rerank == fb.Float(16, on_disk=True)
    assert again.stats().bytes_per_vector <= 6
    assert "asked for: " in again.explain()


def test_without_a_target_it_is_the_highest_recall() -> None:
    x, queries = two_sided(3000, 900)
    held_out = two_sided(0, 200, seed=2)[1]
    truth = brute_force(x, held_out, 10, "ip")[0]
    quick = fb.build(x, metric="ip", bytes_per_vector=12, queries=queries, progress=False)
    assert quick.tries is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = fb.build(x, metric="ip", bytes_per_vector=12, queries=queries, effort="normal", progress=False)
    assert "if all is read" in index.explain()

    def found(index: fb.Index) -> float:
        options = {} if index.partition is None else {"nprobe": 10_000}
        return overlap(index.search(held_out, **options).ids, truth)

    assert found(index) >= found(quick) - 0.01


def test_thorough_compares_more() -> None:
    x, queries = vectors(1500, DIM), vectors(300, DIM, seed=8)
    sizes = []
    for effort in ("normal", "thorough"):
        index = fb.build(
            x, metric="l2", bytes_per_vector=60, recall=0.8, queries=queries, effort=effort, progress=False
        )
        assert index.tries is not None
        assert index.tries.effort == effort
        sizes.append(len(index.tries.rows))
    assert sizes[0] < sizes[1]


def test_few_vectors_are_not_compared() -> None:
    index = fb.build(vectors(900, DIM), metric="l2", recall=0.9, effort="thorough", progress=False)
    assert index.tries is None
    assert "recall 0.9 asked for" in index.explain()


TINY = {
    "one dimension": (vectors(1200, 1), {"metric": "l2"}),
    "one byte": (vectors(1500, DIM), {"metric": "l2", "bytes_per_vector": 1}),
    "a byte beside ids": (vectors(2500, DIM), {"metric": "l2", "bytes_per_vector": 9, "ids": np.arange(2500)}),
    "in a cone": (
        vectors(2500, DIM) + np.float32(9),
        {"metric": "cosine", "bytes_per_vector": 13, "ids": np.arange(2500)},
    ),
    "equal vectors": (np.ones((2500, DIM), np.float32), {"metric": "ip"}),
    "two queries": (vectors(1200, DIM), {"metric": "ip", "queries": vectors(2, DIM, seed=1)}),
}


@pytest.mark.parametrize("case", TINY)
def test_extremes_are_built(case: str) -> None:
    x, options = TINY[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a recall that is out of reach
        index = fb.build(x, recall=0.5, progress=False, **options)  # type: ignore[arg-type]
    assert len(index) == len(x)
    assert index.tries is not None
    assert index.stats().bytes_per_vector <= options.get("bytes_per_vector", 64) + 0.1  # type: ignore[operator]


def test_own_ids_and_progress() -> None:
    x = vectors(1500, DIM)
    ids = np.arange(len(x)) * 3 + 5
    stages: list[str] = []
    index = fb.build(
        x,
        metric="l2",
        bytes_per_vector=60,
        recall=0.9,
        ids=ids,
        progress=lambda stage, fraction: stages.append(stage),
    )
    assert {"comparing", "adding"} <= set(stages)
    assert overlap((index.search(x[:50], 1).ids - 5) // 3, np.arange(50)[:, None]) > 0.9


def test_wrong_arguments() -> None:
    x = vectors(1200, DIM)
    with pytest.raises(ValueError, match="effort: expected 'quick' or 'normal' or 'thorough', got 'fast'"):
        fb.build(x, metric="l2", effort="fast")
    with pytest.raises(ValueError, match="on_disk: expected effort 'normal' or 'thorough'"):
        fb.build(x, metric="l2", on_disk=True)
    with pytest.raises(TypeError, match="on_disk: expected True or False"):
        fb.build(x, metric="l2", recall=0.9, on_disk=1)  # type: ignore[arg-type]
    x[7] = np.nan
    with pytest.raises(ValueError, match="row 7"):
        fb.build(x, metric="l2", recall=0.9, progress=False)
