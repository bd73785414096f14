"""Building: all roads give the same index, failures give none, files bring it back, fb.build keeps its budget."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.choose.rules import choose
from support.data import F32, brute_force, overlap, two_sided, vectors


def rich(metric: str = "cosine", **changes: Any) -> fb.Index:
    parts: dict[str, Any] = {
        "transform": fb.OPQ(iterations=2),
        "partition": fb.IVF(12),
        "codec": fb.PQ(8, bits=4),
        "rerank": fb.Scalar(8),
    }
    return fb.Index(32, metric=metric, **(parts | changes))


def test_array_memmap_and_blocks_build_the_same(base: F32, queries: F32, metric: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", base)
    expected = rich(metric).build(base).search(queries)
    blocks = [base[begin : begin + 700] for begin in range(0, 3000, 700)]
    apart = rich(metric).train(base)
    for block in blocks:
        apart.add(block)
    for index in (
        rich(metric).build(np.load(tmp_path / "x.npy", mmap_mode="r")),
        rich(metric).build(iter(blocks)),
        rich(metric).train(base).add(base),
        apart,
    ):
        found = index.search(queries)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_large_input_is_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch, base: F32, queries: F32) -> None:
    monkeypatch.setattr("fewbits.spec.description.CODEC_SAMPLE", 500)
    partition = fb.IVF(4, sample=500)
    results = [rich(partition=partition, seed=seed).build(base).search(queries).scores for seed in (0, 0, 1)]
    np.testing.assert_array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    first = rich(partition=partition).build(iter([base[:400], base[400:]]))  # trained on the first rows
    head = rich(partition=partition).train(base[:500]).add(base)
    np.testing.assert_array_equal(first.search(queries).scores, head.search(queries).scores)


def one_buffer(x: F32, rows: int) -> Iterator[F32]:
    """x in blocks, all of them the same memory: as from a reader that allocates once."""
    buffer = np.empty((rows, x.shape[1]), np.float32)
    for begin in range(0, len(x), rows):
        buffer[:] = x[begin : begin + rows]
        yield buffer


@pytest.mark.parametrize("block_floats", [100 * 32, 1 << 22])
def test_blocks_may_share_memory(monkeypatch: pytest.MonkeyPatch, base: F32, queries: F32, block_floats: int) -> None:
    monkeypatch.setattr("fewbits.input.rows.BLOCK_FLOATS", block_floats)
    monkeypatch.setattr("fewbits.spec.description.CODEC_SAMPLE", 500)
    partition = fb.IVF(4, sample=700)
    expected = rich(partition=partition).train(base[:700]).add(base).search(queries)
    for rows in (200, 1000):  # the sample ends between blocks, and within one
        found = rich(partition=partition).build(one_buffer(base, rows)).search(queries)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_expected_rows_of_an_iterable_choose_the_lists(base: F32) -> None:
    index = fb.Index(32, metric="l2", partition=fb.IVF())
    assert index.build(iter([base[:500]])).stats()["lists"] == 5
    index = fb.Index(32, metric="l2", partition=fb.IVF())
    index.train(iter([base[:500]]), expected=3000)
    assert index.stats()["lists"] == 30


def failing(x: F32) -> Iterator[F32]:
    yield x[:1000]
    yield x[1000:2000]
    raise RuntimeError("the source broke")


def interrupt(stage: str, fraction: float) -> None:
    if stage == "adding" and fraction > 0:
        raise KeyboardInterrupt


def test_failures_leave_the_index_as_it_was(base: F32, queries: F32) -> None:
    index = rich()
    with pytest.raises(RuntimeError, match="the source broke"):
        index.build(failing(base))
    assert not index.is_trained
    index.build(base[:100])
    before = index.search(queries)
    with pytest.raises(RuntimeError, match="the source broke"):
        index.add(failing(base))
    with pytest.raises(KeyboardInterrupt):
        index.add(base, progress=interrupt)
    assert len(index) == 100
    np.testing.assert_array_equal(index.search(queries).scores, before.scores)


def test_training_can_be_interrupted(base: F32) -> None:
    def at_lists(stage: str, fraction: float) -> None:
        if stage.startswith("lists"):
            raise KeyboardInterrupt

    index = rich()
    with pytest.raises(KeyboardInterrupt):
        index.build(base, progress=at_lists)
    assert not index.is_trained
    assert index.build(base).is_trained


def test_progress(base: F32, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, float]] = []
    rich().build(base[:500], progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert {"lists (k-means)", "OPQ rotation", "codec", "adding"} <= {stage for stage, _ in seen}
    assert all(0 <= fraction <= 1 for _, fraction in seen)
    assert ("adding", 1.0) in seen
    assert seen[-1][0] == "ordering"
    rich().build(base[:500])  # stderr is no terminal here
    rich().build(base[:500], progress=False)
    assert capsys.readouterr().err == ""
    rich().build(base[:500], progress=True)
    assert "adding" in capsys.readouterr().err
    with pytest.raises(TypeError, match="progress: expected"):
        rich().build(base[:500], progress=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("mmap", [False, True])
def test_save_and_open(base: F32, queries: F32, metric: str, mmap: bool, on_disk: bool, tmp_path: Path) -> None:
    index = rich(metric, rerank=fb.Scalar(8, on_disk=on_disk)).build(base, ids=np.arange(3000) * 3 + 1)
    expected = index.search(queries)
    path = tmp_path / "index.fb"
    index.save(path)
    opened = fb.open(path, mmap=mmap, verify=True)
    found = opened.search(queries)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(opened.reconstruct([7, 1]), index.reconstruct([7, 1]))
    assert repr(opened) == repr(index)
    assert opened.explain() == index.explain()
    assert opened.stats() == index.stats()
    assert (opened.codec, opened.rerank, opened.transform, opened.partition) == (
        index.codec,
        index.rerank,
        index.transform,
        index.partition,
    )
    assert (index.stats()["bytes_on_disk_per_vector"] > 0) == on_disk
    opened.add(queries, ids=np.arange(40) * 3 + 100_000)
    assert len(opened) == 3040
    again = tmp_path / "again.fb"
    opened.save(again)
    assert len(fb.open(again)) == 3040
    fb.verify(path)
    assert fb.inspect(path)["params"]["dim"] == 32


def test_open_in_another_process(base: F32, queries: F32, tmp_path: Path) -> None:
    index = rich().build(base)
    index.save(tmp_path / "index.fb")
    np.save(tmp_path / "q.npy", queries)
    code = (
        "import sys, numpy as np, fewbits as fb\n"
        "ids, scores = fb.open(sys.argv[1] + '/index.fb').search(np.load(sys.argv[1] + '/q.npy'))\n"
        "np.savez(sys.argv[1] + '/found.npz', ids=ids, scores=scores)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    found, expected = np.load(tmp_path / "found.npz"), index.search(queries)
    np.testing.assert_array_equal(found["ids"], expected.ids)
    np.testing.assert_array_equal(found["scores"], expected.scores)


def test_files_that_cannot_be_opened(base: F32, tmp_path: Path) -> None:
    for action in (fb.open, fb.inspect, fb.verify):
        with pytest.raises(FileNotFoundError, match=r"none\.fb"):
            action(tmp_path / "none.fb")
        with pytest.raises(IsADirectoryError):
            action(tmp_path)
        (tmp_path / "empty.fb").write_bytes(b"")
        with pytest.raises(fb.CorruptIndexError):
            action(tmp_path / "empty.fb")
    path = tmp_path / "index.fb"
    rich().build(base[:200]).save(path)
    whole = path.read_bytes()
    for position in (0, 100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 255]) + whole[position + 1 :])
        with pytest.raises((fb.CorruptIndexError, fb.FormatVersionError)):
            fb.verify(path)
    with pytest.raises(FileNotFoundError):
        rich().build(base[:50]).save(tmp_path / "no" / "such" / "folder.fb")
    with pytest.raises(fb.NotTrainedError):
        rich().save(path)


BUDGETS = [("ip", 8, False), ("cosine", 16, False), ("cosine", 33, True), ("ip", 33, False), ("l2", 45, True)]
BUDGETS += [("l2", 64, False), ("cosine", 100, True), ("ip", 150, False), ("l2", 2000, True)]


@pytest.mark.parametrize(("metric", "budget", "ids"), BUDGETS)
def test_build_keeps_to_its_budget(metric: str, budget: int, ids: bool, quick_opq: None) -> None:
    n = 10_000
    x = vectors(n, 24)
    own = np.arange(n) * 2 if ids else None
    index = fb.build(x, metric=metric, bytes_per_vector=budget, ids=own)
    assert index.stats()["bytes_per_vector"] <= budget + 0.01
    assert "why" in index.explain()
    queries = vectors(60, 24, seed=4)
    truth, _ = brute_force(x, queries, 10, metric)
    found = index.search(queries).ids // (2 if own is not None else 1)
    assert overlap(found, truth) > {8: 0.1, 16: 0.4, 33: 0.6}.get(budget, 0.75)


@pytest.mark.parametrize(("effort", "n", "budget"), [("quick", 3000, 33), ("quick", 10_000, 33), ("normal", 3000, 33)])
def test_build_takes_labels_within_its_budget(effort: str, n: int, budget: int, quick_opq: None) -> None:
    x, labels = vectors(n, 24), np.arange(n) % 5 - 2
    index = fb.build(x, metric="cosine", bytes_per_vector=budget, effort=effort, labels=labels, progress=False)
    np.testing.assert_array_equal(index.labels(np.arange(n)), labels)
    size = index.stats()
    rounding = budget * size.lists / n  # the last block of a list may have room for a vector more
    assert size.bytes_per_vector <= budget + 12 * size.label_runs / n + rounding
    found = index.search(x[:20], 5, filter=fb.Filter.label(-1)).ids
    assert (labels[found] == -1).all()
    with pytest.raises(ValueError, match=f"labels: expected .*{n}"):
        fb.build(x, metric="cosine", effort=effort, labels=labels[1:], progress=False)


def test_build_ranks_by_another_embedding() -> None:
    x, y = vectors(2000, 24), vectors(2000, 60, seed=1)
    index = fb.build(x, metric="ip", bytes_per_vector=16, rerank_vectors=y, progress=False)
    assert index.rerank == fb.Float(16, dim=60, on_disk=True)
    assert index.stats()["bytes_per_vector"] <= 16
    assert "ranked by the other embedding, 60 dimensions" in index.explain()
    found = index.search(x[:9], 3, rerank=2000, rerank_queries=y[:9])
    np.testing.assert_array_equal(found.ids, brute_force(y, y[:9], 3, "ip")[0])
    exact = fb.build(x, metric="ip", bytes_per_vector=200, rerank_vectors=y, progress=False)
    assert exact.codec == fb.Float(32)
    for options, message in (
        ({"recall": 0.9}, "effort 'quick' and recall=None, got effort 'normal' and recall=0.9; tune"),
        ({"effort": "normal"}, "got effort 'normal'"),
        ({"rerank_vectors": y[1:]}, r"rerank_vectors: expected one for each vector of x \(2000\), got 1999"),
        ({"rerank_vectors": y[:, 0]}, r"rerank_vectors: expected shape \(n, dim\)"),
    ):
        with pytest.raises(ValueError, match=message):
            fb.build(x, metric="ip", **({"rerank_vectors": y, "progress": False} | options))


@pytest.fixture
def quick_opq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotations from fewer vectors: these tests are about what is chosen."""
    monkeypatch.setattr("fewbits.spec.opq._MIN_SAMPLE", 2000)
    monkeypatch.setattr("fewbits.spec.opq._SAMPLE_PER_CODEWORD", 8)


def test_more_bytes_more_recall(quick_opq: None) -> None:
    x, queries = vectors(5000, 24), vectors(60, 24, seed=4)
    truth, _ = brute_force(x, queries, 10, "ip")
    recalls = [
        overlap(fb.build(x, metric="ip", bytes_per_vector=b).search(queries).ids, truth) for b in (4, 12, 30, 96)
    ]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 100])
def test_build_small(n: int, metric: str) -> None:
    x = vectors(n, 40)
    for budget in (4, 20, 64, 1000):
        assert fb.build(x, metric=metric, bytes_per_vector=budget).search(x, k=2).counts.tolist() == [min(n, 2)] * n


def test_choices() -> None:
    assert choose(1_000, 384, "cosine", 2000).codec == fb.Float(32)
    assert choose(1_000, 384, "cosine", 800).codec == fb.Float(16)
    assert choose(1_000, 384, "cosine", 64).partition is None
    assert choose(1_000, 384, "cosine", 64).codec == fb.PQ(128, bits=4)
    assert choose(1_000, 384, "cosine", 160).codec == fb.RaBitQ(3)
    assert choose(1_000, 384, "l2", 110).codec == fb.RaBitQ(2)
    assert choose(10_000, 384, "cosine", 160).codec == fb.PQ(156)
    assert choose(1_000_000, 384, "cosine", 64) == (
        fb.OPQ(),
        fb.IVF(),
        fb.PQ(60),
        None,
        choose(1_000_000, 384, "cosine", 64).why,
    )
    assert choose(1_000_000, 384, "cosine", 512).rerank == fb.Scalar(8)
    assert isinstance(choose(1_000_000, 4096, "cosine", 64).transform, fb.RandomRotation)


def test_build_refuses(base: F32) -> None:
    with pytest.raises(ValueError, match="metric: expected one of 'l2', 'ip', 'cosine', got 'dot'"):
        fb.build(base, metric="dot")
    with pytest.raises(ValueError, match="bytes_per_vector"):
        fb.build(base, metric="ip", bytes_per_vector=0)
    with pytest.raises(TypeError, match="bytes_per_vector"):
        fb.build(base, metric="ip", bytes_per_vector="64")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"x: expected shape \(n, dim\)"):
        fb.build(base[0], metric="ip")
    with pytest.raises(ValueError, match="at least 1 vector"):
        fb.build(base[:0], metric="ip")
    with pytest.raises(ValueError, match="8 leave 0 for a code after ids, expected at least 1"):
        fb.build(base, metric="ip", bytes_per_vector=8, ids=np.arange(3000))
    with pytest.raises(TypeError, match="bytes"):
        fb.build(base, metric="ip", bytes=64)  # type: ignore[call-arg]


def test_build_fits_codes_to_queries() -> None:
    x, asked = two_sided(6000, 1500)
    held_out = two_sided(0, 200, seed=2)[1]
    truth = brute_force(x, held_out, 10, "ip")[0]
    plain = fb.build(x, metric="ip", bytes_per_vector=8)
    index = fb.build(x, metric="ip", bytes_per_vector=8, queries=asked)
    assert index.transform == fb.Chain([fb.LeanVec(), fb.OPQ()])
    assert "LeanVec: on 1,500 queries left out of the fit" in index.explain()
    assert overlap(index.search(held_out).ids, truth) > overlap(plain.search(held_out).ids, truth) + 0.03


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_build_reaches_the_recall_of_given_queries(metric: str) -> None:
    """Queries that are unlike vectors of x need more lists than vectors of x do."""
    x, asked = two_sided(12_000, 1500)
    held_out = two_sided(0, 300, seed=2)[1]
    index = fb.build(x, metric=metric, bytes_per_vector=64, recall=0.9, queries=asked, effort="quick")
    used = "1,000" if metric == "l2" else "500"  # nothing is fitted to queries under l2
    assert f"(measured with {used} of the given queries, held out of the fit)" in index.explain()
    assert overlap(index.search(held_out, 10).ids, brute_force(x, held_out, 10, metric)[0]) > 0.88
    own = fb.build(x, metric=metric, bytes_per_vector=64, recall=0.9, effort="quick")
    assert "vectors of x as queries; queries of another kind find less" in own.explain()


def test_build_refuses_queries_without_a_use(base: F32) -> None:
    with pytest.raises(ValueError, match="queries: under metric 'l2' they are only used to reach a recall"):
        fb.build(base, metric="l2", queries=base[:50])
    with pytest.raises(ValueError, match="queries: expected at least 1"):
        fb.build(base, metric="ip", queries=base[:0])
    with pytest.raises(ValueError, match="queries: "):
        fb.build(base, metric="ip", queries=base[:5, :7])
