"""The modules for ann-benchmarks and VectorDBBench: every configuration answers through their interfaces."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from support.data import vectors

BENCH = Path(__file__).parents[3] / "bench"
X = vectors(3000, 16)
TRUTH = fb.exact_search(X, X[:50], 10, metric="cosine").ids

BASE = '''
class BaseANN:
    """What a module may leave out of ann-benchmarks' base class."""

    def done(self): ...
    def get_additional(self): return {}
    def __str__(self): return self.name
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module where ann-benchmarks has it: in a package beside `base`."""
    package = tmp_path / "algorithms"
    for name in ("base", "fewbits"):
        (package / name).mkdir(parents=True)
    (package / "base" / "module.py").write_text(BASE)
    shutil.copy(BENCH / "ann_benchmarks" / "module.py", package / "fewbits")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("algorithms.fewbits.module")
    for name in [name for name in sys.modules if name.partition(".")[0] == "algorithms"]:
        del sys.modules[name]


def test_ann_benchmarks(module: Any) -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    [entry] = yaml.safe_load((BENCH / "ann_benchmarks" / "config.yml").read_text())["float"]["any"]
    for group in entry["run_groups"].values():
        for argument in group["args"][0]:
            made = getattr(module, entry["constructor"])("angular", argument)
            made.fit(X)
            probes, depths = group["query_args"]
            recalls = []
            for setting in ((probes[0], depths[0]), (probes[-1], depths[-1])):
                made.set_query_arguments(*setting)
                made.batch_query(X[:50], 10)
                found = np.asarray(made.get_batch_results())
                np.testing.assert_array_equal(made.query(X[3], 10), found[3])
                recalls.append(np.mean([np.isin(true, ids).mean() for true, ids in zip(TRUTH, found, strict=True)]))
            assert recalls[0] < recalls[1]
            assert recalls[1] > 0.98
            assert 0 < made.get_memory_usage() < 1000
            assert "nprobe" in str(made)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("logs"))  # it logs to a file from its import on
        pytest.importorskip("vectordb_bench.backend.clients.api", reason="needs vectordb-bench")
    place = BENCH / "vectordb_bench" / "fewbits.py"
    spec = importlib.util.spec_from_file_location("fewbits_client", place)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # pydantic looks types up there
    spec.loader.exec_module(made)
    return made


def test_vectordb_bench(client: Any, tmp_path: Path) -> None:
    from vectordb_bench.backend.filter import IntFilter, LabelFilter, non_filter

    config = client.FewbitsConfig(path=str(tmp_path / "data")).to_dict()
    labels = ["label_50p" if row % 2 else "other" for row in range(len(X))]

    def made(drop_old: bool) -> Any:
        return client.Fewbits(
            16, config, client.FewbitsCaseConfig(), "vectors", drop_old=drop_old, with_scalar_labels=True
        )

    with (first := made(True)).init():
        for begin in range(0, len(X), 1000):
            part = slice(begin, begin + 1000)
            ids = list(range(len(X)))[part]
            assert first.insert_embeddings(X[part].tolist(), ids, labels_data=labels[part]) == (1000, None)
        count, error = first.insert_embeddings([[1.0]], [1])
        assert count == 0
        assert isinstance(error, ValueError)
        first.optimize(len(X))
    with (second := made(False)).init():  # as another process
        found = [second.search_embedding(query.tolist(), k=10) for query in X[:50]]
        assert np.mean([np.isin(true, ids).mean() for true, ids in zip(TRUTH, found, strict=True)]) > 0.98
        for filters, allowed in (
            (IntFilter(filter_rate=0.99, int_value=2970), lambda id: id >= 2970),
            (LabelFilter(0.5), lambda id: id % 2 == 1),
        ):
            assert second.filter_supported(filters)
            second.prepare_filter(filters)
            ids = second.search_embedding(X[0].tolist(), k=10)
            assert len(ids) == 10
            assert all(map(allowed, ids))
        second.prepare_filter(non_filter)
        assert second.search_embedding(X[0].tolist(), k=1) == [0]
    with pytest.raises(RuntimeError, match="init"):
        second.search_embedding(X[0].tolist())
    with (third := made(True)).init():
        assert third.search_embedding(X[0].tolist()) == []
