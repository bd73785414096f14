"""Bytes per document against recall and nDCG on your own token vectors: what encodings and token codecs keep.

Recall is relative to the exact Chamfer top k. Every index finds 100 candidates by encodings and ranks them by tokens;
those marked "codes only" rank by encodings alone. Nothing is tuned on the queries.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

from ..file.places import shown
from ..input.sets import Sets, SetsInput
from .datasets import load_array, load_sets
from .ladder import Rerank, written
from .measure import recall_of
from .report import GOOD_RECALL, Facts, plain_table, share

_NDCG_DEPTH = 10
_CANDIDATES = 100
_LATENCY_QUERIES = 50
_BLOCK = 1000  # number of documents compared exactly at a time


@dataclass(frozen=True)
class TokenData:
    """A folder of token vectors: documents and queries as (tokens, offsets), and judgements if available."""

    name: str
    pair: tuple[NDArray[Any], NDArray[Any]]  # the documents as stored on disk
    documents: SetsInput
    queries: Sets
    qrels: NDArray[Any] | None

    @property
    def dim(self) -> int:
        return int(self.queries.tokens.shape[1])


class Config(NamedTuple):
    family: str
    label: str
    rerank: Rerank
    settings: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One index, measured."""

    label: str
    family: str
    rerank: Rerank
    bytes_per_vector: float  # per document, in memory: encoding and tokens
    fixed_bytes: int
    disk_bytes_per_vector: float
    fde_bytes: float
    recall: float
    ndcg: float | None
    latency_ms: float  # median CPU time, one query at a time on one thread
    build_seconds: float
    code: str

    def total_bytes(self, n: int) -> float:
        """Bytes in memory per document of an index of n, fixed ones too."""
        return self.bytes_per_vector + self.fixed_bytes / n


@dataclass(frozen=True)
class TokenReport:
    """The results of a run. Every form shows the same rows."""

    facts: Facts
    rows: tuple[Row, ...]
    unit = "document"

    def frontier(self, value: Callable[[Row], float | None] = lambda row: row.recall) -> list[Row]:
        """The rows in memory that no other row beats in both bytes and value, by bytes."""
        best: list[Row] = []
        for row in sorted(self.rows, key=lambda row: (row.total_bytes(self.facts.n), -(value(row) or 0))):
            if row.rerank != "disk" and (not best or (value(row) or 0) > (value(best[-1]) or 0)):
                best.append(row)
        return best

    def table(self) -> str:
        judged = any(row.ndcg is not None for row in self.rows)
        head = [
            "",
            "index",
            "in all",
            "B/document",
            "encoding",
            "disk B",
            f"R@{self.facts.k}",
            *(["nDCG@10"] if judged else []),
        ]
        body = []
        for row in self.rows:
            cells = ["*" if row in self.frontier() else "", row.label]
            cells += [f"{row.total_bytes(self.facts.n):,.0f}", f"{row.bytes_per_vector:,.0f}"]
            cells += [f"{row.fde_bytes:,.0f}", f"{row.disk_bytes_per_vector:,.0f}" if row.disk_bytes_per_vector else ""]
            cells += [f"{row.recall:.3f}", *([f"{row.ndcg:.4f}"] if row.ndcg is not None else [])]
            body.append([*cells, f"{row.build_seconds:.1f}", f"{row.latency_ms:.2f}"])
        return plain_table([*head, "build s", "ms/query"], body)

    def summary(self) -> list[str]:
        """A sentence that states the result."""
        frontier = self.frontier()
        row = next((each for each in frontier if each.recall >= GOOD_RECALL), frontier[-1])
        verb = "keep" if row.recall >= GOOD_RECALL else "keep at best"
        found = f"{share(row.recall)} of the exact top {self.facts.k}"
        return [f"{row.total_bytes(self.facts.n):,.0f} bytes per document {verb} {found}."]

    def to_json(self) -> str:
        rows = [{**asdict(row), "frontier": row in self.frontier()} for row in self.rows]
        return json.dumps({"facts": asdict(self.facts), "summary": self.summary(), "rows": rows}, indent=1)


def is_token_folder(path: Path) -> bool:
    return (path / "doc_tokens.npy").is_file()


def load_tokens(folder: Path) -> TokenData:
    """doc_tokens, doc_offsets, query_tokens, query_offsets and, if present, qrels_test, each as .npy."""
    pair = load_sets(folder, "doc")
    dim = pair[0].shape[-1]
    documents = SetsInput(pair, dim, "documents")
    queries = SetsInput(load_sets(folder, "query"), dim, "queries")
    if not len(documents) or not len(queries):
        raise ValueError(f"{folder}: expected documents and queries, got {len(documents)} and {len(queries)}")
    judged = folder / "qrels_test.npy"
    qrels = np.asarray(load_array(judged)) if judged.is_file() else None
    return TokenData(shown(folder.resolve().name), pair, documents, queries.take(0, len(queries)), qrels)


def configs(dim: int, seed: int) -> Iterator[Config]:
    whole, half = fb.FDE(dim, seed=seed), fb.FDE(dim, 10, seed=seed)
    small = fb.FDE(dim, 20, 3, min(8, dim), seed=seed)
    for fde in (small, half, whole):
        yield Config("encodings", f"{fde.dims:,} dims, 1 bit", "none", {"encoder": fde})
    yield Config("encodings", f"{whole.dims:,} dims, 4 bits", "none", {"encoder": whole, "codec": fb.Scalar(4)})
    stores: list[tuple[str, Any]] = [("RaBitQ", fb.RaBitQ(1)), ("RaBitQ", fb.RaBitQ(2)), ("RaBitQ", fb.RaBitQ(4))]
    stores += [
        ("PQ", fb.PQ(max(1, dim // 8))),
        ("PQ", fb.PQ(max(1, dim // 4))),
        ("PQ", fb.PQ(max(1, dim // 2), bits=4)),
    ]
    stores += [("Scalar", fb.Scalar(4)), ("Scalar", fb.Scalar(8)), ("Float", fb.Float(16))]
    for family, store in stores:
        yield Config(family, f"tokens {store.label}", "ram", {"encoder": whole, "tokens": store})
    pooled: list[tuple[float, Any]] = [(0.25, fb.Scalar(4)), (0.25, fb.Scalar(8)), (0.5, fb.Scalar(4))]
    pooled += [(0.5, fb.Scalar(8)), (0.5, fb.RaBitQ(1)), (0.5, fb.RaBitQ(2)), (0.5, fb.RaBitQ(4))]
    for kept, store in pooled:
        settings = {"encoder": whole, "tokens": store, "pooling": fb.Pooling(kept)}
        yield Config(f"{type(store).__name__}, pooled", f"tokens {store.label}, {kept:.0%} pooled", "ram", settings)
    disk = fb.Scalar(8, on_disk=True)
    yield Config("Scalar", f"tokens {disk.label} on disk", "disk", {"encoder": whole, "tokens": disk})


def run_tokens(
    data: TokenData, facts: Facts, *, seed: int = 0, announce: Callable[[str], None] = lambda line: None
) -> TokenReport:
    """Measures every configuration; `announce` is called with a line for each. facts.seconds becomes the run time."""
    started = time.perf_counter()
    threads = facts.threads
    near = exact(data, facts.k, threads)
    rows = []
    for config in configs(data.dim, seed):
        announce(f"  {config.label}")
        rows.append(measured(data, config, near, seed, threads))
    return TokenReport(Facts(**{**asdict(facts), "seconds": time.perf_counter() - started}), tuple(rows))


def exact(data: TokenData, k: int, threads: int) -> NDArray[np.int64]:
    """The exact Chamfer top k of every query."""
    n, count = len(data.documents), len(data.queries.offsets) - 1
    ids, scores = np.empty((count, 0), np.int64), np.empty((count, 0), np.float32)
    for first in range(0, n, _BLOCK):
        some = data.documents.take(first, min(n, first + _BLOCK))
        more = fb.chamfer(data.queries, some, threads=threads)
        scores = np.concatenate([scores, more], axis=1)
        ids = np.concatenate([ids, np.broadcast_to(first + np.arange(more.shape[1]), more.shape)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    return ids


def measured(data: TokenData, config: Config, near: NDArray[np.int64], seed: int, threads: int) -> Row:
    k = near.shape[1]
    ranked = config.rerank != "none"
    started = time.perf_counter()
    index = fb.MultiVectorIndex(data.dim, seed=seed, **config.settings)
    index.build(data.pair, progress=False, threads=threads)
    build_seconds = time.perf_counter() - started
    depth = max(_CANDIDATES, k) if ranked else 0
    found = index.search(data.queries, max(k, _NDCG_DEPTH), rerank=depth, threads=threads).ids
    numbers = index.stats()
    tokens = numbers["token_bytes"] if ranked else 0.0
    return Row(
        label=config.label,
        family=config.family,
        rerank=config.rerank,
        bytes_per_vector=numbers["fde_bytes"] + tokens,
        fixed_bytes=numbers["bytes_fixed"],
        disk_bytes_per_vector=numbers["token_bytes_on_disk"],
        fde_bytes=numbers["fde_bytes"],
        recall=recall_of(found[:, :k], near),
        ndcg=None if data.qrels is None else fb.evaluate(found, None, data.qrels, k=_NDCG_DEPTH)["ndcg"],
        latency_ms=_latency_ms(index, data, k, depth),
        build_seconds=build_seconds,
        code=_code(config, data.dim, k, depth),
    )


def _code(config: Config, dim: int, k: int, depth: int) -> str:
    """The Python that builds and searches this index."""
    parts = "".join(f", {name}={written(part)}" for name, part in config.settings.items())
    return (
        "import fewbits as fb\n\n"
        f"index = fb.MultiVectorIndex({dim}{parts})\n"
        "index = index.build(documents)  # a list of (tokens, dim) arrays\n"
        f"ids, scores = index.search(queries, k={k}, rerank={depth})\n"
        'index.save("index.fb")'
    )


def _latency_ms(index: fb.MultiVectorIndex, data: TokenData, k: int, depth: int) -> float:
    seconds = []
    bounds = data.queries.offsets
    for first, end in itertools.islice(itertools.pairwise(bounds), _LATENCY_QUERIES):
        started = time.thread_time()
        index.search(data.queries.tokens[first:end], k, rerank=depth, threads=1)
        seconds.append(time.thread_time() - started)
    return 1000 * float(np.median(seconds))
