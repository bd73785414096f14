"""The scores of an index as part of a torch model: an encoder is trained against the same codes that searches scan.

    scores[i, j] = <T M q_i, origin + sum over s of book[s, code_s of the j-th id]>

Forward and backward use the kernels of `fewbits.train`; to torch they are one function with gradients for queries and
codebook. Codes, rotation T and the query map M (if the index has one) are constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import NotTrainedError
from ..index.index import Index
from ..index.turns import replace_state, state_of
from ..input.checks import thread_count
from ..numeric.arrays import I64, f32_array
from ..spec.parts import Model
from ..train.compiled import require_numba
from ..train.examples import RowOf
from ..train.jpq import check_scores_are_trainable
from ..train.query_map import map_of
from ..train.scorer import CodeScorer, Lists


class QuantizedScores(torch.autograd.Function):
    """Scores of listed rows, concatenated; gradients for queries and codebook."""

    @staticmethod
    def forward(ctx: Any, queries: torch.Tensor, book: torch.Tensor, scorer: CodeScorer, lists: Lists) -> torch.Tensor:
        ctx.save_for_backward(queries, book)
        ctx.scorer, ctx.lists = scorer, lists
        scores = scorer.with_book(book.detach().numpy()).scores(f32_array(queries.detach().numpy()), lists)
        return torch.from_numpy(scores.astype(np.float32))

    @staticmethod
    def backward(ctx: Any, of_scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        queries, book = ctx.saved_tensors
        (of_book,), of_queries = ctx.scorer.with_book(book.detach().numpy()).gradients(
            f32_array(queries.detach().numpy()), ctx.lists, of_scores.detach().numpy().astype(np.float64)
        )
        return torch.from_numpy(of_queries), torch.from_numpy(of_book), None, None


class QuantizedIndex(torch.nn.Module):
    """The scoring side of a PQ index as a module, with the codebook as its parameter `book`; CPU, float32.

    Parameters
    ----------
    index : Index
        With metric "ip" or "cosine" and a PQ codec, not empty. It is not modified before `publish`.
    threads : int, optional
        Threads of searches. None: all CPUs.

    References
    ----------
    Zhan et al., "Jointly Optimizing Query Encoder and Product Quantization to Improve Retrieval Performance", 2021.

    Examples
    --------
    >>> quantized = fewbits.torch.QuantizedIndex(index)
    >>> optimizer = torch.optim.AdamW([*encoder.parameters(), *quantized.parameters()])
    >>> queries = encoder(tokens)                              # (n, dim), with gradients
    >>> ids = quantized.search(queries, 200)                   # negatives from the index with its current scores
    >>> loss = ranking_loss(quantized(queries, ids), ids)
    >>> quantized.publish()                                    # the index scores with the trained codebook
    """

    def __init__(self, index: Index, *, threads: int | None = None) -> None:
        super().__init__()
        require_numba()
        check_scores_are_trainable("QuantizedIndex", index)
        engine = state_of(index).engine
        if engine is None or not len(engine):
            raise NotTrainedError("QuantizedIndex: expected an index that holds its vectors, got an empty one")
        self.index, self._engine, self._threads = index, engine, thread_count(threads)
        self._scorer = CodeScorer(self._engine)
        self._row_of = RowOf(self._scorer.ids)
        self._map = map_of(self._engine)
        self.book = torch.nn.Parameter(torch.from_numpy(self._scorer.book.copy()))
        matrix = self._map.apply(np.eye(index.dim, dtype=np.float32))
        self.register_buffer("_matrix", torch.from_numpy(f32_array(matrix)))

    def forward(self, queries: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Scores (n, k) of ids (n, k) for queries (n, dim); -inf where an id is -1.

        Raises ValueError for other shapes and for an id that is not in the index.
        """
        if queries.ndim != 2 or queries.shape[1] != self.index.dim:
            raise ValueError(f"queries: expected shape (n, {self.index.dim}), got {tuple(queries.shape)}")
        if ids.ndim != 2 or len(ids) != len(queries):
            raise ValueError(f"ids: expected shape ({len(queries)}, k), got {tuple(ids.shape)}")
        numbers: I64 = ids.detach().numpy().astype(np.int64)
        present = numbers >= 0
        rows = self._row_of(numbers[present])
        if (rows < 0).any():
            raise ValueError(f"ids: id {int(numbers[present][np.argmax(rows < 0)])} is not in the index")
        lists = Lists(rows, np.concatenate([[0], np.cumsum(present.sum(axis=1))]))
        flat = QuantizedScores.apply(self._mapped(queries), self.book, self._scorer, lists)
        scores = torch.full(ids.shape, -torch.inf)
        return scores.masked_scatter(torch.from_numpy(present), flat)

    def search(self, queries: torch.Tensor, k: int) -> torch.Tensor:
        """Ids (n, k) of the best vectors by the current scores of their codes, padded with -1; no gradients."""
        model = self._scoring()
        engine = self._engine.with_scoring(model.params, model.arrays)
        nprobe = max(1, engine.params.get("default.nprobe", 0))
        found = engine.search(
            f32_array(queries.detach().numpy()),
            min(k, len(self._scorer.ids)),
            nprobe=nprobe,
            rerank=0,
            threads=self._threads,
        )
        return torch.from_numpy(found[0])

    def publish(self) -> None:
        """Replaces the scoring codebook of the index with `book`. Vectors added later are encoded as before."""
        model = self._scoring()
        replace_state(self.index, "train", lambda now: now.scored_by(model))

    def _mapped(self, queries: torch.Tensor) -> torch.Tensor:
        """Queries in the form that the index scores: normalised under cosine, and mapped."""
        if self.index.metric == "cosine":
            queries = torch.nn.functional.normalize(queries, dim=1, eps=0.0)
        return queries @ self._matrix

    def _scoring(self) -> Model:
        model = Model()
        model.put("codec", self._scorer.with_book(self.book.detach().numpy()).stored())
        model.put("query", self._map.stored())
        return model
