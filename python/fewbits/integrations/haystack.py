"""A document store for Haystack, over `fb.Collection`: `pip install 'fewbits[haystack]'`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from haystack import Document, default_from_dict, default_to_dict
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter

from ..collection.collection import Collection
from ..sparse.bm25 import words

Filters = dict[str, Any] | None


class FewbitsDocumentStore:
    """A Haystack document store in a folder.

    Documents keep their embeddings as they are; those without are found by filters only. Filters are evaluated by
    Haystack's own function, document by document.

    Parameters
    ----------
    path : str
        The folder of an `fb.Collection`, which is made if there is none.
    embedding_dim : int
        Dimensions of the embeddings.
    metric : {"cosine", "l2", "ip"}
        Of `embedding_retrieval`.

    Examples
    --------
    >>> store = FewbitsDocumentStore("notes", embedding_dim=384)  # doctest: +SKIP
    >>> store.write_documents([Document(content="first", embedding=vector)])  # doctest: +SKIP
    >>> store.embedding_retrieval(vector, top_k=1)  # doctest: +SKIP
    """

    def __init__(self, path: str, embedding_dim: int = 768, metric: str = "cosine") -> None:
        self._settings = {"path": path, "embedding_dim": embedding_dim, "metric": metric}
        self.collection = Collection(path, dim=embedding_dim, metric=metric, tokenizer=_tokens)

    def to_dict(self) -> dict[str, Any]:
        """The settings, for pipelines."""
        made: dict[str, Any] = default_to_dict(self, **self._settings)
        return made

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FewbitsDocumentStore:
        """A store of the settings that `to_dict` returned."""
        made: FewbitsDocumentStore = default_from_dict(cls, data)
        return made

    def count_documents(self) -> int:
        """How many documents there are."""
        return len(self.collection)

    def filter_documents(self, filters: Filters = None) -> list[Document]:
        """The documents that meet the filters; all of them without."""
        _check(filters)
        documents = [Document.from_dict(stored) for stored in self.collection.get().documents]
        return [each for each in documents if not filters or document_matches_filter(filters, each)]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write documents; returns how many were written. policy: what to do with ids that are there (NONE: fail)."""
        if not isinstance(documents, list) or any(not isinstance(each, Document) for each in documents):
            raise ValueError(f"documents: expected a list of Document, got {documents!r}")
        if policy == DuplicatePolicy.OVERWRITE:
            self.collection.upsert(**_items({each.id: each for each in documents}.values()))
            return len(documents)
        while True:
            chosen = self._new(documents, skip=policy == DuplicatePolicy.SKIP)
            try:
                self.collection.add(**_items(chosen.values()))
                return len(chosen)
            except ValueError:
                if not self._known(chosen):  # otherwise another process has just written some of them
                    raise

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete the documents of these ids; others are ignored."""
        self.collection.delete(document_ids)

    def delete_all_documents(self) -> None:
        """Delete every document."""
        self.collection.delete(self.collection.keys())

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete the documents that meet the filters; returns how many."""
        return self.collection.delete([each.id for each in self.filter_documents(filters)])

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Merge meta into that of the documents that meet the filters; returns how many."""
        found = self.filter_documents(filters)
        for each in found:
            each.meta.update(meta)
        self.collection.upsert(**_items(found))
        return len(found)

    def embedding_retrieval(
        self, query_embedding: list[float], filters: Filters = None, top_k: int = 10, return_embedding: bool = True
    ) -> list[Document]:
        """The top_k documents nearest to an embedding among those that meet the filters, with scores."""
        return self._found(filters, top_k, return_embedding, q=query_embedding)

    def bm25_retrieval(
        self, query: str, filters: Filters = None, top_k: int = 10, return_embedding: bool = True
    ) -> list[Document]:
        """The top_k documents whose contents BM25 ranks first for a text, with scores."""
        return self._found(filters, top_k, return_embedding, text=query)

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: list[float],
        filters: Filters = None,
        top_k: int = 10,
        return_embedding: bool = True,
        text_weight: float = 0.5,
    ) -> list[Document]:
        """The top_k documents by embedding and BM25, whose scores are fused; text_weight, 0..1: of BM25."""
        return self._found(filters, top_k, return_embedding, q=query_embedding, text=query, text_weight=text_weight)

    def _found(self, filters: Filters, k: int, return_embedding: bool, **asked: Any) -> list[Document]:
        keys = [each.id for each in self.filter_documents(filters)] if filters else None
        found = self.collection.search(k=k, keys=keys, **asked)
        fields = [stored | ({} if return_embedding else {"embedding": None}) for stored in found.documents]
        scores = map(float, found.scores)
        return [Document.from_dict(stored | {"score": s}) for stored, s in zip(fields, scores, strict=True)]

    def _new(self, documents: list[Document], *, skip: bool) -> dict[str, Document]:
        """Those whose ids are not there, by id."""
        known = self._known(each.id for each in documents)
        chosen: dict[str, Document] = {}
        for each in documents:
            if each.id not in known and each.id not in chosen:
                chosen[each.id] = each
            elif not skip:
                raise DuplicateDocumentError(f"ID '{each.id}' already exists.")
        return chosen

    def _known(self, ids: Iterable[str]) -> set[Any]:
        return set(self.collection.get(list(dict.fromkeys(ids))).keys)


def _tokens(document: Any) -> Iterable[str]:
    """Of a query, or of a stored document."""
    return words(document if isinstance(document, str) else document["content"] or "")


def _items(documents: Iterable[Document]) -> dict[str, Any]:
    """As arguments of `Collection.add`."""
    own = list(documents)
    return {
        "keys": [each.id for each in own],
        "vectors": [each.embedding for each in own],
        "documents": [each.to_dict(flatten=False) for each in own],
    }


def _check(filters: Filters) -> None:
    if filters and not ("operator" in filters and ("conditions" in filters or "field" in filters)):
        raise FilterError(f"filters: expected a condition with operator and field or conditions, got {filters!r}")
