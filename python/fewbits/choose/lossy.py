"""Warns if recall is measured without the vectors, and the codes of the index are too coarse to replace them."""

from __future__ import annotations

import warnings

from ..index.index import Index
from ..multivector.index import MultiVectorIndex
from ..spec.codec import Codec

_FAITHFUL_BITS = 8  # per dimension: codes of this size lose about one in a hundred true neighbours


def warn_if_lossy(index: Index | MultiVectorIndex, stacklevel: int) -> None:
    what = _lossy_part(index)
    if what is not None:
        warnings.warn(
            f"fb.tune: without x, recall is relative to the index's own codes, and {what} lose neighbours themselves: "
            "the recall of true neighbours can be far lower. Pass the vectors as x (and x_ids) to measure it",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _lossy_part(index: Index | MultiVectorIndex) -> str | None:
    if isinstance(index, MultiVectorIndex):
        if index.pooling is not None:
            return "pooled tokens"
        return _lossy_codec(index.tokens, index.dim, index.dim)
    if index.rerank is not None:
        dim = index.rerank.other_dim or index.dim
        return _lossy_codec(index.rerank, dim, dim)
    return _lossy_codec(index.codec, index.dim, index.transform.out_dim(index.dim))


def _lossy_codec(codec: Codec, dim: int, coded: int) -> str | None:
    """coded: number of dimensions that are coded."""
    bits = codec.code_bits(coded) / dim
    return None if bits >= _FAITHFUL_BITS else f"{codec.describe()} ({bits:.2g} bits per dimension)"
