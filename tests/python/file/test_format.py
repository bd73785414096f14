"""The file: what docs/format.md says, what the independent reader finds, and what happens to files that are damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fewbits as fb
from support import format_reader
from support.data import F32, vectors

N, DIM = 1003, 21
CODECS = {
    "float32": fb.Float(32),
    "float16": fb.Float(16),
    "scalar8": fb.Scalar(8),
    "scalar4": fb.Scalar(4),
    "pq4": fb.PQ(m=8, bits=4),
    "pq8": fb.PQ(m=5, bits=8),
}


def built(codec: Any, metric: str = "l2", lists: int | None = None, rerank: Any = None, ids: Any = None) -> fb.Index:
    partition = None if lists is None else fb.IVF(nlist=lists)
    index = fb.Index(dim=DIM, metric=metric, partition=partition, codec=codec, rerank=rerank, seed=3)
    x = vectors(N, DIM)
    index.train(x)
    index.add(x[:500], ids=None if ids is None else ids[:500])
    index.add(x[500:], ids=None if ids is None else ids[500:])
    return index


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("format") / "small.fb"
    index = fb.Index(dim=8, metric="ip", codec=fb.Scalar(4), rerank=fb.Scalar(8), seed=0)
    index.build(vectors(40, 8))
    index.save(path)
    return path


def segment_ids(params: dict[str, int], arrays: dict[str, Any], segment: str) -> NDArray[np.int64]:
    first, ids = params[f"{segment}.first_id"], arrays.get(f"{segment}.ids", np.arange(params[f"{segment}.n"]))
    return ids if ids.dtype == np.dtype("<i8") and f"{segment}.ids" in arrays else first + ids.astype(np.int64)


def decoded(params: dict[str, int], arrays: dict[str, Any], prefix: str, rows: Any, a: Any, dim: int) -> F32:
    """docs/format.md, "Reconstruction"."""
    kind, bits = params[f"{prefix}.kind"], params[f"{prefix}.bits"]
    if kind == 1:
        return rows.astype(np.float32)
    if kind == 2:
        level = arrays[f"{prefix}.levels"][rows].astype(np.float32) - 63.5 if bits == 4 else rows - np.float32(127.5)
        return arrays[f"{prefix}.mean"] + arrays[f"{prefix}.step"] * a[:, None] * level
    m = params[f"{prefix}.m"]
    book = arrays.get(f"{prefix}.scoring", arrays[f"{prefix}.codebook"]).reshape(m, 2**bits, -(-dim // m))
    edges = [s * dim // m for s in range(m + 1)]
    return np.concatenate([book[s, rows[:, s], : edges[s + 1] - edges[s]] for s in range(m)], axis=1)


def entered(arrays: dict[str, Any], tier: str, x: F32, b: Any) -> F32:
    """With what rows lost before they were coded: their part along a direction, or the center."""
    u = arrays.get(f"{tier}.direction")
    if u is not None:
        x = x + (b - x @ u)[:, None] * u
    return x + arrays.get("center", np.float32(0))


def reconstructed(path: Path, tier: str) -> tuple[NDArray[np.int64], F32]:
    """ids and vectors, in the space where they are coded (the tests use no transform), by the independent reader."""
    params, arrays = format_reader.read(path)
    dim, bits = params["dim"], params[f"{tier}.bits"]
    elements = params[f"{tier}.m"] if params[f"{tier}.kind"] == 3 else dim
    ids, vectors_ = [], []
    for segment in (f"seg{i}" for i in range(params["segments"])):
        n = params[f"{segment}.n"]
        if tier == "codec":
            rows, a = format_reader.codes(arrays, segment, bits, elements), arrays.get(f"{segment}.a")
        else:
            rows, a = arrays[f"{segment}.rerank"].reshape(n, -1), arrays.get(f"{segment}.rerank_a")
            rows = format_reader.unpack(rows, bits, elements)
        x = decoded(params, arrays, tier, rows, a, dim)
        if tier == "codec" and params.get("partition.residual"):
            sizes = np.diff(arrays[f"{segment}.lists"].astype(np.int64))
            x = x + np.repeat(arrays["partition.centroids"].reshape(-1, dim).astype(np.float32), sizes, axis=0)
        b = arrays.get(f"{segment}.b" if tier == "codec" else f"{segment}.rerank_b")
        x = entered(arrays, tier, x, b)
        alive = format_reader.alive(arrays, segment, n)
        ids.append(segment_ids(params, arrays, segment)[alive])
        vectors_.append(x[alive])
    return np.concatenate(ids), np.concatenate(vectors_)


@pytest.mark.parametrize("lists", [None, 7])
@pytest.mark.parametrize("codec", CODECS)
def test_independent_reader_decodes_every_codec(tmp_path: Path, codec: str, lists: int | None, metric: str) -> None:
    index = built(CODECS[codec], metric, lists)
    index.save(tmp_path / "a.fb")
    ids, x = reconstructed(tmp_path / "a.fb", "codec")
    assert sorted(ids.tolist()) == list(range(N))
    np.testing.assert_allclose(index.reconstruct(ids), x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rerank", ["float16", "scalar8", "pq8"])
def test_independent_reader_decodes_rerank_and_own_ids(tmp_path: Path, rerank: str) -> None:
    own = np.random.default_rng(5).permutation(10**12 + np.arange(N))
    index = built(CODECS["pq4"], "l2", 7, CODECS[rerank], own)
    index.save(tmp_path / "a.fb")
    ids, x = reconstructed(tmp_path / "a.fb", "rerank")
    assert sorted(ids.tolist()) == sorted(own.tolist())
    np.testing.assert_allclose(index.reconstruct(ids), x, rtol=1e-5, atol=1e-5)


def mapped(params: dict[str, int], arrays: dict[str, Any], q: F32) -> F32:
    """docs/format.md, `query.kind`."""
    dim = params["dim"]
    if params["query.kind"] == 1:
        return q @ arrays["query.matrix"].reshape(dim, dim).T
    down, up = arrays["query.down"].reshape(-1, dim), arrays["query.up"].reshape(dim, -1)
    return q + (q @ down.T) @ up.T


@pytest.mark.parametrize("kind", [1, 2])
def test_independent_reader_scores_with_query_map_and_scoring_codebook(tmp_path: Path, kind: int) -> None:
    random = np.random.default_rng(kind)

    def noise(*shape: int) -> F32:
        return random.normal(size=shape).astype(np.float32)

    index = built(CODECS["pq8"], "ip", 7)
    book = index._engine.arrays()["codec.codebook"]
    params = {"query.kind": kind} | ({"query.rank": 4} if kind == 2 else {})
    maps = {"query.matrix": noise(DIM, DIM)} if kind == 1 else {"query.down": noise(4, DIM), "query.up": noise(DIM, 4)}
    index._engine = index._engine.with_scoring(params, maps | {"codec.scoring": book + noise(*book.shape) / 4})
    index.save(tmp_path / "a.fb")
    ids, x = reconstructed(tmp_path / "a.fb", "codec")
    params, arrays = format_reader.read(tmp_path / "a.fb")
    assert "codec.scoring" in arrays
    q = vectors(5, DIM, 1)
    found = fb.open(tmp_path / "a.fb").search(q, k=10, nprobe=7)
    scores = mapped(params, arrays, q) @ x[np.argsort(ids)].T
    np.testing.assert_allclose(found.scores, np.take_along_axis(scores, found.ids, axis=1), rtol=0.05, atol=2)


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("codec", ["scalar4", "pq4"])
def test_independent_reader_sees_removals(tmp_path: Path, codec: str, compact: bool) -> None:
    index = built(CODECS[codec], "l2", 7)
    index.remove(np.arange(3, N, 3))
    if compact:
        index.compact()
    index.save(tmp_path / "a.fb")
    params, arrays = format_reader.read(tmp_path / "a.fb")
    assert params["next_id"] == N
    assert any(name.endswith(".removed") for name in arrays) == (not compact)
    ids, x = reconstructed(tmp_path / "a.fb", "codec")
    assert sorted(ids.tolist()) == [i for i in range(N) if i % 3 or i == 0]
    np.testing.assert_allclose(index.reconstruct(ids), x, rtol=1e-5, atol=1e-5)


def test_inspect_agrees_with_the_independent_reader(small: Path) -> None:
    params, arrays = format_reader.read(small)
    info = fb.inspect(small)
    assert info["version"] == (1, 1)
    assert info["bytes"] == small.stat().st_size
    assert info["params"] == params
    assert {s["name"] for s in info["sections"]} == set(arrays) | {"params"}
    bulk = {s["name"] for s in info["sections"] if s["bulk"]}
    assert bulk == {name for name in arrays if name.startswith("seg")} - {"seg0.lists"}


@pytest.mark.parametrize("mmap", [True, False])
def test_save_open_save_is_identical_and_so_are_answers(tmp_path: Path, mmap: bool) -> None:
    index = built(CODECS["pq4"], "l2", 7, CODECS["scalar8"])
    index.save(tmp_path / "a.fb")
    opened = fb.open(tmp_path / "a.fb", mmap=mmap, verify=True)
    opened.save(tmp_path / "b.fb")
    assert (tmp_path / "a.fb").read_bytes() == (tmp_path / "b.fb").read_bytes()
    for one, other in zip(index.search(vectors(9, DIM, 1), k=5), opened.search(vectors(9, DIM, 1), k=5), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_open_index_survives_replacement_and_removal(tmp_path: Path) -> None:
    path = tmp_path / "a.fb"
    built(CODECS["scalar8"]).save(path)
    opened = fb.open(path)
    before = opened.search(vectors(5, DIM, 1), k=5)
    built(CODECS["pq4"]).save(path)
    opened.save(path)  # over the file that it is not mapped from any more
    path.unlink()
    np.testing.assert_array_equal(opened.search(vectors(5, DIM, 1), k=5).ids, before.ids)


def test_every_flipped_byte_is_noticed(small: Path, tmp_path: Path) -> None:
    good, path = small.read_bytes(), tmp_path / "bad.fb"
    for at in range(len(good)):
        path.unlink(missing_ok=True)
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :])
        with pytest.raises((fb.CorruptIndexError, fb.FormatVersionError)):
            fb.verify(path)


def test_every_cut_is_noticed(small: Path, tmp_path: Path) -> None:
    good, path = small.read_bytes(), tmp_path / "bad.fb"
    for length in range(0, len(good), 7):
        path.unlink(missing_ok=True)
        path.write_bytes(good[:length])
        with pytest.raises(fb.CorruptIndexError, match=r"bad\.fb"):
            fb.open(path)


def test_any_bytes_of_codes_are_searchable(small: Path, tmp_path: Path) -> None:
    """Bulk sections are not compared at open: whatever they hold, search neither crashes nor invents an id."""
    good, random = bytearray(small.read_bytes()), np.random.default_rng(0)
    for section in fb.inspect(small)["sections"]:
        if section["bulk"]:
            at, size = section["offset"], section["bytes"]
            for noise in (b"\xff" * size, b"\0" * size, random.bytes(size)):
                path = tmp_path / "noise.fb"
                path.write_bytes(good[:at] + noise + good[at + size :])
                ids, scores = fb.open(path).search(vectors(3, 8, 1), k=50)
                assert ids.shape == scores.shape == (3, 50)
                assert set(np.unique(ids).tolist()) <= set(range(-1, 40))


def test_version_error_names_both(small: Path, tmp_path: Path) -> None:
    data = bytearray(small.read_bytes())
    data[8] = 9
    (tmp_path / "a.fb").write_bytes(data)
    with pytest.raises(fb.FormatVersionError, match=r"version 9\.1.*versions up to 2"):
        fb.open(tmp_path / "a.fb")


def test_things_that_are_not_index_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(fb.CorruptIndexError):
        fb.open(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        fb.open(tmp_path / "absent")
    with pytest.raises(IsADirectoryError):
        fb.open(tmp_path)
    for path in ("/dev/zero", tmp_path / "fifo"):
        done = subprocess.run(  # a child, for the day when it waits for ever
            [sys.executable, "-c", "import fewbits, sys; fewbits.open(sys.argv[1])", path],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert "not a regular file" in done.stderr, done.stderr


def test_saving_fails_whole(small: Path, tmp_path: Path) -> None:
    index = fb.open(small)
    with pytest.raises(FileNotFoundError, match="absent"):
        index.save(tmp_path / "absent" / "a.fb")
    with pytest.raises(IsADirectoryError):
        index.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    shutil.copy(small, tmp_path / "a.fb")
    (tmp_path / "a.fb").chmod(0o604)
    index.save(tmp_path / "a.fb")
    assert (tmp_path / "a.fb").stat().st_mode & 0o777 == 0o604
    assert [p.name for p in tmp_path.iterdir()] == ["a.fb"]
