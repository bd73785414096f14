"""Adam (Kingma and Ba 2015), with one learning rate per parameter array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..numeric.arrays import F32

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8  # relative to the root mean square of the array's gradients so far, hence scale-free


class Adam:
    def __init__(self, parameters: Sequence[F32], rates: Sequence[float]) -> None:
        self.parameters, self.rates = list(parameters), list(rates)
        self.means = [np.zeros_like(p) for p in parameters]
        self.squares = [np.zeros_like(p) for p in parameters]
        self.steps = 0

    def step(self, gradients: Sequence[F32], rate: float = 1.0) -> None:
        """Updates the parameters in place."""
        self.steps += 1
        beta, gamma = _BETAS
        corrections = 1 - beta**self.steps, 1 - gamma**self.steps
        for p, own, g, mean, square in zip(
            self.parameters, self.rates, gradients, self.means, self.squares, strict=True
        ):
            mean += (1 - beta) * (g - mean)
            square += (1 - gamma) * (g * g - square)
            size = np.sqrt(square / corrections[1])
            size += _EPSILON * float(np.sqrt(np.mean(np.square(size)))) + 1e-37
            p -= (rate * own / corrections[0]) * mean / size
