"""A step and an epoch of fb.train.jpq compared with plain PyTorch: a search with the current scores of the codes, the
listwise loss over the results, its gradients for codebook and query map, and Adam.

python bench/trainer_step.py [DATA_FOLDER] [--n 20000] [--dim 384] [--bytes 24] [--queries 6000] [--batch 64]
    [--negatives 200]

An epoch has as many queries as jpq uses by default, generated from the vectors in the same way; neither their
generation nor validation is counted. Vectors are those of the folder's base.npy, or random. One thread, CPU time,
alternating steps: the sum for an epoch, the median for a step. Both sides start from the same codebook, so their first
losses agree. Needs torch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import fewbits as fb
from fewbits.train.descent import Descent, Term
from fewbits.train.losses import distillation, spread_of
from fewbits.train.pseudo import pseudo_queries
from fewbits.train.query_map import FullMap
from fewbits.train.scorer import CodeScorer
from fewbits.train.teacher import Teacher


class Ours:
    def __init__(self, index: fb.Index, x: np.ndarray, negatives: int) -> None:
        assert index._engine is not None
        scorer = CodeScorer(index._engine)
        self.teacher = Teacher(x, "ip", 1)
        self.descent = Descent(
            index._engine, scorer, FullMap(np.eye(index.dim, dtype=np.float32)), depth=negatives, threads=1
        )

    def step(self, queries: np.ndarray) -> float:
        lists = self.descent.mined(queries)
        wanted = self.teacher.scores(queries, lists)
        return self.descent.step(
            [Term(queries, lists, wanted, distillation(spread_of(wanted, lists.starts)))], rate=1.0
        )


class Plain:
    """Every vector decoded with the current codebook and scored by one product; autograd through the listed ones."""

    def __init__(self, index: fb.Index, x: np.ndarray, negatives: int) -> None:
        assert index._engine is not None
        scorer = CodeScorer(index._engine)
        self.codes = torch.from_numpy(scorer.codes.astype(np.int64))
        self.book = torch.nn.Parameter(torch.from_numpy(scorer.book.copy()))
        self.map = torch.nn.Parameter(torch.eye(index.dim))
        assert scorer.transform is not None
        self.turn, self.x, self.negatives = torch.from_numpy(scorer.transform.copy()), torch.from_numpy(x), negatives
        self.subspaces = torch.arange(scorer.m)
        self.temperature: torch.Tensor | None = None
        self.adam = torch.optim.Adam([self.book, self.map], lr=1e-3)

    def decoded(self, codes: torch.Tensor) -> torch.Tensor:
        return self.book[self.subspaces, codes].flatten(start_dim=codes.ndim - 1)

    def step(self, queries: np.ndarray) -> float:
        q = torch.from_numpy(queries)
        z = q @ self.map.T @ self.turn
        with torch.no_grad():
            rows = (z @ self.decoded(self.codes).T).topk(self.negatives, dim=1).indices
        scores = torch.einsum("bd,bkd->bk", z, self.decoded(self.codes[rows]))
        wanted = torch.einsum("bd,bkd->bk", q, self.x[rows])
        if self.temperature is None:
            self.temperature = 5 * wanted.std(dim=1, correction=0).mean()
        ours, floats = scores / self.temperature, wanted / self.temperature
        loss = torch.nn.functional.kl_div(ours.log_softmax(dim=1), floats.softmax(dim=1), reduction="batchmean")
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return float(loss.detach())


def vectors(given: argparse.Namespace) -> np.ndarray:
    if given.folder:
        return np.ascontiguousarray(np.load(given.folder / "base.npy"), dtype=np.float32)
    x = np.random.default_rng(0).normal(size=(given.n, given.dim)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    sizes = {"n": 20_000, "dim": 384, "bytes": 24, "queries": 6000, "batch": 64, "negatives": 200}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    x = vectors(given)
    n, dim = x.shape
    made = pseudo_queries(Teacher(x, "ip", 1), x[:0], given.queries, False, np.random.default_rng(0))
    print(f"n {n:,}, d {dim}, {given.bytes} bytes; an epoch of {given.queries:,} queries, {given.batch} per step")
    for bits in (4, 8):
        codec = fb.PQ(given.bytes * 8 // bits, bits=bits, score_aware=False)
        index = fb.Index(dim, metric="ip", transform=fb.OPQ(iterations=1), codec=codec)
        index.build(x, progress=False, threads=1)
        Ours(index, x, given.negatives).step(made[: given.batch])  # compiles
        sides = {"fewbits": Ours(index, x, given.negatives), "torch": Plain(index, x, given.negatives)}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        losses: dict[str, list[float]] = {name: [] for name in sides}
        for first in range(0, given.queries, given.batch):
            for name, side in sides.items():
                began = time.process_time()
                losses[name].append(side.step(made[first : first + given.batch]))
                seconds[name].append(time.process_time() - began)
        assert np.isclose(*(of[0] for of in losses.values()), rtol=0.01)  # lists differ at their ends
        epoch, step = ({name: measure(of) for name, of in seconds.items()} for measure in (np.sum, np.median))
        print(
            f"{bits} bits: an epoch: fewbits {epoch['fewbits']:.2f} s, torch {epoch['torch']:.2f} s: "
            f"{epoch['torch'] / epoch['fewbits']:.1f} times; "
            f"a step: {1e3 * step['fewbits']:.1f} ms, {1e3 * step['torch']:.1f} ms: "
            f"{step['torch'] / step['fewbits']:.1f} times",
            flush=True,
        )


if __name__ == "__main__":
    main()
