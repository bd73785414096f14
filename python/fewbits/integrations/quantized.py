"""fb.from_quantized: an index of embeddings that their encoder has quantized. Nothing is encoded again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..index.index import Index
from ..input.checks import boolean, one_of
from ..input.ids import vector_ids
from ..kinds import CODECS
from ..numeric.arrays import F32, I64, f32_array
from ..spec.description import Description
from ..spec.identity import Identity
from ..spec.parts import Fitted, Fitting, Model
from ..spec.recurrent_binary import RecurrentBinary
from ..spec.scalar import Scalar
from .coded import Coded, index_of_codes

_DTYPES = {"ubinary": np.uint8, "binary": np.int8, "uint8": np.uint8, "int8": np.int8}
_FLIPPED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)  # first dimension in the lowest bit
_SIGN = np.uint8(128)
_BLOCK_ROWS = 65_536


def from_quantized(
    x: Any,
    precision: str,
    ids: ArrayLike | None = None,
    *,
    metric: str | None = None,
    ranges: ArrayLike | None = None,
    symmetric: bool = False,
) -> Index:
    """Make an index of quantized embeddings, such as those of sentence-transformers; their bytes are its codes.

    Parameters
    ----------
    x : (n, bytes) array of uint8 or int8
        What ``encode(precision=...)`` or ``quantize_embeddings`` of sentence-transformers returns. May be a memmap,
        which is read in blocks.
    precision : {"ubinary", "binary", "int8", "uint8"}
        "ubinary" (uint8) and "binary" (int8, the same bytes minus 128): eight dimensions of one bit per byte, the
        first in the highest bit. "int8" and "uint8": a dimension per byte.
    ids : (n,) whole numbers >= 0, optional
        Unique. By default 0 to n - 1.
    metric : {"cosine", "ip", "l2"}, optional
        "cosine" for bits, which is what None says, too. For bytes: "ip" (None), which is their cosine if the floats
        were normalised, or "l2".
    ranges : (2, d) array of floats, optional
        For bytes: the smallest and the largest value of each dimension that they were quantized with, so that queries
        are float embeddings. None: the bytes are the vectors, and queries have their scale.
    symmetric : bool
        For bits: queries are turned into bits too, and scores are exactly 1 - 2 hamming / d. False: queries stay
        floats, which rank better.

    Returns
    -------
    Index
        Of bits: `RecurrentBinary` (1), 1 and -1 per dimension; queries are floats, or bits as `unpack_bits` returns
        them. Of bytes: `Scalar` (8). More vectors can be added, as floats or by
        ``fb.merge([index, fb.from_quantized(...)])``.

    Raises
    ------
    TypeError, ValueError
        For other input; for ranges or a metric that the precision does not have.

    References
    ----------
    Shakir, Aarsen, Lee, "Binary and scalar embedding quantization for significantly faster & cheaper retrieval", 2024.

    Examples
    --------
    >>> packed = np.packbits(x > 0, axis=1)
    >>> index = fb.from_quantized(packed, "ubinary")
    >>> ids, scores = index.search(queries, k=10)  # floats against bits
    """
    one_of(precision, "precision", tuple(_DTYPES))
    boolean(symmetric, "symmetric")
    rows = np.asanyarray(x)
    if rows.ndim != 2 or rows.dtype != _DTYPES[precision] or not rows.shape[1]:
        dtype = np.dtype(_DTYPES[precision])
        raise TypeError(f"x: expected shape (n, bytes) of {dtype} ({precision}), got {rows.dtype} {rows.shape}")
    numbers = np.arange(len(rows), dtype=np.int64) if ids is None else vector_ids(ids, len(rows))
    if precision in ("ubinary", "binary"):
        return _of_bits(rows, numbers, metric, ranges, RecurrentBinary(1, symmetric), signed=precision == "binary")
    if symmetric:
        raise ValueError(f"symmetric: is for bits, expected False with {precision}")
    return _of_bytes(rows, numbers, "ip" if metric is None else metric, ranges, signed=precision == "int8")


def _of_bits(
    rows: NDArray[Any], ids: I64, metric: str | None, ranges: object, codec: RecurrentBinary, *, signed: bool
) -> Index:
    if metric not in (None, "cosine"):
        raise ValueError(f"metric: of bits expected 'cosine', got {metric!r}")
    if ranges is not None:
        raise ValueError("ranges: are for int8 and uint8, expected None for bits")
    dim = 8 * rows.shape[1]
    a = np.float32(1 / np.sqrt(dim))
    blocks = (Coded(_FLIPPED[block], a=np.full(len(block), a)) for block in _blocks(rows, signed))
    fitted = codec.fit(np.empty((0, dim), np.float32), Fitting("cosine"))
    return _index(dim, "cosine", codec, fitted, blocks, ids)


def _of_bytes(rows: NDArray[Any], ids: I64, metric: str, ranges: ArrayLike | None, *, signed: bool) -> Index:
    one_of(metric, "metric", ("ip", "l2"))
    dim = rows.shape[1]
    zero, step = _lines(ranges, dim, signed)
    middle = f32_array(zero + 127.5 * step)
    fitted = Fitted(
        {"kind": CODECS["scalar"].number, "bits": 8, "staged": 0}, {"mean": middle, "step": f32_array(step)}
    )
    blocks = (_scalar(block, f32_array(step), metric) for block in _blocks(rows, signed))
    return _index(dim, metric, Scalar(8), fitted, blocks, ids)


def _lines(ranges: ArrayLike | None, dim: int, signed: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What byte 0 (of uint8) and one step stand for, by dimension."""
    if ranges is None:
        return np.full(dim, -128.0 if signed else 0.0), np.ones(dim)
    limits = np.asarray(ranges, np.float64)
    if limits.shape != (2, dim) or not np.isfinite(limits).all() or not (limits[0] < limits[1]).all():
        raise ValueError(f"ranges: expected (2, {dim}) finite numbers, the smaller ones first, got {limits.shape}")
    return limits[0], (limits[1] - limits[0]) / 255


def _scalar(block: NDArray[np.uint8], step: F32, metric: str) -> Coded:
    a = np.ones(len(block), np.float32)
    if metric == "ip":
        return Coded(block, a=a)
    from_mean = (block - np.float64(127.5)) * step
    return Coded(block, a=a, b=f32_array(-np.einsum("ij,ij->i", from_mean, from_mean)))


def _blocks(rows: NDArray[Any], signed: bool) -> Iterator[NDArray[np.uint8]]:
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = np.ascontiguousarray(rows[first : first + _BLOCK_ROWS]).view(np.uint8)
        yield np.asarray(block ^ _SIGN if signed else block)


def _index(dim: int, metric: str, codec: RecurrentBinary | Scalar, fitted: Fitted, blocks: Any, ids: I64) -> Index:
    model = Model.without_parts(dim, metric)
    model.put("transform", Identity().fit(np.empty((0, dim), np.float32), Fitting(metric)))
    model.put("codec", fitted)
    description = Description(dim, metric, Identity(), None, codec)
    return index_of_codes(description, model, blocks, ids, ("made of quantized embeddings",))
