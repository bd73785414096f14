"""What `stats` and `inspect` return: attributes, items, and lines to read."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import fewbits as fb
from support.data import F32


@pytest.fixture(scope="module")
def index(base: F32) -> fb.Index:
    built = fb.Index(32, metric="l2", partition=fb.IVF(8), codec=fb.PQ(8), rerank=fb.Scalar(8, on_disk=True))
    return built.build(base, progress=False)


def test_items_are_the_attributes(index: fb.Index) -> None:
    stats = index.stats()
    assert list(stats) == [field.name for field in fields(stats)]
    assert dict(stats) == {name: getattr(stats, name) for name in stats}
    assert stats == index.stats()
    assert stats["bytes"]["per_vector"] is stats.bytes.per_vector
    with pytest.raises(KeyError, match="missing"):
        stats["missing"]
    with pytest.raises(AttributeError):
        stats.n = 3  # type: ignore[misc]


def test_parts_sum_to_the_total(index: fb.Index) -> None:
    stats = index.stats()
    columns = (stats.bytes.per_vector, stats.bytes.fixed, stats.bytes.on_disk)
    assert stats.bytes.total == sum(sum(column.values()) for column in columns)
    assert stats.bytes_on_disk_per_vector == sum(stats.bytes.on_disk.values()) / stats.n > 0


def test_a_value_per_line_is_printed(index: fb.Index, tmp_path: Path) -> None:
    lines = str(index.stats()).splitlines()
    assert [line.split()[0] for line in lines] == list(index.stats())
    assert lines[0].split() == ["n", "3,000"]
    index.save(tmp_path / "a.fb")
    info = fb.inspect(tmp_path / "a.fb")
    assert info.bytes == (tmp_path / "a.fb").stat().st_size
    assert {section.name for section in info.sections} >= {"codec.codebook", "seg0.codes"}
    assert "codec.m 8" in str(info)
