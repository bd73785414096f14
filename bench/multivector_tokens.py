"""Codes of tokens: a centroid and a residual of few bits per dimension (as PLAID and WARP have them), beside the token
codecs of fewbits at equal bytes.

All documents of one half are ranked by decoded tokens with exact arithmetic, so that nothing but the codes matters.
Centroids, levels and codecs are fitted to the other half; also, as if nothing were held out, to both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fewbits as fb
from fewbits.input.sets import Sets
from multivector_data import F32, Data, as_list, best, recall

_CENTROIDS = (256, 4096)  # PLAID's rule, 16 times the root of the number of tokens, gives 4,096 here


def centroids_of(x: F32, n: int) -> F32:
    """As k-means finds them: those of an index with n lists."""
    index = fb.Index(x.shape[1], metric="l2", partition=fb.IVF(nlist=n), codec=fb.Float(16))
    assert index.train(x, progress=False)._engine is not None
    return np.asarray(index._engine.arrays()["partition.centroids"], np.float32).reshape(n, -1)  # type: ignore[union-attr]


def nearest(x: F32, centroids: F32) -> np.ndarray:
    half = (centroids**2).sum(axis=1) / 2
    return np.concatenate([(part @ centroids.T - half).argmax(axis=1) for part in np.array_split(x, 64)])


def by_residuals(fit: F32, x: F32, n: int, bits: int) -> F32:
    """Decoded tokens, of length 1: centroid and residual, whose coordinates have 2^bits levels of equal frequency, each
    the mean of what it stands for."""
    centroids = centroids_of(fit, n)
    spread = np.sort((fit - centroids[nearest(fit, centroids)]).ravel())
    parts = np.array_split(spread, 2**bits)
    levels, limits = np.array([part.mean() for part in parts], np.float32), [part[0] for part in parts[1:]]
    assigned = centroids[nearest(x, centroids)]
    decoded = assigned + levels[np.searchsorted(limits, x - assigned)]
    return np.asarray(decoded / np.linalg.norm(decoded, axis=1, keepdims=True), np.float32)


def by_codec(fit: F32, x: Sets, codec: fb.RaBitQ | fb.Scalar) -> F32:
    """Decoded tokens of a codec that is fitted to others."""
    dim = fit.shape[1]
    index = fb.MultiVectorIndex(dim, encoder=fb.FDE(dim, 1, 0, 1), tokens=codec).train(
        Sets(fit, np.arange(0, len(fit) + 1, 1)), progress=False
    )
    return index.add(x, progress=False).reconstruct(np.arange(len(x.offsets) - 1)).tokens


def token_codes(data: Data) -> None:
    members = as_list(data.documents)
    ranked, others = members[1::2], members[::2]
    x = Sets(np.concatenate(ranked), np.cumsum([0, *map(len, ranked)]))
    top = best(fb.chamfer(data.queries, x, threads=1), 10)
    rows: list[tuple[str, int, Callable[[F32], F32]]] = []
    for bits in (1, 2, 4):
        for n in _CENTROIDS:
            size = (1 if n <= 256 else 2) + data.dim * bits // 8
            name = f"{n:,} centroids, residuals of {bits} bits"
            rows.append((name, size, lambda fit, n=n, bits=bits: by_residuals(fit, x.tokens, n, bits)))  # type: ignore[misc]
        rows.append((f"RaBitQ({bits})", data.dim * bits // 8 + 4, lambda fit, b=bits: by_codec(fit, x, fb.RaBitQ(b))))  # type: ignore[misc]
    rows.append(("Scalar(4)", data.dim // 2 + 4, lambda fit: by_codec(fit, x, fb.Scalar(4))))
    print(f"\nToken codes: {len(ranked)} documents ranked by decoded tokens: exact top 10 kept")
    print("Fitted to the other documents; fitted to all\n")
    for name, size, decoded in rows:
        shown = []
        for fit in (np.concatenate(others), data.documents.tokens):
            tokens = decoded(fit)
            found = best(fb.chamfer(data.queries, Sets(tokens, x.offsets), threads=1), 10)
            error = float(((tokens - x.tokens) ** 2).sum(axis=1).mean())
            shown.append(f"{recall(found, top):8.3f} (squared error {error:.3f})")
        print(f"{name:<44}{size:>4} bytes per token{''.join(shown)}", flush=True)
