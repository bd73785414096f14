"""Chamfer similarity, and the index over encodings with its token store."""

import copy
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fewbits as fb
from fewbits.choose import build_multivector as auto_multivector
from fewbits.choose.sets_trial import Encoding, SetsTrial, Store, sets_sample
from fewbits.input.sets import SetsInput

DIM = 32
FDE = fb.FDE(DIM, 8, 3, 8, seed=3)


def unit(count, seed):
    x = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def ragged(n, seed, low=1, high=70):
    counts = np.random.default_rng(seed).integers(low, high, n)
    return [unit(count, seed * 1000 + i) for i, count in enumerate(counts)]


def exact(queries, documents):
    return np.array([[(q @ d.T).max(axis=1).sum(dtype=np.float64) for d in documents] for q in queries])


@pytest.fixture(scope="module")
def documents():
    return ragged(150, 1)


@pytest.fixture(scope="module")
def queries(documents):
    """Tokens near those of some documents."""
    return [documents[i][: 1 + i % 20] + 0.02 * unit(len(documents[i][: 1 + i % 20]), i) for i in range(0, 150, 7)]


def build(documents, tokens=None, **settings):
    return fb.MultiVectorIndex(DIM, encoder=FDE, tokens=tokens or fb.Scalar(8), **settings).build(documents)


# --- chamfer ---


def test_chamfer_is_the_sum_of_maxima(documents, queries):
    got = fb.chamfer(queries, documents)
    np.testing.assert_allclose(got, exact(queries, documents), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(got, fb.chamfer(queries, documents, threads=2))
    np.testing.assert_array_equal(fb.chamfer(queries[0], documents), got[0])
    np.testing.assert_array_equal(fb.chamfer(queries, documents[3]), got[:, 3])
    assert fb.chamfer(queries[0], documents[3]) == got[0, 3]


def test_chamfer_names_what_is_wrong(documents):
    with pytest.raises(ValueError, match=r"queries: set 0: expected shape \(t, 32\)"):
        fb.chamfer([np.zeros((2, 5))], documents)
    with pytest.raises(ValueError, match="at least 1 token"):
        fb.chamfer([np.zeros((0, DIM))], documents)


@pytest.mark.parametrize(
    ("tokens", "error"),
    [
        (fb.Float(32), 1e-5),
        (fb.Float(16), 2e-3),
        (fb.Scalar(8), 0.01),
        (fb.Scalar(4), 0.1),
        (fb.PQ(16), 0.1),
        (fb.PQ(16, bits=4), 0.25),
        (fb.RaBitQ(1), 0.7),
        (fb.RaBitQ(3), 0.12),
        (fb.RaBitQ(8), 0.02),
    ],
)
def test_scores_are_chamfer_of_the_stored_tokens(documents, queries, tokens, error):
    index = build(documents, tokens)
    ids, scores = index.search(queries, k=150, rerank=150)
    expected = np.take_along_axis(exact(queries, documents), ids, axis=1)
    counts = np.array([len(q) for q in queries])[:, None]
    assert (np.abs(scores - expected) <= error * np.maximum(counts, 1)).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    if tokens == fb.Float(32):
        np.testing.assert_array_equal(ids, np.argsort(-fb.chamfer(queries, documents), axis=1, kind="stable"))


# --- the index ---


@pytest.mark.parametrize("codec", [None, fb.Float(32), fb.Scalar(8), fb.PQ(64, bits=4)])
def test_what_a_query_was_made_of_comes_first(documents, queries, codec):
    index = build(documents, codec=codec)
    result = index.search(queries, k=3, rerank=40)
    assert (result.ids[:, 0] == np.arange(0, 150, 7)).mean() > 0.9
    one = index.search(queries[4], k=3, rerank=40)
    np.testing.assert_array_equal(one.ids, result.ids[4])
    np.testing.assert_array_equal(one.scores, result.scores[4])
    again = index.search(queries, k=3, rerank=40, threads=2)
    np.testing.assert_array_equal(again.scores, result.scores)


def test_without_rerank_scores_estimate_chamfer(documents, queries):
    index = build(documents, codec=fb.Float(32))
    ids, scores = index.search(queries, k=150, rerank=0)
    encoded = FDE.encode_queries(queries) @ FDE.encode_documents(documents).T / FDE.repetitions
    np.testing.assert_allclose(scores, np.take_along_axis(encoded, ids, axis=1), atol=1e-4)


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(
    "tokens", [fb.Scalar(4), fb.Scalar(4, levels="lloyd-max"), fb.Float(16), fb.PQ(16), fb.RaBitQ(2)], ids=repr
)
def test_a_saved_index_searches_as_before(tmp_path, documents, queries, tokens, on_disk, mmap):
    index = build(documents, replace(tokens, on_disk=on_disk), pooling=fb.Pooling(0.9))
    index.add(documents[:20], ids=np.arange(1000, 1020)[::-1])
    before = index.search(queries, k=5)
    index.save(tmp_path / "a.fb")
    fb.verify(tmp_path / "a.fb")
    opened = fb.MultiVectorIndex.open(tmp_path / "a.fb", mmap=mmap)
    np.testing.assert_array_equal(opened.search(queries, k=5).ids, before.ids)
    np.testing.assert_array_equal(opened.search(queries, k=5).scores, before.scores)
    assert (opened.encoder, opened.tokens, opened.pooling) == (index.encoder, index.tokens, index.pooling)
    assert len(opened) == 170
    opened.save(tmp_path / "b.fb")
    assert (tmp_path / "a.fb").read_bytes() == (tmp_path / "b.fb").read_bytes()
    opened.add(documents[:1])
    assert 1020 in opened
    numbers = index.stats()
    assert (numbers["token_bytes_on_disk"] > 0) == on_disk
    assert numbers["token_bytes"] + numbers["token_bytes_on_disk"] >= numbers["tokens"] / 170 * DIM / 4
    with pytest.raises(ValueError, match="multi-vector"):
        fb.Index.open(tmp_path / "a.fb")
    assert isinstance(fb.open(tmp_path / "a.fb"), fb.MultiVectorIndex)


def test_bytes_and_pickles_are_the_file(tmp_path, documents, queries):
    index = build(documents, fb.Scalar(4, on_disk=True), pooling=fb.Pooling(0.5))
    index.remove([3])
    index.save(tmp_path / "a.fb")
    data = index.to_bytes()
    assert data == (tmp_path / "a.fb").read_bytes()
    for other in (fb.MultiVectorIndex.from_bytes(data), pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert other.to_bytes() == data
        np.testing.assert_array_equal(other.search(queries, 5).scores, index.search(queries, 5).scores)
        other.add(documents[:2])
        assert 151 in other
        assert len(index) == 149
    with pytest.raises(ValueError, match="single vectors"):
        fb.MultiVectorIndex.from_bytes(fb.Index(2, metric="ip").to_bytes())
    with pytest.raises(ValueError, match="multi-vector"):
        fb.Index.from_bytes(data)
    with pytest.raises(fb.CorruptIndexError):
        fb.MultiVectorIndex.from_bytes(data[:-1])
    with pytest.raises(TypeError, match="file: expected bytes"):
        fb.MultiVectorIndex.from_bytes(str(tmp_path))


def test_untrained_indexes_are_pickled_too(documents):
    settings = {"partition": fb.IVF(3), "codec": fb.PQ(16), "tokens": fb.RaBitQ(2), "pooling": fb.Pooling(tokens=9)}
    index = fb.MultiVectorIndex(DIM, encoder=FDE, seed=5, **settings)
    other = pickle.loads(pickle.dumps(index))
    assert not other.is_trained
    assert other.build(documents).to_bytes() == index.build(documents).to_bytes()


def test_encoders_are_pickled_as_their_settings(documents):
    fde = fb.FDE(DIM, 4, 3, 8, projection="dense", final_dim=50, fill_empty=False, seed=9)
    encoded = fde.encode_documents(documents)
    other = pickle.loads(pickle.dumps(fde))
    assert other == fde
    np.testing.assert_array_equal(other.encode_documents(documents), encoded)


def test_min_score_and_counts(documents, queries):
    index = build(documents)
    for rerank in (None, 0):
        whole = index.search(queries, 30, rerank=rerank)
        least = float(whole.scores[:, 4].mean())
        some = index.search(queries, 30, rerank=rerank, min_score=least)
        enough = whole.scores >= least
        np.testing.assert_array_equal(some.ids, np.where(enough, whole.ids, -1))
        np.testing.assert_array_equal(some.scores, np.where(enough, whole.scores, -np.inf))
        np.testing.assert_array_equal(some.counts, enough.sum(axis=1))
    assert index.search(queries[0], 5, min_score=1e9).counts == 0
    with pytest.raises(ValueError, match="min_score"):
        index.search(queries, min_score=float("nan"))


def test_tokens_are_read_in_one_pass(documents):
    wide = [np.repeat(d, 8, axis=1) for d in documents[:30]]  # 256 dimensions, from which on vectors have stages
    index = fb.MultiVectorIndex(256, encoder=fb.FDE(256, 4, 2), tokens=fb.RaBitQ(3)).build(wide)
    assert index._engine.params["tokens.staged"] == 0
    np.testing.assert_array_equal(index.search(wide, 1).ids[:, 0], np.arange(30))


def test_a_damaged_file_is_refused(tmp_path, documents):
    build(documents).save(tmp_path / "a.fb")
    section = next(s for s in fb.inspect(tmp_path / "a.fb")["sections"] if s["name"] == "seg0.tokens.codes")
    data = bytearray((tmp_path / "a.fb").read_bytes())
    data[section["offset"] + 5] ^= 1
    (tmp_path / "a.fb").write_bytes(data)
    with pytest.raises(fb.CorruptIndexError, match=r"seg0\.tokens\.codes"):
        fb.verify(tmp_path / "a.fb")


def test_remove_replace_and_compact(documents, queries):
    index = build(documents)
    whole = index.stats()
    assert index.remove([0, 7, 9999]) == 2
    ids = index.search(queries, k=20).ids
    assert 0 not in ids
    assert 7 not in ids
    index.add([documents[0]], ids=[14], on_conflict="replace")
    first = index.search(queries[0], k=1)
    assert first.ids[0] == 14
    before = index.search(queries, k=5)
    index.compact()
    np.testing.assert_array_equal(index.search(queries, k=5).scores, before.scores)
    assert index.stats()["tokens"] == whole["tokens"] - len(documents[7]) - len(documents[14])
    assert len(index) == 148
    index.add([documents[7]])
    assert 150 in index


@pytest.mark.parametrize("on_disk", [False, True])
def test_merge_joins_what_was_filled_apart(tmp_path, documents, queries, on_disk):
    empty = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=fb.Scalar(4, on_disk=on_disk), partition=fb.IVF(4))
    empty.train(documents).save(tmp_path / "empty.fb")
    one, two = (fb.MultiVectorIndex.open(tmp_path / "empty.fb") for _ in range(2))
    one.add(documents[:90], np.arange(90))
    two.add(documents[80:], np.arange(80, 150)).save(tmp_path / "two.fb")
    two = fb.MultiVectorIndex.open(tmp_path / "two.fb")
    with pytest.raises(ValueError, match="is in the index already"):
        fb.merge([one, two])
    whole = fb.merge([one, two], on_conflict="replace")
    assert (whole.encoder, whole.tokens, len(whole)) == (FDE, one.tokens, 150)
    fresh = empty.add(documents, np.arange(150))
    for index in (whole, whole.compact()):
        np.testing.assert_array_equal(index.rank_all(queries, 150).scores, fresh.rank_all(queries, 150).scores)
    assert (len(one), len(two)) == (90, 70)
    with pytest.raises(ValueError, match="another training"):
        fb.merge([one, build(documents)])


@pytest.mark.parametrize("tokens", [fb.Float(32), fb.Scalar(8), fb.Scalar(4), fb.PQ(16), fb.RaBitQ(8)], ids=repr)
def test_reconstruct_gives_a_documents_tokens(documents, tokens):
    index = build(documents, tokens, partition=fb.IVF(4))
    index.add(documents[:3], ids=[14, 500, 7], on_conflict="replace")
    got = index.reconstruct([500, 14, 100])
    expected = np.concatenate([documents[i] for i in (1, 0, 100)])
    assert got.offsets.tolist() == np.cumsum([0, *(len(documents[i]) for i in (1, 0, 100))]).tolist()
    errors = np.linalg.norm(got.tokens - expected, axis=1)
    limits = {"Float": 0, "Scalar": 0.15, "PQ": 0.9, "RaBitQ": 0.02}
    assert errors.max() <= limits[type(tokens).__name__]
    assert index.reconstruct([]).offsets.tolist() == [0]
    with pytest.raises(ValueError, match="9999 is not in the index"):
        index.reconstruct([3, 9999])


def test_compact_reports_and_stops(documents):
    index = build(documents)
    index.remove([3])
    before, seen = index.to_bytes(), []

    def stop(stage, fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.compact(progress=stop)
    assert index.to_bytes() == before
    index.compact(progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert {stage for stage, _ in seen} == {"compacting"}
    assert index.stats()["removed"] == 0


def test_single_adds_become_few_segments(documents, queries):
    whole = build(documents)
    grown = fb.MultiVectorIndex(DIM, encoder=FDE, tokens=fb.Scalar(8, on_disk=True)).train(documents)
    for document in documents:
        grown.add([document])
    assert grown.stats()["segments"] < 9
    np.testing.assert_array_equal(grown.search(queries, 5).scores, whole.search(queries, 5).scores)
    assert len(grown.to_bytes()) < 1.05 * len(whole.to_bytes()) + 10_000


def test_filters_are_by_document(documents, queries):
    index = build(documents)
    ids = index.search(queries, k=30, filter=np.arange(0, 150, 2)).ids
    assert (ids % 2 == 0).all()
    few = index.search(queries, k=5, filter=fb.Filter([3, 8])).ids
    np.testing.assert_array_equal(np.sort(few, axis=1), np.broadcast_to([-1, -1, -1, 3, 8], few.shape))
    each = index.search(queries[:2], k=1, filter=[fb.Filter([5]), fb.Filter.deny([7])]).ids
    assert each[0, 0] == 5
    assert each[1, 0] != 7


def test_a_failed_add_changes_nothing(documents, queries):
    index = build(documents)
    before, numbers = index.search(queries, k=5), index.stats()
    for bad, ids, message in (
        ([documents[0]], [3], "ids"),
        ([documents[0], documents[1]], [500, 500], "unique"),
        ([documents[0], np.full((2, DIM), np.nan)], None, "finite"),
        ([documents[0], np.zeros((0, DIM))], None, "at least 1 token"),
        ([documents[0], np.zeros((3, 5))], None, "set 1"),
    ):
        with pytest.raises(ValueError, match=message):
            index.add(bad, ids=ids)
    assert index.stats() == numbers
    np.testing.assert_array_equal(index.search(queries, k=5).scores, before.scores)


def test_forms_of_documents_and_threads_give_one_index(tmp_path, documents):
    flat, offsets = np.concatenate(documents), np.cumsum([0, *map(len, documents)])
    build(documents).save(tmp_path / "a.fb")
    fb.MultiVectorIndex(DIM, encoder=FDE).build((flat, offsets), threads=3).save(tmp_path / "b.fb")
    assert (tmp_path / "a.fb").read_bytes() == (tmp_path / "b.fb").read_bytes()


def test_small_indexes_and_misuse(documents):
    index, plain = fb.MultiVectorIndex(DIM, encoder=FDE), fb.Index(DIM, metric="ip")
    with pytest.raises(fb.NotTrainedError, match="train"):
        index.search(documents[0])
    index.build(documents[:1])
    ids, scores = index.search(documents[0], k=3)
    np.testing.assert_array_equal(ids, [0, -1, -1])
    assert np.isneginf(scores[1:]).all()
    with pytest.raises(ValueError, match="rerank"):
        index.search(documents[0], k=10, rerank=5)
    with pytest.raises(ValueError, match="empty index"):
        index.train(documents)
    with pytest.raises(ValueError, match="dimension 16"):
        fb.MultiVectorIndex(16, encoder=FDE)
    with pytest.raises(TypeError, match="tokens"):
        fb.MultiVectorIndex(DIM, tokens=fb.RecurrentBinary(4))
    with pytest.raises(ValueError, match="m=33"):
        fb.MultiVectorIndex(DIM, tokens=fb.PQ(33))
    with pytest.raises(ValueError, match="residual"):
        fb.MultiVectorIndex(DIM, tokens=fb.RaBitQ(2, residual=True))
    for mixed, kind in (([index, plain], "MultiVectorIndex"), ([plain, index], "Index")):
        with pytest.raises(TypeError, match=rf"sequence of fewbits\.{kind}, got <fewbits\."):
            fb.merge(mixed)
    assert "1 documents" in repr(index)
    assert "to rank it" in index.explain()


def test_searching_while_adding_and_removing(documents, queries):
    index = build(documents)
    stop = threading.Event()
    wrong = []

    def search():
        while not stop.is_set():
            ids = index.search(queries[:3], k=5, threads=1).ids
            if (ids < 0).any():
                wrong.append(ids)

    thread = threading.Thread(target=search)
    thread.start()
    for round_ in range(5):
        ids = np.arange(200 + 10 * round_, 210 + 10 * round_)
        index.add(documents[:10], ids=ids)
        index.remove(ids[:5])
    index.compact()
    stop.set()
    thread.join()
    assert not wrong


# --- fb.build_multivector ---


@pytest.mark.parametrize("budget", [400, 520, 1000, 2200, 9000, 20_000])
def test_a_budget_is_kept_and_explained(tmp_path, documents, queries, budget):
    index = fb.build_multivector(documents, bytes_per_document=budget, progress=False)
    numbers = index.stats()
    assert numbers["fde_bytes"] + numbers["token_bytes"] <= budget
    assert "why:" in index.explain()
    assert (index.search(queries, k=1, rerank=60).ids[:, 0] == np.arange(0, 150, 7)).mean() > 0.8
    index.save(tmp_path / "a.fb")
    assert fb.MultiVectorIndex.open(tmp_path / "a.fb").explain() == index.explain()


def test_more_bytes_keep_more(documents):
    budgets = (400, 520, 620, 700, 800, 1000, 1300, 2200, 9000)
    counts = np.array([len(document) for document in documents])
    choices = [auto_multivector.choose(counts, DIM, budget, seed=0) for budget in budgets]
    half = fb.Pooling(0.5)
    assert [(choice.tokens, choice.pooling) for choice in choices] == [
        (fb.Float(16, on_disk=True), None),
        (fb.Scalar(8, on_disk=True), None),
        (fb.RaBitQ(2), half),
        (fb.RaBitQ(3), half),
        (fb.RaBitQ(4), half),
        (fb.RaBitQ(3), None),
        (fb.RaBitQ(4), None),
        (fb.RaBitQ(6), None),
        (fb.Float(16), None),
    ]
    assert [choice.encoder.dims for choice in choices] == [2560] * 7 + [5120, 10_240]
    assert "tokens of a document, pooled from 37: RaBitQ, 2 bits" in choices[2].why[0]
    assert "2,560 dimensions" in choices[2].why[1]
    with pytest.raises(ValueError, match="bytes_per_document"):
        fb.build_multivector(documents, bytes_per_document=90)
    with pytest.raises(ValueError, match="at least 1 document"):
        fb.build_multivector((np.zeros((0, DIM)), [0]), bytes_per_document=1000)


def shared(n, seed):
    """Documents of tokens near common ones, as words are."""
    random = np.random.default_rng(seed)
    words = unit(300, 77)
    counts = random.integers(4, 12, n)
    return [
        words[random.integers(300, size=count)] + 0.15 * unit(count, seed * 1000 + i) for i, count in enumerate(counts)
    ]


def top_of(queries, documents, k=10):
    return np.argsort(-exact(queries, documents), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("given", [False, True])
def test_a_choice_is_measured(tmp_path, given):
    documents, queries = shared(600, 1), shared(120, 2)
    index = fb.build_multivector(
        documents, bytes_per_document=700, queries=queries[:80] if given else None, progress=False
    )
    explained = index.explain()
    assert "measured on 600 of 600 documents with" in explained
    assert ("(given)" in explained) == given
    assert "made of tokens of documents" in explained or given
    assert "chosen: recall@10" in explained
    assert "best with " in explained  # the other encoder
    numbers = index.stats()
    assert numbers["fde_bytes"] + numbers["token_bytes"] + 16 <= 700 + 16
    quick = fb.build_multivector(documents, bytes_per_document=700, effort="quick", progress=False)
    assert "measured" not in quick.explain()
    held_out, true = queries[80:], top_of(queries[80:], documents)

    def recall(index):
        found = index.search(held_out, 10, rerank=100).ids
        return (found[:, :, None] == true[:, None, :]).any(axis=1).mean()

    assert recall(index) > recall(quick) - 0.03
    index.save(tmp_path / "a.fb")
    assert fb.MultiVectorIndex.open(tmp_path / "a.fb").explain() == explained


def test_what_is_measured_is_what_a_search_finds():
    documents, queries = shared(500, 1), shared(30, 2)
    source, asked = SetsInput(documents, DIM, "documents"), SetsInput(queries, DIM, "queries")
    sample = sets_sample(source, asked, 0)
    trial = SetsTrial(sample, DIM, 0, 1)
    held_out = queries[15:]
    true = top_of(held_out, documents)
    for encoder, codec, tokens in ((FDE, fb.Scalar(8), fb.Float(16)), (FDE, fb.RaBitQ(1), fb.RaBitQ(3))):
        index = fb.MultiVectorIndex(DIM, encoder=encoder, codec=codec, tokens=tokens).build(documents, progress=False)
        found = index.search(held_out, 10, rerank=100).ids
        expected = (found[:, :, None] == true[:, None, :]).any(axis=1).mean()
        assert trial.found(Store(tokens), Encoding(encoder, codec)).recall == pytest.approx(expected, abs=0.02)
    for dim in (4, 6):  # of one training
        lemur = fb.LEMUR(64, dim=dim)
        index = fb.MultiVectorIndex(DIM, encoder=lemur, codec=fb.RaBitQ(4), tokens=fb.Float(16))
        index.build(documents, queries=sample.to_fit, progress=False)
        held = (index.search(held_out, 10, rerank=100).ids[:, :, None] == true[:, None, :]).any(axis=1)
        found = trial.found(Store(fb.Float(16)), Encoding(lemur, fb.RaBitQ(4)))
        assert found.recall == pytest.approx(held.mean(), abs=0.02)
        ranks = np.log2(np.arange(2, 12))
        assert found.weighed == pytest.approx((held / ranks).sum() / (len(held) / ranks).sum(), abs=0.02)
    assert len(trial._encoded) == 2
    own = sets_sample(source, None, 0)
    assert own.own is not None
    assert not (SetsTrial(own, DIM, 0, 1).top == own.own[:, None]).any()


def test_too_few_bytes_and_wrong_efforts():
    documents = shared(500, 1)
    with pytest.raises(ValueError, match="bytes_per_document: expected at least"):
        fb.build_multivector(documents, bytes_per_document=20)
    with pytest.raises(ValueError, match="effort: expected 'quick' or 'normal', got 'thorough'"):
        fb.build_multivector(documents, bytes_per_document=700, effort="thorough")
    with pytest.raises(ValueError, match="queries: expected effort 'normal'"):
        fb.build_multivector(documents, bytes_per_document=700, queries=documents[:9], effort="quick")


# --- long vectors ---


@pytest.mark.parametrize("codec", [fb.Scalar(8), fb.Scalar(4), fb.PQ(1280, bits=4)])
def test_integer_sums_of_long_vectors_do_not_wrap(codec):
    # Every product is as large as it gets, and all have one sign: 10,240 of them, as in an encoding.
    dim = 10_240
    x = np.repeat(np.array([[1.0], [-1.0]], np.float32), dim, axis=1) * np.linspace(0.99, 1, 64)[:, None, None]
    index = fb.Index(dim, metric="ip", codec=codec, rerank=fb.Scalar(8)).build(x.reshape(-1, dim).astype(np.float32))
    query = np.ones(dim, np.float32)
    for rerank in (0, 128):
        result = index.search(query, k=128, rerank=rerank)
        assert (np.abs(np.abs(result.scores) - dim) < 0.05 * dim).all()
        assert (result.scores[:64] > 0).all()
        assert (result.scores[64:] < 0).all()


def test_replacing_needs_ids() -> None:
    documents = [np.ones((2, 8), np.float32)] * 3
    index = fb.MultiVectorIndex(8, encoder=fb.FDE(8, repetitions=2, simhash_bits=2)).build(documents, progress=False)
    with pytest.raises(ValueError, match="on_conflict: 'replace' needs ids"):
        index.add(documents, on_conflict="replace")
    assert len(index) == 3


@pytest.mark.parametrize(
    "name", ["multivector-scalar4", "multivector-lists-rabitq2-pooled", "multivector-rows-scalar8-disk"]
)
def test_what_search_follows_is_read_at_open_and_not_mapped(name, tmp_path):
    """Files of the old layout too, once they are saved."""
    golden = Path(__file__).resolve().parents[2] / "golden" / f"{name}.fb"
    fb.open(golden).save(tmp_path / "i.fb")
    bulk = {
        section.name: section.bulk for section in fb.inspect(tmp_path / "i.fb").sections if section.name[:3] == "seg"
    }
    followed = {section for section, mapped in bulk.items() if not mapped}
    assert followed == {section for section in bulk if section.endswith((".lists", ".removed"))}
    assert any(section.endswith(".tokens.lists") for section in followed)
    assert any(section.endswith(".tokens.codes") for section in bulk)
