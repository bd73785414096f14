"""FewbitsDocumentStore passes Haystack's own suite, and retrieves by embedding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("haystack", reason="needs the extra integrations")
from haystack import Document
from haystack.testing.document_store import DocumentStoreBaseExtendedTests

from fewbits.integrations.haystack import FewbitsDocumentStore
from support.data import vectors

X = vectors(30, 8)


class TestSuite(DocumentStoreBaseExtendedTests):
    @pytest.fixture
    def document_store(self, tmp_path: Path) -> Iterator[FewbitsDocumentStore]:
        store = FewbitsDocumentStore(str(tmp_path / "store"))
        yield store
        store.collection.close()

    def test_write_documents(self, document_store: FewbitsDocumentStore) -> None:
        documents = [Document(content="a"), Document(content="b")]
        assert document_store.write_documents(documents) == 2
        assert document_store.filter_documents() == documents


def test_retrieval(tmp_path: Path) -> None:
    store = FewbitsDocumentStore(str(tmp_path / "a"), embedding_dim=8, metric="l2")
    documents = [Document(id=str(i), content=f"d{i}", embedding=X[i].tolist(), meta={"i": i}) for i in range(30)]
    store.write_documents([*documents, Document(id="none", content="without")])
    found = store.embedding_retrieval(X[3].tolist(), top_k=2)
    assert found[0].id == "3"
    assert found[0].embedding == X[3].tolist()
    assert found[0].score == pytest.approx(0, abs=1e-2)
    some = store.embedding_retrieval(
        X[3].tolist(), {"field": "meta.i", "operator": ">=", "value": 20}, 50, return_embedding=False
    )
    assert {document.meta["i"] for document in some} == set(range(20, 30))
    assert {document.embedding for document in some} == {None}
    settings = store.to_dict()
    store.collection.close()
    again = FewbitsDocumentStore.from_dict(settings)
    assert again.count_documents() == 31
    again.collection.close()
