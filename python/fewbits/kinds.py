"""The core's registry: the kinds of all parts by name, with their numbers in files and the capabilities of codecs."""

from __future__ import annotations

from typing import NamedTuple

from . import _core


class CodecTraits(NamedTuple):
    """The capabilities of a codec, explained in cpp/codec/registry.h."""

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
NONE = 0  # the kind number of an absent part
