"""fewbits in VectorDBBench 2: a client over fb.Collection.

Copy this file there as vectordb_bench/backend/clients/fewbits/fewbits.py and name its three classes in the enumeration
`DB` of vectordb_bench/backend/clients/__init__.py, as those of the other clients.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from vectordb_bench.backend.clients.api import DBCaseConfig, DBConfig, MetricType, VectorDB
from vectordb_bench.backend.filter import Filter, FilterOp
from vectordb_bench.backend.payload import PayloadProfile

import fewbits as fb

_METRICS = {MetricType.L2: "l2", MetricType.IP: "ip", MetricType.COSINE: "cosine"}


class FewbitsConfig(DBConfig):
    """The folder that has a collection per data set."""

    path: str = "fewbits-collections"

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path}


class FewbitsCaseConfig(BaseModel, DBCaseConfig):
    metric_type: MetricType = MetricType.COSINE

    def index_param(self) -> dict[str, Any]:
        return {"metric": _METRICS[self.metric_type]}

    def search_param(self) -> dict[str, Any]:
        return {}


class Fewbits(VectorDB):
    """Keys are the ids; an id is also a column of the metadata, as a label is, so that both can be filtered by."""

    name = "fewbits"
    supported_filter_types = (FilterOp.NonFilter, FilterOp.NumGE, FilterOp.StrEqual)

    def __init__(
        self,
        dim: int,
        db_config: dict[str, Any],
        db_case_config: FewbitsCaseConfig,
        collection_name: str = "vectors",
        drop_old: bool = False,
        with_scalar_labels: bool = False,
        **others: Any,
    ) -> None:
        self._path = Path(db_config["path"]) / collection_name
        self._with_labels = with_scalar_labels
        self._where: str | None = None
        self._collection: fb.Collection | None = None
        if drop_old:
            shutil.rmtree(self._path, ignore_errors=True)
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fb.Collection(self._path, dim=dim, **db_case_config.index_param()).close()

    @contextmanager
    def init(self) -> Iterator[None]:
        self._collection = fb.Collection(self._path)
        try:
            yield
        finally:
            self._collection.close()
            self._collection = None

    def insert_embeddings(
        self,
        embeddings: list[list[float]],
        metadata: list[int],
        labels_data: list[str] | None = None,
        tenant_labels_data: list[str] | None = None,
        **others: Any,
    ) -> tuple[int, Exception | None]:
        columns = [{"id": int(id)} for id in metadata]
        if self._with_labels and labels_data is not None:
            columns = [{**column, "label": label} for column, label in zip(columns, labels_data, strict=True)]
        try:
            self._opened.upsert(keys=[int(id) for id in metadata], vectors=embeddings, metadata=columns)
        except Exception as error:  # the bench counts and reports it
            return 0, error
        return len(metadata), None

    def optimize(self, data_size: int | None = None) -> None:
        self._opened.compact()

    def prepare_filter(self, filters: Filter) -> None:
        if filters.type == FilterOp.NonFilter:
            self._where = None
        elif filters.type == FilterOp.NumGE:
            self._where = f"id >= {filters.int_value}"
        else:
            self._where = f"label = '{filters.label_value}'"

    def search_embedding(
        self,
        query: list[float],
        k: int = 100,
        payload_profile: PayloadProfile = PayloadProfile.IDS_ONLY,
        tenant: str | None = None,
    ) -> list[int]:
        return self._opened.search(query, k=k, where=self._where).keys

    @property
    def _opened(self) -> fb.Collection:
        if self._collection is None:
            raise RuntimeError("expected a client inside `with client.init()`")
        return self._collection
