"""Whether what an index stores can stand in for its vectors, where recall is measured without them."""

from __future__ import annotations

import warnings

from ..index.index import Index
from ..multivector.index import MultiVectorIndex
from ..spec.codec import Codec

_FAITHFUL_BITS = 8  # per dimension: codes of that size keep the true nearest but for one in a hundred or so


def warn_if_lossy(index: Index | MultiVectorIndex, stacklevel: int) -> None:
    what = _lossy_part(index)
    if what is not None:
        warnings.warn(
            f"fb.tune: without x, recall is relative to the index's own codes, and {what} lose neighbours themselves: "
            "the recall of the true nearest can be far lower. Pass x (and x_ids), the vectors, to measure that",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _lossy_part(index: Index | MultiVectorIndex) -> str | None:
    if isinstance(index, MultiVectorIndex):
        if index.pooling is not None:
            return "pooled tokens"
        return _lossy_codec(index.tokens, index.dim, index.dim)
    if index.rerank is not None:
        return _lossy_codec(index.rerank, index.dim, index.dim)
    return _lossy_codec(index.codec, index.dim, index.transform.out_dim(index.dim))


def _lossy_codec(codec: Codec, dim: int, coded: int) -> str | None:
    """coded: dimensions that are left to code."""
    bits = codec.code_bits(coded) / dim
    return None if bits >= _FAITHFUL_BITS else f"{codec.describe()} ({bits:.2g} bits per dimension)"
