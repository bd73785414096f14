"""The surface: specs that refuse nonsense, arguments that all matter, words for what an index is, a light import."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits.spec.registry import PARTS
from support.data import F32, vectors

WRONG_SPECS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: fb.Float(8), ValueError, "Float: bits: expected 32 or 16, got 8"),
    (lambda: fb.Scalar(2), ValueError, "Scalar: bits: expected 8 or 4, got 2"),
    (lambda: fb.Scalar(True), ValueError, "Scalar: bits"),
    (lambda: fb.Scalar(4, levels="best"), ValueError, "uniform.*lloyd-max.*best"),
    (lambda: fb.Scalar(8, levels="lloyd-max"), ValueError, "bits=4"),
    (lambda: fb.Scalar(8, staged=True), ValueError, "bits=4"),
    (lambda: fb.Scalar(4, staged=1), TypeError, "Scalar: staged: expected True or False"),  # type: ignore[arg-type]
    (lambda: fb.PQ(0), ValueError, "PQ: m: expected a whole number >= 1, got 0"),
    (lambda: fb.PQ(2.0), TypeError, "PQ: m"),  # type: ignore[arg-type]
    (lambda: fb.PQ(8, bits=5), ValueError, "PQ: bits: expected 8 or 4"),
    (lambda: fb.PQ(8, score_aware=0.5), ValueError, "score_aware.*>= 1"),
    (lambda: fb.PQ(8, score_aware=float("nan")), ValueError, "score_aware"),
    (lambda: fb.PQ(8, residual="yes"), TypeError, "residual"),  # type: ignore[arg-type]
    (lambda: fb.IVF(0), ValueError, "IVF: nlist"),
    (lambda: fb.IVF(2**25), ValueError, "IVF: nlist"),
    (lambda: fb.IVF(4, sample=0), ValueError, "IVF: sample"),
    (lambda: fb.IVF(4, iterations=0), ValueError, "IVF: iterations"),
    (lambda: fb.PCA(0), ValueError, "PCA: dim"),
    (lambda: fb.OPQ(iterations=0), ValueError, "OPQ: iterations"),
    (lambda: fb.RandomRotation(seed=-1), ValueError, "RandomRotation: seed"),
    (lambda: fb.Index(0, metric="l2"), ValueError, "dim: expected a whole number in 1..65535, got 0"),
    (lambda: fb.Index(65_536, metric="l2"), ValueError, "dim"),
    (lambda: fb.Index(8.0, metric="l2"), TypeError, "dim"),  # type: ignore[arg-type]
    (lambda: fb.Index(8), TypeError, "metric"),  # type: ignore[call-arg]
    (lambda: fb.Index(8, metric="euclidean"), ValueError, "metric: expected one of.*euclidean"),
    (lambda: fb.Index(8, metric=["l2"]), ValueError, "metric"),  # type: ignore[arg-type]
    (lambda: fb.Index(8, metric="l2", codec=fb.PQ), TypeError, "codec: expected None or one of Float, Scalar, PQ"),  # type: ignore[arg-type]
    (lambda: fb.Index(8, metric="l2", codec="pq"), TypeError, "codec"),  # type: ignore[arg-type]
    (lambda: fb.Index(8, metric="l2", transform=fb.IVF()), TypeError, "transform"),  # type: ignore[arg-type]
    (lambda: fb.Index(8, metric="l2", partition=4), TypeError, "partition"),  # type: ignore[arg-type]
    (lambda: fb.Index(8, metric="l2", codec=fb.PQ(9)), ValueError, r"codec: PQ.*\(8\), got m=9"),
    (lambda: fb.Index(8, metric="l2", rerank=fb.PQ(9)), ValueError, "rerank: PQ"),
    (lambda: fb.Index(8, metric="l2", transform=fb.PCA(4), codec=fb.PQ(5)), ValueError, r"\(4\), got m=5"),
    (lambda: fb.Index(8, metric="l2", transform=fb.PCA(9)), ValueError, "8 dimensions to more"),
    (lambda: fb.Index(8, metric="l2", transform=fb.OPQ()), ValueError, "OPQ is for PQ codes"),
    (lambda: fb.Index(8, metric="l2", codec=fb.PQ(4, residual=True)), ValueError, "partition=None"),
    (lambda: fb.Index(8, metric="l2", rerank=fb.PQ(4, residual=True)), ValueError, "rerank"),
    (lambda: fb.Index(8, metric="l2", rerank=fb.Scalar(4, staged=True)), ValueError, "rerank: staged"),
    (lambda: fb.Index(8, metric="l2", codec=fb.Scalar(8, on_disk=True)), ValueError, "on_disk"),
    (lambda: fb.Index(8, metric="l2", seed=-1), ValueError, "seed"),
    (lambda: fb.Index(8, metric="l2", bits=4), TypeError, "bits"),  # type: ignore[call-arg]
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG_SPECS, ids=range(len(WRONG_SPECS)))
def test_wrong_specs(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_specs_are_values() -> None:
    assert fb.PQ(8) == fb.PQ(8, bits=8)
    assert len({fb.Scalar(4), fb.Scalar(4), fb.Scalar(8)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        fb.PQ(8).m = 3  # type: ignore[misc]
    assert repr(fb.PQ(8, bits=4)) == "PQ(m=8, bits=4, residual=None, score_aware=None, on_disk=False, dim=None)"


START: dict[str, Any] = {
    "partition": fb.IVF(8),
    "transform": fb.OPQ(iterations=2),
    "codec": fb.PQ(4, bits=4),
    "rerank": fb.Scalar(4),
}
EFFECTS: dict[str, dict[str, Any]] = {
    "metric": {"metric": "cosine"},
    "seed": {"seed": 5},
    "transform": {"transform": None},
    "RandomRotation": {"transform": fb.RandomRotation()},
    "RandomRotation.seed": {"transform": fb.RandomRotation(seed=9)},
    "PCA.dim": {"transform": fb.PCA(10)},
    "Chain": {"transform": [fb.PCA(20), fb.OPQ(iterations=2)]},
    "Chain.parts": {"transform": [fb.PCA(24), fb.OPQ(iterations=2)]},
    "OPQ.dim": {"transform": fb.OPQ(dim=10, iterations=2)},
    "OPQ.iterations": {"transform": fb.OPQ(iterations=8)},
    "partition": {"partition": None},
    "IVF.nlist": {"partition": fb.IVF(9)},
    "IVF.sample": {"partition": fb.IVF(8, sample=100)},
    "IVF.iterations": {"partition": fb.IVF(8, iterations=1)},
    "PQ.m": {"codec": fb.PQ(5, bits=4)},
    "PQ.bits": {"codec": fb.PQ(4, bits=8)},
    "PQ.residual": {"codec": fb.PQ(4, bits=4, residual=False), "rerank": None},
    "PQ.score_aware": {"codec": fb.PQ(4, bits=4, score_aware=False)},
    "PQ.score_aware weight": {"codec": fb.PQ(4, bits=4, score_aware=20.0)},
    "RaBitQ": {"codec": fb.RaBitQ(4), "transform": None, "rerank": None},
    "RaBitQ.bits": {"codec": fb.RaBitQ(3), "transform": None, "rerank": None},
    "RaBitQ.residual": {"codec": fb.RaBitQ(4, residual=False), "transform": None, "rerank": None},
    "RaBitQ.bytes": {"codec": fb.RaBitQ(bytes=12), "transform": None, "rerank": None},
    "RecurrentBinary": {"codec": fb.RecurrentBinary(2), "transform": None, "rerank": None, "metric": "cosine"},
    "RecurrentBinary.bits": {"codec": fb.RecurrentBinary(3), "transform": None, "rerank": None, "metric": "cosine"},
    "RecurrentBinary.symmetric": {
        "codec": fb.RecurrentBinary(2, symmetric=True),
        "transform": None,
        "rerank": None,
        "metric": "cosine",
    },
    "rerank": {"rerank": None},
    "Scalar.bits": {"rerank": fb.Scalar(8)},
    "Scalar.levels": {"rerank": fb.Scalar(4, levels="lloyd-max")},
    "Float": {"rerank": fb.Float()},
    "Float.bits": {"rerank": fb.Float(16)},
}


def test_every_setting_has_an_effect(base: F32, queries: F32) -> None:
    seen: dict[bytes, str] = {}
    for name, changes in {"start": {}, **EFFECTS}.items():
        settings = {"metric": "ip", **START, **changes}
        index = fb.Index(32, **settings).build(base[:700])
        result = index.search(queries, k=5, rerank=None if settings["rerank"] is None else 20)
        key = result.scores.tobytes()
        assert key not in seen, f"{name} gives the results of {seen[key]}"
        seen[key] = name


def test_the_effects_cover_every_setting() -> None:
    layout = {"on_disk", "staged", "spill"}  # where codes lie, not what is found in all lists: tested by themselves
    trained = {f"RecurrentBinary.{name}" for name in ("dim", "maps", "predecessor")}  # which the trainer sets
    trained |= {f"{name}.dim" for name in ("Float", "Scalar", "PQ")}  # of another embedding: test_two_embeddings.py
    trained |= {"LeanVec.dim"}  # which is fitted to queries: test_leanvec.py
    for spec in PARTS.values():
        for field in dataclasses.fields(spec):
            if f"{spec.__name__}.{field.name}" in trained:
                continue
            assert field.name in layout or f"{spec.__name__}.{field.name}" in EFFECTS, (spec, field.name)


def test_staged_scans_find_the_same(base: F32, queries: F32, metric: str) -> None:
    found = []
    for staged in (False, True):
        index = fb.Index(32, metric=metric, partition=fb.IVF(6), codec=fb.Scalar(4, staged=staged)).build(base)
        found.append((index.search(queries, nprobe=6), index))
    truth = fb.exact_search(base, queries, 10, metric=metric).ids
    both = [np.mean([len(np.intersect1d(a, b)) for a, b in zip(result.ids, truth, strict=True)]) for result, _ in found]
    assert abs(both[0] - both[1]) < 0.4
    np.testing.assert_array_equal(found[0][1].reconstruct([5]), found[1][1].reconstruct([5]))


def test_no_open_ended_arguments() -> None:
    callables: list[Callable[..., Any]] = [
        fb.build,
        fb.open,
        fb.recall,
        fb.evaluate,
        fb.exact_search,
        fb.Index.__init__,
    ]
    callables += [getattr(fb.Index, name) for name in ("train", "add", "build", "search", "reconstruct", "save")]
    for function in callables:
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}, function


def test_everything_public_is_documented() -> None:
    for name in fb.__all__:
        assert name == "__version__" or getattr(fb, name).__doc__, name
        assert name in dir(fb)
    for name, member in vars(fb.Index).items():
        if not name.startswith("_") and inspect.isfunction(member):
            assert member.__doc__, name


def test_words_and_numbers() -> None:
    x = vectors(2000, 16)
    index = fb.Index(16, metric="cosine", partition=fb.IVF(10), codec=fb.PQ(4), rerank=fb.Scalar(8))
    assert "not trained" in repr(index)
    assert "not trained" in index.explain()
    assert not index.is_trained
    index.build(x)
    assert repr(index) == (
        "<fewbits.Index: 2,000 vectors, dim 16, cosine, IVF of 10 lists, PQ, 4 codes of 8 bits, "
        "rerank scalar, 8 bits per dimension, uniform levels>"
    )
    stats = index.stats()
    assert stats["n"] == len(index) == 2000
    assert stats["bytes_per_vector"] == pytest.approx(4 + 16 + 4 + 4, abs=0.1)  # code, rerank, its factor, id
    assert stats["bytes_fixed"] == sum(stats["bytes"]["fixed"].values())
    assert stats["bytes"]["total"] == 2000 * stats["bytes_per_vector"] + stats["bytes_fixed"]
    assert f"{stats['bytes_per_vector']:.1f} bytes" in index.explain()
    assert "IVF of 10 lists" in index.explain()


@pytest.mark.parametrize(
    "codec",
    [
        fb.Float(),
        fb.Float(16),
        fb.Scalar(8),
        fb.Scalar(4),
        fb.PQ(7),
        fb.PQ(7, bits=4),
        fb.PQ(7, residual=False),
        fb.RaBitQ(1),
        fb.RaBitQ(3),
        fb.RaBitQ(bytes=13),
    ],
)
@pytest.mark.parametrize("lists", [False, True])
def test_bytes_are_as_foretold(metric: str, codec: fb.PQ, lists: bool) -> None:
    x = vectors(1024, 16)
    index = fb.Index(16, metric=metric, partition=fb.IVF(3) if lists else None, codec=codec).build(x)
    residual = lists and getattr(codec, "residual", False) is None
    expected = codec.bytes_per_vector(16, metric, residual) + (4 if lists else 0)
    assert expected - 0.6 < index.stats()["bytes_per_vector"] < expected + 0.1  # 7 codes of 4 bits are 3.5 bytes


def test_isa() -> None:
    assert fb.isa() in fb.available_isas()
    assert "scalar" in fb.available_isas()
    assert fb.__version__.count(".") == 2


def test_import_is_light() -> None:
    code = (
        "import time, numpy, sys; before = set(sys.modules); start = time.process_time(); import fewbits; "
        "print(time.process_time() - start); print(*sorted(set(sys.modules) - before))"
    )
    times = []
    for _ in range(3):
        out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split(
            "\n"
        )
        times.append(float(out[0]))
        assert {name for name in out[1].split() if "fewbits." in name} == {"fewbits._core"}
    assert min(times) < 0.03


def test_old_names_of_arguments_are_accepted_with_a_warning(base: F32) -> None:
    index = fb.Index(32, metric="l2").add(base)
    with pytest.warns(DeprecationWarning, match="q is now called queries"):
        found = index.search(q=base[:3], k=1)  # type: ignore[call-arg]
    assert found.ids[:, 0].tolist() == [0, 1, 2]
    with pytest.warns(DeprecationWarning, match="fde is now called encoder"):
        documents = fb.MultiVectorIndex(32, fde=fb.FDE(32, 2, 2))  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match="fde is now called encoder"):
        assert documents.fde is documents.encoder
    with pytest.raises(TypeError, match="queries: passed twice, as q and as queries"):
        index.search(queries=base[:3], q=base[:3])  # type: ignore[call-arg]
