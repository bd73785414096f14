"""Libraries for multi-vector search beside fewbits: build, bytes, latency, recall of the exact top 10 and nDCG@10.

Each is measured with its own defaults and with cheaper and dearer settings of its search; nothing is tuned on the
queries. One query at a time, one thread. fast-plaid, xtr-warp-rs and muvera-python are measured if installed.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fewbits as fb
from fewbits.choose.margin import needed, of_results
from multivector_data import F32, Data, as_list, best, recall

I64 = NDArray[np.int64]
_FIT = 0.5  # the share of the queries that margins are fitted to
_ASKED = 50  # of the others, as some peers take a quarter of a second each
_PASSAGE = 16  # tokens: so few that every library builds 20,000 passages within minutes


class System(ABC):
    """One library with one way of storing documents."""

    name: str

    @abstractmethod
    def build(self, documents: list[F32], others: list[F32]) -> None:
        """others: queries that are not measured, to fit settings to."""

    @abstractmethod
    def sizes(self) -> tuple[float, float]:
        """Bytes of all documents, and bytes that do not grow with them."""

    @abstractmethod
    def settings(self) -> list[dict[str, Any]]: ...

    @abstractmethod
    def search(self, query: F32, k: int, **setting: Any) -> list[int]: ...


class Fewbits(System):
    def __init__(self, dim: int, encoder: fb.FDE | fb.LEMUR, codec: Any, tokens: Any) -> None:
        self.index = fb.MultiVectorIndex(dim, encoder=encoder, codec=codec, tokens=tokens)
        shown = "FDE" if isinstance(encoder, fb.FDE) else f"LEMUR({encoder.features or ''})"
        self.name = f"fewbits {shown}, {codec.bits} bits, tokens of {tokens.bits}"
        self.margin: float | None = None

    def build(self, documents: list[F32], others: list[F32]) -> None:
        self.index.build(documents, progress=False, threads=1)
        found = self.index.search(others, 100, rerank=0, threads=1)
        scores = self.index.score(others, found.ids, threads=1)
        self.margin = max(0.0, float(np.quantile(of_results(needed(found.scores, scores, 10), scores, 10), 0.99)))

    def sizes(self) -> tuple[float, float]:
        numbers = self.index.stats()
        return numbers.n * (numbers.fde_bytes + numbers.token_bytes), numbers.bytes_fixed

    def settings(self) -> list[dict[str, Any]]:
        return [{"rerank": 30}, {"rerank": 50}, {"rerank": 100}, {"rerank": 100, "margin": self.margin}]

    def search(self, query: F32, k: int, **setting: Any) -> list[int]:
        return [int(i) for i in self.index.search(query, k, threads=1, **setting).ids]


class Torch(System):
    """A library that keeps its index in a folder."""

    def __init__(self, bits: int) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch, self.bits = torch, bits
        self.folder = tempfile.TemporaryDirectory()

    def tensors(self, documents: list[F32]) -> list[Any]:
        return [self.torch.from_numpy(document) for document in documents]

    def sizes(self) -> tuple[float, float]:
        files = [path for path in Path(self.folder.name).rglob("*") if path.is_file()]
        files = [path for path in files if not path.name.startswith("embeddings")]  # kept for small indexes only
        fixed = [path for path in files if path.name.startswith(("centroids", "bucket", "avg"))]
        of_fixed = float(sum(path.stat().st_size for path in fixed))
        return float(sum(path.stat().st_size for path in files)) - of_fixed, of_fixed


class FastPlaid(Torch):
    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.name = f"fast-plaid, {bits} bits"

    def build(self, documents: list[F32], others: list[F32]) -> None:
        from fast_plaid import search

        self.index = search.FastPlaid(index=self.folder.name, device="cpu")
        self.index.create(self.tensors(documents), nbits=self.bits)

    def settings(self) -> list[dict[str, Any]]:
        return [
            {"n_ivf_probe": 2, "n_full_scores": 64},
            {"n_ivf_probe": 4, "n_full_scores": 256},
            {"n_ivf_probe": 8, "n_full_scores": 4096},
        ]

    def search(self, query: F32, k: int, **setting: Any) -> list[int]:
        found = self.index.search(self.torch.from_numpy(query)[None], top_k=k, show_progress=False, **setting)
        return [int(i) for i, _ in found[0]]


class Warp(Torch):
    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.name = f"xtr-warp-rs, {bits} bits"

    def build(self, documents: list[F32], others: list[F32]) -> None:
        from xtr_warp import XTRWarp

        self.index = XTRWarp(index=self.folder.name, device="cpu")
        self.index.create(self.tensors(documents), device="cpu", nbits=self.bits, show_progress=False)
        self.index.load(device="cpu", mmap=False)

    def sizes(self) -> tuple[float, float]:
        """What search loads; the folder also holds what the index was made of."""
        parts = self.index.estimate_index_memory()
        return float(parts["residuals"] + parts["pids"]), float(parts["total"] - parts["residuals"] - parts["pids"])

    def settings(self) -> list[dict[str, Any]]:
        return [{}, {"nprobe": 8}, {"nprobe": 32}, {"nprobe": 128, "bound": 512, "max_candidates": 4096}]

    def search(self, query: F32, k: int, **setting: Any) -> list[int]:
        found = self.index.search(self.torch.from_numpy(query), top_k=k, show_progress=False, **setting)
        return [int(i) for i, _ in found[0]]


class Muvera(System):
    """Encodings of muvera-python, which is an encoder only: all products and the ranking are numpy's, in float32."""

    name = "muvera-python and numpy, float32"

    def __init__(self, dim: int) -> None:
        import muvera

        self.encoder = muvera.Muvera(
            num_repetitions=20,
            num_simhash_projections=5,
            dimension=dim,
            projection_type="ams_sketch",
            projection_dimension=16,
            seed=1,
        )

    def build(self, documents: list[F32], others: list[F32]) -> None:
        self.documents = documents
        self.encoded = np.asarray(self.encoder.encode_documents(documents), np.float32)

    def sizes(self) -> tuple[float, float]:
        return float(self.encoded.nbytes + sum(document.nbytes for document in self.documents)), 0

    def settings(self) -> list[dict[str, Any]]:
        return [{"rerank": 50}, {"rerank": 100}]

    def search(self, query: F32, k: int, **setting: Any) -> list[int]:
        estimates = self.encoded @ np.asarray(self.encoder.encode_queries([query]), np.float32)[0]
        first = np.argpartition(-estimates, setting["rerank"])[: setting["rerank"]]
        scores = np.array([(query @ self.documents[i].T).max(axis=1).sum() for i in first])
        return [int(i) for i in first[np.argsort(-scores)[:k]]]


def systems(dim: int, packages: list[str], token_bits: tuple[int, ...]) -> list[System]:
    found: list[System] = [
        Fewbits(dim, fb.LEMUR(features=2048, dim=256), fb.RaBitQ(2), fb.RaBitQ(4)),
        Fewbits(dim, fb.LEMUR(features=2048, dim=256), fb.RaBitQ(4), fb.RaBitQ(2)),
        Fewbits(dim, fb.FDE(dim), fb.RaBitQ(1), fb.RaBitQ(4)),
    ]
    for package in packages:
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed")
        elif package == "muvera":
            found.append(Muvera(dim))
        else:
            kind = FastPlaid if package == "fast_plaid" else Warp
            found += [kind(bits) for bits in token_bits]
    return found


def passages(data: Data, n: int) -> list[F32]:
    """n overlapping passages of _PASSAGE tokens of the real documents, with the largest step that gives so many."""
    members = as_list(data.documents)
    for step in range(_PASSAGE, 0, -1):
        cut = [each[at : at + _PASSAGE] for each in members for at in range(0, len(each) - _PASSAGE + 1, step)]
        if len(cut) >= n:
            return cut[:n]
    raise SystemExit(f"--peers: there are {len(cut):,} passages, not {n:,}")


def peers(data: Data, n: int = 0, packages: tuple[str, ...] = ("fast_plaid", "xtr_warp", "muvera")) -> None:
    """n: passages of the documents, whose relevance is not known; 0: the documents."""
    os.environ |= {"RAYON_NUM_THREADS": "1"}
    documents = passages(data, n) if n else as_list(data.documents)
    shown = f"{n:,} passages of {_PASSAGE} tokens" if n else f"{len(documents):,} documents"
    queries = as_list(data.queries)
    held_out = np.arange(int(_FIT * len(queries)), len(queries))[:_ASKED]
    some = [queries[i] for i in held_out]
    top = best(fb.chamfer(some, documents, threads=1), 10)
    print(f"\nPeers: {shown}; {len(some)} queries, one at a time; CPU seconds and milliseconds of one thread\n")
    for system in systems(data.dim, list(packages), (4,) if n else (4, 2)):
        start, wall = time.process_time(), time.perf_counter()
        system.build(documents, queries[: held_out[0]])
        built, wall = time.process_time() - start, time.perf_counter() - wall
        size, fixed = system.sizes()
        spent = f"{built:.1f} s of CPU ({wall:.1f} s)"
        each = f"{size / len(documents):,.0f} bytes per document and {fixed / 1e6:.1f} MB"
        print(f"{system.name}: built in {spent}, {each}", flush=True)
        for setting in system.settings():
            system.search(some[0], 10, **setting)
            start = time.process_time()
            found = [system.search(query, 10, **setting) for query in some]
            each = (time.process_time() - start) / len(some) * 1e3
            ids = np.array([(row + [-1] * 10)[:10] for row in found])
            relevant = "" if n else ndcg(ids, data, held_out)
            line = ", ".join(f"{name} {value:.4g}" for name, value in setting.items()) or "as it chooses"
            print(f"    {line:<60}{recall(ids, top):8.3f} recall@10{relevant}{each:9.2f} ms", flush=True)


def ndcg(ids: I64, data: Data, held_out: I64) -> str:
    judged = data.qrels[np.isin(data.qrels[:, 0], held_out)].copy()
    judged[:, 0] -= held_out[0]
    return f"{fb.evaluate(ids, None, judged, k=10)['ndcg']:8.4f} nDCG@10"
