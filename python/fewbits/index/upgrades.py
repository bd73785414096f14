"""Upgrades an index to a newer embedding, whose codes are compatible with the stored ones.

Compatible codes (`fb.train.recurrent_binary`, compatible_with) have the same space, size and scores, so segments can
hold both. Only the encoder and the centroids of lists change: the mean of a list's vectors in the newer embedding is
approximately a linear map of their mean in the older. A fingerprint of the old encoder's maps shows whether the new
encoder was trained for these codes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import _core
from ..numeric.arrays import f32_array
from ..spec.description import Description
from ..spec.parts import Fitted, Fitting, Model
from ..spec.recurrent_binary import RecurrentBinary, fingerprint, trained, with_maps
from .state import Stateful
from .turns import state_of


def encoder_of(index: Stateful) -> RecurrentBinary:
    """The trained codec of an index, with its maps."""
    state = state_of(index)
    return encoder(state.description, state.trained("upgrade"))


def encoder(description: Description, engine: _core.Engine) -> RecurrentBinary:
    """The trained codec of an index, with its maps, which come from the engine."""
    codec = trained(description.codec)
    if codec is None:
        raise ValueError(f"upgrade: expected an index of trained RecurrentBinary codes, got {description.codec}")
    arrays = engine.arrays().items()
    own = {name.removeprefix("codec."): array for name, array in arrays if name.startswith("codec.")}
    return with_maps(codec, own, description.dim)


def upgraded(description: Description, engine: _core.Engine, codec: object) -> tuple[Description, _core.Engine]:
    """Description and engine of the same vectors, for the inputs that `codec` takes."""
    newer = trained(codec)
    if newer is None or newer.maps is None or newer.predecessor is None:
        raise TypeError(
            "codec: expected the result of fb.train.recurrent_binary(..., compatible_with=...) for this index's codec, "
            f"got {codec!r}"
        )
    old = encoder(description, engine)
    if description.rerank is not None:
        raise ValueError(
            "upgrade: the rerank store holds vectors of the old embedding, which new queries cannot be compared with; "
            f"expected rerank=None, got {description.rerank}"
        )
    if any(name.startswith("query.") for name in engine.arrays()):
        raise ValueError("upgrade: the query map of this index is for the old embedding; expected none")
    assert old.maps is not None
    if newer.predecessor.fingerprint != fingerprint(old.bits, old.maps):
        raise ValueError("codec: it was trained to be compatible with another encoder than that of this index")
    dim = newer.maps["base"].shape[-1]
    model = Model({"dim": dim})
    model.put("codec", newer.fit(np.zeros((0, dim), np.float32), Fitting("ip")))
    if description.partition is not None:
        centroids = engine.arrays()["partition.centroids"].reshape(-1, description.dim).astype(np.float32)
        model.put("partition", Fitted({}, {"centroids": f32_array(centroids @ newer.predecessor.forth.T)}))
    return replace(description, dim=dim, codec=newer), engine.with_encoder(model.params, model.arrays)
