"""Adding documents to a folder and searching it: fb.Collection against LangChain's FAISS and Chroma stores.

python bench/collection.py [--n 100000] [--stores fewbits,faiss,chroma] [--folder DIR]

Generated vectors of 384 dimensions with short texts, in batches of 1,000. fewbits and Chroma have every batch on disk
when `add` returns; FAISS keeps all in memory until it is saved once at the end, which is counted. Then 200 searches,
one at a time, k = 10, with documents. Wall-clock and CPU seconds. Recall against exact search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fewbits as fb
from fewbits.bench.datasets import synthetic

_BATCH, _DIM, _K, _QUERIES = 1000, 384, 10, 200


class Given:
    """LangChain's Embeddings, of vectors that are there already."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError


def fewbits(folder: Path) -> tuple[Callable[..., None], Callable[..., list[str]], Callable[[], None]]:
    store = fb.Collection(folder, dim=_DIM, metric="cosine")

    def add(keys: list[str], vectors: np.ndarray, texts: list[str]) -> None:
        store.add(keys=keys, vectors=vectors, documents=texts)

    return add, lambda query: store.search(query, _K).documents, store.close


def faiss(folder: Path) -> tuple[Callable[..., None], Callable[..., list[str]], Callable[[], None]]:
    from faiss import IndexFlatIP
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    store: Any = FAISS(Given(), IndexFlatIP(_DIM), InMemoryDocstore(), {})

    def add(keys: list[str], vectors: np.ndarray, texts: list[str]) -> None:
        store.add_embeddings(list(zip(texts, vectors, strict=True)), ids=keys)

    def search(query: np.ndarray) -> list[str]:
        return [found.page_content for found in store.similarity_search_by_vector(query.tolist(), k=_K)]

    return add, search, lambda: store.save_local(str(folder))


def chroma(folder: Path) -> tuple[Callable[..., None], Callable[..., list[str]], Callable[[], None]]:
    from langchain_chroma import Chroma

    store: Any = Chroma("vectors", Given(), str(folder), collection_configuration={"hnsw": {"space": "cosine"}})

    def add(keys: list[str], vectors: np.ndarray, texts: list[str]) -> None:
        store._collection.add(ids=keys, embeddings=vectors, documents=texts)  # add_texts would embed them

    def search(query: np.ndarray) -> list[str]:
        return [found.page_content for found in store.similarity_search_by_vector(query.tolist(), k=_K)]

    return add, search, lambda: None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--stores", default="fewbits,faiss,chroma")
    parser.add_argument("--folder", help="where the stores are made (default: the system's temporary folder)")
    arguments = parser.parse_args()
    data = synthetic(arguments.n, _DIM, queries=_QUERIES)
    x = np.ascontiguousarray(data.base, np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    queries = np.asarray(data.queries, np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    truth = fb.exact_search(x, queries, _K, metric="cosine").ids
    print(f"n {len(x):,}, d {_DIM}, cosine, batches of {_BATCH:,}, k {_K}, {fb.isa()}", flush=True)
    for name in arguments.stores.split(","):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            wall, cpu = time.perf_counter(), time.process_time()
            add, search, finish = {"fewbits": fewbits, "faiss": faiss, "chroma": chroma}[name](Path(folder) / "store")
            for begin in range(0, len(x), _BATCH):
                numbers = range(begin, min(begin + _BATCH, len(x)))
                add([f"k{i}" for i in numbers], x[numbers.start : numbers.stop], [f"text {i}" for i in numbers])
            if name == "faiss":
                finish()
            added = time.perf_counter() - wall, time.process_time() - cpu
            wall, cpu = time.perf_counter(), time.process_time()
            found = [search(query) for query in queries]
            searched = time.perf_counter() - wall, time.process_time() - cpu
            hit = [np.isin([f"text {i}" for i in true], texts).mean() for true, texts in zip(truth, found, strict=True)]
            print(
                f"{name:8} adding {added[0]:7.1f} s ({added[1]:.1f} s CPU), "
                f"a search {1000 * searched[0] / _QUERIES:.2f} ms ({1000 * searched[1] / _QUERIES:.2f} ms CPU), "
                f"recall {np.mean(hit):.4f}",
                flush=True,
            )
            if name == "fewbits":
                finish()


if __name__ == "__main__":
    main()
