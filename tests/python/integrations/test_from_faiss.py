"""fb.from_faiss: the codes of a faiss index decode and score here as they do there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

faiss: Any = pytest.importorskip("faiss", reason="needs faiss-cpu")
N, DIM = 600, 8
X = vectors(N, DIM, seed=2) + 0.5
Q = vectors(20, DIM, seed=3)
METRICS = {"ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}
FACTORIES = [
    "PQ4np",
    "PQ4x4np",
    "OPQ4,PQ4x4np",
    "OPQ2_6,PQ2np",
    "RR8,PQ4x4np",
    "IVF1,PQ4np",
    "IVF6,PQ4np",
    "OPQ4,IVF6,PQ4x4np",
]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    faiss.omp_set_num_threads(1)


def made(factory: str, metric: str) -> Any:
    index = faiss.index_factory(DIM, factory, METRICS[metric])
    for transform in transforms(index):
        transform.niter = transform.niter_pq = 2
    index.train(X)
    index.add(X)
    if "IVF" in factory:
        faiss.extract_index_ivf(index).nprobe = 6
    return index


def transforms(index: Any) -> list[Any]:
    """The OPQ of an index, whose fit would take long."""
    if not isinstance(index, faiss.IndexPreTransform):
        return []
    chain = [faiss.downcast_VectorTransform(index.chain.at(i)) for i in range(index.chain.size())]
    return [transform for transform in chain if isinstance(transform, faiss.OPQMatrix)]


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("factory", FACTORIES)
def test_vectors_and_scores_are_those_of_faiss(factory: str, metric: str, tmp_path: Path) -> None:
    theirs = made(factory, metric)
    faiss.write_index(theirs, str(tmp_path / "index.faiss"))
    ours = fb.from_faiss(tmp_path / "index.faiss")
    assert len(ours) == N
    decoded = ours.reconstruct(np.arange(N))
    close(decoded, theirs.reconstruct_n(0, N))
    scores, ids = theirs.search(Q, N)
    close(np.take_along_axis(exact(decoded, metric), ids, axis=1), scores)
    found = ours.search(Q, 10)  # by tables of 8 bits
    spread = float(np.std(scores))
    close_to = np.take_along_axis(exact(decoded, metric), found.ids, axis=1)
    np.testing.assert_allclose(found.scores, close_to, atol=0.05 * spread)
    shared = [len(np.intersect1d(a, b[:10])) for a, b in zip(found.ids, ids, strict=True)]
    assert np.mean(shared) > 9


def exact(decoded: Any, metric: str) -> Any:
    """Scores in the space that the vectors span, where codes of a projection live."""
    basis = np.linalg.svd(decoded)[2][: np.linalg.matrix_rank(decoded, tol=1e-3)]
    inside = Q @ basis.T @ basis
    return inside @ decoded.T if metric == "ip" else np.square(inside[:, None] - decoded).sum(axis=2)


@pytest.mark.parametrize("metric", METRICS)
def test_flat_is_the_same(metric: str) -> None:
    theirs = made("Flat", metric)
    scores, ids = theirs.search(Q, 10)
    found = fb.from_faiss(theirs).search(Q, 10)
    np.testing.assert_array_equal(found.ids, ids)
    close(found.scores, scores)


@pytest.mark.parametrize("factory", ["Flat", "PQ4x4np", "IVF6,PQ4x4np"])
def test_ids_come_along(factory: str) -> None:
    ids = np.random.default_rng(0).permutation(10 * N)[:N].astype(np.int64)
    theirs = faiss.IndexIDMap2(faiss.index_factory(DIM, factory, METRICS["ip"]))
    theirs.train(X)
    theirs.add_with_ids(X, ids)
    if factory.startswith("IVF"):
        faiss.extract_index_ivf(theirs.index).make_direct_map()
    ours = fb.from_faiss(theirs)
    assert all(int(number) in ours for number in ids)
    close(ours.reconstruct(ids[:50]), np.stack([theirs.reconstruct(int(number)) for number in ids[:50]]))


def test_it_is_an_ordinary_index(tmp_path: Path) -> None:
    """It is saved, filled and trained like any other; vectors that are added get the codes that faiss gives them."""
    theirs = made("OPQ4,IVF1,PQ4x4np", "ip")
    ours = fb.from_faiss(theirs)
    assert ours.partition is None
    assert "read from a faiss index" in ours.explain()
    ours.add(X[:200])
    close(ours.reconstruct(np.arange(N, N + 200)), ours.reconstruct(np.arange(200)))
    ours.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb", verify=True)
    np.testing.assert_array_equal(opened.search(Q).ids, ours.search(Q).ids)
    fb.train.jpq(ours, x=np.concatenate([X, X[:200]]), epochs=1, pseudo_queries=200, progress=False)


def test_empty_indexes_come_too() -> None:
    for factory in ("Flat", "PQ4x4np", "IVF6,PQ4x4np"):
        theirs = faiss.index_factory(DIM, factory, METRICS["l2"])
        theirs.train(X)
        ours = fb.from_faiss(theirs)
        assert len(ours) == 0
        assert len(ours.add(X[:30])) == 30


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("SQ8", "expected Flat, PQ, .* got IndexScalarQuantizer"),
        ("PQ4x5np", "4 or 8 bits, got 5"),
        ("PCA4,PQ4x4np", "subtract no mean, got PCAMatrix"),
        ("RR8,Flat", "Flat without a transform"),
        ("ITQ8,PQ4x4np", "got ITQTransform|subtract no mean"),
        ("IVF6,PQ4+4", "got IndexIVFPQR"),
        ("PQ4x4fs", "got IndexPQFastScan"),
    ],
)
def test_what_is_not_read_is_named(factory: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fb.from_faiss(made(factory, "l2"))


def test_files_that_are_no_index(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fb.from_faiss("")
    with pytest.raises(IsADirectoryError):
        fb.from_faiss(tmp_path)
    for content in (b"", b"no index of faiss"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match="file' is not a faiss index"):
            fb.from_faiss(tmp_path / "file")


def test_other_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="trained"):
        fb.from_faiss(faiss.index_factory(DIM, "PQ4"))
    with pytest.raises(ValueError, match="inner product or L2"):
        fb.from_faiss(faiss.IndexFlat(DIM, faiss.METRIC_L1))
    with pytest.raises(TypeError, match="path or a faiss index, got int"):
        fb.from_faiss(7)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"fewbits\[faiss\]"):
        fb.from_faiss("x")


def test_ready_codes_are_checked() -> None:
    index = fb.Index(DIM, metric="l2", partition=fb.IVF(nlist=3), codec=fb.PQ(4, bits=4)).train(X, progress=False)
    assert index._engine is not None
    rows, lists, norms = np.zeros((5, 2), np.uint8), np.zeros(5, np.uint32), np.zeros(5, np.float32)
    for changed, message in (
        ({"rows": np.zeros((5, 1), np.uint8)}, "bytes of codes: got 5, expected 10"),
        ({"lists": None}, "lists: got 0, expected 5"),
        ({"lists": lists + np.uint32(3)}, "lists: got 3, expected numbers below 3"),
        ({"b": None}, "factors b: got 0, expected 5"),
        ({"a": norms}, "factors a: got 5, expected 0"),
        ({"b": norms + np.float32(np.nan)}, "not finite"),
    ):
        builder = index._engine.builder()
        with pytest.raises(ValueError, match=message):
            builder.append_codes(**({"rows": rows, "lists": lists, "b": norms} | changed))  # type: ignore[arg-type]
        assert len(builder) == 0
