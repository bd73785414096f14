"""Numbers and small arrays in a file's description, which is JSON; what is read is checked."""

from __future__ import annotations

import base64
import math

import numpy as np

from ..numeric.arrays import F64


def array_to(x: F64) -> str:
    """The floats of an array, as float32, in base64."""
    return base64.b64encode(np.ascontiguousarray(x, "<f4").tobytes()).decode("ascii")


def array_of(text: object) -> F64:
    """What `array_to` was given, flat; all finite."""
    x = np.frombuffer(base64.b64decode(text_of(text), validate=True), "<f4").astype(np.float64)
    if not np.isfinite(x).all():
        raise ValueError("expected an array of finite numbers")
    return x


def text_of(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r}")
    return value


def finite_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)
