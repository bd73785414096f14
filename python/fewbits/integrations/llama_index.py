"""A vector store for LlamaIndex, over `fb.Collection`: `pip install 'fewbits[llama-index]'`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterCondition,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn, metadata_dict_to_node, node_to_metadata_dict

from ..collection.collection import Collection
from ..collection.where import Compare, Condition, OneOf
from ..sparse.bm25 import words
from .arguments import refuse_unknown

_REF_DOC = "_ref_doc_id"
_SETTINGS = ("nprobe", "rerank", "min_score", "max_distance", "threads")
_BY_WORDS = (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.TEXT_SEARCH)
_MODES = (VectorStoreQueryMode.DEFAULT, VectorStoreQueryMode.MMR, *_BY_WORDS)


class FewbitsVectorStore(BasePydanticVectorStore):
    """A LlamaIndex vector store in a folder.

    Filters are evaluated by LlamaIndex's own function, node by node, so that all of its operators work.

    Parameters
    ----------
    path : str
        The folder of an `fb.Collection`, which the first nodes make.
    metric : {"cosine", "l2", "ip"}
        Of a new collection.

    Examples
    --------
    >>> store = FewbitsVectorStore("notes")  # doctest: +SKIP
    >>> index = VectorStoreIndex.from_vector_store(store)  # doctest: +SKIP
    """

    stores_text: bool = True
    path: str
    metric: str = "cosine"
    _opened: Collection | None = PrivateAttr(default=None)

    def __init__(self, path: str, metric: str = "cosine") -> None:
        super().__init__(path=path, metric=metric)

    @property
    def client(self) -> Collection | None:
        """The collection; None before there are nodes."""
        if self._opened is None:
            try:
                self._opened = Collection(self.path, tokenizer=_tokens)
            except FileNotFoundError:
                return None
        return self._opened

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes, in place of those that have the same ids; returns the ids."""
        refuse_unknown("add", kwargs, "nodes")
        own = {node.node_id: node for node in nodes}
        if not own:
            return []
        vectors = [node.get_embedding() for node in own.values()]
        if self.client is None:
            self._opened = Collection(self.path, dim=len(vectors[0]), metric=self.metric, tokenizer=_tokens)
        assert self._opened is not None
        self._opened.upsert(
            keys=list(own),
            vectors=vectors,
            documents=[node_to_metadata_dict(node) for node in own.values()],
            metadata=[node.metadata | {_REF_DOC: node.ref_doc_id} for node in own.values()],
        )
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document."""
        refuse_unknown("delete", delete_kwargs, "ref_doc_id")
        if self.client is not None and _REF_DOC in self.client.columns:
            self.client.delete(where=Compare(_REF_DOC, "=", ref_doc_id))

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Delete nodes by id, by filters, or those of the ids that meet the filters."""
        refuse_unknown("delete_nodes", delete_kwargs, "node_ids and filters")
        if self.client is not None:
            self.client.delete(self._keys(node_ids, filters))

    def clear(self) -> None:
        """Delete every node."""
        if self.client is not None:
            self.client.delete(self.client.keys())

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Nodes by id, by filters, or both."""
        if self.client is None:
            return []
        return [metadata_dict_to_node(stored) for stored in self.client.get(self._keys(node_ids, filters)).documents]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """The nodes nearest to an embedding, with similarities: larger is nearer, also under "l2".

        Mode "text_search" ranks the nodes' texts by BM25 of query_str, and "hybrid" fuses both rankings: alpha, 0..1,
        is the weight of that by embedding, and hybrid_top_k is used in the place of similarity_top_k.

        kwargs: nprobe, rerank, min_score, max_distance and threads, as in `Index.search`."""
        unknown = {name: value for name, value in kwargs.items() if name not in _SETTINGS}
        refuse_unknown("query", unknown, ", ".join(_SETTINGS))
        if query.mode not in _MODES:
            raise ValueError(f"mode: expected default, mmr, hybrid or text_search, got {query.mode!r}")
        if self.client is None:
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        restricted = query.node_ids is not None or query.filters is not None
        keys = self._keys(query.node_ids, query.filters) if restricted else None
        where: Condition | None = None if query.doc_ids is None else OneOf(_REF_DOC, tuple(query.doc_ids))
        found = self.client.search(where=where, keys=keys, **_asked(query), **kwargs)
        nodes = [metadata_dict_to_node(stored) for stored in found.documents]
        distances = self.client.metric == "l2" and query.mode not in _BY_WORDS
        scores = [1 / (1 + float(s)) if distances else float(s) for s in found.scores]
        return VectorStoreQueryResult(nodes=nodes, similarities=scores, ids=found.keys)

    def _keys(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> list[Any]:
        assert self._opened is not None
        got = self._opened.get(None if node_ids is None else list(dict.fromkeys(node_ids)))
        if filters is None:
            return list(got.keys)
        return [key for key, values in zip(got.keys, got.metadata, strict=True) if _holds(filters, values)]


def _asked(query: VectorStoreQuery) -> dict[str, Any]:
    """The query as arguments of `Collection.search`."""
    asked: dict[str, Any] = {"q": query.query_embedding, "k": query.similarity_top_k}
    if query.mode == VectorStoreQueryMode.MMR:
        asked["diversity"] = 1 - (0.5 if query.mmr_threshold is None else query.mmr_threshold)
    if query.mode in _BY_WORDS:
        if query.query_str is None:
            raise ValueError(f"query_str: expected a text with mode {query.mode.value}, got None")
        asked["text"] = query.query_str
    if query.mode == VectorStoreQueryMode.TEXT_SEARCH:
        asked["q"] = None
    if query.mode == VectorStoreQueryMode.HYBRID:
        asked["k"] = query.hybrid_top_k or query.similarity_top_k
        asked["text_weight"] = 0.5 if query.alpha is None else 1 - query.alpha
    return asked


def _tokens(document: Any) -> Iterable[str]:
    """Of a query, or of the text of a stored node."""
    text = document if isinstance(document, str) else metadata_dict_to_node(document).get_content(MetadataMode.NONE)
    return words(text)


def _holds(filters: MetadataFilters, metadata: Mapping[str, Any]) -> bool:
    holds = [
        _holds(each, metadata)
        if isinstance(each, MetadataFilters)
        else build_metadata_filter_fn(lambda _: metadata, MetadataFilters(filters=[each]))("")
        for each in filters.filters
    ]
    if filters.condition == FilterCondition.NOT:
        return not any(holds)
    return any(holds) if filters.condition == FilterCondition.OR else all(holds)
