"""A vector store for LangChain, over `fb.Collection`: `pip install 'fewbits[langchain]'`."""

from __future__ import annotations

import math
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from ..collection.collection import Collection
from ..collection.result import Hits
from ..collection.where import Condition, all_equal
from ..file.places import Path as AnyPath
from ..input.checks import metric_name
from .arguments import refuse_unknown

Filter = str | dict[str, Any] | None
_HYBRID = ("text_weight", "fusion")
_SETTINGS = ("text", *_HYBRID, "diversity", "candidates", "nprobe", "rerank", "min_score", "max_distance", "threads")


class FewbitsVectorStore(VectorStore):
    """A LangChain vector store in a folder.

    Parameters
    ----------
    embedding : Embeddings
        What turns texts into vectors.
    path : str, bytes or os.PathLike, optional
        The folder of an `fb.Collection`, which is made by the first texts. None: a temporary folder, which disappears
        with the store.
    metric : {"cosine", "l2", "ip"}
        Of a new collection.

    Examples
    --------
    >>> from fewbits.integrations.langchain import FewbitsVectorStore  # doctest: +SKIP
    >>> store = FewbitsVectorStore(embedding=embedding, path="notes")  # doctest: +SKIP
    >>> store.add_texts(["first", "second"], [{"year": 2021}, {"year": 2019}])  # doctest: +SKIP
    >>> store.similarity_search("first", k=1, filter="year >= 2020")  # doctest: +SKIP
    """

    def __init__(self, embedding: Embeddings, path: AnyPath | None = None, *, metric: str = "cosine") -> None:
        self._embedding = embedding
        self._metric = metric_name(metric)
        self._path = path if path is not None else _temporary(self)
        self._opened: Collection | None = None

    @property
    def embeddings(self) -> Embeddings:
        """What turns texts into vectors."""
        return self._embedding

    @property
    def collection(self) -> Collection | None:
        """The collection; None before there are texts."""
        if self._opened is None:
            try:
                self._opened = Collection(self._path)
            except FileNotFoundError:
                return None
        return self._opened

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, in place of those that have the same ids; returns the ids."""
        refuse_unknown("add_texts", kwargs, "texts, metadatas and ids")
        own = list(texts)
        given = [None] * len(own) if ids is None else list(ids)
        keys = [str(uuid.uuid4()) if id is None else id for id in given]
        if not own:
            return []
        vectors = self._embedding.embed_documents(own)
        last = {key: row for row, key in enumerate(keys)}  # of an id that is there twice the last text counts
        rows = sorted(last.values())
        if len(keys) != len(own) or (metadatas is not None and len(metadatas) != len(own)):
            raise ValueError(f"expected one id and one metadata per text ({len(own)}), got {len(keys)} ids")
        collection = self.collection or self._made(len(vectors[0]))
        collection.upsert(
            keys=[keys[row] for row in rows],
            vectors=[vectors[row] for row in rows],
            documents=[own[row] for row in rows],
            metadata=None if metadatas is None else [metadatas[row] for row in rows],
        )
        return keys

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Delete the texts of these ids; of all, without ids."""
        refuse_unknown("delete", kwargs, "ids")
        if self.collection is not None:
            self.collection.delete(self.collection.keys() if ids is None else ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of these ids, without those that there are not."""
        if self.collection is None:
            return []
        got = self.collection.get(list(dict.fromkeys(ids)))
        return _documents(got.keys, got.documents, got.metadata)

    def similarity_search(self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The k documents nearest to a text. filter: as `where` of `Collection.search`, or a dict of equal values.

        kwargs, of this and the other searches: nprobe, rerank, min_score, max_distance and threads; for hybrid search
        of vectors and words text_weight (0..1) or fusion, and candidates; by a vector text as well."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter, **kwargs)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """The k documents nearest to a vector."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, filter, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a text, with scores of the collection's metric, or fused scores."""
        if any(name in kwargs for name in _HYBRID):
            kwargs = {"text": query, **kwargs}
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, filter, **kwargs)

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The k documents nearest to a vector, with scores of the collection's metric."""
        found = self._search(embedding, k, filter, **kwargs)
        documents = _documents(found.keys, found.documents, found.metadata)
        return list(zip(documents, map(float, found.scores), strict=True))

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """k documents near a text and unlike each other (lambda_mult 1: near, 0: unlike), of the fetch_k nearest."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The same for a vector."""
        found = self._search(embedding, k, filter, diversity=1 - lambda_mult, candidates=max(k, fetch_k), **kwargs)
        return _documents(found.keys, found.documents, found.metadata)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[Any, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        path: AnyPath | None = None,
        metric: str = "cosine",
        **kwargs: Any,
    ) -> FewbitsVectorStore:
        """A store of these texts."""
        refuse_unknown("from_texts", kwargs, "ids, path and metric")
        store = cls(embedding, path, metric=metric)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    # --- inside ---

    def _made(self, dim: int) -> Collection:
        self._opened = Collection(self._path, dim=dim, metric=self._metric)
        return self._opened

    def _search(self, embedding: list[float], k: int, filter: Filter, **settings: Any) -> Hits:
        unknown = {name: value for name, value in settings.items() if name not in _SETTINGS}
        refuse_unknown("search", unknown, ", ".join(_SETTINGS))
        if self.collection is None:
            return Hits([], [], [], [])
        where: str | Condition | None = all_equal(filter) if isinstance(filter, dict) else filter
        return self.collection.search(embedding, k, where, **settings)

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        if "text" in kwargs or any(name in kwargs for name in _HYBRID):  # fused scores: larger is better
            return self.similarity_search_with_score(query, k, **kwargs)
        found: list[tuple[Document, float]] = super()._similarity_search_with_relevance_scores(query, k, **kwargs)
        return found

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        metric = self._metric if self.collection is None else self.collection.metric
        if metric == "l2":
            return lambda distance: 1 / (1 + math.sqrt(distance))
        return (lambda score: (1 + score) / 2) if metric == "cosine" else (lambda score: 1 / (1 + math.exp(-score)))


def _temporary(store: FewbitsVectorStore) -> Path:
    """A folder that disappears with the store."""
    folder = tempfile.mkdtemp(prefix="fewbits-")
    weakref.finalize(store, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder) / "store"


def _documents(keys: list[Any], documents: list[Any], metadata: list[dict[str, Any]]) -> list[Document]:
    return [
        Document(id=str(key), page_content=text or "", metadata=values)
        for key, text, values in zip(keys, documents, metadata, strict=True)
    ]
