"""fb.build_multivector: a multi-vector index for a number of bytes per document, and the reasons in words.

Chosen from the tokens' number and dimension alone. Tokens weigh most and decide most, so they are settled first: the
finest that leave room for an encoding which finds candidates; what is left makes the encoding better. What each choice
keeps of an exact ranking is measured in docs/multi-vector.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..index.turns import replace_state
from ..input.checks import real_number
from ..input.progress import ProgressArgument
from ..input.sets import SetsInput, token_dim
from ..multivector.fde import FDE
from ..multivector.index import MultiVectorIndex
from ..multivector.pooling import Pooling
from ..multivector.token_codecs import TokenCodec, bytes_in_memory
from ..numeric.arrays import I64
from ..spec.codec import Codec
from ..spec.float import Float
from ..spec.rabitq import RaBitQ
from ..spec.scalar import Scalar

_ID_BYTES = 16  # per document: its id, and the offset of its tokens


class Store(NamedTuple):
    """How tokens are stored, and how many of them."""

    codec: TokenCodec
    pooling: Pooling | None = None


class Choice(NamedTuple):
    encoder: FDE
    codec: Codec
    tokens: TokenCodec
    pooling: Pooling | None
    why: list[str]


# Finest first. At equal bytes, RaBitQ of pooled tokens loses less than fewer bits for all tokens. With fewer bytes in
# memory than the last such store, a fifth of the results or more would be lost, so tokens are kept on disk instead.
_STORES = (
    Store(Float(16)),
    Store(RaBitQ(6)),
    Store(RaBitQ(4)),
    Store(RaBitQ(3)),
    Store(RaBitQ(4), Pooling(0.5)),
    Store(RaBitQ(3), Pooling(0.5)),
    Store(RaBitQ(2), Pooling(0.5)),
    Store(Scalar(8, on_disk=True)),
    Store(Float(16, on_disk=True)),
)


def build_multivector(
    documents: Any,
    *,
    bytes_per_document: float,
    ids: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> MultiVectorIndex:
    """Build a MultiVectorIndex of documents for a number of bytes of memory per document.

    Chooses the encoding, its codec, how tokens are coded, whether they are pooled to half as many, and whether they
    are kept on disk.

    Parameters
    ----------
    documents : sets of vectors
        As in `MultiVectorIndex.add`.
    bytes_per_document : float
        Bytes of memory for codes, factors and ids, on average, not counting fixed parts and tokens on disk.
    ids : (n,) array of int, optional
        Own ids. None: row numbers.
    seed : int
        Seed of everything random.
    progress, threads
        As in `MultiVectorIndex.build`.

    Returns
    -------
    MultiVectorIndex
        ``explain()`` says what was chosen and why, ``stats()`` its size.

    Raises
    ------
    ValueError
        If no choice is small enough.

    Examples
    --------
    >>> documents_index = fb.build_multivector(documents, bytes_per_document=6_000)
    """
    budget = real_number(bytes_per_document, "bytes_per_document", 1)
    dim = token_dim(documents, "documents")
    source = SetsInput(documents, dim, "documents")
    if not len(source):
        raise ValueError("documents: expected at least 1 document, got none")
    choice = choose(np.diff(source.offsets), dim, budget, seed)
    index = MultiVectorIndex(
        dim, encoder=choice.encoder, codec=choice.codec, tokens=choice.tokens, pooling=choice.pooling, seed=seed
    )
    index.build(documents, ids, progress=progress, threads=threads)
    replace_state(index, "build", lambda now: now.explained(tuple(choice.why)))
    return index


def choose(counts: I64, dim: int, budget: float, seed: int) -> Choice:
    """The parts for documents with these numbers of tokens, within `budget` bytes of memory per document."""
    tokens = float(counts.mean())
    encodings = _encodings(dim, seed)
    good = _ID_BYTES + _size(*encodings[_GOOD])
    for store in _STORES:
        kept = counts if store.pooling is None else store.pooling.counts(counts)
        size = float((kept + kept % 2).mean()) * bytes_in_memory(store.codec, dim)  # half bytes: per pair of tokens
        if size + good <= budget or store is _STORES[-1]:
            break
    if store.codec.on_disk:
        why = [f"the tokens are kept on disk: {budget:,.0f} bytes are not enough for {tokens:,.0f} of {dim} dimensions"]
    else:
        pooled = "" if store.pooling is None else f", pooled from {tokens:,.0f}"
        why = [f"{size:,.0f} bytes hold the {kept.mean():,.0f} tokens of a document{pooled}: {store.codec.describe()}"]
    for fde, codec in encodings:
        if _size(fde, codec) + _ID_BYTES <= budget - size:
            why.append(
                f"{_size(fde, codec):,} bytes find it: {codec.describe()}, of an encoding of {fde.dims:,} dimensions"
            )
            return Choice(fde, codec, *store, why)
    needed = _size(*encodings[-1]) + _ID_BYTES + size
    raise ValueError(f"bytes_per_document: expected at least {needed:,.0f} for these documents, got {budget:g}")


_GOOD = 3  # the encoding for which the choice of tokens leaves room


def _encodings(dim: int, seed: int) -> list[tuple[FDE, Codec]]:
    """Best first. At equal bytes, fewer dimensions with more bits have better recall."""
    return [
        (FDE(dim, seed=seed), Scalar(4)),
        (FDE(dim, 20, 4, seed=seed), RaBitQ(bits=2)),
        (FDE(dim, 20, 4, seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 20, 3, seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 20, 3, min(8, dim), seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 10, 3, min(8, dim), seed=seed), RaBitQ(bits=1)),
    ]


def _size(fde: FDE, codec: Codec) -> int:
    return codec.bytes_per_vector(fde.dims, "ip")
