"""The numba kernels: scores of listed vectors from tables, with their gradients, and losses with analytic gradients.

Lists of several queries are concatenated: the entries of query b are starts[b] .. starts[b + 1] - 1. Sums are in the
order of the entries, in double, so results depend only on the arguments.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import F32, I64
from .compiled import Compiled

F64 = NDArray[np.float64]
_Any = NDArray[Any]


@Compiled
def gather(tables: F32, codes: _Any, rows: I64, starts: I64, z: F32, centroids: F32, lists: _Any, scores: F64) -> None:
    """scores[e] = sum over s of tables[s, b, codes[row, s]], plus <z_b, centroid of the row's list> with centroids."""
    coarse = len(centroids) > 0
    for b in range(len(starts) - 1):
        for e in range(starts[b], starts[b + 1]):
            row = rows[e]
            total = 0.0
            for s in range(codes.shape[1]):
                total += tables[s, b, codes[row, s]]
            if coarse:
                centroid = centroids[lists[row]]
                for j in range(len(centroid)):
                    total += z[b, j] * centroid[j]
            scores[e] = total


@Compiled
def scatter(
    gradient: F64, codes: _Any, rows: I64, starts: I64, centroids: F32, lists: _Any, tables: F64, z: F64
) -> None:
    """Backward pass of `gather`: adds the gradients of tables (m, queries, k) and, with centroids, of z."""
    coarse = len(centroids) > 0
    for b in range(len(starts) - 1):
        for e in range(starts[b], starts[b + 1]):
            row, g = rows[e], gradient[e]
            if g == 0.0:
                continue
            for s in range(codes.shape[1]):
                tables[s, b, codes[row, s]] += g
            if coarse:
                centroid = centroids[lists[row]]
                for j in range(len(centroid)):
                    z[b, j] += g * centroid[j]


@Compiled
def pair_loss(
    scores: F64, grades: F64, starts: I64, temperature: float, ranked: bool, cut: int, gradient: F64
) -> float:
    """Mean over pairs (i better than j) of w log(1 + exp((s_j - s_i) / temperature)); mean over queries with pairs.

    w = |1/p_i - 1/p_j| for positions p = 1, 2, ... in the list (1/p is 0 beyond `cut`); w = 1 if not `ranked`.
    """
    total, counted = 0.0, 0
    for b in range(len(starts) - 1):
        first, last = starts[b], starts[b + 1]
        pairs = 0
        for i in range(first, last):
            if grades[i] > 0:
                for j in range(first, last):
                    pairs += grades[j] < grades[i]
        if pairs == 0:
            continue
        counted += 1
        loss = 0.0
        for i in range(first, last):
            if grades[i] <= 0:
                continue
            wi = 1.0 / (i - first + 1) if i - first < cut else 0.0
            for j in range(first, last):
                if grades[j] >= grades[i]:
                    continue
                wj = 1.0 / (j - first + 1) if j - first < cut else 0.0
                w = abs(wi - wj) / pairs if ranked else 1.0 / pairs
                d = (scores[j] - scores[i]) / temperature
                decay = math.exp(-abs(d))
                loss += w * (max(d, 0.0) + math.log1p(decay))
                g = w / temperature * (1.0 if d >= 0 else decay) / (1.0 + decay)
                gradient[j] += g
                gradient[i] -= g
        total += loss
    for e in range(len(gradient)):
        gradient[e] /= max(counted, 1)
    return total / max(counted, 1)


@Compiled
def softmax_loss(scores: F64, grades: F64, starts: I64, temperature: float, gradient: F64) -> float:
    """Mean over positives i of -log(exp s_i / (exp s_i + sum over worse j of exp s_j)); mean over queries."""
    total, counted = 0.0, 0
    for b in range(len(starts) - 1):
        first, last = starts[b], starts[b + 1]
        positives = 0
        top = -math.inf
        worst = math.inf
        for e in range(first, last):
            positives += grades[e] > 0
            top = max(top, scores[e])
            worst = min(worst, grades[e])
        contested = 0
        for i in range(first, last):
            contested += grades[i] > 0 and worst < grades[i]
        if contested == 0:
            continue
        counted += 1
        for i in range(first, last):
            if grades[i] <= 0 or worst >= grades[i]:
                continue
            own = math.exp((scores[i] - top) / temperature)
            mass = own
            for j in range(first, last):
                if grades[j] < grades[i]:
                    mass += math.exp((scores[j] - top) / temperature)
            mass = max(mass, 1e-300)
            total += (math.log(mass) - (scores[i] - top) / temperature) / contested
            scale = 1.0 / (contested * temperature)
            gradient[i] += (own / mass - 1.0) * scale
            for j in range(first, last):
                if grades[j] < grades[i]:
                    gradient[j] += math.exp((scores[j] - top) / temperature) / mass * scale
    for e in range(len(gradient)):
        gradient[e] /= max(counted, 1)
    return total / max(counted, 1)


@Compiled
def list_loss(scores: F64, grades: F64, starts: I64, temperature: float, gradient: F64) -> float:
    """Mean over queries with positives of the cross entropy of softmax(scores / temperature) with shares of grades."""
    total, counted = 0.0, 0
    for b in range(len(starts) - 1):
        first, last = starts[b], starts[b + 1]
        grade, top = 0.0, -math.inf
        for e in range(first, last):
            grade += max(grades[e], 0.0)
            top = max(top, scores[e])
        if grade <= 0:
            continue
        counted += 1
        mass = 0.0
        for e in range(first, last):
            mass += math.exp((scores[e] - top) / temperature)
        for e in range(first, last):
            log_p = (scores[e] - top) / temperature - math.log(mass)
            share = max(grades[e], 0.0) / grade
            total -= share * log_p
            gradient[e] += (math.exp(log_p) - share) / temperature
    for e in range(len(gradient)):
        gradient[e] /= max(counted, 1)
    return total / max(counted, 1)


@Compiled
def margin_loss(scores: F64, teacher: F64, starts: I64, spread: float, teacher_spread: float, gradient: F64) -> float:
    """Mean over pairs of the squared difference of their margins, (s_i - s_j) / spread - (t_i - t_j) / teacher_spread;
    mean over queries with pairs.

    With d = s / spread - t / teacher_spread, a list of n has the sum of squares 2 n sum((d - mean d)^2) over n (n - 1)
    ordered pairs.
    """
    total, counted = 0.0, 0
    for b in range(len(starts) - 1):
        first, last = starts[b], starts[b + 1]
        n = last - first
        if n < 2:
            continue
        counted += 1
        mean = 0.0
        for e in range(first, last):
            mean += (scores[e] / spread - teacher[e] / teacher_spread) / n
        for e in range(first, last):
            off = scores[e] / spread - teacher[e] / teacher_spread - mean
            total += 2.0 / (n - 1) * off * off
            gradient[e] += 4.0 / (n - 1) * off / spread
    for e in range(len(gradient)):
        gradient[e] /= max(counted, 1)
    return total / max(counted, 1)


@Compiled
def distillation_loss(scores: F64, teacher: F64, starts: I64, temperature: float, gradient: F64) -> float:
    """Mean over queries of KL(softmax(teacher / temperature) || softmax(scores / temperature))."""
    total, queries = 0.0, len(starts) - 1
    for b in range(queries):
        first, last = starts[b], starts[b + 1]
        if last == first:
            continue
        top, top_t = -math.inf, -math.inf
        for e in range(first, last):
            top = max(top, scores[e])
            top_t = max(top_t, teacher[e])
        mass, mass_t = 0.0, 0.0
        for e in range(first, last):
            mass += math.exp((scores[e] - top) / temperature)
            mass_t += math.exp((teacher[e] - top_t) / temperature)
        for e in range(first, last):
            log_p = (scores[e] - top) / temperature - math.log(mass)
            log_t = (teacher[e] - top_t) / temperature - math.log(mass_t)
            t = math.exp(log_t)
            total += t * (log_t - log_p)
            gradient[e] += (math.exp(log_p) - t) / (temperature * queries)
    return total / queries
