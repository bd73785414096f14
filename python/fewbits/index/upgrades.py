"""An index that goes over to a newer embedding: codes of a compatible encoder beside those that are there.

Compatible codes have one space, size and score (`fb.train.recurrent_binary`, compatible_with), so segments hold both
and nothing changes but the encoder, and the centroids of lists: the mean of a list's vectors in the newer embedding is
about what a linear map makes of their mean in the older. That the encoder was trained for just these codes is checked
by a fingerprint of the old one's maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b

import numpy as np

from .. import _core
from ..input.inputs import F32
from ..spec.codecs_rotated import RecurrentBinary
from ..spec.description import Description
from ..spec.parts import Fitted, Fitting, Model, f32_array


def fingerprint(bits: int, maps: Mapping[str, F32]) -> str:
    """Of an encoder, from its maps, in whatever shape: a file does not keep it."""
    digest = blake2b(bytes([bits]), digest_size=16)
    for name in sorted(maps):
        digest.update(f"{name} {maps[name].size} ".encode())
        digest.update(np.ascontiguousarray(maps[name], "<f4").tobytes())
    return digest.hexdigest()


def encoder(description: Description, engine: _core.Engine) -> RecurrentBinary:
    """The trained codec of an index, with its maps, which a file has too."""
    codec = description.codec
    if not isinstance(codec, RecurrentBinary) or codec.dim is None:
        raise ValueError(f"upgrade: expected an index of trained RecurrentBinary codes, got {codec}")
    arrays = {
        name.removeprefix("codec."): array for name, array in engine.arrays().items() if name.startswith("codec.")
    }
    dim, m = description.dim, codec.dim
    ins, outs = {"base": dim, "back": m, "refine": dim}, {"base": m, "back": dim, "refine": m}
    maps = {"decoder": arrays.pop("decoder").reshape(dim, m)} if "decoder" in arrays else {}
    maps |= {"weight": arrays.pop("weight")} if "weight" in arrays else {}
    for name, array in arrays.items():
        part, _, end = name.partition("_")
        steps = () if part == "base" else (codec.bits - 1,)
        shape = {"": (outs[part], ins[part]), "in": (-1, ins[part]), "bias": (-1,), "out": (outs[part], -1)}[end]
        maps[name] = array.reshape(*steps, *shape)
    return replace(codec, maps=maps)


def upgraded(description: Description, engine: _core.Engine, codec: object) -> tuple[Description, _core.Engine]:
    """The description and the engine of the same vectors, for inputs that `codec` codes."""
    if not isinstance(codec, RecurrentBinary) or codec.maps is None or codec.predecessor is None:
        raise TypeError(
            "codec: expected what fb.train.recurrent_binary(..., compatible_with=...) returned for this index's codec, "
            f"got {codec!r}"
        )
    old = encoder(description, engine)
    if description.rerank is not None:
        raise ValueError(
            "upgrade: a rerank store is of the old embedding, which new queries can not be compared with; "
            f"expected rerank=None, got {description.rerank}"
        )
    if any(name.startswith("query.") for name in engine.arrays()):
        raise ValueError("upgrade: the query map of this index is of the old embedding; expected none")
    assert old.maps is not None
    if codec.predecessor.fingerprint != fingerprint(old.bits, old.maps):
        raise ValueError("codec: it was trained to be compatible with another encoder than this index's")
    dim = codec.maps["base"].shape[-1]
    model = Model({"dim": dim})
    model.put("codec", codec.fit(np.zeros((0, dim), np.float32), Fitting("ip")))
    if description.partition is not None:
        centroids = engine.arrays()["partition.centroids"].reshape(-1, description.dim).astype(np.float32)
        model.put("partition", Fitted({}, {"centroids": f32_array(centroids @ codec.predecessor.forth.T)}))
    return replace(description, dim=dim, codec=codec), engine.with_encoder(model.params, model.arrays)
