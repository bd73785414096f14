"""Logistic regression with a few bounded weights, by projected Newton steps."""

from __future__ import annotations

import numpy as np

from .arrays import F64

_ITERATIONS = 100


def logistic(x: F64, y: F64, lower: F64) -> F64:
    """Weights w >= lower and an intercept, (f + 1,), of the least log-loss plus |w|^2 / 2; x: (n, f), y: 0 or 1."""
    a = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    low = np.concatenate([lower, [-np.inf]])
    ridge = np.concatenate([np.ones(x.shape[1]), [1e-9]])
    w = np.zeros(a.shape[1])
    w[-1] = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
    for _ in range(_ITERATIONS):
        p = 0.5 * (1 + np.tanh(a @ w / 2))
        gradient = a.T @ (p - y) + ridge * w
        free = ~((w <= low) & (gradient > 0))
        if np.abs(gradient[free]).max(initial=0) < 1e-8 * len(y):
            break
        hessian = (a * (p * (1 - p))[:, None]).T @ a + np.diag(ridge)
        step = np.zeros_like(w)
        step[free] = -np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        w = _descended(a, y, ridge, w, step, low)
    return w


def loss(a: F64, y: F64, ridge: F64, w: F64) -> float:
    logit = a @ w
    return float((np.logaddexp(0, logit) - y * logit).sum() + (ridge * w * w).sum() / 2)


def _descended(a: F64, y: F64, ridge: F64, w: F64, step: F64, low: F64) -> F64:
    before = loss(a, y, ridge, w)
    for halvings in range(40):
        tried = np.maximum(w + step / 2**halvings, low)
        if loss(a, y, ridge, tried) <= before:
            return np.asarray(tried)
    return w
