"""`fb.train.recurrent_binary`: maps for recurrent binary codes, learnt from embeddings, optionally with pairs.

Training starts from the best untrained binarizer, a random rotation (of the principal directions, if the codes have
fewer dimensions), and keeps the state that performed best on held-out vectors: never worse on them than the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..index.index import Index
from ..index.upgrades import encoder_of
from ..input.progress import Progress, ProgressArgument
from ..input.renamed import renamed
from ..spec.recurrent_binary import Predecessor, RecurrentBinary, fingerprint
from .binary_data import check_same_rows, past_of, split, unit_rows
from .binary_descent import descend, least_squares, start, weight_beside
from .settings import BinarySettings


@renamed(bits_per_dim="bits")
def recurrent_binary(
    x: Any,
    *,
    bits: int = 2,
    dim: int | None = None,
    symmetric: bool = False,
    pairs: tuple[Any, ArrayLike] | None = None,
    compatible_with: RecurrentBinary | Index | None = None,
    old: Any = None,
    hidden: int = 0,
    steps: int = 300,
    temperature: float = 0.03,
    seed: int = 0,
    threads: int | None = None,
    progress: ProgressArgument = None,
) -> RecurrentBinary:
    """Train the maps of a `RecurrentBinary` codec for vectors like x: codes of `dim` x `bits` bits, for cosine.

    Parameters
    ----------
    x : (n, d) array
        At least 64 vectors, of which up to 20,000 are used. Binary embeddings packed into bytes are rejected: pass
        ``fb.unpack_bits(x)``.
    bits : int
        Bits per dimension, 1 to 4.
    dim : int, optional
        Dimensions of the codes (None: d).
    symmetric : bool
        Train for queries that are also converted to codes, instead of queries that remain floats.
    pairs : tuple (anchors, rows), optional
        A (p, d) array of queries, and for each the row of x that it should find. Without pairs, the similarities of x
        itself are learnt.
    compatible_with : RecurrentBinary or Index, optional
        A trained codec of another (older) embedding, or an index of its codes. Queries of the new codec can then also
        search codes of the old one, and `Index.upgrade` accepts the new codec.
    old : (n, d_old) array, optional
        With `compatible_with`: the vectors of the older embedding for the rows of x, in the same order. Rows in another
        order are rejected.
    hidden : int
        Width of the nonlinear part of the maps. 0: linear maps. A width of `dim` triples the size of the maps in the
        file, and is worthwhile if queries resemble x.
    steps : int
        Number of training steps, with 512 vectors each.
    temperature : float
        Temperature of the softmax over cosines.
    seed : int
        Seed of all random numbers.
    threads : int, optional
        Number of threads of the searches for neighbours; the threads of all other work are those of numpy.
    progress : bool or callable, optional
        As in `Index.build`.

    Returns
    -------
    RecurrentBinary
        A codec for `Index`, with its maps.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described. Ctrl-C stops the training.

    References
    ----------
    Gan et al., "Binary Embedding-based Retrieval at Tencent", 2023.

    Examples
    --------
    >>> codec = fb.train.recurrent_binary(x, bits=2)
    >>> index = fb.Index(x.shape[1], metric="cosine", codec=codec).build(x)
    """
    vectors = unit_rows(x, "x")
    settings = BinarySettings(
        bits=bits,
        dim=dim,
        symmetric=symmetric,
        hidden=hidden,
        steps=steps,
        temperature=temperature,
        seed=seed,
        threads=threads,
    )
    if (compatible_with is None) != (old is None):
        raise ValueError("compatible_with, old: expected both or neither: an older codec, and its vectors for x")
    random = np.random.default_rng(settings.seed)
    elder = None if old is None else unit_rows(old, "old")
    if elder is not None and len(elder) != len(vectors):
        raise ValueError(f"old: expected a row for each of the {len(vectors)} rows of x, got {len(elder)}")
    if elder is not None:
        check_same_rows(vectors, elder)
    data = split(vectors, pairs, elder, random, settings.workers)
    elder_codec = encoder_of(compatible_with) if isinstance(compatible_with, Index) else compatible_with
    past = None if elder_codec is None else past_of(elder_codec, data, settings.bits, settings.dim)
    m = past.b.shape[1] if past is not None else settings.dim or vectors.shape[1]
    net = start(data, past, m, settings)
    with Progress(progress) as shown:
        descend(net, data, past, settings, random, shown)
    maps = net.arrays() | {"decoder": least_squares(net.forward(data.x)[1], data.x)}
    predecessor = None
    if past is not None and elder_codec is not None and data.old is not None:
        maps["weight"] = weight_beside(net, data, past, settings.symmetric)
        predecessor = Predecessor(fingerprint(settings.bits, elder_codec.maps or {}), least_squares(data.old, data.x))
    return RecurrentBinary(settings.bits, settings.symmetric, m, maps, predecessor)
