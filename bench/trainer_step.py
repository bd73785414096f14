"""A step of fb.train.jpq beside the same step in plain PyTorch: search with the codes as they score now, the listwise
loss over what was found, its gradients of codebook and query map, Adam.

python bench/trainer_step.py [--n 20000] [--dim 384] [--bytes 24] [--queries 64] [--negatives 200] [--steps 10]

Made-up vectors; one thread, CPU time, medians of steps that take turns. Needs torch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

import fewbits as fb
from fewbits.train.descent import Descent, Term
from fewbits.train.losses import distillation, spread_of
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
    """Every vector decoded by the codebook of the moment, scored by one product; autograd through the listed ones."""

    def __init__(self, index: fb.Index, x: np.ndarray, negatives: int) -> None:
        assert index._engine is not None
        scorer = CodeScorer(index._engine)
        self.codes = torch.from_numpy(scorer.codes.astype(np.int64))
        self.book = torch.nn.Parameter(torch.from_numpy(scorer.book.copy()))
        self.map = torch.nn.Parameter(torch.eye(index.dim))
        assert scorer.transform is not None
        self.turn, self.x, self.negatives = torch.from_numpy(scorer.transform.copy()), torch.from_numpy(x), negatives
        self.subspaces = torch.arange(scorer.m)
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
        temperature = 5 * wanted.std(dim=1).mean()
        loss = torch.nn.functional.kl_div(
            (scores / temperature).log_softmax(dim=1), (wanted / temperature).softmax(dim=1), reduction="batchmean"
        )
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return float(loss.detach())


def cpu_seconds(step: Callable[[np.ndarray], float], queries: np.ndarray) -> float:
    began = time.process_time()
    step(queries)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("n", 20_000), ("dim", 384), ("bytes", 24), ("queries", 64), ("negatives", 200), ("steps", 10)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    x = random.normal(size=(given.n, given.dim)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    for bits in (4, 8):
        codec = fb.PQ(given.bytes * 8 // bits, bits=bits, score_aware=False)
        index = fb.Index(given.dim, metric="ip", transform=fb.OPQ(iterations=1), codec=codec)
        index.build(x, progress=False, threads=1)
        sides = {"fewbits": Ours(index, x, given.negatives), "torch": Plain(index, x, given.negatives)}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(given.steps + 1):
            queries = x[random.integers(given.n, size=given.queries)]
            for name, side in sides.items():
                taken = cpu_seconds(side.step, queries)
                if number:  # the first compiles
                    seconds[name].append(taken)
        ours, plain = (float(np.median(seconds[name])) for name in sides)
        print(f"{bits} bits: fewbits {1e3 * ours:.1f} ms a step, torch {1e3 * plain:.1f} ms: {plain / ours:.1f} times")


if __name__ == "__main__":
    main()
