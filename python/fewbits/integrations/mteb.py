"""A search backend for MTEB, which measures what an index costs a model: `pip install fewbits mteb`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mteb.models.model_meta import ScoringFunction

from ..choose.build import build
from ..index.index import Index
from ..numeric.arrays import F32, f32_array

_METRICS = {ScoringFunction.COSINE: "cosine", ScoringFunction.DOT_PRODUCT: "ip", ScoringFunction.EUCLIDEAN: "l2"}


class FewbitsSearchIndex:
    """Implements MTEB's `IndexEncoderSearchProtocol` by `fb.build`.

    Parameters
    ----------
    model : mteb.EncoderProtocol
        Its similarity function is the metric: cosine, dot product or Euclidean.
    **settings
        As in `fb.build`: bytes_per_vector, recall, seed, threads.

    Attributes
    ----------
    index : Index or None
        The documents that were added last.

    Raises
    ------
    ValueError
        For a model with another similarity function.

    Examples
    --------
    >>> backend = FewbitsSearchIndex(model, bytes_per_vector=64)  # doctest: +SKIP
    >>> mteb.evaluate(mteb.SearchEncoderWrapper(model, index_backend=backend), tasks)  # doctest: +SKIP
    """

    def __init__(self, model: Any, **settings: Any) -> None:
        similarity = model.mteb_model_meta.similarity_fn_name
        if similarity not in _METRICS:
            names = ", ".join(name.value for name in _METRICS)
            raise ValueError(f"model: expected a similarity function among {names}, got {similarity}")
        self._metric = _METRICS[similarity]
        self._settings = {"progress": False, **settings}
        self.index: Index | None = None
        self._numbers: dict[str, int] = {}

    def add_documents(self, embeddings: Any, idxs: Sequence[str]) -> None:
        """Build an index of documents, or add to it."""
        x = _floats(embeddings)
        if len(x) != len(idxs):
            raise ValueError(f"idxs: expected one per embedding ({len(x)}), got {len(idxs)}")
        if self.index is None:
            self.index = build(x, metric=self._metric, **self._settings)
        else:
            self.index.add(x, progress=False)
        self._numbers |= {name: len(self._numbers) + number for number, name in enumerate(idxs)}

    def search(
        self,
        embeddings: Any,
        top_k: int,
        similarity_fn: Callable[[Any, Any], Any],
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        query_idx_to_id: Mapping[int, str] | None = None,
    ) -> tuple[list[list[float]], list[list[int]]]:
        """Scores, larger is better, and numbers of documents per query; with top_ranked, places in its lists.

        similarity_fn is not called: the index has the model's metric."""
        if self.index is None:
            raise ValueError("search: expected documents, call add_documents first")
        queries = _floats(embeddings)
        if top_ranked is None:
            found = self.index.search(queries, min(top_k, len(self.index)))
            rows = zip(found.ids, found.scores, found.counts.tolist(), strict=True)
            each = [(scores[:count], ids[:count]) for ids, scores, count in rows]
        elif query_idx_to_id is None:
            raise ValueError("query_idx_to_id: expected with top_ranked, got None")
        else:
            lists = [top_ranked.get(query_idx_to_id[row], ()) for row in range(len(queries))]
            each = [self._ranked(query, names, top_k) for query, names in zip(queries, lists, strict=True)]
        signed = [(-np.sqrt(scores) if self._metric == "l2" else scores, places) for scores, places in each]
        return [scores.tolist() for scores, _ in signed], [places.tolist() for _, places in signed]

    def clear(self) -> None:
        """Forget all documents."""
        self.index, self._numbers = None, {}

    def _ranked(self, query: F32, names: Sequence[str], k: int) -> tuple[F32, Any]:
        """Scores and places of the k best of these documents."""
        assert self.index is not None
        if not names:
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        scores = self.index.score(query, np.array([self._numbers[name] for name in names], np.int64))
        order = np.argsort(scores if self._metric == "l2" else -scores, kind="stable")[:k]
        return scores[order], order


def _floats(embeddings: Any) -> F32:
    """Arrays and tensors."""
    return f32_array(embeddings.detach().cpu().float().numpy() if hasattr(embeddings, "detach") else embeddings)
