"""FewbitsVectorStore passes LangChain's own suite, and does what that does not ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("langchain_tests", reason="needs the extra integrations")
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from fewbits.integrations.langchain import FewbitsVectorStore

EMBEDDING = DeterministicFakeEmbedding(size=24)
TEXTS = [f"text {i}" for i in range(20)]
METADATA = [{"year": 2000 + i, "lang": "de" if i % 2 else "en"} for i in range(20)]


class TestSuite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[FewbitsVectorStore]:  # type: ignore[override]
        store = FewbitsVectorStore(self.get_embeddings(), tmp_path / "store")
        yield store
        if store.collection is not None:
            store.collection.close()


@pytest.fixture
def store() -> Iterator[FewbitsVectorStore]:
    made = FewbitsVectorStore.from_texts(TEXTS, EMBEDDING, METADATA, ids=[f"id{i}" for i in range(20)])
    yield made
    assert made.collection is not None
    made.collection.close()


def test_filters(store: FewbitsVectorStore) -> None:
    found = store.similarity_search("text 3", k=20, filter="year >= 2010 and lang = 'de'")
    assert {document.metadata["year"] for document in found} == {2011, 2013, 2015, 2017, 2019}
    same = store.similarity_search("text 3", k=20, filter={"lang": "de", "year": [2011, 2012, 2013]})
    assert {document.id for document in same} == {"id11", "id13"}
    with pytest.raises(ValueError, match="where"):
        store.similarity_search("text 3", filter="nothing = 1")


def test_scores_and_relevance(store: FewbitsVectorStore) -> None:
    [(document, score)] = store.similarity_search_with_score("text 3", k=1)
    assert document == Document(id="id3", page_content="text 3", metadata=METADATA[3])
    assert score == pytest.approx(1, abs=1e-3)
    for metric in ("cosine", "l2", "ip"):
        other = FewbitsVectorStore.from_texts(TEXTS, EMBEDDING, metric=metric)
        relevances = [relevance for _, relevance in other.similarity_search_with_relevance_scores("text 3", k=5)]
        assert relevances == sorted(relevances, reverse=True)
        assert 0 <= min(relevances) <= max(relevances) <= 1.001
        assert other.collection is not None
        other.collection.close()


def test_diverse_results(store: FewbitsVectorStore) -> None:
    nearest = store.max_marginal_relevance_search("text 3", k=3, lambda_mult=1.0)
    assert nearest == store.similarity_search("text 3", k=3)
    assert (
        len(store.max_marginal_relevance_search("text 3", k=3, fetch_k=1, lambda_mult=0.1, filter={"lang": "en"})) == 3
    )


def test_what_a_folder_holds_is_there_again(tmp_path: Path) -> None:
    first = FewbitsVectorStore(EMBEDDING, tmp_path / "a")
    assert first.similarity_search("x") == []
    assert first.get_by_ids(["a"]) == []
    assert first.add_texts([]) == []
    with pytest.raises(ValueError, match="one id and one metadata"):
        first.add_texts(["a"], ids=["1", "2"])
    first.add_texts(["a", "b", "again"], ids=["1", "2", "1"])
    assert first.collection is not None
    first.collection.close()
    second = FewbitsVectorStore(EMBEDDING, tmp_path / "a")
    assert [document.page_content for document in second.get_by_ids(["1", "2"])] == ["again", "b"]
    second.delete()
    assert second.similarity_search("a") == []
    assert second.collection is not None
    second.collection.close()


def test_a_folder_whose_making_was_killed(tmp_path: Path) -> None:
    (tmp_path / "collection.db").touch()
    store = FewbitsVectorStore(EMBEDDING, tmp_path)
    assert store.similarity_search("x") == []
    assert store.add_texts(["a"], ids=["1"]) == ["1"]
    assert store.collection is not None
    store.collection.close()


def test_from_texts_refuses_other_arguments() -> None:
    with pytest.raises(TypeError, match=r"from_texts: expected ids, path and metric, got the argument 'distance'"):
        FewbitsVectorStore.from_texts(TEXTS, EMBEDDING, distance="l2")


async def test_as_a_retriever(store: FewbitsVectorStore) -> None:
    retriever = store.as_retriever(search_kwargs={"k": 2, "filter": {"lang": "en"}})
    found = await retriever.ainvoke("text 4")
    assert found[0].id == "id4"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("add_texts", (["a"],)),
        ("add_documents", ([Document(page_content="a")],)),
        ("delete", (["id1"],)),
        ("similarity_search", ("text 3",)),
        ("similarity_search_with_score", ("text 3",)),
        ("similarity_search_by_vector", (EMBEDDING.embed_query("a"),)),
        ("max_marginal_relevance_search", ("text 3",)),
        ("max_marginal_relevance_search_by_vector", (EMBEDDING.embed_query("a"),)),
    ],
)
def test_unknown_arguments_are_refused_before_anything_changes(
    store: FewbitsVectorStore, method: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(TypeError, match="'namespace'"):
        getattr(store, method)(*arguments, namespace="x")
    assert store.collection is not None
    assert len(store.collection) == 20


def test_settings_of_the_index_have_an_effect(store: FewbitsVectorStore) -> None:
    assert len(store.similarity_search("text 3", k=20, min_score=0.99)) == 1
    with pytest.raises(ValueError, match="nprobe"):
        store.similarity_search("text 3", nprobe=4)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_words_count_too(metric: str) -> None:
    store = FewbitsVectorStore.from_texts(TEXTS, EMBEDDING, METADATA, metric=metric)
    best = store.similarity_search("what about 7", k=3, text_weight=1.0)
    assert best[0].page_content == "text 7"
    assert store.similarity_search("text 3", k=1, text_weight=0.5, filter={"year": 2005})[0].page_content == "text 5"
    vector = EMBEDDING.embed_query("text 3")
    found = store.similarity_search_by_vector(vector, k=2, text="7", fusion="minmax")
    assert {document.page_content for document in found} == {"text 3", "text 7"}
    scored = store.similarity_search_with_relevance_scores("text 3", k=5, text_weight=0.5)
    assert scored[0][0].page_content == "text 3"
    assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
    assert scored[0][1] == pytest.approx(1)
    with pytest.raises(ValueError, match="diversity"):
        store.max_marginal_relevance_search("text 3", text="7")
    assert store.collection is not None
    store.collection.close()
