"""How a multi-vector index stores its tokens: codecs for tokens, and how they are fitted to a sample.

RaBitQ needs a rotation, for which tokens have their own transform (params "tokens.transform.*"). It is not staged, as
the token sets of documents are too short for two stages.
"""

from __future__ import annotations

from dataclasses import replace

from .. import _core
from ..numeric.arrays import F32
from ..spec.codec import FACTOR_BYTES
from ..spec.float import Float
from ..spec.parts import Fitted, Fitting, Model
from ..spec.pq import PQ
from ..spec.rabitq import RaBitQ
from ..spec.random_rotation import RandomRotation
from ..spec.scalar import Scalar

TokenCodec = Float | Scalar | PQ | RaBitQ
TOKEN_CODECS = (Float, Scalar, PQ, RaBitQ)
TOKEN_SAMPLE = 65_536


def checked(codec: object, dim: int) -> TokenCodec:
    if not isinstance(codec, TOKEN_CODECS):
        raise TypeError(f"tokens: expected Float, Scalar, PQ or RaBitQ (an instance), got {codec!r}")
    if getattr(codec, "staged", False):
        raise ValueError(f"tokens: staged is for codes that are scanned, got {codec}")
    if codec.other_dim is not None:
        raise ValueError(f"tokens: dim is for a rerank store of another embedding, got {codec}")
    if getattr(codec, "residual", None):
        raise ValueError(f"tokens: residual is for codes in lists, which tokens are not in, got {codec}")
    if isinstance(codec, RaBitQ) and codec.bytes is not None:
        raise ValueError(f"tokens: bytes is for codes whose directions are fitted, use RaBitQ(bits), got {codec}")
    if isinstance(codec, PQ) and codec.m > dim:
        raise ValueError(f"tokens: PQ has at most one code per dimension ({dim}), got m={codec.m}")
    return codec


def bytes_in_memory(codec: TokenCodec, dim: int) -> int:
    """Bytes per token of `dim` dimensions: its code, unless it is on disk, and its factor, if it has one."""
    factor = FACTOR_BYTES if isinstance(codec, Scalar | RaBitQ) else 0
    return factor if codec.on_disk else _as_stored(codec).bytes_per_vector(dim, "ip")


def _as_stored(codec: TokenCodec) -> TokenCodec:
    return replace(codec, staged=False) if isinstance(codec, RaBitQ) else codec


def fitted(codec: TokenCodec, sample: F32, fitting: Fitting) -> Fitted:
    """Params and arrays of the codec, fitted to a sample of tokens."""
    model = Model({"dim": sample.shape[1], "on_disk": int(codec.on_disk)})
    if isinstance(codec, RaBitQ):
        model.put("transform", RandomRotation(fitting.seed).fit(sample, fitting))
        sample = _core.apply_transform(model.params, model.arrays, sample, threads=fitting.threads)
    part = _as_stored(codec).fit(sample, fitting)
    return Fitted(model.params | part.params, model.arrays | part.arrays)
