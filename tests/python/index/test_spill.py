"""Second lists (SOAR) and patience: their choice, held against numpy, and what searches find with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fewbits as fb
from fewbits import _core
from fewbits.shards import gather
from support.data import F32, brute_force, overlap, two_sided, vectors
from support.format_reader import read

N, DIM, LISTS = 3000, 32, 40
METRICS = ("ip", "cosine", "l2")
CODECS: dict[str, Any] = {
    "float": fb.Float(),
    "pq": fb.PQ(8),
    "pq-plain": fb.PQ(8, residual=False),
    "rabitq-staged": fb.RaBitQ(4, staged=True),
    "scalar-staged": fb.Scalar(4, staged=True),
    "rabitq": fb.RaBitQ(3),
}


@pytest.fixture(scope="module")
def base() -> F32:
    return vectors(N, DIM)


@pytest.fixture(scope="module")
def queries() -> F32:
    return vectors(40, DIM, seed=7)


def made(x: F32, spill: float = 2.0, metric: str = "ip", codec: Any = None, **parts: Any) -> fb.Index:
    partition = fb.IVF(LISTS, spill=spill)
    return fb.Index(x.shape[1], metric=metric, partition=partition, codec=codec or fb.PQ(8), **parts)


@cache
def file_of(spill: float, metric: str, codec: str, reranks: bool) -> bytes:
    x = vectors(N, DIM)
    index = made(x, spill, metric, CODECS[codec], rerank=fb.Scalar(8) if reranks else None)
    return index.build(x, progress=False).to_bytes()


def built(spill: float = 2.0, metric: str = "ip", codec: str = "pq", reranks: bool = False) -> fb.Index:
    """An index of all vectors of `base`."""
    return fb.Index.from_bytes(file_of(spill, metric, codec, reranks))


def entries(index: fb.Index, path: Path) -> dict[int, tuple[int, int]]:
    """By id the first list and the second (-1: none), out of the file."""
    index.save(path)
    params, arrays = read(path)
    nlist = params["partition.nlist"]
    found = {}
    for s in range(params["segments"]):
        own = {name.removeprefix(f"seg{s}."): a for name, a in arrays.items() if name.startswith(f"seg{s}.")}
        n = params[f"seg{s}.n"]
        first = np.repeat(np.arange(nlist), np.diff(own["lists"].astype(np.int64)))
        second = np.full(n, -1)
        if "second.rows" in own:
            second[own["second.rows"]] = np.repeat(np.arange(nlist), np.diff(own["second.lists"].astype(np.int64)))
        ids = own.get("ids", np.arange(n)).astype(np.int64)
        ids = ids if own.get("ids", ids).dtype == np.int64 and "ids" in own else ids + params[f"seg{s}.first_id"]
        removed = np.unpackbits(own.get("removed", np.zeros(-(-n // 8), np.uint8)), bitorder="little")[:n]
        found |= {int(i): (int(a), int(b)) for i, a, b, r in zip(ids, first, second, removed, strict=True) if not r}
    return found


def same(one: fb.SearchResult, other: fb.SearchResult) -> None:
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.scores.view(np.uint32), other.scores.view(np.uint32))


def losses(x: F32, centroids: F32, lists: NDArray[np.uint32], lam: float) -> NDArray[np.float64]:
    x64, c64 = x.astype(np.float64), centroids.astype(np.float64)
    r = x64 - c64[lists]
    unit = r / np.maximum(np.linalg.norm(r, axis=1, keepdims=True), 1e-30)
    others = x64[:, None] - c64[None]
    loss = (others**2).sum(axis=2) + lam * np.einsum("nkd,nd->nk", others, unit) ** 2
    loss[np.arange(len(x)), lists] = np.inf
    return np.asarray(loss)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("lam", [0.0, 1.5, 1e6])
def test_second_lists_have_the_least_loss(base: F32, lam: float, spherical: bool) -> None:
    """0: the second nearest; very large: the residual with the least cosine to the first."""
    x, centroids = base[:500], _core.kmeans(base, 30, spherical=spherical)
    lists = _core.assign(x, centroids, spherical=spherical)
    second, gains = _core.second_lists(x, centroids, lists, lam=lam, spherical=spherical)
    loss = losses(x, centroids, lists, lam)
    chosen = loss[np.arange(len(x)), second]
    assert (second != lists).all()
    np.testing.assert_allclose(chosen, loss.min(axis=1), rtol=1e-3)
    assert (second == loss.argmin(axis=1)).mean() > 0.98
    residual = ((x.astype(np.float64) - centroids[lists]) ** 2).sum(axis=1)
    np.testing.assert_allclose(gains, residual / chosen, rtol=2e-3)


def test_second_lists_among_many_are_near_the_best(base: F32) -> None:
    """From 4,096 centroids on they are searched by groups."""
    random = np.random.default_rng(3)
    centroids = (base[random.integers(N, size=4200)] + random.normal(size=(4200, DIM)) * 0.5).astype(np.float32)
    lists = _core.assign(base[:300], centroids)
    second, _ = _core.second_lists(base[:300], centroids, lists, lam=1.5)
    loss = losses(base[:300], centroids, lists, 1.5)
    assert (second != lists).all()
    assert np.mean(loss[np.arange(300), second] / loss.min(axis=1)) < 1.1


@pytest.mark.parametrize("lists", [np.zeros(3, np.uint32), np.full(5, 4, np.uint32)])
def test_bad_first_lists_are_refused(base: F32, lists: NDArray[np.uint32]) -> None:
    with pytest.raises(ValueError, match="lists: got"):
        _core.second_lists(base[:5], base[:4], lists, lam=1.0)


@pytest.mark.parametrize("spill", [1.0, 1.25, 1.5, 2.0])
def test_spill_is_the_mean_number_of_lists(base: F32, spill: float, tmp_path: Path) -> None:
    held = entries(built(spill), tmp_path / "a.fb")
    assert len(held) == N
    assert 1 + np.mean([second >= 0 for _, second in held.values()]) == pytest.approx(spill, abs=0.03)
    assert all(first != second for first, second in held.values())


def test_without_spill_the_file_is_as_before(base: F32, tmp_path: Path) -> None:
    index = built(1.0)
    index.save(tmp_path / "a.fb")
    _, arrays = read(tmp_path / "a.fb")
    assert not [name for name in arrays if "second" in name or "spill" in name]
    assert b"spill" not in arrays["meta"].tobytes()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", CODECS)
def test_all_lists_give_the_result_of_one_assignment(base: F32, queries: F32, name: str, metric: str) -> None:
    one, two = (built(spill, metric=metric, codec=name) for spill in (1.0, 2.0))
    same(two.search(queries, 20, nprobe=LISTS), one.search(queries, 20, nprobe=LISTS))
    np.testing.assert_array_equal(two.score(queries[0], np.arange(50)), one.score(queries[0], np.arange(50)))
    np.testing.assert_array_equal(two.reconstruct([3, 1]), one.reconstruct([3, 1]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("spill", [1.4, 2.0])
def test_recall_is_higher_and_no_id_is_found_twice(base: F32, name: str, metric: str, spill: float) -> None:
    """Of candidates in the mean over nprobe. Coarse codes alone gain less: codes of long residuals bring false hits."""
    queries = vectors(300, DIM, seed=7)
    one, two = (built(each, metric=metric, codec=name, reranks=True) for each in (1.0, spill))
    truth = brute_force(base, queries, 10, metric)[0]
    for rerank, least in ((100, 0.005), (0, -0.004 if name == "pq" else 0.0)):
        gains = []
        for nprobe in (1, 2, 4, 8, 16):
            found = two.search(queries, 10, nprobe=nprobe, rerank=rerank).ids
            assert all(len(set(row[row >= 0].tolist())) == (row >= 0).sum() for row in found)
            before = one.search(queries, 10, nprobe=nprobe, rerank=rerank).ids
            gains.append(overlap(found, truth) - overlap(before, truth))
        assert np.mean(gains) > least
        assert min(gains) > (-0.003 if rerank else -0.03)


@pytest.mark.parametrize("patience", [0, 1, 5, LISTS])
@pytest.mark.parametrize("name", CODECS)
def test_alone_in_a_batch_and_by_threads(base: F32, queries: F32, name: str, patience: int) -> None:
    index = built(codec=name)
    index.remove(range(0, N, 9))
    for filtered in ({}, {"filter": np.arange(1, N, 2)}):
        how: dict[str, Any] = {"nprobe": 24, "patience": patience, **filtered}
        batch = index.search(queries, 10, threads=1, **how)
        same(index.search(queries, 10, threads=3, **how), batch)
        for i, query in enumerate(queries[:12]):
            alone = index.search(query, 10, **how)
            np.testing.assert_array_equal(alone.ids, batch.ids[i])
            np.testing.assert_array_equal(alone.scores, batch.scores[i])


@pytest.mark.parametrize("spill", [1.0, 2.0])
@pytest.mark.parametrize("name", CODECS)
def test_patience_that_never_ends_changes_nothing(base: F32, queries: F32, name: str, spill: float) -> None:
    """Read in rounds, too: 19 lists in vain are not to be had among 20, as the first ones bring results."""
    index = built(spill, codec=name, reranks=True)
    for rerank in (0, 30):
        whole = index.search(queries, 10, nprobe=20, rerank=rerank)
        for patience in (20, 10**9):
            same(index.search(queries, 10, nprobe=20, patience=patience, rerank=rerank), whole)
        read = index._engine.entries_read(queries, 10, nprobe=20, rerank=rerank)
        some = index._engine.entries_read(queries, 10, nprobe=20, rerank=rerank, patience=16)
        full = np.flatnonzero(some == read)
        assert len(full) > 5
        same(
            index.search(queries[full], 10, nprobe=20, patience=16, rerank=rerank),
            index.search(queries[full], 10, nprobe=20, rerank=rerank),
        )


def by_rounds(index: fb.Index, lists: int, query: F32, k: int, patience: int) -> NDArray[np.int64]:
    """The rule of patience, by searches with ever more lists."""
    step, best, in_vain = -(-patience // 4), set(), 0
    for end in [*range(step, lists, step), lists]:
        found = index.search(query, k, nprobe=end)
        rows = set(found.ids[found.ids >= 0].tolist())
        start = end - step if end % step == 0 else end - end % step
        in_vain = 0 if len(rows) < k or rows - best else in_vain + end - start
        best = rows
        if in_vain >= patience:
            break
    return np.asarray(found.ids)


@pytest.mark.parametrize("patience", [1, 3, 4, 6])
@pytest.mark.parametrize("spill", [1.0, 2.0])
@pytest.mark.parametrize("name", ["float", "pq", "rabitq-staged"])
def test_patience_stops_where_the_rule_says(base: F32, queries: F32, name: str, spill: float, patience: int) -> None:
    index = built(spill, codec=name)
    for nprobe in (30, LISTS):
        found = index.search(queries[:20], 5, nprobe=nprobe, patience=patience).ids
        for i, query in enumerate(queries[:20]):
            np.testing.assert_array_equal(found[i], by_rounds(index, nprobe, query, 5, patience))


def test_patience_reads_less_and_waits_for_k_results(base: F32, queries: F32) -> None:
    index = built(1.0)
    read = [index._engine.entries_read(queries, 10, nprobe=LISTS, patience=p) for p in (2, 8, 0)]
    assert read[0].mean() < read[1].mean() < read[2].mean() == N
    few = np.arange(0, N, 700)
    found = index.search(queries, 10, nprobe=LISTS, patience=1, filter=few)
    assert (np.sort(found.ids[:, : len(few)]) == few).all()
    one = index.search(queries, 10, nprobe=LISTS, patience=1, min_score=1e9)
    assert (one.ids == -1).all()
    assert (index._engine.entries_read(queries, N, nprobe=LISTS, patience=1) == N).all()


def test_patience_is_checked(base: F32) -> None:
    flat = fb.Index(DIM, metric="ip").build(base[:50], progress=False)
    with pytest.raises(ValueError, match="patience: this index has no partition"):
        flat.search(base[0], patience=3)
    with pytest.raises(ValueError, match="patience"):
        built().search(base[0], patience=-1)


def test_default_patience_goes_with_the_default_nprobe(base: F32, queries: F32, tmp_path: Path) -> None:
    index = built()
    index._engine.set_default("default.patience", 2)
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb")
    lists = opened._engine.params["default.nprobe"]
    same(opened.search(queries), opened.search(queries, nprobe=lists, patience=2))
    same(opened.search(queries, patience=0), opened.search(queries, nprobe=lists))
    assert "stops after 2" in opened.explain()
    assert (opened.search(queries).ids != opened.search(queries, patience=0).ids).any()


@pytest.mark.parametrize("spill", [1.5, 2.0])
@pytest.mark.parametrize("name", ["pq", "rabitq-staged", "pq-plain"])
def test_changes(base: F32, queries: F32, name: str, spill: float, tmp_path: Path) -> None:
    """Built at once, added in parts and merged, or with some removed and compacted: the same bytes of codes."""
    rerank = fb.Scalar(8)
    whole = built(spill, codec=name, reranks=True)
    parts = made(base, spill, codec=CODECS[name], rerank=rerank).train(base)
    for begin in range(0, N, 700):
        parts.add(base[begin : begin + 700], progress=False)
    same(parts.search(queries, nprobe=6), whole.search(queries, nprobe=6))
    assert entries(parts, tmp_path / "b.fb") == entries(whole, tmp_path / "a.fb")
    parts.compact()
    same(parts.search(queries, nprobe=6), whole.search(queries, nprobe=6))
    parts.save(tmp_path / "b.fb")
    one, other = read(tmp_path / "a.fb")[1], read(tmp_path / "b.fb")[1]
    for array in ("second.codes", "second.rows", "second.lists", "codes", "lists"):
        np.testing.assert_array_equal(one[f"seg0.{array}"], other[f"seg0.{array}"])
    gone = np.arange(0, N, 3)
    before = entries(parts, tmp_path / "b.fb")
    parts.remove(gone)
    left = parts.search(queries, 30, nprobe=6)
    assert not np.isin(left.ids, gone).any()
    parts.compact()
    same(parts.search(queries, 30, nprobe=6), left)
    assert entries(parts, tmp_path / "b.fb") == {i: own for i, own in before.items() if i % 3}
    assert not np.isin(parts.search(queries, 30, nprobe=6).ids, gone).any()
    halves = [parts, fb.Index.from_bytes(whole.to_bytes())]
    halves[1].remove(np.setdiff1d(np.arange(N), gone))
    joined = fb.merge(halves)
    same(joined.search(queries, nprobe=6), whole.search(queries, nprobe=6))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", ["pq", "rabitq-staged"])
def test_filters(base: F32, queries: F32, name: str, share: float) -> None:
    """Of allowed vectors, as many and as good as with one list each, asked once or often (which copies codes)."""
    one, two = (built(spill, codec=name) for spill in (1.0, 2.0))
    for index in (one, two):
        index.add(base[:300], np.arange(9000, 9300), progress=False)
        index.remove(range(0, 300, 2))
    chosen = np.random.default_rng(1).permutation(N)[: int(share * N)]
    allowed = np.concatenate([np.setdiff1d(chosen, np.arange(0, 300, 2)), np.arange(9000, 9020)])
    for filter_ in (allowed, fb.Filter.allow(allowed)):
        for _ in range(1 if filter_ is allowed else 4):
            found = two.search(queries, 10, nprobe=4, filter=filter_)
            ids = found.ids[found.ids >= 0]
            assert np.isin(ids, allowed).all()
            assert all(len(set(row.tolist())) == 10 for row in found.ids)
            once = one.search(queries, 10, nprobe=4, filter=filter_)
            assert found.scores.mean() >= once.scores.mean() - 1e-3
            everything = two.search(queries, 10, nprobe=LISTS, filter=filter_)
            same(everything, one.search(queries, 10, nprobe=LISTS, filter=filter_))


@pytest.mark.parametrize("name", ["pq", "rabitq-staged"])
def test_parts_answer_as_the_whole(queries: F32, name: str) -> None:
    index = built(codec=name)
    parts = [index.take(np.arange(begin, N, 2)) for begin in (0, 1)]
    probes = index.probe(queries, nprobe=5)
    found = gather([part.search(queries, 10, lists=probes, keys=True) for part in parts], k=10)
    whole = index.search(queries, 10, nprobe=5)
    np.testing.assert_array_equal(found.ids, whole.ids)
    np.testing.assert_array_equal(found.scores, whole.scores)


def test_sets_of_vectors_may_have_second_lists(base: F32, queries: F32) -> None:
    documents = (base, np.arange(0, N + 1, 3))
    parts: dict[str, Any] = {"encoder": fb.FDE(DIM, 4, 2, 8), "codec": fb.PQ(16), "tokens": fb.Scalar(8)}
    one, two = (
        fb.MultiVectorIndex(DIM, partition=fb.IVF(12, spill=spill), **parts).build(documents, progress=False)
        for spill in (1.0, 2.0)
    )
    asked = (queries, np.arange(0, len(queries) + 1, 4))
    same(two.search(asked, 5, nprobe=12), one.search(asked, 5, nprobe=12))
    same(two.search(asked, 5, nprobe=4, patience=4), two.search(asked, 5, nprobe=4))
    assert (two.search(asked, 5, nprobe=12, patience=1).scores <= two.search(asked, 5, nprobe=12).scores).all()


def test_an_entry_of_a_filtered_first_list_counts(base: F32) -> None:
    """A vector whose first list is not read is found by its second, if it is allowed, and not if it is not."""
    index = built(codec="float")
    query = base
    hits = index.search(query, 1, nprobe=1).ids[:, 0]
    missed = np.flatnonzero(hits != built(1.0, codec="float").search(query, 1, nprobe=1).ids[:, 0])
    assert len(missed) > 3
    for i in missed[:10]:
        allowed = np.setdiff1d(np.arange(N), hits[i])
        assert index.search(query[i], 1, nprobe=1, filter=allowed).ids[0] != hits[i]
        gone = fb.Index.from_bytes(index.to_bytes())
        gone.remove([hits[i]])
        assert gone.search(query[i], 1, nprobe=1).ids[0] != hits[i]


def test_bytes(base: F32) -> None:
    one, two = (built(spill, reranks=True).stats() for spill in (1.0, 2.0))
    assert two.n == one.n == N
    assert two.bytes.per_vector["second.rows"] == 4 * N
    assert two.bytes.per_vector["second.codes"] == one.bytes.per_vector["codes"]
    assert two.bytes_per_vector - one.bytes_per_vector == pytest.approx(12)
    assert two.bytes.per_vector["rerank"] == one.bytes.per_vector["rerank"]


def test_explain_and_file(base: F32, queries: F32, tmp_path: Path) -> None:
    index = built(1.5)
    assert "1.5 per vector" in index.explain()
    assert "second.codes" in index.explain()
    index.save(tmp_path / "a.fb")
    fb.verify(tmp_path / "a.fb")
    for mmap in (False, True):
        opened = fb.open(tmp_path / "a.fb", mmap=mmap)
        assert opened.partition == fb.IVF(LISTS, spill=1.5)
        same(opened.search(queries, nprobe=3), index.search(queries, nprobe=3))
    again = fb.Index.from_bytes(index.to_bytes())
    assert again.to_bytes() == index.to_bytes()


@pytest.mark.parametrize("spill", [0.5, 2.5, float("nan"), True, "2"])
def test_spill_is_checked(spill: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="spill"):
        fb.IVF(10, spill=spill)
    with pytest.raises(ValueError, match="2 lists or more"):
        fb.IVF(1, spill=2)


def test_few_vectors_have_one_list_and_no_second(queries: F32) -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(spill=2.0)).build(queries[:20], progress=False)
    assert index.search(queries[:20], 1).ids[:, 0].tolist() == list(range(20))


def test_codes_without_vectors_are_refused(base: F32) -> None:
    index = built(codec="pq-plain")
    with pytest.raises(ValueError, match="second lists"):
        index._engine.builder().append_codes(np.zeros((1, 8), np.uint8), lists=np.zeros(1, np.uint32))


@pytest.mark.parametrize("change", ["order", "row", "first", "twice", "short", "lists", "rule", "one list"])
def test_hostile_second_entries(base: F32, change: str) -> None:
    index = made(base, codec=fb.PQ(4)).build(base[:400], progress=False)
    engine = index._engine
    model = {name: array.copy() for name, array in engine.arrays().items()}
    if change in ("rule", "one list"):
        params = dict(engine.params)
        if change == "rule":
            model["partition.spill"][0] = np.nan
        else:
            params["partition.nlist"], model["partition.centroids"] = 1, model["partition.centroids"][:1]
        with pytest.raises(fb.CorruptIndexError, match="partition"):
            _core.Engine(params, model)
        return
    data = bytearray(index.to_bytes())
    with pytest.raises(fb.CorruptIndexError, match=r"second|lists|rows"):
        fb.Index.from_bytes(bytes(_spoiled(data, change)))


def _spoiled(data: bytearray, change: str) -> bytearray:
    """The file with one array of second entries changed, and its checksums right."""
    import struct
    import zlib

    count = struct.unpack_from("<I", data, 24)[0]
    for i in range(count):
        at = 64 + 64 * i
        name = bytes(data[at : at + 32]).rstrip(b"\0").decode()
        offset, size = struct.unpack_from("<QQ", data, at + 40)
        if name == "seg0.lists":
            lists = np.frombuffer(data, "<u8", size // 8, offset).astype(np.int64)
        if name == "seg0.second.lists":
            places = np.frombuffer(data, "<u8", size // 8, offset).astype(np.int64)
            where = (at, offset, size)
        if name == "seg0.second.rows":
            rows_at, rows_offset, rows_size = at, offset, size
    rows = np.frombuffer(data, "<u4", rows_size // 4, rows_offset).copy()
    sizes = np.diff(places)
    big = int(np.argmax(sizes))
    begin = int(places[big])
    if change == "order":
        rows[begin : begin + 2] = rows[begin : begin + 2][::-1]
    elif change == "row":
        rows[places[big + 1] - 1] = 400
    elif change == "first":
        own = int(np.argmax((np.diff(lists) > 0) & (sizes > 0)))
        rows[places[own]] = lists[own]
    elif change == "twice":
        rows[begin] = rows[places[-1] - 1] if rows[places[-1] - 1] < rows[begin + 1] else rows[0]
        rows[-1] = rows[0]
    elif change == "short":
        rows = np.append(rows[:-1], np.uint32(2**32 - 1))
    else:
        at, offset, size = where
        spoiled = places.copy()
        spoiled[1] = 2**40
        data[offset : offset + size] = spoiled.astype("<u8").tobytes()
        struct.pack_into("<I", data, at + 56, zlib.crc32(data[offset : offset + size]))
    data[rows_offset : rows_offset + rows_size] = rows.tobytes()
    struct.pack_into("<I", data, rows_at + 56, zlib.crc32(data[rows_offset : rows_offset + rows_size]))
    struct.pack_into("<I", data, 28, zlib.crc32(data[64 : 64 + 64 * count]))
    struct.pack_into("<I", data, 60, zlib.crc32(data[:60]))
    return data


def test_tune_chooses_patience_where_it_pays() -> None:
    x, asked = two_sided(6000, 600)
    index = fb.Index(32, metric="ip", partition=fb.IVF(120, spill=2.0), codec=fb.Float()).build(x, progress=False)
    found = fb.tune(index, asked[:300], recall=0.95, x=x)
    assert found.recall_low >= 0.95
    settings = {name: value for name, value in found.settings() if value is not None}
    same(index.search(asked, patience=None), index.search(asked, **settings))
    assert index._engine.params.get("default.patience", 0) == (found.patience or 0)
