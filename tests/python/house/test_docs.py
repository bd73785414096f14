"""Docstrings of public names: their sections are there, and their examples run."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors


def public() -> Iterator[tuple[str, Any]]:
    """Functions, classes and their methods, by name."""
    owners = {name: getattr(fb, name) for name in fb.__all__}
    owners |= {f"train.{name}": getattr(fb.train, name) for name in fb.train.__all__}
    owners |= {f"shards.{name}": getattr(fb.shards, name) for name in fb.shards.__all__}
    for name, member in owners.items():
        if (
            not callable(member)
            or "_core" in member.__module__
            or (isinstance(member, type) and issubclass(member, Exception))
        ):
            continue
        yield name, member
        if isinstance(member, type):
            for own, value in inspect.getmembers(member, callable):  # inherited ones too
                if not own.startswith("_") and getattr(value, "__module__", "").startswith("fewbits"):
                    yield f"{name}.{own}", value


PUBLIC = dict(public())
INSIDE = {
    "fit",
    "check",
    "arranged",
    "rotation",
    "need",
    "out_dim",
    "bytes_per_vector",
    "code_bits",
    "eta",
    "fitted",
    "lists",
}
INSIDE |= {
    "rotates_for",
    "sample_size",
    "least_sample",
    "describe",
    "of",
    "of_queries",
    "of_documents",
    "dims_of",
    "restored",
    "spill_rule",
    "arrays",
}  # what parts are asked by the package
NAMES = [name for name in PUBLIC if name.split(".")[-1] not in INSIDE]


def has(text: str, section: str) -> bool:
    return f"\n{section}\n---" in text


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_have_their_sections(name: str) -> None:
    member = PUBLIC[name]
    text = inspect.getdoc(member) or ""
    assert text, f"{name} has no docstring"
    signature = inspect.signature(member)
    takes = [each for each in signature.parameters if each != "self"]
    if isinstance(member, type):
        returned = issubclass(member, tuple) or (is_dataclass(member) and member.__module__.startswith("fewbits.train"))
        assert not takes or has(text, "Attributes" if returned else "Parameters")
        return
    assert not takes or has(text, "Parameters"), f"{name} takes {takes}"
    assert signature.return_annotation in ("None", None) or has(text, "Returns"), f"{name} returns something"


@pytest.fixture(scope="module")
def example_data() -> dict[str, Any]:
    x = vectors(2000, 16)
    index = fb.Index(16, metric="cosine", partition=fb.IVF(16), codec=fb.PQ(8, bits=4), rerank=fb.Scalar(8))
    documents = [x[i : i + 8] for i in range(0, 800, 8)]
    return {
        "x": x,
        "sparse": [{int(term): 1.0 for term in row} for row in np.abs(x[:50] * 4).astype(int)],
        "more": vectors(50, 16, seed=2),
        "queries": vectors(40, 16, seed=1),
        "years": np.random.default_rng(0).integers(2000, 2026, len(x)),
        "qrels": np.array([[query, query, 1] for query in range(40)]),
        "documents": documents,
        "train_queries": vectors(300, 16, seed=3),
        "positives": [np.array([query, query + 1000]) for query in range(300)],
        "query_sets": [x[i : i + 4] for i in range(0, 40, 4)],
        "saved": index.build(x, progress=False).to_bytes(),
        "empty": fb.Index(16, metric="l2", codec=fb.Scalar(8)).train(x, progress=False).to_bytes(),
        "ubinary": np.packbits(x > 0, axis=1),
        "documents_saved": fb.MultiVectorIndex(16).build(documents, progress=False).to_bytes(),
    }


EXAMPLES = {name: member for name, member in PUBLIC.items() if ">>>" in (member.__doc__ or "")}


def test_what_users_meet_first_has_examples() -> None:
    first = {"Index", "Filter", "SearchResult", "build", "open", "tune", "recall", "evaluate", "merge", "exact_search"}
    first |= {"Float", "Scalar", "PQ", "RaBitQ", "RecurrentBinary", "IVF", "PCA", "LeanVec", "OPQ"}
    first |= {"RandomRotation", "Chain"}
    first |= {f"Index.{name}" for name in ("train", "add", "build", "search", "remove", "compact", "save", "stats")}
    first |= {f"MultiVectorIndex{name}" for name in ("", ".add", ".build", ".search", ".reconstruct")}
    assert first <= set(EXAMPLES)


@pytest.mark.filterwarnings("ignore:.*fewer than.*:UserWarning", "ignore:.*no clear gain.*:UserWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str, example_data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wiki.fb").write_bytes(example_data["saved"])
    (tmp_path / "empty.fb").write_bytes(example_data["empty"])
    given = {**example_data, "fb": fb, "np": np, "index": fb.Index.from_bytes(example_data["saved"])}
    if "other." in (EXAMPLES[name].__doc__ or ""):
        given["other"] = fb.Index.from_bytes(example_data["saved"])
    if "documents_index" in (EXAMPLES[name].__doc__ or ""):
        given["documents_index"] = fb.MultiVectorIndex.from_bytes(example_data["documents_saved"])
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(EXAMPLES[name]) or "", given, name, None, 0)
    failures: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_the_version_is_the_same_everywhere() -> None:
    root = Path(__file__).parents[3]

    def first(file: str, begin: str) -> str:
        lines = (root / file).read_text().splitlines()
        return next(line.removeprefix(begin) for line in lines if line.startswith(begin))

    assert first("pyproject.toml", "version = ") == f'"{fb.__version__}"'
    changes = first("CHANGELOG.md", "## ")
    assert changes == f"{fb.__version__} - {first('CITATION.cff', 'date-released: ')}"
    assert first("CITATION.cff", "version: ") == fb.__version__
    assert f"at present this is {fb.__version__.rpartition('.')[0]}." in (root / "SECURITY.md").read_text()
