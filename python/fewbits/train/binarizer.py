"""The recurrent binarizer as a trainable function: signs in the forward pass, a straight-through estimate in backward.

`cpp/codec/recurrent_binary/binarizer.h` has the formula. Parameters are lists of arrays, so that an optimizer does not
have to know their meaning. `sign` is an argument so that tests can pass a smooth function, whose gradients can be
checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numeric.arrays import f32_array

Array = NDArray[Any]  # float32; float64 in gradient tests
_EPSILON = 1e-5  # added to the variance of batch norm
_MOMENTUM = 0.1  # of the running statistics
_TINY = 1e-12


class Sign(NamedTuple):
    """A function of projections, and the derivative that the backward pass uses for it."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


STRAIGHT_THROUGH = Sign(
    lambda z: np.where(z < 0, z.dtype.type(-1), z.dtype.type(1)),  # sgn(0) = +1
    lambda z: (np.abs(z) <= 1).astype(z.dtype),
)


class Map:
    """y = L x + O max(batchnorm(I x), 0), or the linear part alone (hidden = 0). O is initially zero."""

    def __init__(self, linear: Array, hidden: int, random: np.random.Generator) -> None:
        rows, cols = linear.shape
        kind = linear.dtype
        self.parameters: list[Array] = [linear.copy()]
        self.mean, self.variance = np.zeros(hidden, kind), np.ones(hidden, kind)
        if hidden:
            inner = random.normal(size=(hidden, cols)) * np.sqrt(2 / (cols + hidden))
            gain, shift, out = np.ones(hidden, kind), np.zeros(hidden, kind), np.zeros((rows, hidden), kind)
            self.parameters += [inner.astype(kind), gain, shift, out]

    def forward(self, x: Array, training: bool) -> tuple[Array, tuple[Array, ...]]:
        """(y, cache for the backward pass). training: batch norm uses the batch's statistics, and updates its own."""
        y = x @ self.parameters[0].T
        if len(self.parameters) == 1:
            return y, (x,)
        _, inner, gain, shift, out = self.parameters
        h = x @ inner.T
        mean, variance = (h.mean(0), h.var(0)) if training else (self.mean, self.variance)
        if training:
            self.mean += _MOMENTUM * (mean - self.mean)
            self.variance += _MOMENTUM * (variance - self.variance)
        normal = (h - mean) / np.sqrt(variance + h.dtype.type(_EPSILON))
        active = np.maximum(normal * gain + shift, 0)
        return y + active @ out.T, (x, variance, normal, active)

    def backward(self, gradient: Array, cache: tuple[Array, ...]) -> tuple[Array, list[Array]]:
        """Gradients of x and of the parameters, after a forward pass in training."""
        x = cache[0]
        of_x, of_linear = gradient @ self.parameters[0], gradient.T @ x
        if len(cache) == 1:
            return of_x, [of_linear]
        _, variance, normal, active = cache
        _, inner, gain, _, out = self.parameters
        before = (gradient @ out) * (active > 0)
        scaled = before * gain
        centred = scaled - scaled.mean(0) - normal * (scaled * normal).mean(0)
        of_h = centred / np.sqrt(variance + variance.dtype.type(_EPSILON))
        of_parameters = [of_linear, of_h.T @ x, (before * normal).sum(0), before.sum(0), gradient.T @ active]
        return of_x + of_h @ inner, of_parameters

    def folded(self) -> dict[str, Array]:
        """Arrays by the suffix of their name in a file; batch norm is folded into I and the bias."""
        if len(self.parameters) == 1:
            return {"": self.parameters[0]}
        linear, inner, gain, shift, out = self.parameters
        scale = gain / np.sqrt(self.variance + _EPSILON)
        return {"": linear, "_in": inner * scale[:, None], "_bias": shift - self.mean * scale, "_out": out}

    def state(self) -> list[Array]:
        return [*self.parameters, self.mean, self.variance]


def normalized(y: Array) -> tuple[Array, Array]:
    """Rows divided by their norms, and the norms."""
    norms = np.maximum(np.linalg.norm(y, axis=1, keepdims=True), y.dtype.type(_TINY))
    return y / norms, norms


def through_norm(gradient: Array, unit: Array, norms: Array) -> Array:
    """The gradient of y, given that of normalized(y)."""
    return np.asarray((gradient - unit * (gradient * unit).sum(1, keepdims=True)) / norms)


class Binarizer:
    """z = W x, and b = sgn(z) + sum of 2^-t sgn(R_t (x - f_t)), f_t = B_t b normalised, for unit rows x."""

    def __init__(
        self, base: Array, back: Array, bits: int, hidden: int, seed: int, sign: Sign = STRAIGHT_THROUGH
    ) -> None:
        """base: (m, dim), initial W and R_t; back: (dim, m), initial B_t."""
        random = np.random.default_rng(seed)
        self.sign = sign
        self.base = Map(base, hidden, random)
        self.steps = [(Map(back, hidden, random), Map(base, hidden, random)) for _ in range(bits - 1)]

    @property
    def maps(self) -> list[Map]:
        return [self.base, *(one for step in self.steps for one in step)]

    @property
    def parameters(self) -> list[Array]:
        return [array for one in self.maps for array in one.parameters]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Array, Any]:
        """(z, b, cache for the backward pass)."""
        z, of_base = self.base.forward(x, training)
        b, caches = self.sign.value(z), []
        for t, (back, refine) in enumerate(self.steps, 1):
            y, of_back = back.forward(b, training)
            f, norms = normalized(y)
            r, of_refine = refine.forward(x - f, training)
            b = b + self.sign.value(r) * z.dtype.type(2.0**-t)
            caches.append((of_back, f, norms, of_refine, r))
        return z, b, (z, of_base, caches)

    def backward(self, of_z: Array, of_b: Array, cache: Any) -> list[Array]:
        """Gradients of the parameters, given those of z and b."""
        z, of_base, caches = cache
        gradients: list[list[Array]] = []
        for t in range(len(self.steps), 0, -1):
            back, refine = self.steps[t - 1]
            of_back, f, norms, of_refine, r = caches[t - 1]
            of_left, of_refine_map = refine.backward(of_b * z.dtype.type(2.0**-t) * self.sign.slope(r), of_refine)
            of_b_before, of_back_map = back.backward(through_norm(-of_left, f, norms), of_back)
            of_b = of_b + of_b_before
            gradients = [of_back_map, of_refine_map, *gradients]
        _, of_base_map = self.base.backward(of_z + of_b * self.sign.slope(z), of_base)
        return [array for of_map in [of_base_map, *gradients] for array in of_map]

    def state(self) -> list[Array]:
        """A copy of everything that training changes."""
        return [array.copy() for one in self.maps for array in one.state()]

    def restore(self, state: list[Array]) -> None:
        for own, kept in zip((array for one in self.maps for array in one.state()), state, strict=True):
            own[...] = kept

    def arrays(self) -> dict[str, Array]:
        """The arrays that a codec stores: `RecurrentBinary.maps`."""
        arrays = {f"base{end}": f32_array(array) for end, array in self.base.folded().items()}
        for place, name in enumerate(("back", "refine")):
            folded = [step[place].folded() for step in self.steps]
            for end in folded[0] if folded else ():
                arrays[name + end] = f32_array(np.stack([one[end] for one in folded]))
        return arrays


def embed(maps: Mapping[str, Array], bits: int, x: Array) -> tuple[Array, Array]:
    """(z, b) of unit rows x, computed with the arrays of a trained codec."""

    def apply(name: str, step: int, y: Array) -> Array:
        linear = maps[name].reshape(-1, *maps[name].shape[-2:])[step]
        if name + "_in" not in maps:
            return np.asarray(y @ linear.T)
        inner, out = (maps[name + end].reshape(-1, *maps[name + end].shape[-2:])[step] for end in ("_in", "_out"))
        bias = maps[name + "_bias"].reshape(-1, inner.shape[0])[step]
        return np.asarray(y @ linear.T + np.maximum(y @ inner.T + bias, 0) @ out.T)

    z = apply("base", 0, x)
    b = STRAIGHT_THROUGH.value(z)
    for t in range(1, bits):
        f = normalized(apply("back", t - 1, b))[0]
        b = b + STRAIGHT_THROUGH.value(apply("refine", t - 1, x - f)) * x.dtype.type(2.0**-t)
    return z, b
