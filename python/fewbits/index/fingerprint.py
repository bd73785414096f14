"""What identifies a training: a hash of the params and arrays of a model, without the defaults of searches."""

from __future__ import annotations

import hashlib

import numpy as np

from .. import _core


def training_id(engine: _core.Engine) -> str:
    """64 hexadecimal digits: SHA-256 of names, dtypes, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(engine.params.items()):
        if not name.startswith("default."):
            digest.update(f"{name}={value}\n".encode())
    for name, array in sorted(engine.arrays().items()):
        digest.update(f"{name}:{array.dtype.str}:{array.nbytes}\n".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
