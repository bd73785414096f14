"""fb.SparseIndex against a full product of the quantised values by scipy, bit for bit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fewbits as fb
from fewbits import _core

sparse = pytest.importorskip("scipy.sparse")


def zipf(n: int, terms: int, nonzeros: int, seed: int) -> Any:
    """Rows of about so many terms, few of which are frequent; values as of a learned sparse encoder."""
    random = np.random.default_rng(seed)
    rows = np.repeat(np.arange(n), nonzeros)
    columns = np.minimum(random.zipf(1.3, len(rows)) - 1, terms - 1 - random.integers(terms // 2, size=len(rows)))
    values = random.gamma(2.0, 0.5, len(rows)).astype(np.float32)
    made = sparse.coo_array((values, (rows, columns)), shape=(n, terms)).tocsr()
    made.sum_duplicates()
    return made


class Oracle:
    """Codes by numpy, sums by scipy in int64."""

    def __init__(self, x: Any) -> None:
        x = x.astype(np.float32)
        self.scales = x.max(axis=0).toarray().ravel().astype(np.float32) / np.float32(255)
        codes = np.clip(np.rint(x.data / self.scales[x.indices]), 1, 255).astype(np.int64)
        self.codes = sparse.csr_array((codes, x.indices, x.indptr), shape=x.shape)

    def search(self, queries: Any, k: int, allowed: Any = None) -> tuple[np.ndarray, np.ndarray]:
        n = self.codes.shape[0]
        ids, scores = np.full((queries.shape[0], k), -1), np.full((queries.shape[0], k), -np.inf, np.float32)
        for i in range(queries.shape[0]):
            weights = np.zeros(len(self.scales))
            row = queries[[i]].tocoo()
            weights[row.col] = row.data.astype(np.float32).astype(np.float64) * self.scales[row.col]
            if not weights.any():
                continue
            step = max(weights.max() / 65535, weights.sum() / (16.8e6 - np.count_nonzero(weights)))
            steps = np.where(weights > 0, np.maximum(np.rint(weights / step), 1), 0)
            sums = self.codes @ steps.astype(np.int64)
            sums[np.setdiff1d(np.arange(n), np.arange(n) if allowed is None else allowed)] = 0
            best = np.lexsort((np.arange(n), -sums))[:k]
            best = best[sums[best] > 0]
            ids[i, : len(best)], scores[i, : len(best)] = best, (sums[best] * step).astype(np.float32)
        return ids, scores


@pytest.mark.parametrize(
    ("n", "terms", "nonzeros", "of_query"), [(300, 50, 6, 3), (70_000, 3000, 12, 5), (40_000, 70_000, 30, 40)]
)
def test_it_is_the_product_of_quantised_values_bit_for_bit(n: int, terms: int, nonzeros: int, of_query: int) -> None:
    x, queries = zipf(n, terms, nonzeros, seed=0), zipf(25, terms, of_query, seed=1)
    index, oracle = fb.SparseIndex().build(x), Oracle(x)
    for k in (1, 10, 200):
        ids, scores = oracle.search(queries, k)
        for threads in (1, 3):
            found = index.search(queries, k, threads=threads)
            assert np.array_equal(found.ids, ids)
            assert np.array_equal(found.scores, scores)
    some = np.random.default_rng(2).permutation(n)[: n // 3]
    ids, scores = oracle.search(queries, 10, some)
    found = index.search(queries, 10, filter=some)
    assert np.array_equal(found.ids, ids)
    assert np.array_equal(found.scores, scores)
    assert np.array_equal(index.score(queries, found.ids), found.scores)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_small_index_and_query(data: st.DataObject) -> None:
    row = st.dictionaries(st.integers(0, 12), st.floats(2**-10, 1e4, width=32), max_size=8)
    rows = data.draw(st.lists(row, min_size=1, max_size=40))
    queries = data.draw(st.lists(row, min_size=1, max_size=3))
    x, q = (dicts_to_csr(each, 13) for each in (rows, queries))
    k = data.draw(st.integers(1, 45))
    found = fb.SparseIndex().build(rows).search(queries, k)
    ids, scores = Oracle(x).search(q, k)
    assert np.array_equal(found.ids, ids)
    assert np.array_equal(found.scores, scores)


def dicts_to_csr(rows: list[dict[int, float]], terms: int) -> Any:
    offsets = np.cumsum([0, *map(len, rows)])
    columns = np.array([term for row in rows for term in row], int)
    values = np.array([value for row in rows for value in row.values()], np.float32)
    made = sparse.csr_array((values, columns, offsets), shape=(len(rows), terms))
    made.sort_indices()
    return made


X = zipf(3000, 400, 10, seed=3)
Q = zipf(20, 400, 6, seed=4)
IDS = np.random.default_rng(5).permutation(3000) * 3


def test_every_form_of_input_is_the_same_index() -> None:
    small = X[:40]
    dicts = [dict(zip(small[[i]].indices.tolist(), small[[i]].data.tolist(), strict=True)) for i in range(40)]
    shuffled = [dict(reversed(list(row.items()))) for row in dicts]
    halves = sparse.coo_array(
        (np.tile(small.data / 2, 2), (np.tile(small.tocoo().row, 2), np.tile(small.tocoo().col, 2))), shape=small.shape
    )
    first = fb.SparseIndex().build(small).to_bytes()
    for same in (dicts, shuffled, (small.indptr, small.indices, small.data), small.tocsc(), halves, small.astype("f8")):
        assert fb.SparseIndex().build(same).to_bytes() == first


def test_changes_are_a_fresh_index() -> None:
    whole = fb.SparseIndex().build(X, ids=IDS)
    index = fb.SparseIndex().build(X, ids=IDS)
    index.add(X[:50] * 0.5, ids=np.arange(50) * 3 + 1)
    for i in range(60):
        index.add(X[[i]], ids=[int(IDS[i])], on_conflict="replace")
    assert index.remove([*(np.arange(50) * 3 + 1), 10**9]) == 50
    assert index.stats().segments < 8
    for same in (index, fb.SparseIndex.from_bytes(index.to_bytes()), pickle.loads(pickle.dumps(index)).compact()):
        assert len(same) == 3000
        assert np.array_equal(same.ids(), np.sort(IDS))
        found, expected = same.search(Q, 15), whole.search(Q, 15)
        assert np.array_equal(found.scores, expected.scores)
        assert np.array_equal(np.sort(same.search(Q, 3000).ids), np.sort(whole.search(Q, 3000).ids))
    assert index.compact().stats().removed == 0
    assert int(IDS[3]) in index
    assert 1 not in index


def test_new_terms_and_larger_values_later() -> None:
    index = fb.SparseIndex().build([{1: 2.0}])
    index.add([{1: 4.0, 7: 10.0}])
    np.testing.assert_allclose(index.search({1: 1.0}, 2).scores, [2.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(index.search({7: 1.0}, 1).scores, [10.0], rtol=1e-6)


def test_filters_of_every_kind() -> None:
    index = fb.SparseIndex().build(X)
    numba = pytest.importorskip("numba")
    even = numba.cfunc("boolean(int64)")(lambda i: i % 2 == 0)
    mask = np.arange(3000) % 2 == 0
    evens = index.search(Q, 20, filter=mask)
    assert (evens.ids % 2 == 0).all()
    for same in (np.flatnonzero(mask), fb.Filter.deny(np.flatnonzero(~mask)), even, [fb.Filter(mask)] * 20):
        assert np.array_equal(index.search(Q, 20, filter=same).ids, evens.ids)
    own = [fb.Filter([i]) for i in range(20)]
    found = index.search(Q, 2, filter=own).ids
    assert ((found == np.arange(20)[:, None]) | (found == -1)).all()


def test_min_score_leaves_out_what_is_below() -> None:
    index = fb.SparseIndex().build(X)
    all_found = index.search(Q, 50)
    least = float(all_found.scores[0, 7])
    found = index.search(Q, 50, min_score=least)
    assert np.array_equal(found.counts, (all_found.scores >= np.float32(least)).sum(axis=1))
    assert found.counts[0] == 8
    assert np.array_equal(index.search(Q, 50, min_score=-3).ids, all_found.ids)


def test_reconstruction_is_within_half_a_unit() -> None:
    index = fb.SparseIndex().build(X)
    offsets, terms, values = index.reconstruct([5, 2])
    again = sparse.csr_array((values, terms, offsets), shape=(2, 400)).toarray()
    scales = X.max(axis=0).toarray().ravel() / 255
    assert (np.abs(again - X[[5, 2]].toarray()) <= 0.51 * scales + 1e-7).all()


def test_files(tmp_path: Path) -> None:
    index = fb.SparseIndex().build(X, ids=IDS)
    index.save(tmp_path / "a.fb")
    fb.verify(tmp_path / "a.fb")
    for opened in (fb.open(tmp_path / "a.fb"), fb.open(index.to_bytes()), fb.SparseIndex.open(tmp_path / "a.fb")):
        assert isinstance(opened, fb.SparseIndex)
        assert opened.to_bytes() == index.to_bytes()
    assert fb.inspect(tmp_path / "a.fb").params["sparse.kind"] == 1
    for other in (fb.Index, fb.MultiVectorIndex):
        with pytest.raises(ValueError, match="holds a sparse index"):
            other.open(tmp_path / "a.fb")
    dense = fb.Index(2, metric="ip").add(np.eye(2), progress=False).to_bytes()
    with pytest.raises(ValueError, match="holds no sparse index"):
        fb.SparseIndex.from_bytes(dense)


def test_damaged_files_are_refused_or_are_valid() -> None:
    file = bytearray(fb.SparseIndex().build(X[:5], ids=[4, 1, 9, 3, 2]).to_bytes())
    for i in range(0, len(file), 7):
        damaged = bytearray(file)
        damaged[i] ^= 1 << (i % 8)
        with pytest.raises(fb.FewbitsError):
            fb.SparseIndex.from_bytes(damaged)
    for n in range(0, len(file), 11):
        with pytest.raises(fb.FewbitsError):
            fb.SparseIndex.from_bytes(file[:n])


@pytest.mark.parametrize(
    "change", [{"kind": "dense"}, {"kind": 3}, {"k1": None}, {"found_in": [-1]}, {"vocabulary": ["a", "a"]}]
)
def test_a_damaged_description_is_a_corrupt_file(change: dict[str, Any]) -> None:
    index = fb.SparseIndex.bm25(["a b", "b c"])
    meta = json.loads(fb.SparseIndex.from_bytes(index.to_bytes())._state.engine.meta)
    damaged = index._state.engine.to_bytes(json.dumps(meta | change).encode())
    with pytest.raises(fb.CorruptIndexError, match="description is not readable"):
        fb.open(damaged)


TEXTS = ["A cat and a dog", "the dog, the DOG!", "rain in Spain", "Straße und Strasse", ""]


def by_hand(query: list[str], documents: list[list[str]], k1: float = 1.2, b: float = 0.75) -> list[float]:
    mean = np.mean([len(document) for document in documents])
    scores = []
    for document in documents:
        total = 0.0
        for token in query:
            df, tf = sum(token in each for each in documents), document.count(token)
            idf = np.log(1 + (len(documents) - df + 0.5) / (df + 0.5))
            total += idf * tf / (tf + k1 * (1 - b + b * len(document) / mean))
        scores.append(total)
    return scores


def test_bm25_is_the_formula() -> None:
    tokens = [["a", "cat", "and", "a", "dog"], ["the", "dog", "the", "dog"], ["rain", "in", "spain"]]
    tokens += [["strasse", "und", "strasse"], []]
    index = fb.SparseIndex.bm25(TEXTS)
    for query in ("dog", "a dog dog in", "STRASSE", "the rain and nothing"):
        scores = index.score(query, np.arange(5))
        np.testing.assert_allclose(scores, by_hand(query.lower().split(), tokens), rtol=0.01, atol=0.003)
    numbers = {token: i * 5 for i, token in enumerate(sorted({token for text in tokens for token in text}))}
    by_number = fb.SparseIndex.bm25([[numbers[token] for token in text] for text in tokens])
    query = ["a", "dog", "dog", "in"]
    np.testing.assert_array_equal(
        by_number.search([numbers[token] for token in query], 5).scores, index.search("a dog dog in", 5).scores
    )
    assert by_number.search([[numbers["dog"]], [7]], 2).ids.tolist() == [[1, 0], [-1, -1]]
    queries = [[numbers["dog"], numbers["in"]], [], [numbers["a"]]]
    found = by_number.search(queries, 3)
    for same in ([np.array(query, np.int64) for query in queries], [*queries[:2], np.array(queries[2], np.uint8)]):
        np.testing.assert_array_equal(by_number.search(same, 3).scores, found.scores)
    for wrong in ([[True]], [["dog"]], [[[1], [2]]], [[1.5]]):
        with pytest.raises(TypeError, match="queries: expected texts, or token numbers"):
            by_number.search(wrong, 3)
    for wrong_number in (-1, 2**24, 2**70):
        with pytest.raises((TypeError, ValueError), match="queries: expected"):
            by_number.search([[1, wrong_number]], 3)


def test_texts_can_be_added_and_kept() -> None:
    index = fb.SparseIndex.bm25(TEXTS, ids=[10, 11, 12, 13, 14])
    index.add(["snow in Spain", "dog"], ids=[20, 12], on_conflict="replace")
    for same in (index, fb.open(index.to_bytes()), pickle.loads(pickle.dumps(index))):
        assert isinstance(same, fb.SparseIndex)
        assert same.search("snow", 2).ids.tolist() == [20, -1]
        assert same.search(["spain", "rain"], 2).ids.tolist() == [[20, -1], [-1, -1]]
        assert same.search("dog", 5).counts == 3
        assert "BM25" in same.explain()
        assert "texts" in repr(same)


def test_a_tokenizer_of_ones_own() -> None:
    index = fb.SparseIndex.bm25(["ab cd", "b"], tokenizer=list)
    assert index.search("b", 2).counts == 2
    file = index.to_bytes()
    assert fb.SparseIndex.open(file, tokenizer=list).search("b", 2).counts == 2
    with pytest.raises(ValueError, match="tokenizer: the index was built with one"):
        fb.open(file).search("b", 2)
    with pytest.raises(ValueError, match="tokenizer: expected None"):
        fb.SparseIndex.open(fb.SparseIndex.bm25(["a"]).to_bytes(), tokenizer=list)
    with pytest.raises(TypeError, match="tokenizer of your own cannot be pickled"):
        pickle.dumps(index)


def test_it_fuses_with_a_dense_index() -> None:
    dense = fb.Index(8, metric="cosine").add(np.random.default_rng(0).normal(size=(3000, 8)), progress=False)
    queries = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    index = fb.SparseIndex().build(X)
    lists = [dense.search(queries, 30), index.search(Q, 30)]
    fused = fb.fuse(lists, [0.5, 0.5], indexes=[dense, index], queries=[queries, Q])
    assert (fused.counts == 10).all()
    assert fused.ids.shape == (20, 10)


BAD: list[tuple[Any, str]] = [
    ([{1: -1.0}], "finite values >= 0"),
    ([{1: float("nan")}], "finite values >= 0"),
    ([{1: 1e-35}], "values of 0, or 1e-30 to 1e\\+30"),
    ([{1: 1e38}], "values of 0, or 1e-30"),
    ([{-1: 1.0}], "term numbers of 0 to 2\\^24 - 1"),
    ([{2**24: 1.0}], "term numbers of 0 to 2\\^24 - 1"),
    ([{"a": 1.0}], "term numbers \\(int\\)|dicts of term number"),
    ([{1.5: 1.0}], "term numbers \\(int\\)"),
    (([0, 2], [1], [1.0]), "indptr to ascend from 0 to 1"),
    (([0, 1], [1], [1.0, 2.0]), "as many values as terms"),
    (3, "expected a scipy sparse array"),
    (np.eye(3), "expected a scipy sparse array"),
    ({1: 2.0}, "expected a list of vectors, got one dict"),
]


@pytest.mark.parametrize(("x", "message"), BAD)
def test_what_is_refused(x: Any, message: str) -> None:
    index = fb.SparseIndex().build(X[:10])
    before = index.to_bytes()
    with pytest.raises((TypeError, ValueError), match=message):
        index.add(x)
    assert index.to_bytes() == before


def test_other_arguments_that_are_refused() -> None:
    index = fb.SparseIndex().build(X[:10])
    before = index.to_bytes()
    for call in (
        lambda: index.build(X[:2]),
        lambda: index.add(X[:2], ids=[3, 11]),
        lambda: index.add(X[:2], ids=[11, 11]),
        lambda: index.add(X[:2], ids=[-1, 11]),
        lambda: index.add(X[:2], on_conflict="replace"),
        lambda: index.score(Q, [99]),
        lambda: index.reconstruct([99]),
        lambda: index.search(Q, 0),
        lambda: index.search(["text"]),
        lambda: fb.SparseIndex.bm25(["", ""]),
        lambda: fb.SparseIndex.bm25(["a"], b=2),
        lambda: fb.SparseIndex.bm25([[1]], tokenizer=list),
        lambda: fb.SparseIndex.bm25(["a", 3]),
        lambda: fb.SparseIndex.bm25(TEXTS).search([[1, 2]]),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert index.to_bytes() == before
    assert fb.SparseIndex().search(Q, 3).counts.tolist() == [0] * 20


def test_a_common_term_of_little_weight_is_found() -> None:
    index = fb.SparseIndex().build([{0: 1.0}, {1: 1e-9}, {2: 1.0}])
    found = index.search([{0: 1.0, 1: 1.0}], 3)
    assert found.ids[0].tolist() == [0, 1, -1]
    assert index.score([{0: 1.0, 1: 1.0}], [1])[0, 0] > 0


@pytest.mark.parametrize("offsets", [[0, 5, 1], [0, -1, 1], [0, 2**62, 1]])
def test_offsets_of_rows_are_checked_again_by_the_core(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending offsets"):
        _core.SparseEngine().added(np.asarray(offsets), np.zeros(1, np.uint32), np.ones(1, np.float32))
