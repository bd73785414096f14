"""fb.build_multivector: a multi-vector index for a number of bytes a document, and the reasons in words.

Chosen from the tokens' number and dimension alone. Tokens weigh most, so they are settled first: the finest that leaves
room for an encoding good enough to find candidates by; where none does they go to disk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from .codecs import Codec, Float, Scalar
from .codecs_rotated import RaBitQ
from .fde import FDE
from .inputs import real_number
from .multivector import MultiVectorIndex
from .progress import ProgressArgument
from .sets import SetsInput, token_dim

_ID_BYTES = 24  # of a document: its id beside the encoding and beside the tokens, and where they start
_GOOD_ENCODING = 1_284  # bytes: 10,240 dimensions of 1 bit


class Choice(NamedTuple):
    fde: FDE
    codec: Codec
    tokens: Float | Scalar
    why: list[str]


def build_multivector(
    documents: Any,
    *,
    bytes_per_document: float,
    ids: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> MultiVectorIndex:
    """Builds a MultiVectorIndex of documents whose codes, factors and ids take at most bytes_per_document of memory, on
    average (what is fixed, and tokens on disk, come on top).

    documents: as in `MultiVectorIndex.add`. `index.explain()` tells what was chosen and why, `index.stats()` what it
    weighs. Raises ValueError where no choice is small enough.

    >>> index = fb.build_multivector(documents, bytes_per_document=10_000)
    """
    budget = real_number(bytes_per_document, "bytes_per_document", 1)
    dim = token_dim(documents, "documents")
    source = SetsInput(documents, dim, "documents")
    if not len(source):
        raise ValueError("documents: expected at least 1 document, got none")
    choice = choose(float(source.offsets[-1]) / len(source), dim, budget, seed)
    index = MultiVectorIndex(dim, fde=choice.fde, codec=choice.codec, tokens=choice.tokens, seed=seed)
    index.build(documents, ids, progress=progress, threads=threads)
    index._index._why = tuple(choice.why)
    return index


def choose(tokens: float, dim: int, budget: float, seed: int) -> Choice:
    """The parts for documents of `tokens` tokens each, within `budget` bytes of memory a document."""
    stores: tuple[Float | Scalar, ...] = (Float(16), Scalar(8), Scalar(4))
    for store in stores:
        size = tokens * store.bytes_per_vector(dim, "ip")
        if _ID_BYTES + size + _GOOD_ENCODING <= budget:
            why = [f"{size:,.0f} bytes hold the {tokens:,.0f} tokens of a document: {store.describe()}"]
            return _encoded(dim, budget - size, store, why, seed)
    in_memory = 4 * tokens  # their factors
    why = [f"the tokens go to disk: {tokens:,.0f} of {dim} dimensions do not fit {budget:,.0f} bytes"]
    return _encoded(dim, budget - in_memory, Scalar(8, on_disk=True), why, seed)


def _encoded(dim: int, left: float, tokens: Float | Scalar, why: list[str], seed: int) -> Choice:
    """The best encoding for what tokens left."""
    choices: list[tuple[FDE, Codec]] = [
        (FDE(dim, seed=seed), Scalar(4)),
        (FDE(dim, seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 10, seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 20, 3, seed=seed), RaBitQ(bits=1)),
        (FDE(dim, 10, 3, seed=seed), RaBitQ(bits=1)),
    ]
    for fde, codec in choices:
        size = codec.bytes_per_vector(fde.dims, "ip")
        if size + _ID_BYTES <= left:
            why.append(f"{size:,} bytes find it: {codec.describe()}, of an encoding of {fde.dims:,} dimensions")
            return Choice(fde, codec, tokens, why)
    least = size + _ID_BYTES
    raise ValueError(f"bytes_per_document: {left:,.0f} are left beside the tokens' factors, expected at least {least}")
