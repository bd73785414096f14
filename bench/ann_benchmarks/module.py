"""fewbits in ann-benchmarks: copy this folder there as ann_benchmarks/algorithms/fewbits, then

python install.py --algorithm fewbits && python run.py --algorithm fewbits --dataset glove-100-angular
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb

from ..base.module import BaseANN

_METRICS = {"angular": "cosine", "euclidean": "l2"}


class Fewbits(BaseANN):
    """4-bit codes of pairs of dimensions in lists, reranked by 8 bits per dimension."""

    def __init__(self, metric: str, vectors_per_list: int) -> None:
        self._metric, self._vectors_per_list = _METRICS[metric], vectors_per_list
        self._settings: dict[str, int] = {}
        self._found: NDArray[np.int64] | None = None
        self.name = f"fewbits({vectors_per_list} per list)"

    def fit(self, X: NDArray[Any]) -> None:
        n, dim = X.shape
        self._index = fb.Index(
            dim,
            metric=self._metric,
            transform=fb.OPQ(),
            partition=fb.IVF(max(1, n // self._vectors_per_list)),
            codec=fb.PQ(max(1, dim // 2), bits=4),
            rerank=fb.Scalar(8),
        )
        self._index.build(X, progress=False)

    def set_query_arguments(self, nprobe: int, rerank: int) -> None:
        self._settings = {"nprobe": nprobe, "rerank": rerank}
        self.name = f"fewbits({self._vectors_per_list} per list, nprobe={nprobe}, rerank={rerank})"

    def query(self, q: NDArray[Any], n: int) -> NDArray[np.int64]:
        return self._index.search(q, n, threads=1, **self._settings).ids

    def batch_query(self, X: NDArray[Any], n: int) -> None:
        self._found = self._index.search(X, n, **self._settings).ids

    def get_batch_results(self) -> NDArray[np.int64] | None:
        return self._found

    def get_memory_usage(self) -> float:
        """Kilobytes of the index, without the interpreter."""
        stats = self._index.stats()
        return (stats.bytes_per_vector * len(self._index) + stats.bytes_fixed) / 1024
