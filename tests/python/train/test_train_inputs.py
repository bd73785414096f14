"""What is given to the trainers: vectors that are not those of their ids, labels in any form, queries held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.evaluation.originals import Originals
from fewbits.train.examples import judged, split, why_few
from support.data import F32, vectors
from support.training_data import DIM, TRAIN, world

W = world()
N = len(W.x)
IDS = 7 + 3 * np.random.default_rng(5).permutation(N)  # a database's own
TRAINERS = [fb.train.jpq, fb.train.repconc, fb.train.adapter]
QUICK: dict[str, Any] = {"epochs": 1, "pseudo_queries": 100, "threads": 1, "progress": False}

WRONG: dict[str, Callable[[F32], F32]] = {
    "another order": lambda x: x[np.random.default_rng(0).permutation(N)],
    "shifted by one row": lambda x: np.roll(x, 1, axis=0),
    "a part in another order": lambda x: np.concatenate([x[: N // 4][::-1], x[N // 4 :]]),
    "another embedding": lambda x: np.ascontiguousarray(x[:, ::-1]),
    "other vectors": lambda x: vectors(N, DIM, seed=77) / np.float32(5),
}

CODECS: dict[str, dict[str, Any]] = {
    "16 codes": {"codec": fb.PQ(1, bits=4)},
    "pq": {"codec": fb.PQ(8, bits=4)},
    "opq of residuals": {"codec": fb.PQ(4, bits=4), "transform": fb.OPQ(iterations=2), "partition": fb.IVF(8)},
    "rabitq of 1 bit": {"codec": fb.RaBitQ(1)},
    "pca to 2": {"codec": fb.Scalar(4), "transform": fb.PCA(2)},
    "reranked": {"codec": fb.RaBitQ(1), "rerank": fb.Scalar(8)},
    "float": {"codec": fb.Float(16)},
}


def built(x: F32 = W.x, ids: Any = IDS, metric: str = "ip", **parts: Any) -> fb.Index:
    parts = parts or {"codec": fb.PQ(8, bits=4)}
    return fb.Index(x.shape[1], metric=metric, **parts).build(x, ids, progress=False)


# --- x and its ids ---


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_vectors_that_are_not_those_of_their_ids_are_refused(trainer: Any, wrong: str) -> None:
    index = built()
    engine, before = index._engine, index.search(W.queries)
    with pytest.raises(
        ValueError, match=r"x: row \d+ is not the vector of id \d+; expected the vectors that were added"
    ):
        trainer(index, W.queries[:TRAIN], x=WRONG[wrong](W.x), x_ids=IDS, **QUICK)
    assert index._engine is engine
    np.testing.assert_array_equal(index.search(W.queries).scores, before.scores)


@pytest.mark.parametrize("codec", CODECS)
def test_codes_of_any_coarseness_tell_right_vectors_from_wrong_ones(codec: str, metric: str) -> None:
    """Right: also of very unequal lengths, with repeated vectors, or with rows that the index does not have."""
    lengths = np.exp(np.random.default_rng(1).normal(size=(N, 1))).astype(np.float32)
    repeated = W.x[np.arange(N) // 2]
    for x in (W.x, W.x * lengths, repeated, W.x[:20]):
        Originals(built(x, None, metric, **CODECS[codec]), x).check()
    index = built(W.x, None, metric, **CODECS[codec])
    index.remove(np.arange(100, 200))
    Originals(index, W.x).check()
    for wrong in ("another order", "another embedding"):
        with pytest.raises(ValueError, match="is not the vector of id"):
            Originals(index, WRONG[wrong](W.x)).check()


def test_vectors_of_another_scale_are_refused() -> None:
    for scale in (0.1, 10.0):
        with pytest.raises(ValueError, match=r"got vectors (0\.0\d+|\d+\.\d+) times as long"):
            fb.train.jpq(built(), x=W.x * np.float32(scale), x_ids=IDS, **QUICK)
    fb.train.jpq(built(metric="cosine"), x=W.x * np.float32(10), x_ids=IDS, **QUICK)  # no length counts


@pytest.mark.parametrize("trainer", TRAINERS)
def test_own_ids_train_as_row_numbers_do(trainer: Any) -> None:
    """In any order of rows, and with rows of ids that the index does not have."""
    ids = np.sort(IDS)  # in the order of rows, as equal scores are ordered by id
    order = np.random.default_rng(2).permutation(N)
    more, more_ids = np.concatenate([W.x[order], W.x[:5]]), np.concatenate([ids[order], np.arange(5) * 3])
    assert not np.isin(more_ids[-5:], ids).any()
    by_number, by_id, in_order = built(ids=None), built(ids=ids), built(ids=ids)
    own = W.positives[:TRAIN].copy()
    own[:, 1] = ids[own[:, 1]]
    reports = [
        trainer(index, W.queries[:TRAIN], positives, x=x, x_ids=x_ids, validation=0.3, **QUICK)
        for index, positives, x, x_ids in (
            (by_number, W.positives[:TRAIN], W.x, None),
            (by_id, own, more, more_ids),
            (in_order, own, W.x, ids),
        )
    ]
    assert reports[1].stages == reports[2].stages
    assert reports[1].before == pytest.approx(reports[0].before)
    np.testing.assert_array_equal(by_id.search(W.queries).scores, in_order.search(W.queries).scores)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x_ids": IDS[:-1]}, ValueError, rf"x_ids: expected one per vector \({N}\), got {N - 1}"),
        ({"x_ids": np.where(IDS[3] == IDS, IDS[4], IDS)}, ValueError, "x_ids: expected unique ids"),
        ({"x_ids": np.where(IDS[3] == IDS, 0, IDS)}, ValueError, f"none for id {IDS[3]} "),
        ({"x_ids": IDS.astype(np.float64)}, TypeError, "x_ids: expected whole numbers"),
        ({"x_ids": -IDS}, ValueError, "x_ids: expected whole numbers >= 0"),
        ({"x_ids": None}, ValueError, "row numbers are the ids unless x_ids is given"),
        ({"x": None}, ValueError, "x_ids: expected x with them|x: expected the float vectors"),
        ({"x": W.x[:10], "x_ids": IDS[:10]}, ValueError, "got 10 rows and none for id"),
    ],
)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_ids_of_rows_are_checked(trainer: Any, changed: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        trainer(built(), W.queries, **{"x": W.x, "x_ids": IDS, **QUICK, **changed})


def test_rows_that_are_not_finite_are_named_as_in_x() -> None:
    x = W.x.copy()
    x[1100, 3] = np.nan
    with pytest.raises(ValueError, match=r"x: expected finite float32 values.* in row 1100"):
        fb.train.jpq(built(), x=x, x_ids=IDS, **QUICK)


# --- labels ---


def read(positives: Any, queries: int = 4, ids: Any = None) -> list[list[int]]:
    examples, _ = judged(W.queries[:queries], positives, np.arange(100) if ids is None else ids)
    return [examples.rows[a:b].tolist() for a, b in zip(examples.starts, examples.starts[1:], strict=False)]


ROWS = [[0, 31], [1, 57], [2, 12], [3, 99]]


@pytest.mark.parametrize("form", [list, tuple], ids=["lists", "tuples"])
def test_lists_that_are_both_rows_and_ids_are_refused(form: Any) -> None:
    """One positive a query as rows of a table, or two for each query: either is a way to read them."""
    for rows in (ROWS, [[q, i, 1] for q, i in ROWS], [[3, 57], [1, 2], [0, 3], [2, 1]]):
        with pytest.raises(
            ValueError, match=r"4 lists of \d numbers for 4 queries can be rows .* np\.array\(positives\)"
        ):
            read([form(row) for row in rows])
        with pytest.raises(ValueError, match="can be rows"):
            read(tuple(form(row) for row in rows))


def test_both_meanings_can_be_said() -> None:
    assert read(np.array(ROWS)) == [[31], [57], [12], [99]]
    assert [sorted(row) for row in read([np.array(row) for row in ROWS])] == [sorted(row) for row in ROWS]
    assert read(np.array([[q, i, 1] for q, i in ROWS])) == [[31], [57], [12], [99]]


@pytest.mark.parametrize(
    ("positives", "expected"),
    [
        (ROWS[:3], [[31], [57], [12]]),  # not a row for each query
        ([[0, 31], [1, 57], [2, 12], [9, 9]], [[0, 31], [1, 57], [2, 12], [9]]),  # there is no query 9
        ([[31], [57], [12, 1], []], [[31], [57], [12, 1]]),  # not all of one length
        ([[31], [57], [12], [99]], [[31], [57], [12], [99]]),
        ([31, 57, 12, 99], [[31], [57], [12], [99]]),
        ([[1, 2, 3, 4]] * 4, [[1, 2, 3, 4]] * 4),
        ([np.array([31]), np.array([]), np.array([12]), np.array([99, 1])], [[31], [12], [99, 1]]),
    ],
)
def test_lists_with_one_meaning_are_read(positives: Any, expected: Any) -> None:
    assert [sorted(row) for row in read(positives)] == [sorted(row) for row in expected]


def test_ids_that_are_no_query_numbers_settle_it() -> None:
    ids = np.arange(1000, 1100)
    assert read([[0, 1031], [1, 1057], [2, 1012], [3, 1099]], ids=ids) == [[31], [57], [12], [99]]
    assert read([[1031, 1001], [1002, 1003], [1004, 1005], [1006, 1007]], ids=ids)[0] == [31, 1]


@pytest.mark.parametrize(
    ("positives", "message"),
    [
        ([[0, 1], [2]], "rows of different lengths"),
        ([["a"], ["b"], ["c"], ["d"]], "whole numbers"),
        ([[0.5], [1], [2], [3]], "whole numbers"),
        ([{1, 2}, {3}, {4}, {5}], "whole numbers"),
        ([[[1]], [[2]], [[3]], [[4]]], "whole numbers"),
        ([[0, 200], [1, 2], [2, 3], [3, 4]], "id 200 is not in the index"),
    ],
)
def test_lists_without_a_meaning_are_refused(positives: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        read(positives)


# --- validation ---


def clicks(queries: int, most: int, documents: int, seed: int = 0) -> Any:
    """A log in which queries share documents."""
    random = np.random.default_rng(seed)
    rows = [
        (query, row)
        for query in range(queries)
        for row in random.choice(documents, random.integers(1, most + 1), False)
    ]
    return judged(np.random.default_rng(1).normal(size=(queries, DIM)).astype(np.float32), np.array(rows), np.arange(N))


@pytest.mark.parametrize("seed", range(5))
def test_groups_that_do_not_fit_are_skipped(seed: int) -> None:
    """One group holds most of the queries; the others are found whatever the order in which groups are drawn."""
    examples, _ = clicks(800, 2, 600)
    training, held = split(examples, 0.15, seed)
    assert len(held) == 120
    assert not np.intersect1d(training.rows, held.rows).size


def test_too_few_to_validate_on_says_why() -> None:
    index = built(ids=None)
    linked = np.stack([np.arange(100), np.zeros(100, np.int64)], axis=1)
    with pytest.raises(ValueError, match=r"leave none to validate on: .* is 15, and queries .* such group has 100"):
        fb.train.jpq(index, W.queries[:100], linked, x=W.x, **QUICK)
    linked[:10, 1] = np.arange(10)
    with pytest.warns(UserWarning, match=r"9 of 100 judged queries are held out, too few .* group has 91") as caught:
        fb.train.jpq(index, W.queries[:100], linked, x=W.x, **QUICK)
    assert caught[0].filename == __file__
    with pytest.warns(
        UserWarning, match=r"8 of 50 judged queries are held out.*=0\.15 of 50 judged queries is 8; expected"
    ):
        fb.train.adapter(index, W.queries[:50], W.positives[:50], x=W.x, **QUICK)
    with pytest.raises(ValueError, match="leave none to train on: all are near duplicates of the 18 held out"):
        fb.train.jpq(index, np.repeat(W.queries[:1], 120, axis=0), W.positives[:120], x=W.x, **QUICK)
    assert "expected more queries" in why_few(clicks(1, 1, 5)[0], 0.15)


def test_one_query_convinces_of_nothing() -> None:
    index = built(ids=None)
    with pytest.warns(UserWarning, match="1 of 5 judged queries are held out"):
        report = fb.train.jpq(index, W.queries[:5], W.positives[:5], x=W.x, **QUICK)
    assert not report.stages[-1].kept
