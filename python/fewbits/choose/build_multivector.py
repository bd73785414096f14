"""fb.build_multivector: a multi-vector index for a number of bytes per document, and the reasons in words.

Encoder, codec and token store are compared on a sample (sets_trial.py). Of a few documents they are chosen by rule,
from the tokens' number and dimension: tokens weigh most and decide most, so they are settled first, as the finest that
leave room for an encoding which finds candidates; what is left makes the encoding better.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..index.turns import replace_state
from ..input.checks import one_of, real_number, thread_count
from ..input.progress import ProgressArgument
from ..input.sets import SetsInput, token_dim
from ..multivector.fde import FDE
from ..multivector.index import MultiVectorIndex
from ..multivector.lemur import LEMUR
from ..multivector.pooling import Pooling
from ..multivector.token_codecs import TokenCodec
from ..numeric.arrays import I64
from ..spec.codec import Codec
from ..spec.float import Float
from ..spec.rabitq import RaBitQ
from ..spec.scalar import Scalar
from .sets_trial import Encoding, Found, SetsSample, SetsTrial, Store, sets_sample

_ID_BYTES = 16  # per document: its id, and the offset of its tokens
_MIN_DOCUMENTS = 500
_PER_FEATURE = 4  # tokens to fit to: LEMUR warns of fewer
_STORES_TRIED = 3  # the finest that leave room for an encoding
_AS_GOOD = 0.001  # recall that is worth less than bytes


class Choice(NamedTuple):
    encoder: FDE | LEMUR
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
    queries: Any = None,
    effort: str = "normal",
    ids: ArrayLike | None = None,
    seed: int = 0,
    progress: ProgressArgument = None,
    threads: int | None = None,
) -> MultiVectorIndex:
    """Build a MultiVectorIndex of documents for a number of bytes of memory per document.

    Chooses the encoder (`FDE` or `LEMUR`), the codec of encodings, how tokens are coded, whether they are pooled to
    half as many, and whether they are kept on disk: the combination whose searches find most of the 10 documents with
    the highest Chamfer similarity, weighed by their ranks as nDCG weighs them, among 100 candidates. This is measured
    on a sample of 1,000 documents, with 128 queries. Fewer than 500 documents are not worth it; a rule chooses for
    them.

    Parameters
    ----------
    documents : sets of vectors
        As in `MultiVectorIndex.add`.
    bytes_per_document : float
        Bytes of memory for codes, factors and ids, on average, not counting fixed parts and tokens on disk.
    queries : sets of vectors, optional
        Real queries, some hundred or more, without those that the index will be evaluated on. One half is for the
        encoder to learn from, the other to measure with. None: measured with tokens of documents, 16 of one document
        each, which does not count as found; real queries may find less.
    effort : {"normal", "quick"}
        "quick": choose by rule, from the number of tokens, their dimensions and the bytes. "normal" takes half a minute
        of CPU more, and may choose `LEMUR`, which takes some milliseconds per document.
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
        If no choice is small enough, and for queries with "quick".

    Examples
    --------
    >>> documents_index = fb.build_multivector(documents, bytes_per_document=6_000)
    """
    budget = real_number(bytes_per_document, "bytes_per_document", 1)
    dim = token_dim(documents, "documents")
    source = SetsInput(documents, dim, "documents")
    if not len(source):
        raise ValueError("documents: expected at least 1 document, got none")
    one_of(effort, "effort", ("quick", "normal"))
    asked = None if queries is None else SetsInput(queries, dim, "queries")
    if asked is not None and effort == "quick":
        raise ValueError("queries: expected effort 'normal' with them, as 'quick' measures nothing")
    counts, to_fit = np.diff(source.offsets), None
    if effort == "quick" or len(source) < _MIN_DOCUMENTS:
        choice = choose(counts, dim, budget, seed)
    else:
        sample = sets_sample(source, asked, seed)
        choice = measured(sample, counts, dim, budget, seed, thread_count(threads))
        to_fit = sample.to_fit if isinstance(choice.encoder, LEMUR) else None
    index = MultiVectorIndex(
        dim, encoder=choice.encoder, codec=choice.codec, tokens=choice.tokens, pooling=choice.pooling, seed=seed
    )
    index.build(documents, ids, queries=to_fit, progress=progress, threads=threads)
    replace_state(index, "build", lambda now: now.explained(tuple(choice.why)))
    return index


def choose(counts: I64, dim: int, budget: float, seed: int) -> Choice:
    """The parts for documents with these numbers of tokens, within `budget` bytes of memory per document."""
    tokens = float(counts.mean())
    encodings = _encodings(dim, seed)
    good = _ID_BYTES + _size(*encodings[_GOOD], dim)
    for store in _STORES:
        kept = store.kept(counts)
        size = store.bytes_per_document(counts, dim)
        if size + good <= budget or store is _STORES[-1]:
            break
    if store.codec.on_disk:
        why = [f"the tokens are kept on disk: {budget:,.0f} bytes are not enough for {tokens:,.0f} of {dim} dimensions"]
    else:
        pooled = "" if store.pooling is None else f", pooled from {tokens:,.0f}"
        why = [f"{size:,.0f} bytes hold the {kept.mean():,.0f} tokens of a document{pooled}: {store.codec.describe()}"]
    for fde, codec in encodings:
        if _size(fde, codec, dim) + _ID_BYTES <= budget - size:
            encoding = f"{codec.describe()}, of an encoding of {fde.dims:,} dimensions"
            why.append(f"{_size(fde, codec, dim):,} bytes find it: {encoding}")
            return Choice(fde, codec, *store, why)
    needed = _size(*encodings[-1], dim) + _ID_BYTES + size
    raise ValueError(_too_few(needed, budget))


def measured(sample: SetsSample, counts: I64, dim: int, budget: float, seed: int, threads: int) -> Choice:
    """The parts that find most within the budget; of those that are equally good, the smallest."""
    room = budget - _ID_BYTES
    tokens = len(sample.documents.tokens) // 2  # the trial may fit to half of the documents
    learned = [each for each in _learned(seed) if tokens >= _PER_FEATURE * (each[0].features or dim)]
    every: list[tuple[FDE | LEMUR, Codec]] = [*learned, *_encodings(dim, seed)]
    least = min(_size(encoder, codec, dim) for encoder, codec in every)
    fitting = [store for store in _STORES if store.bytes_per_document(counts, dim) + least <= room]
    if not fitting:
        needed = min(store.bytes_per_document(counts, dim) for store in _STORES) + least + _ID_BYTES
        raise ValueError(_too_few(needed, budget))
    in_memory = [store for store in fitting if not store.codec.on_disk][:_STORES_TRIED]
    pairs: list[tuple[Found, float, Encoding, Store]] = []
    trial = SetsTrial(sample, dim, seed, threads)
    for store in in_memory or fitting:
        size = store.bytes_per_document(counts, dim)
        for encoder, codec in every:
            whole = size + _size(encoder, codec, dim)
            if whole <= room:
                pairs.append((trial.found(store, Encoding(encoder, codec)), whole, Encoding(encoder, codec), store))
    top = max(found.weighed for found, *_ in pairs)
    good = (each for each in pairs if each[0].weighed >= top - _AS_GOOD)
    found, whole, encoding, store = min(good, key=lambda each: each[1])
    why = [
        f"measured on {trial.describe()}: {len(pairs)} combinations of encoder, codec and token store",
        f"chosen: {_shown(found)} in {whole + _ID_BYTES:,.0f} bytes ({encoding.describe()}; {store.describe()})",
    ]
    for other in dict.fromkeys(type(each[2].encoder) for each in pairs):
        if other is not type(encoding.encoder):
            best = max((each for each in pairs if isinstance(each[2].encoder, other)), key=lambda each: each[0].weighed)
            why.append(
                f"best with {other.__name__}: {_shown(best[0])} in {best[1] + _ID_BYTES:,.0f} bytes "
                f"({best[2].describe()}; {best[3].describe()})"
            )
    if store.codec.on_disk:
        why.append(f"the tokens are kept on disk: {budget:,.0f} bytes are not enough for them")
    return Choice(encoding.encoder, encoding.codec, store.codec, store.pooling, why)


def _shown(found: Found) -> str:
    return f"recall@10 {found.recall:.3f}, {found.weighed:.3f} weighed by rank,"


def _too_few(needed: float, budget: float) -> str:
    return f"bytes_per_document: expected at least {needed:,.0f} for these documents, got {budget:g}"


def _learned(seed: int) -> list[tuple[LEMUR, Codec]]:
    reduced = {dim: LEMUR(2048, dim=dim, seed=seed) for dim in (256, 512, 1024)}
    coded = [(reduced[dim], RaBitQ(bits)) for dim, bits in ((1024, 4), (512, 4), (512, 2), (256, 4), (256, 2))]
    return [*coded, (LEMUR(seed=seed), RaBitQ(4)), (LEMUR(seed=seed), RaBitQ(2))]


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


def _size(encoder: FDE | LEMUR, codec: Codec, dim: int) -> int:
    return codec.bytes_per_vector(encoder.dims_of(dim), "ip")
