"""The PyLate index: documents by name, ranked by Chamfer similarity; names and tokens agree after kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pylate.indexes.base", reason="needs pylate (the extra pylate)")

import fewbits as fb
from fewbits.integrations.pylate import FewbitsIndex
from support.data import vectors

TOKENS = vectors(1200, 16)
TOKENS /= np.linalg.norm(TOKENS, axis=1, keepdims=True)
DOCUMENTS = [TOKENS[6 * i : 6 * i + 6] for i in range(200)]
NAMES = [f"doc {i}" for i in range(200)]


@pytest.fixture
def index(tmp_path: Path) -> FewbitsIndex:
    made = FewbitsIndex(str(tmp_path), "notes")
    return made.add_documents(NAMES[:150], DOCUMENTS[:150]).add_documents(NAMES[150:], DOCUMENTS[150:], batch_size=9)


@pytest.mark.filterwarnings("ignore")
def test_searches_by_name(index: FewbitsIndex, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    expected = fb.chamfer(DOCUMENTS[:5], DOCUMENTS)
    for queries in (DOCUMENTS[:5], torch.tensor(np.stack(DOCUMENTS[:5])), np.stack(DOCUMENTS[:5])):
        for row, hits in enumerate(index(queries, k=3)):
            assert hits[0]["id"] == NAMES[row]
            assert hits[0]["score"] == pytest.approx(expected[row, row], rel=1e-2)
    assert index(DOCUMENTS[7], k=1)[0][0]["id"] == "doc 7"
    assert {hit["id"] for hit in index(DOCUMENTS[:1], k=9, subset=["doc 3", "doc 4", "none"])[0]} == {"doc 3", "doc 4"}
    each = index(DOCUMENTS[:2], k=9, subset=[["doc 3"], ["doc 4", "doc 5"]])
    assert [{hit["id"] for hit in hits} for hits in each] == [{"doc 3"}, {"doc 4", "doc 5"}]
    [[first], [second, third]] = index.get_documents_embeddings([["doc 9"], ["doc 1", "doc 0"]])
    for own, number in ((first, 9), (second, 1), (third, 0)):
        np.testing.assert_allclose(own, DOCUMENTS[number], atol=2e-2)
    with pytest.raises(ValueError, match="'none'"):
        index.get_documents_embeddings([["none"]])
    again = FewbitsIndex(str(tmp_path), "notes")
    assert again(DOCUMENTS[:5], k=3) == index(DOCUMENTS[:5], k=3)


@pytest.mark.filterwarnings("ignore")
def test_retrieves_for_pylate(index: FewbitsIndex) -> None:
    retrieve = pytest.importorskip("pylate.retrieve")
    found = retrieve.ColBERT(index=index).retrieve(queries_embeddings=DOCUMENTS[:3], k=2)
    assert [hits[0]["id"] for hits in found] == NAMES[:3]


@pytest.mark.filterwarnings("ignore")
def test_documents_are_replaced_and_removed(index: FewbitsIndex, tmp_path: Path) -> None:
    index.add_documents(["doc 3", "new"], [DOCUMENTS[0] * -1, DOCUMENTS[3]])
    index.remove_documents(["doc 0", "absent", "doc 0"])
    for each in (index, FewbitsIndex(str(tmp_path), "notes")):
        assert each(DOCUMENTS[3], k=1)[0][0]["id"] == "new"
        assert each(DOCUMENTS[0] * -1, k=1)[0][0]["id"] == "doc 3"
        assert "doc 0" not in {hit["id"] for hit in each(DOCUMENTS[0], k=500)[0]}
        assert len(each(DOCUMENTS[0], k=500)[0]) == 200
    for wrong in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="documents_ids"):
            index.add_documents(wrong, DOCUMENTS[:2])
    with pytest.raises(ValueError, match="documents"):
        index.add_documents(["a"], [DOCUMENTS[0][:, :3]])
    assert len(FewbitsIndex(str(tmp_path), "notes", override=True)._names) == 0
    with pytest.raises(ValueError, match="empty"):
        FewbitsIndex(str(tmp_path), "notes")(DOCUMENTS[0])


WRITER = """
import os, signal, sys
import numpy as np
from fewbits.multivector.index import MultiVectorIndex
from fewbits.integrations.pylate import FewbitsIndex
tokens = np.random.default_rng(0).normal(size=(30, 4, 16)).astype(np.float32)
index = FewbitsIndex(sys.argv[1], "a")
calls = 0
def dying(sync):
    def wrapped(self, path):
        global calls
        calls += 1
        if calls == 3 and sys.argv[2] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        sync(self, path)
        if calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
    return wrapped
MultiVectorIndex.sync = dying(MultiVectorIndex.sync)
for i in range(0, 30, 5):
    index.add_documents([f"d{j}" for j in range(i, i + 5)], tokens[i:i + 5])
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("when", ["before", "after"])
def test_names_and_tokens_agree_after_a_kill(tmp_path: Path, when: str) -> None:
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", WRITER, str(tmp_path), when]).returncode == -9
    tokens = np.random.default_rng(0).normal(size=(30, 4, 16)).astype(np.float32)
    index = FewbitsIndex(str(tmp_path), "a")
    n = 10 if when == "before" else 15
    assert sorted(index._ids) == sorted(f"d{i}" for i in range(n))
    index.add_documents(["more"], tokens[20:21])
    again: Any = FewbitsIndex(str(tmp_path), "a")
    for i in (0, n - 1):
        assert again(tokens[i], k=1)[0][0]["id"] == f"d{i}"
    assert again(tokens[20], k=1)[0][0]["id"] == "more"
