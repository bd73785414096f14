"""FewbitsVectorStore for LlamaIndex: nodes come back as they were, by id, filter and embedding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra integrations")
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery, VectorStoreQueryMode

from fewbits.integrations.llama_index import FewbitsVectorStore
from support.data import vectors

X = vectors(30, 8)
NODES = [
    TextNode(
        id_=f"n{i}",
        text=f"text {i}",
        embedding=X[i].tolist(),
        metadata={"i": i, "tags": ["even" if i % 2 == 0 else "odd", "all"], "name": f"Name {i}"},
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"doc{i // 10}")},
    )
    for i in range(30)
]


@pytest.fixture(params=["cosine", "l2"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FewbitsVectorStore]:
    made = FewbitsVectorStore(str(tmp_path / "store"), metric=request.param)
    assert made.query(VectorStoreQuery(query_embedding=X[0].tolist())).ids == []
    assert made.get_nodes() == []
    assert made.add(NODES) == [node.node_id for node in NODES]
    yield made
    made.client.close()


def test_nodes_come_back(store: FewbitsVectorStore) -> None:
    found = store.query(VectorStoreQuery(query_embedding=X[4].tolist(), similarity_top_k=3))
    assert found.ids[0] == "n4"
    assert found.nodes[0].text == "text 4"
    assert found.nodes[0].metadata == NODES[4].metadata
    assert found.nodes[0].ref_doc_id == "doc0"
    assert found.similarities == sorted(found.similarities, reverse=True)
    assert [node.node_id for node in store.get_nodes(["n3", "none", "n2"])] == ["n3", "n2"]
    diverse = VectorStoreQuery(query_embedding=X[4].tolist(), similarity_top_k=3, mode=VectorStoreQueryMode.MMR)
    assert len(store.query(diverse).ids) == 3
    with pytest.raises(ValueError, match="mode"):
        store.query(VectorStoreQuery(query_embedding=X[4].tolist(), mode=VectorStoreQueryMode.SPARSE))


FILTERS: list[tuple[str, Any, Any]] = [
    ("==", 5, lambda i: i == 5),
    ("!=", 5, lambda i: i != 5),
    (">", 5, lambda i: i > 5),
    (">=", 5, lambda i: i >= 5),
    ("<", 5, lambda i: i < 5),
    ("<=", 5, lambda i: i <= 5),
    ("in", [1, 2, 99], lambda i: i in (1, 2)),
    ("nin", [1, 2, 99], lambda i: i not in (1, 2)),
]
OTHERS: list[tuple[str, str, Any, Any]] = [
    ("tags", "any", ["even", "none"], lambda i: i % 2 == 0),
    ("tags", "all", ["all", "odd"], lambda i: i % 2 == 1),
    ("tags", "contains", "odd", lambda i: i % 2 == 1),
    ("name", "text_match", "Name 1", lambda i: str(i).startswith("1")),
    ("name", "text_match_insensitive", "name 1", lambda i: str(i).startswith("1")),
    ("absent", "is_empty", None, lambda i: True),
]


@pytest.mark.parametrize(
    ("key", "operator", "value", "holds"), [*(("i", *row) for row in FILTERS), *OTHERS], ids=lambda part: str(part)
)
def test_filters(store: FewbitsVectorStore, key: str, operator: str, value: Any, holds: Any) -> None:
    one = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
    expected = {f"n{i}" for i in range(30) if holds(i)}
    assert {node.node_id for node in store.get_nodes(filters=one)} == expected
    query = VectorStoreQuery(query_embedding=X[4].tolist(), similarity_top_k=30, filters=one)
    assert set(store.query(query).ids) == expected
    nested = MetadataFilters(filters=[one, MetadataFilter(key="i", operator="<", value=20)], condition="and")
    assert {node.node_id for node in store.get_nodes(filters=nested)} == {f"n{i}" for i in range(20) if holds(i)}
    neither = MetadataFilters(filters=[one], condition="not")
    assert {node.node_id for node in store.get_nodes(filters=neither)} == {f"n{i}" for i in range(30)} - expected


def test_texts_are_searched_by_words_too(store: FewbitsVectorStore) -> None:
    def ids(**asked: Any) -> list[str]:
        return list(store.query(VectorStoreQuery(query_embedding=X[4].tolist(), **asked)).ids)

    hybrid = VectorStoreQueryMode.HYBRID
    assert ids(query_str="the text 7", mode=VectorStoreQueryMode.TEXT_SEARCH, similarity_top_k=1) == ["n7"]
    assert ids(query_str="7", mode=hybrid, hybrid_top_k=2, similarity_top_k=9, alpha=0.0)[0] == "n7"
    assert set(ids(query_str="7", mode=hybrid, similarity_top_k=2)) == {"n4", "n7"}
    assert ids(query_str="7", mode=hybrid, similarity_top_k=1, alpha=1.0) == ["n4"]
    odd = MetadataFilters(filters=[MetadataFilter(key="i", value=9)])
    assert ids(query_str="text", mode=hybrid, filters=odd) == ["n9"]
    with pytest.raises(ValueError, match="query_str"):
        ids(mode=hybrid)


def test_a_folder_whose_making_was_killed(tmp_path: Path) -> None:
    (tmp_path / "collection.db").touch()
    store = FewbitsVectorStore(str(tmp_path))
    assert store.get_nodes() == []
    store.add(NODES[:3])
    assert len(store.get_nodes()) == 3
    assert store.client is not None
    store.client.close()


def test_deletions(store: FewbitsVectorStore) -> None:
    store.delete("doc1")
    assert {node.ref_doc_id for node in store.get_nodes()} == {"doc0", "doc2"}
    of_documents = VectorStoreQuery(query_embedding=X[4].tolist(), similarity_top_k=30, doc_ids=["doc2"])
    assert len(store.query(of_documents).ids) == 10
    store.delete_nodes(["n0", "n1"])
    store.delete_nodes(filters=MetadataFilters(filters=[MetadataFilter(key="i", operator=">=", value=25)]))
    assert len(store.get_nodes()) == 13
    store.clear()
    assert store.get_nodes() == []


def test_unknown_arguments_are_refused_before_anything_changes(store: FewbitsVectorStore) -> None:
    query = VectorStoreQuery(query_embedding=X[4].tolist(), similarity_top_k=3)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("add", (NODES[:1],)),
        ("delete", ("doc0",)),
        ("delete_nodes", (["n1"],)),
        ("query", (query,)),
    ]
    for method, arguments in calls:
        with pytest.raises(TypeError, match="'namespace'"):
            getattr(store, method)(*arguments, namespace="x")
    assert len(store.client) == len(NODES)
    with pytest.raises(ValueError, match="nprobe"):
        store.query(query, nprobe=4)
