"""Every kind of part that the core has is described, and tested, by this package."""

from __future__ import annotations

import numpy as np
import pytest

import fewbits as fb
from fewbits import kinds
from fewbits.spec import registry
from support import parts
from support.data import F32, two_sided


@pytest.mark.parametrize(
    ("rows", "kinds_of_core"),
    [(parts.CODECS, kinds.CODECS), (parts.TRANSFORMS, kinds.TRANSFORMS), (parts.PARTITIONS, kinds.PARTITIONS)],
    ids=["codecs", "transforms", "partitions"],
)
def test_every_kind_has_a_row(rows: dict[str, object], kinds_of_core: dict[str, object]) -> None:
    assert list(rows) == list(kinds_of_core)


def test_rows_are_of_their_kinds() -> None:
    for name, rows in parts.CODECS.items():
        assert rows
        assert {row.codec.kind.name for row in rows.values()} == {name}


def test_every_codec_of_the_core_is_a_public_class() -> None:
    assert [codec.kind for codec in registry.CODECS] == list(kinds.CODECS.values())
    assert all(getattr(fb, name) is part for name, part in registry.PARTS.items())


def test_every_class_has_a_row() -> None:
    rows = [row.codec for row in parts.ALL_CODECS.values()]
    made = [*rows, *parts.ALL_TRANSFORMS.values(), *parts.ALL_PARTITIONS.values()]
    assert {type(part) for part in made if part is not None} == set(registry.PARTS.values())


@pytest.mark.parametrize("partition", parts.ALL_PARTITIONS.values(), ids=parts.ALL_PARTITIONS)
@pytest.mark.parametrize("transform", parts.ALL_TRANSFORMS)
@pytest.mark.parametrize("name", parts.ALL_CODECS)
def test_parts_that_fit_together_make_an_index_that_a_file_keeps(
    base: F32, queries: F32, name: str, transform: str, partition: fb.IVF | None
) -> None:
    codec, turned = parts.ALL_CODECS[name].codec, parts.ALL_TRANSFORMS[transform]
    if "opq" in transform and not codec.kind.traits.subspaces:
        with pytest.raises(ValueError, match="OPQ is for PQ codes"):
            fb.Index(32, metric="cosine", transform=turned, codec=codec)
        return
    if transform == "leanvec" and codec.kind.traits.cosine_only:
        with pytest.raises(ValueError, match="LeanVec changes lengths"):
            fb.Index(32, metric="cosine", transform=turned, codec=codec)
        return
    asked = {"queries": two_sided(0, 300)[1]} if turned.needs_queries else {}
    index = fb.Index(32, metric="cosine", transform=turned, partition=partition, codec=codec)
    index.build(base[:400] if not asked else two_sided(400, 0)[0], **asked)
    opened = fb.Index.from_bytes(index.to_bytes())
    assert (opened.codec, opened.transform, opened.partition) == (codec, turned, partition)
    np.testing.assert_array_equal(opened.search(queries, 5).scores, index.search(queries, 5).scores)
    assert index.stats().bytes_per_vector > 0
