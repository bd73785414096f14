"""The recurrent binarizer's analytic gradients against torch's automatic ones, where torch is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fewbits.train.binarizer import Binarizer, normalized
from fewbits.train.binary_descent import gradients_of
from fewbits.train.contrast import Batch, softmax

torch = pytest.importorskip("torch", reason="torch is not installed")

DIM, M, ROWS, TEMPERATURE = 6, 8, 24, 0.2


def sign(z: Any) -> Any:
    """sgn, and the clipped identity backward."""

    class StraightThrough(torch.autograd.Function):  # type: ignore[misc, name-defined, unused-ignore]
        @staticmethod
        def forward(context: Any, z: Any) -> Any:
            context.save_for_backward(z)
            return torch.where(z < 0, -1.0, 1.0).to(z.dtype)

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            (z,) = context.saved_tensors
            return gradient * (z.abs() <= 1)

    return StraightThrough.apply(z)


def embed(maps: list[list[Any]], x: Any) -> tuple[Any, Any]:
    def apply(one: list[Any], y: Any) -> Any:
        if len(one) == 1:
            return y @ one[0].T
        linear, inner, gain, shift, out = one
        h = torch.nn.functional.batch_norm(y @ inner.T, None, None, gain, shift, training=True, eps=1e-5)
        return y @ linear.T + torch.relu(h) @ out.T

    z = apply(maps[0], x)
    b = sign(z)
    for t in range(1, len(maps) // 2 + 1):
        f = torch.nn.functional.normalize(apply(maps[2 * t - 1], b), dim=1)
        b = b + sign(apply(maps[2 * t], x - f)) * 2.0**-t
    return z, b


def loss(maps: list[list[Any]], batch: Batch, past: Any, symmetric: bool) -> Any:
    own, together = len(batch.anchors), batch.anchors is batch.documents
    x = batch.anchors if together else np.concatenate([batch.anchors, batch.documents])
    z, b = embed(maps, torch.tensor(x))
    queries = torch.nn.functional.normalize((b if symmetric else z)[:own], dim=1)
    total = torch.zeros((), dtype=torch.float64)
    for codes in [b if together else b[own:], *([] if past is None else [torch.tensor(past)])]:
        scores = queries @ torch.nn.functional.normalize(codes, dim=1).T / TEMPERATURE
        scores = scores.masked_fill(torch.tensor(~batch.allowed), -1e30)
        total = total - (torch.tensor(batch.target) * torch.log_softmax(scores, dim=1)).sum() / own
    return total


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("hidden", [0, 5])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("paired", [False, True])
def test_gradients_of_the_loss(bits: int, hidden: int, symmetric: bool, paired: bool) -> None:
    random = np.random.default_rng(bits)
    net = Binarizer(random.normal(size=(M, DIM)), random.normal(size=(DIM, M)), bits, hidden, 0)
    for array in net.parameters:
        array += 0.3 * random.normal(size=array.shape)
    documents = normalized(random.normal(size=(ROWS, DIM)))[0]
    anchors = normalized(random.normal(size=(ROWS // 2, DIM)))[0] if paired else documents
    allowed = np.ones((len(anchors), ROWS), bool) if paired else ~np.eye(ROWS, dtype=bool)
    target = softmax(anchors @ documents.T / TEMPERATURE, allowed)
    batch = Batch(anchors, documents, target, allowed, np.arange(ROWS))
    past = random.choice([-1.5, -0.5, 0.5, 1.5], size=(ROWS, M)) if paired else None

    gradients = gradients_of(net, batch, past, symmetric, TEMPERATURE)
    maps = [[torch.tensor(array, requires_grad=True) for array in one.parameters] for one in net.maps]
    loss(maps, batch, past, symmetric).backward()
    expected = [array.grad for one in maps for array in one]
    assert len(gradients) == len(expected)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, np.zeros_like(found) if wanted is None else wanted.numpy(), atol=1e-9)
