"""The core's registry: the kinds of every part by name, with the numbers that files hold and what codecs can do."""

from __future__ import annotations

from typing import NamedTuple

from . import _core


class CodecTraits(NamedTuple):
    """What a codec can do; cpp/codec/registry.h explains each."""

    exact: bool
    cosine_only: bool
    trains: bool
    subspaces: bool
    residual: bool
    rerank: bool
    tokens: bool
    staged: bool
    rotates: bool
    score_aware: bool
    scoring: bool
    encoder: bool
    corrects_itself: bool


class CodecKind(NamedTuple):
    number: int
    name: str
    traits: CodecTraits


_REGISTRY = _core.registry()
CODECS = {row["name"]: CodecKind(row["kind"], row["name"], CodecTraits(**row["traits"])) for row in _REGISTRY["codecs"]}
TRANSFORMS = {row["name"]: row["kind"] for row in _REGISTRY["transforms"]}
QUERY_MAPS = {row["name"]: row["kind"] for row in _REGISTRY["query_maps"]}
PARTITIONS = {row["name"]: row["kind"] for row in _REGISTRY["partitions"]}
METRICS = {row["name"]: row["kind"] for row in _REGISTRY["metrics"]}
NONE = 0  # the number of a part that there is not
