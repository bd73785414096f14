"""The regression behind fb.LEMUR: from a sample of tokens and documents to the params and arrays of _core.Lemur."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .. import _core
from ..input.progress import Progress
from ..input.rows import check_scale
from ..input.sets import SetsInput
from ..numeric.arrays import F32, F64, f32_array
from ..numeric.balanced import balanced_maps_of
from ..numeric.directions import second_moments

if TYPE_CHECKING:
    from .._core import _Arrays as Arrays

_RIDGE = 1e-3  # of the mean second moment of a feature
# Of the inner products of units' tokens with others. GELU is nearly quadratic over such a range.
_SLOPE = 0.25  # of a unit, per standard deviation
_THRESHOLD = 1.0  # standard deviations above the mean
_SPREAD = 0.3  # between units of one token, in lengths of a token
_FEW = 4  # tokens per feature: less fits their noise
_DOCUMENTS = (2048, 4096)  # that the reduction is fitted to: 4 per dimension, within these bounds
_PRODUCTS = 2048  # tokens whose products with units tell their mean and deviation
_BLOCK_FLOATS = 1 << 24  # of values at the sample, at a time


def fit(
    documents: SetsInput,
    queries: SetsInput | None,
    dim: int,
    dims: int,
    features: int | None,
    sample: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> tuple[dict[str, int], Arrays]:
    """dim: of tokens. dims: of encodings. The rest as in LEMUR."""
    if not len(documents):
        raise ValueError(f"{documents.name}: expected at least 1 document to train on, got none")
    n_documents = min(max(4 * dims, _DOCUMENTS[0]), _DOCUMENTS[1])
    tokens = _sampled(documents, queries, n_documents, sample, seed)
    check_scale(tokens, documents.name)
    weights, bias = _units(tokens, features, seed)
    values = tokens if features is None else _core.token_features(tokens, weights, bias)
    if len(tokens) < _FEW * values.shape[1]:
        warnings.warn(
            f"LEMUR: {len(tokens):,} tokens to fit {values.shape[1]:,} features to are few, which costs recall; "
            f"expected {_FEW * values.shape[1]:,} or more",
            UserWarning,
            stacklevel=5,
        )
    levels, steps = _core.rounded_rows(tokens)
    products = _products(documents, n_documents, seed, levels, steps, values, threads, progress)
    moments = second_moments(values)
    ridge = _RIDGE * float(np.trace(moments)) / len(moments) or 1.0
    solved = moments + ridge * np.eye(len(moments))
    mean = products.mean(axis=0)
    shared = np.linalg.solve(solved, mean)
    coefficients = np.linalg.solve(solved, (products - mean).T).T
    maps = balanced_maps_of(moments, coefficients, dims, _RIDGE)
    back = np.linalg.solve(solved, maps.data.T).T  # from products of values with features to an encoding
    params = {"dim": dim, "dims": dims, "features": features or 0, "sample": len(tokens)}
    arrays: Arrays = {
        "levels": levels,
        "steps": steps,
        "weights": weights,
        "bias": bias,
        "documents": f32_array(back @ values.T.astype(np.float64)),
        "offset": f32_array(back @ mean),
        "queries": f32_array(np.concatenate([maps.queries, shared[None]])),
    }
    return params, arrays


def _sampled(documents: SetsInput, queries: SetsInput | None, n_documents: int, sample: int, seed: int) -> F32:
    """Tokens drawn by the seed: of documents, or half of them of queries."""
    if queries is not None and not len(queries):
        raise ValueError("queries: expected at least 1, got none")
    of_queries = [] if queries is None else [_tokens(queries, len(queries), sample // 2, seed)]
    left = sample - sum(map(len, of_queries))
    return np.concatenate([_tokens(documents, n_documents, left, seed), *of_queries])


def _tokens(source: SetsInput, n_sets: int, size: int, seed: int) -> F32:
    """Up to `size` tokens of up to `n_sets` sets."""
    kept, held = [], 0
    rng = np.random.default_rng(seed)
    counts = np.diff(source.offsets)
    share = min(1.0, size / max(1.0, float(counts.mean()) * min(n_sets, len(source))))
    for sets in source.sample(n_sets, seed):
        n = len(sets.tokens)
        wanted = min(n, int(share * n + rng.random()))
        kept.append(sets.tokens[np.sort(rng.choice(n, wanted, replace=False))])
        held += wanted
    tokens = np.concatenate(kept) if held or not size else sets.tokens[:1]
    return tokens if held <= size else f32_array(tokens[np.sort(rng.choice(held, size, replace=False))])


def _units(tokens: F32, features: int | None, seed: int) -> tuple[F32, F32]:
    """Weights (features, dim) and biases of GELU units, each of which sees how near a token is to one of the sample.

    Documents differ in similarity where tokens are near those of some. Units of random directions, which see such
    tokens as they see all others, lose the documents that owe their score to a few tokens.
    """
    rng = np.random.default_rng([seed, 1])
    n, dim = features or 0, tokens.shape[1]
    length = float(np.sqrt(np.mean(np.einsum("ij,ij->i", tokens, tokens, dtype=np.float64))))
    near = tokens[rng.choice(len(tokens), n, replace=n > len(tokens))].astype(np.float64)
    near += rng.standard_normal((n, dim)) * (_SPREAD * length / np.sqrt(dim))
    products = tokens[:: max(1, len(tokens) // _PRODUCTS)] @ near.T
    deviation = (float(products.std()) if n else 0.0) or 1.0
    bias = -_SLOPE * ((float(products.mean()) if n else 0.0) / deviation + _THRESHOLD)
    return f32_array(near * (_SLOPE / deviation)), np.full(n, bias, np.float32)


def _products(
    documents: SetsInput,
    n_documents: int,
    seed: int,
    levels: np.ndarray,
    steps: F32,
    values: F32,
    threads: int,
    progress: Progress,
) -> F64:
    """(documents, features): their largest inner products with each token of the sample, times its features."""
    rows = []
    at_once, of = max(1, _BLOCK_FLOATS // len(steps)), min(n_documents, len(documents))
    waiting: list[F32] = []
    held = done = 0
    with progress:
        hook = progress.stage("encoder")
        for sets in documents.sample(n_documents, seed):
            waiting.append(sets.tokens)
            held, done = held + sets.tokens.size, done + 1
            if len(waiting) < at_once and held < _BLOCK_FLOATS and done < of:
                continue
            offsets = np.cumsum([0, *map(len, waiting)])
            maxima = _core.token_maxima(levels, steps, np.concatenate(waiting), offsets, threads=threads)
            rows.append(np.asarray(maxima @ values, np.float64))
            waiting, held = [], 0
            hook(done / of)
    return np.concatenate(rows)
