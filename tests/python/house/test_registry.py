"""The registry of the core says of every kind of part what the parts of this package do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import fewbits as fb
from fewbits import _core
from support import parts

REGISTRY = _core.registry()
CODECS: dict[str, list[Callable[..., Any]]] = {
    name: [partial(replace, row.codec) for row in rows.values()] for name, rows in parts.CODECS.items()
}


def accepts(make: Callable[[], Any]) -> bool:
    try:
        make()
    except (TypeError, ValueError):
        return False
    return True


def any_accepts(codec: str, make: Callable[[Any], Any], **how: Any) -> bool:
    return any(accepts(lambda kind=kind: make(kind(**how))) for kind in CODECS[codec])


@pytest.mark.parametrize("part", ["codecs", "transforms", "query_maps", "partitions", "metrics"])
def test_numbers_are_consecutive_and_names_are_distinct(part: str) -> None:
    rows = REGISTRY[part]  # type: ignore[literal-required]
    first = rows[0]["kind"]
    assert [row["kind"] for row in rows] == list(range(first, first + len(rows)))
    assert len({row["name"] for row in rows}) == len(rows)


def test_instruction_sets_end_with_the_specification() -> None:
    assert REGISTRY["isas"][-1] == "scalar"
    assert fb.isa() in fb.available_isas()
    assert fb.available_isas() == REGISTRY["isas"]


def test_metrics_are_those_of_an_index() -> None:
    names = [row["name"] for row in REGISTRY["metrics"]]
    assert sorted(names) == ["cosine", "ip", "l2"]
    x = np.ones((3, 4), np.float32)
    for row in REGISTRY["metrics"]:
        index = fb.Index(4, metric=row["name"], codec=fb.Float(32)).add(x, progress=False)
        assert index._engine.params["metric"] == row["kind"]


@pytest.mark.parametrize("row", REGISTRY["codecs"], ids=lambda row: row["name"])
def test_traits_are_what_codecs_accept(row: Any) -> None:
    name, traits = row["name"], row["traits"]
    ivf = fb.IVF(4)
    assert traits["cosine_only"] != any_accepts(name, lambda codec: fb.Index(32, metric="ip", codec=codec))
    assert traits["rerank"] == any_accepts(name, lambda codec: fb.Index(32, metric="cosine", rerank=codec))
    assert traits["tokens"] == any_accepts(name, lambda codec: fb.MultiVectorIndex(32, tokens=codec))
    assert traits["subspaces"] == any_accepts(
        name, lambda codec: fb.Index(32, metric="ip", transform=fb.OPQ(), codec=codec)
    )
    assert traits["staged"] == any_accepts(name, lambda codec: fb.Index(32, metric="ip", codec=codec), staged=True)
    assert traits["residual"] == any_accepts(
        name, lambda codec: fb.Index(32, metric="ip", partition=ivf, codec=codec), residual=True
    )
    assert traits["score_aware"] == any_accepts(
        name, lambda codec: fb.Index(32, metric="ip", codec=codec), score_aware=True
    )


@pytest.mark.parametrize("row", REGISTRY["codecs"], ids=lambda row: row["name"])
def test_a_file_has_the_number_of_its_codec(row: Any) -> None:
    x = np.random.default_rng(0).normal(size=(300, 32)).astype(np.float32)
    for kind in CODECS[row["name"]]:
        index = fb.Index(32, metric="cosine", codec=kind())
        assert index._description.needs_training == (row["traits"]["trains"] and "fixed" not in repr(kind()))
        index.train(x, progress=False)
        assert index._engine.params["codec.kind"] == row["kind"]
        by_direction = getattr(kind(), "bytes", None) is not None  # turns to directions of its own
        assert index.codec.rotates == (row["traits"]["rotates"] and not by_direction)
