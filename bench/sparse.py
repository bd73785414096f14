"""SparseIndex: BM25 beside bm25s at identical scores, and vectors like those of SPLADE beside seismic.

    python bench/sparse.py WORDNET_FOLDER [--queries N] [--splade N] [--seismic N_POSTINGS]

BM25 of the definitions of WordNet (bench/wordnet.py), queries are example sentences, from the same token numbers: build
time, queries per second one by one, and the share of the top 10 scores that agree within the rounding to one byte.
Times are CPU times of one thread, best of three. bm25s runs with its numba backend. Then N generated vectors of 120
terms of 30,000 (Zipf), queries of 40: queries per second, bytes per vector, and the share of the exact top 10 with less
mass; with --seismic the same of pyseismic-lsr, whose lists keep N_POSTINGS postings each, at several of its settings.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import scipy.sparse

import fewbits as fb
from fewbits.sparse.bm25 import words
from wordnet import load

K = 10


def cpu_seconds(call: Callable[[], Any], rounds: int = 3) -> tuple[float, Any]:
    best, result = np.inf, None
    for _ in range(rounds):
        start = time.process_time()
        result = call()
        best = min(best, time.process_time() - start)
    return best, result


def numbered(texts: list[str], vocabulary: dict[str, int]) -> list[list[int]]:
    return [[vocabulary.setdefault(word, len(vocabulary)) for word in words(text)] for text in texts]


def bm25(folder: str, n_queries: int) -> None:
    import bm25s

    texts = load(folder)
    vocabulary: dict[str, int] = {}
    documents = numbered(texts.documents, vocabulary)
    known = len(vocabulary)
    chosen = np.random.default_rng(0).permutation(len(texts.queries))[:n_queries]
    queries = [[i for i in row if i < known] for row in numbered([texts.queries[q] for q in chosen], vocabulary)]
    queries = [row for row in queries if row]
    print(f"BM25, {len(documents):,} texts, {known:,} tokens, {len(queries):,} queries, one thread")
    seconds, index = cpu_seconds(lambda: fb.SparseIndex.bm25(documents, k1=1.2, b=0.75), 1)
    print(f"  {'fewbits':22} build {seconds:6.2f} s", end="")
    taken, found = cpu_seconds(lambda: index.search(queries, K, threads=1))
    alone, _ = cpu_seconds(lambda: [index.search(query, K, threads=1) for query in queries])
    print(f", {len(queries) / taken:8,.0f} queries/s in a batch, {len(queries) / alone:8,.0f} one by one")
    corpus = bm25s.tokenization.Tokenized(ids=documents, vocab={str(i): i for i in range(known)})
    for backend in ("numba", "numpy"):
        peer = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend=backend)
        seconds, _ = cpu_seconds(lambda peer=peer: peer.index(corpus, show_progress=False), 1)

        def search(peer: Any = peer) -> Any:
            return peer.retrieve(queries, k=K, show_progress=False, n_threads=1, sorted=True)

        search()  # compiles
        taken, (_, scores) = cpu_seconds(search)
        top = np.sort(scores, axis=1)[:, ::-1]
        close = np.isclose(found.scores, top, rtol=0.01, atol=0.01) | (found.ids < 0)
        print(
            f"  {f'bm25s ({backend})':22} build {seconds:6.2f} s, {len(queries) / taken:8,.0f} queries/s; "
            f"{100 * close.mean():.1f} % of scores agree within 1 %",
            flush=True,
        )


def generated(n: int, nonzeros: int, terms: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    p = 1 / (np.arange(terms) + 10.0)
    columns = random.choice(terms, size=n * nonzeros, p=p / p.sum())
    values = random.gamma(2.0, 0.4, n * nonzeros).astype(np.float32)
    made = scipy.sparse.csr_array((values, columns, np.arange(0, n * nonzeros + 1, nonzeros)), shape=(n, terms))
    made.sum_duplicates()
    return made


def inner_format(path: Path, x: Any) -> None:
    """Vectors as seismic reads them: their number; of each its length, terms and values."""
    counts = np.diff(x.indptr)
    words = np.empty(1 + len(counts) + 2 * x.nnz, np.uint32)
    words[0] = len(counts)
    at = 1 + np.arange(len(counts)) + 2 * x.indptr[:-1]
    words[at] = counts
    within = np.arange(x.nnz) - np.repeat(x.indptr[:-1], counts)
    first = np.repeat(at, counts) + 1 + within
    words[first] = x.indices
    words[first + np.repeat(counts, counts)] = x.data.astype(np.float32).view(np.uint32)
    words.tofile(path)


def overlap(found: Any, exact: Any) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, exact, strict=True)]))


def seismic_frontier(x: Any, queries: Any, exact: Any, n_postings: int) -> None:
    import seismic

    with TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("documents.bin", "queries.bin")]
        for file, vectors in zip(files, (x, queries), strict=True):
            inner_format(file, vectors)
        seconds, index = cpu_seconds(
            lambda: seismic.SeismicIndexRaw.build(str(files[0]), n_postings=n_postings, summary_energy=0.5), 1
        )
        index.save(str(Path(folder) / "index"))
        size = next(Path(folder).glob("index*")).stat().st_size / x.shape[0]
        print(f"  seismic, n_postings={n_postings:,}: build {seconds:.1f} s, {size:.0f} bytes per vector (file)")
        for cut, factor in ((10, 0.8), (20, 0.8), (40, 0.8), (40, 0.9), (40, 1.0)):

            def search(cut: int = cut, factor: float = factor) -> Any:
                return index.batch_search(str(files[1]), K, cut, factor, 0, True, 1)

            taken, found = cpu_seconds(search)
            ids = [[document for _, document in row] for row in found]
            print(
                f"    query_cut={cut}, heap_factor={factor}: {len(ids) / taken:8,.0f} queries/s, "
                f"{100 * overlap(ids, exact):.1f} % of the exact top {K}",
                flush=True,
            )


def splade(n: int, n_postings: int) -> None:
    x, queries = generated(n, 120, 30_000, 0), generated(100, 40, 30_000, 1)
    seconds, index = cpu_seconds(lambda: fb.SparseIndex().build(x), 1)
    taken, found = cpu_seconds(lambda: index.search(queries, K, threads=1))
    scores = [x @ queries[[i]].toarray().ravel() for i in range(100)]
    exact = [np.argpartition(-each, K)[:K] for each in scores]
    print(f"generated, {n:,} vectors of {x.nnz / n:.0f} terms, {len(found.ids)} queries of {queries.nnz / 100:.0f}")
    print(
        f"  fewbits, exact: build {seconds:.1f} s, {100 / taken:,.0f} queries/s, "
        f"{index.stats().bytes_per_vector:.0f} bytes per vector, {100 * overlap(found.ids, exact):.1f} % of the "
        f"top {K} of float values",
        flush=True,
    )
    for mass, rerank in ((0.9, 100), (0.8, 100), (0.7, 400), (0.6, 400), (0.5, 400), (0.4, 400)):
        taken, some = cpu_seconds(
            lambda mass=mass, rerank=rerank: index.search(queries, K, mass=mass, rerank=rerank, threads=1)
        )
        kept = 100 * overlap(some.ids, found.ids)
        print(f"    mass={mass}, rerank={rerank}: {100 / taken:8,.0f} queries/s, {kept:.1f} % of the exact top {K}")
    if n_postings:
        seismic_frontier(x, queries, exact, n_postings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--splade", type=int, default=100_000)
    parser.add_argument("--seismic", type=int, default=0, metavar="N_POSTINGS")
    arguments = parser.parse_args()
    if arguments.queries:
        bm25(arguments.folder, arguments.queries)
    if arguments.splade:
        splade(arguments.splade, arguments.seismic)


if __name__ == "__main__":
    main()
