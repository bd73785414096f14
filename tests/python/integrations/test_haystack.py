"""FewbitsDocumentStore passes Haystack's own suite, and retrieves by embedding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("haystack", reason="needs the extra integrations")
from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
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


def test_retrieval_by_words(tmp_path: Path) -> None:
    store = FewbitsDocumentStore(str(tmp_path / "a"), embedding_dim=8)
    documents = [
        Document(id=str(i), content=f"number d{i}", embedding=X[i].tolist(), meta={"i": i, "note": "d3"})
        for i in range(30)
    ]
    store.write_documents([*documents, Document(id="none")])
    assert [found.id for found in store.bm25_retrieval("which d3", top_k=5)] == ["3"]
    some = store.bm25_retrieval("number", {"field": "meta.i", "operator": "<", "value": 4}, return_embedding=False)
    assert {found.id for found in some} == set("0123")
    assert {found.embedding for found in some} == {None}
    both = store.hybrid_retrieval("d3", X[5].tolist(), top_k=2)
    assert {found.id for found in both} == {"3", "5"}
    assert store.hybrid_retrieval("d3", X[5].tolist(), top_k=1, text_weight=0.2)[0].id == "5"
    store.collection.close()


POLICIES = [DuplicatePolicy.NONE, DuplicatePolicy.FAIL, DuplicatePolicy.SKIP, DuplicatePolicy.OVERWRITE]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_a_document_that_another_process_writes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: DuplicatePolicy
) -> None:
    store, other = (FewbitsDocumentStore(str(tmp_path / "a"), embedding_dim=8) for _ in range(2))
    get, put = store.collection.get, other.collection.add

    def then_the_other(*arguments: Any, **settings: Any) -> Any:
        found = get(*arguments, **settings)
        monkeypatch.undo()
        put(keys=["1"], vectors=None, documents=[Document(id="1", content="other").to_dict(flatten=False)])
        return found

    monkeypatch.setattr(store.collection, "get", then_the_other)
    if policy == DuplicatePolicy.OVERWRITE:
        monkeypatch.undo()
        other.write_documents([Document(id="1", content="other")])
    documents = [Document(id="1", content="mine"), Document(id="2", content="new")]
    if policy in (DuplicatePolicy.NONE, DuplicatePolicy.FAIL):
        with pytest.raises(DuplicateDocumentError, match="'1' already exists"):
            store.write_documents(documents, policy)
        expected = {"1": "other"}
    elif policy == DuplicatePolicy.SKIP:
        assert store.write_documents(documents, policy) == 1
        expected = {"1": "other", "2": "new"}
    else:
        assert store.write_documents(documents, policy) == 2
        expected = {"1": "mine", "2": "new"}
    assert {each.id: each.content for each in store.filter_documents()} == expected
    for each in (store, other):
        each.collection.close()


def test_other_errors_of_writing_are_raised(tmp_path: Path) -> None:
    store = FewbitsDocumentStore(str(tmp_path / "a"), embedding_dim=8)
    with pytest.raises(ValueError, match="expected shape"):
        store.write_documents([Document(id="1", embedding=[1.0, 2.0])])
    assert store.count_documents() == 0
    store.collection.close()
