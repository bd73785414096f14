"""The libraries that fewbits is compared with, all behind the same four methods, so that one loop measures them all.

A system is built from float32 rows of unit length (inner product), reports its memory, lists settings worth measuring,
and searches with one of them. Nothing here is tuned against a peer: grids reach from fast to almost exact.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Setting = tuple[int, ...]


class System(ABC):
    """One index of one library. A setting is a tuple whose meaning is known to settings() and search() only."""

    name: str

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @abstractmethod
    def build(self, base: F32) -> None: ...

    @abstractmethod
    def bytes(self) -> int:
        """The size of the index, as saved or as reported by the library: codes, ids, rerank rows, codebooks, graphs."""

    @abstractmethod
    def settings(self) -> list[Setting]: ...

    @abstractmethod
    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]: ...


def nlist_for(n: int) -> int:
    return 1 << round(np.log2(2 * np.sqrt(n)))


def nprobes(nlist: int) -> list[int]:
    """Powers of two and the numbers halfway between them, up to half of the lists."""
    return [p for i in range(20) for p in (1 << i, 3 << (i - 1) if i else 0) if 2 <= p <= nlist // 2]


def saved_bytes(save: Callable[[str], object]) -> int:
    """The number of bytes that `save` writes to the path it is given: a file, or a folder of files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        save(str(path))
        files = path.iterdir() if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files)


class FewbitsSystem(System):
    """Common to the three systems of fewbits; a setting is nprobe, followed by rerank if there is one."""

    index: Any

    def bytes(self) -> int:
        return int(self.index.stats()["bytes"]["total"])

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        options = dict(zip(("nprobe", "rerank"), setting, strict=False))
        found: NDArray[np.int64] = self.index.search(queries, k, threads=self.threads, **options).ids
        return found


class Fewbits(FewbitsSystem):
    """IVF, 4-bit PQ with half a byte per two dimensions, 8-bit rerank: a configuration that others have too."""

    name = "fewbits IVF,PQx4,rerank 8"

    def build(self, base: F32) -> None:
        import fewbits as fb

        n, dim = base.shape
        self.index = fb.Index(
            dim, metric="ip", partition=fb.IVF(nlist_for(n)), codec=fb.PQ(dim // 2, bits=4), rerank=fb.Scalar(8)
        )
        self.index.build(base, progress=False, threads=self.threads)

    def settings(self) -> list[Setting]:
        return [(p, r) for p in nprobes(self.index.stats()["lists"]) for r in (20, 40, 80, 160)]


class FewbitsRaBitQ(FewbitsSystem):
    """IVF with fewer lists and 4 bits per dimension, no rerank; with many dimensions the high bit plane first."""

    name = "fewbits IVF,RaBitQ(4)"

    def build(self, base: F32) -> None:
        import fewbits as fb

        n, dim = base.shape
        codec = fb.RaBitQ(4, staged=dim >= 256)
        self.index = fb.Index(dim, metric="ip", partition=fb.IVF(nlist_for(n) // 2), codec=codec)
        self.index.build(base, progress=False, threads=self.threads)

    def settings(self) -> list[Setting]:
        nlist = self.index.stats()["lists"]
        return [(p,) for p in (*nprobes(nlist), nlist * 5 // 8, nlist * 3 // 4, nlist)]


class FewbitsFlat(FewbitsSystem):
    """4-bit scalar codes, exhaustive; with many dimensions the high bit plane first, which is informative enough."""

    name = "fewbits Scalar(4)"

    def build(self, base: F32) -> None:
        import fewbits as fb

        codec = fb.Scalar(4, levels="lloyd-max", staged=base.shape[1] >= 256)
        self.index = fb.Index(base.shape[1], metric="ip", transform=fb.RandomRotation(), codec=codec)
        self.index.build(base, progress=False, threads=self.threads)

    def settings(self) -> list[Setting]:
        return [()]


class Faiss(System):
    """The same configuration as the first one of fewbits, in faiss."""

    name = "faiss IVF,PQx4fs,Refine(SQ8)"

    def build(self, base: F32) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        n, dim = base.shape
        self.nlist = nlist_for(n)
        description = f"IVF{self.nlist},PQ{dim // 2}x4fs,Refine(SQ8)"
        self.index = faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
        self.index.train(base)
        self.index.add(base)

    def bytes(self) -> int:
        import faiss

        return len(faiss.serialize_index(self.index))

    def settings(self) -> list[Setting]:
        return [(p, factor) for p in nprobes(self.nlist) for factor in (2, 4, 8, 16)]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        import faiss

        nprobe, factor = setting
        inner = faiss.IVFSearchParameters(nprobe=nprobe)
        params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)
        found: NDArray[np.int64] = self.index.search(queries, k, params=params)[1]
        return found


class Scann(System):
    """Tree, anisotropic hashing with two dimensions per code, int8 reordering; trained on all vectors."""

    name = "scann tree,AH,int8 reorder"

    def build(self, base: F32) -> None:
        import scann

        n = len(base)
        self.leaves = nlist_for(n)
        builder = scann.scann_ops_pybind.builder(base, 10, "dot_product").set_n_training_threads(self.threads)
        tree = builder.tree(num_leaves=self.leaves, num_leaves_to_search=16, training_sample_size=n)
        hashed = tree.score_ah(2, anisotropic_quantization_threshold=0.2, training_sample_size=n)
        self.index = hashed.reorder(100, quantize=True).build()
        self.index.set_num_threads(self.threads)

    def bytes(self) -> int:
        return saved_bytes(self._serialize)

    def _serialize(self, folder: str) -> None:
        os.mkdir(folder)
        self.index.serialize(folder)

    def settings(self) -> list[Setting]:
        return [(p, r) for p in nprobes(self.leaves) for r in (20, 40, 80, 160)]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        leaves, reorder = setting
        options = {"final_num_neighbors": k, "pre_reorder_num_neighbors": reorder, "leaves_to_search": leaves}
        if len(queries) == 1:
            return np.asarray(self.index.search(queries[0], **options)[0])[None]
        batched = self.index.search_batched_parallel if self.threads > 1 else self.index.search_batched
        return np.asarray(batched(queries, **options)[0])


class Hnswlib(System):
    name = "hnswlib M=16"

    def build(self, base: F32) -> None:
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=base.shape[1])
        self.index.init_index(max_elements=len(base), ef_construction=200, M=16)
        self.index.set_num_threads(self.threads)
        self.index.add_items(base)

    def bytes(self) -> int:
        return int(self.index.index_file_size())

    def settings(self) -> list[Setting]:
        return [(ef,) for ef in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        self.index.set_ef(max(k, setting[0]))
        return np.asarray(self.index.knn_query(queries, k, num_threads=self.threads)[0])


class Usearch(System):
    name = "usearch i8"

    def build(self, base: F32) -> None:
        from usearch.index import Index

        self.index = Index(ndim=base.shape[1], metric="ip", dtype="i8")
        self.index.add(np.arange(len(base)), base, threads=self.threads)

    def bytes(self) -> int:
        return int(self.index.serialized_length)

    def settings(self) -> list[Setting]:
        return [(ef,) for ef in (16, 32, 64, 128, 256, 512, 1024)]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        self.index.expansion_search = setting[0]
        keys = self.index.search(queries, k, threads=self.threads).keys
        return np.asarray(keys, dtype=np.int64).reshape(len(queries), k)


class Turbovec(System):
    """4 bits per dimension, exhaustive; vectors are padded with zeros to the multiple of 8 dimensions it requires."""

    name = "turbovec 4 bit"

    def build(self, base: F32) -> None:
        os.environ["RAYON_NUM_THREADS"] = str(self.threads)  # read when its pool starts
        from turbovec import TurboQuantIndex

        base = self._padded(base)
        self.index = TurboQuantIndex(dim=base.shape[1], bit_width=4)
        rows = np.random.default_rng(0).choice(len(base), min(len(base), 4096), replace=False)
        self.index.calibrate(base[rows])
        self.index.add(base)
        self.index.prepare()

    def bytes(self) -> int:
        return saved_bytes(self.index.write)

    def settings(self) -> list[Setting]:
        return [()]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        return np.asarray(self.index.search(self._padded(queries), k)[1]).astype(np.int64)

    @staticmethod
    def _padded(x: F32) -> F32:
        return np.pad(x, ((0, 0), (0, -x.shape[1] % 8)))


class Rabitqlib(System):
    """IVF with its own k-means, 5 bits per dimension: about as many bytes as the others."""

    name = "rabitqlib IVF, 5 bits"

    def build(self, base: F32) -> None:
        import rabitqlib

        n, dim = base.shape
        self.nlist = nlist_for(n)
        lists = rabitqlib.RaBitQKMeans(dim, self.nlist)
        lists.train(base)
        self.index = rabitqlib.IvfIndex(dim, n, self.nlist, 5, metric="ip")
        self.index.build(base, lists.centroids, lists.assignments, num_threads=self.threads)

    def bytes(self) -> int:
        return saved_bytes(self.index.save)

    def settings(self) -> list[Setting]:
        return [(p,) for p in nprobes(self.nlist)]

    def search(self, queries: F32, k: int, setting: Setting) -> NDArray[np.integer[Any]]:
        found = self.index.search(queries, k, setting[0], num_threads=self.threads)
        return np.asarray(found[0] if np.asarray(found[0]).dtype.kind in "iu" else found[1]).astype(np.int64)


SYSTEMS: dict[str, list[type[System]]] = {
    "fewbits": [Fewbits, FewbitsRaBitQ, FewbitsFlat],
    "faiss": [Faiss],
    "scann": [Scann],
    "hnswlib": [Hnswlib],
    "usearch": [Usearch],
    "turbovec": [Turbovec],
    "rabitqlib": [Rabitqlib],
}
