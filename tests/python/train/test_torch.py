"""fewbits.integrations.torch against autograd over decoded vectors, and the example that trains an encoder with it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

torch: Any = pytest.importorskip("torch", reason="needs torch")
bridge: Any = pytest.importorskip("fewbits.integrations.torch")
EXAMPLE = Path(__file__).parents[3] / "examples" / "joint_encoder.py"
X, Q = vectors(300, 13), vectors(4, 13, seed=4)


def built(metric: str = "ip", lists: int | None = None, **settings: Any) -> fb.Index:
    partition = None if lists is None else fb.IVF(nlist=lists)
    index = fb.Index(
        13, metric=metric, transform=fb.OPQ(iterations=2), partition=partition, codec=fb.PQ(5, bits=4), **settings
    )
    return index.build(X, progress=False)


@pytest.mark.parametrize("lists", [None, 5])
@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_scores_and_gradients_are_those_of_autograd(metric: str, lists: int | None) -> None:
    """The same scores from decoded vectors, whose codewords torch picks by itself."""
    index = built(metric, lists)
    quantized = bridge.QuantizedIndex(index)
    ids = torch.from_numpy(np.random.default_rng(0).integers(300, size=(4, 9)))
    weights = torch.randn(4, 9)
    outcomes = []
    for score in (quantized, lambda q, i: dense(index, quantized, q, i)):
        q = torch.from_numpy(Q.copy()).requires_grad_()
        quantized.book.grad = None
        scores = score(q, ids)
        (scores * weights).sum().backward()
        outcomes.append((scores.detach(), q.grad, quantized.book.grad))
    for ours, expected in zip(*outcomes, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)


def dense(index: fb.Index, quantized: Any, q: Any, ids: Any) -> Any:
    scorer = quantized._scorer
    rows = torch.from_numpy(quantized._row_of(ids.numpy().ravel()))
    codes = torch.from_numpy(scorer.codes.astype(np.int64))[rows]
    behind = torch.zeros(len(rows), scorer.out_dim + 1)
    for s in range(scorer.m):
        behind = behind.index_add(1, torch.from_numpy(scorer.slots[s]), quantized.book[s][codes[:, s]])
    decoded = behind[:, : scorer.out_dim]
    if len(scorer.centroids):
        decoded = decoded + torch.from_numpy(scorer.centroids[scorer.lists[rows.numpy()]])
    if index.metric == "cosine":
        q = torch.nn.functional.normalize(q, dim=1)
    z = q @ torch.from_numpy(np.ascontiguousarray(scorer.transform))
    return torch.einsum("nd,nkd->nk", z, decoded.reshape(*ids.shape, -1))


def test_scores_are_the_index_s_and_padding_has_none() -> None:
    index = built()
    quantized = bridge.QuantizedIndex(index)
    q = torch.from_numpy(Q)
    ids = quantized.search(q, 5)
    np.testing.assert_array_equal(ids.numpy(), index.search(Q, 5).ids)
    ids[1, 3] = -1
    scores = quantized(q, ids)
    assert scores[1, 3] == -torch.inf
    exact = np.einsum("nd,nkd->nk", Q, index.reconstruct(ids.clamp(min=0).numpy().ravel()).reshape(4, 5, 13))
    mask = ids.numpy() >= 0
    np.testing.assert_allclose(scores.detach().numpy()[mask], exact[mask], rtol=1e-4, atol=1e-4)
    scores[ids >= 0].sum().backward()
    assert torch.isfinite(quantized.book.grad).all()


def test_the_index_changes_when_it_is_published() -> None:
    index = built()
    quantized = bridge.QuantizedIndex(index)
    before = index.search(Q)
    with torch.no_grad():
        quantized.book.mul_(1.5)
    np.testing.assert_array_equal(index.search(Q).scores, before.scores)
    quantized.publish()
    np.testing.assert_allclose(index.search(Q).scores, 1.5 * before.scores, rtol=0.02, atol=0.02)
    assert "trained for ranking" in index.explain()


def test_a_trained_query_map_is_part_of_the_scores() -> None:
    index = built()
    fb.train.adapter(index, x=X, epochs=1, pseudo_queries=200, validation=0, progress=False, rate=3)
    quantized = bridge.QuantizedIndex(index)
    ids = quantized.search(torch.from_numpy(Q), 5)
    np.testing.assert_array_equal(ids.numpy(), index.search(Q, 5).ids)
    scores = quantized(torch.from_numpy(Q), ids).detach().numpy()
    np.testing.assert_allclose(scores, index.search(Q, 5).scores, atol=0.1)


def test_refusals() -> None:
    quantized = bridge.QuantizedIndex(built())
    q = torch.from_numpy(Q)
    with pytest.raises(ValueError, match="id 999 is not in the index"):
        quantized(q, torch.full((4, 2), 999))
    with pytest.raises(ValueError, match=r"queries: expected shape \(n, 13\)"):
        quantized(q[:, :5], torch.zeros(4, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"ids: expected shape \(4, k\)"):
        quantized(q, torch.zeros(3, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="PQ codec"):
        bridge.QuantizedIndex(fb.Index(13, metric="ip"))
    with pytest.raises(fb.NotTrainedError, match="empty"):
        bridge.QuantizedIndex(fb.Index(13, metric="ip", codec=fb.PQ(5)))


def test_the_example_learns() -> None:
    main = runpy.run_path(str(EXAMPLE))["main"]
    alone, joint, published = main(documents=1000, queries=1000, epochs=3)
    assert joint > alone
    assert published == pytest.approx(joint, abs=0.02)
