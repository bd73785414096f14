"""The configurations that fb.build compares, for a number of bytes per vector.

They are of two kinds. Codes alone rank by what is scanned. Codes with a rerank store scan short codes, which only have
to find candidates, and rank these by finer ones. What is fastest at a recall depends on how far short codes can be
trusted, which only measuring shows; the list therefore has short and long codes of every family.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..index.index import Index
from ..spec.chain import Chain
from ..spec.codec import FACTOR_BYTES, Codec
from ..spec.float import Float
from ..spec.ivf import IVF
from ..spec.leanvec import LeanVec
from ..spec.opq import OPQ
from ..spec.pq import PQ
from ..spec.rabitq import RaBitQ, byte_sizes
from ..spec.random_rotation import RandomRotation
from ..spec.scalar import Scalar
from ..spec.transform import MAX_DENSE_DIM, Transform
from .rules import id_bytes

MIN_ROWS_FOR_LISTS = 2_000  # fewer vectors are scanned faster than lists are found
_MIN_ROWS_FOR_CODEBOOKS = 2_000
_FEW_BYTES = 24  # the bytes that lists take are a large share of these
_ROW_BYTES = 4  # of a second entry: the row that it is of
_WIDE = 512  # dimensions from which rotations take so long to fit that fewer are tried
_TRIAL_ALTERNATIONS = 2  # of OPQ where codes are only compared: most of its gain, a sixth of its time


class Setting(NamedTuple):
    """What is given. cone: whether vectors lie in a cone, whose direction takes a factor. aware: whether there are
    queries to fit maps to. disk: whether a rerank store may be on disk."""

    n: int
    dim: int
    metric: str
    budget: float
    own_ids: bool = False
    labelled: bool = False
    cone: bool = False
    aware: bool = False
    disk: bool = False
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class Candidate:
    """The parts of an index. lists: their number relative to that of IVF(); 0: none. spill: lists per vector."""

    transform: Transform | None
    codec: Codec
    rerank: Codec | None = None
    lists: float = 1.0
    spill: float = 1.0

    def partition(self, n: int) -> IVF | None:
        if not self.lists:
            return None
        return IVF(None if self.lists == 1 else max(1, round(self.lists * IVF().lists(n))), spill=self.spill)

    def index(self, given: Setting, n: int) -> Index:
        """An empty index for n vectors."""
        return Index(
            given.dim,
            metric=given.metric,
            transform=self.transform,
            partition=self.partition(n),
            codec=self.codec,
            rerank=self.rerank,
            seed=given.seed,
        )

    def hasty(self) -> Candidate:
        """The same with a rotation that takes less time to fit."""
        return replace(self, transform=_hasty(self.transform))

    def bytes_per_vector(self, given: Setting) -> int:
        """In memory, at most: codes, factors and ids."""
        lists = bool(self.lists)
        coded = given.dim if self.transform is None else self.transform.out_dim(given.dim)
        directed = given.cone and self.codec.directed  # with LeanVec as well, as it may find no better maps
        residual = lists and self.codec.residual is not False
        size = self.codec.bytes_per_vector(coded, given.metric, residual=residual, direction=directed)
        size += math.ceil((self.spill - 1) * (size + _ROW_BYTES))
        if self.rerank is not None and not self.rerank.on_disk:
            directed = given.cone and self.rerank.directed
            size += self.rerank.bytes_per_vector(given.dim, given.metric, direction=directed)
        return size + id_bytes(given.own_ids, lists, given.labelled)

    def label(self, n: int) -> str:
        transform = [] if self.transform is None else [self.transform.describe()]
        partition = self.partition(n)
        second = f", {self.spill:g} per vector" if self.spill > 1 else ""
        lists = [] if partition is None else [f"{partition.lists(n):,} lists{second}"]
        return ", ".join([*transform, *lists, f"{_name(self.codec)}{_reranked(self.rerank)}"])


def _hasty(transform: Transform | None) -> Transform | None:
    if isinstance(transform, OPQ):
        return replace(transform, iterations=min(transform.iterations, _TRIAL_ALTERNATIONS))
    if isinstance(transform, Chain):
        return Chain([_hasty(part) for part in transform.parts])  # type: ignore[misc]
    return transform


def _name(codec: Codec) -> str:
    return f"PQ({codec.m}, bits={codec.bits})" if isinstance(codec, PQ) else codec.label


def _reranked(rerank: Codec | None) -> str:
    return "" if rerank is None else f", rerank {_name(rerank)}{' on disk' if rerank.on_disk else ''}"


def candidates(given: Setting, effort: str) -> list[Candidate]:
    """Those that fit into the budget, without repetition."""
    lists = float(given.n >= MIN_ROWS_FOR_LISTS)
    kept = []
    for candidate in dict.fromkeys([*_alone(given, effort), *_two_tier(given, effort)]):
        for number in dict.fromkeys((lists, 0.0)):  # without lists if their numbers do not fit
            same = replace(candidate, lists=number)
            if same.bytes_per_vector(given) <= given.budget:
                kept.append(same)
                break
    return kept


def with_other_lists(best: Candidate, given: Setting) -> list[Candidate]:
    """The same codes in other numbers of lists, and in none."""
    others = [replace(best, lists=number) for number in (0.5, 1.0, 2.0, 0.0) if number != best.lists]
    enough = given.n >= MIN_ROWS_FOR_LISTS
    return [each for each in others if each.bytes_per_vector(given) <= given.budget and (enough or not each.lists)]


def with_second_lists(ranked: list[Candidate], given: Setting) -> Candidate | None:
    """The first whose bytes leave room for a second list per vector, with one."""
    every = (replace(each, spill=2.0) for each in ranked if each.lists)
    return next((each for each in every if _fits(each, given)), None)


def larger(given: Setting) -> list[Candidate]:
    """Codes that need more than the budget, from few bytes to many: to tell what would reach a recall."""
    lists = float(given.n >= MIN_ROWS_FOR_LISTS)
    every = [Candidate(RandomRotation(), RaBitQ(bits), lists=lists) for bits in (2, 3, 4, 6)]
    lengths = {int(times * given.budget) for times in (1.5, 2, 3)} if _rotates(given) else set()
    every += [Candidate(OPQ(), PQ(m), lists=lists) for m in lengths if m < given.dim]
    every += [Candidate(None, codec, lists=lists) for codec in (Scalar(8), Float(16), Float(32))]
    every = [each for each in every if each.bytes_per_vector(given) > given.budget]
    return sorted(every, key=lambda each: each.bytes_per_vector(given))


def on_disk(given: Setting) -> Candidate | None:
    """The longest codes within the budget that leave the rerank store to the disk."""
    every = candidates(given._replace(disk=True), "normal")
    found = [each for each in every if each.rerank is not None and each.rerank.on_disk]
    return max(found, key=lambda each: each.bytes_per_vector(given), default=None)


def _two_tier(given: Setting, effort: str) -> Iterator[Candidate]:
    """Short codes and the finest rerank store that fits beside them."""
    tiers: list[Codec] = [Scalar(8), Scalar(4, levels="lloyd-max")]
    if effort == "thorough":
        tiers.insert(0, Float(16))
    for transform, codec in _scans(given, effort):
        lists = float(given.n >= MIN_ROWS_FOR_LISTS)
        for tier in tiers:
            candidate = Candidate(transform, codec, tier, lists)
            if candidate.bytes_per_vector(given) <= given.budget:
                yield candidate
                if not isinstance(tier, Float):
                    break
        if given.disk:
            yield Candidate(transform, codec, Float(16, on_disk=True), lists)


def _scans(given: Setting, effort: str) -> Iterator[tuple[Transform | None, Codec]]:
    """Transforms and codes that are scanned fast: long ones need fewer candidates, short ones are read faster."""
    dim = given.dim
    shares = (2, 3, 4, 6, 8, 12) if effort == "thorough" else (2, 4, 6) if dim <= _WIDE else (2, 6)
    lengths = list(dict.fromkeys(max(1, dim // share) for share in shares))
    yield RandomRotation(), RaBitQ(1)
    yield RandomRotation(), RaBitQ(2)
    for m in lengths[:2]:
        yield None, PQ(m, bits=4)
    if effort == "thorough":
        yield RandomRotation(), PQ(lengths[0], bits=4)
    if _rotates(given):
        for m in lengths if effort == "thorough" else lengths[1:]:
            yield OPQ(), PQ(m, bits=4)
            if effort == "thorough" and given.aware:
                yield Chain([LeanVec(), OPQ()]), PQ(m, bits=4)


def _alone(given: Setting, effort: str) -> Iterator[Candidate]:
    """Codes that rank by themselves, of the bytes that there are."""
    room = int(given.budget) - id_bytes(given.own_ids, True, given.labelled)
    dim = given.dim
    yield from (Candidate(None, codec) for codec in (Float(32), Float(16), Scalar(8)))
    fitting = [bits for bits in range(8, 0, -1) if _fits(Candidate(RandomRotation(), RaBitQ(bits)), given)]
    for bits in fitting if effort == "thorough" else sorted({*fitting[:1], *({4, 6} & set(fitting))}, reverse=True):
        if bits < 8 or not _fits(Candidate(None, Scalar(8)), given):
            yield Candidate(RandomRotation(), RaBitQ(bits))
    yield Candidate(RandomRotation(), Scalar(4, levels="lloyd-max"))
    by_direction = byte_sizes(dim)
    if by_direction and room >= by_direction[0] and given.n >= _MIN_ROWS_FOR_CODEBOOKS:
        codec = RaBitQ(bytes=min(room, by_direction[-1]))
        yield Candidate(None, codec)
        if given.aware and effort == "thorough":
            yield Candidate(LeanVec(), codec)
    if room < dim and given.n >= _MIN_ROWS_FOR_CODEBOOKS:
        turn: Transform = OPQ() if _rotates(given) else RandomRotation()
        rooms = [room - FACTOR_BYTES * (given.cone or given.metric == "l2")]
        ids = id_bytes(given.own_ids, False, given.labelled)
        alone = int(given.budget) - ids - FACTOR_BYTES * given.cone  # without lists
        rooms += [alone] if alone < _FEW_BYTES else []
        for each in rooms:
            yield from _product(turn, each, dim)
        if given.aware and _rotates(given) and room > 0:
            yield Candidate(Chain([LeanVec(), OPQ()]), PQ(room))
    if effort == "thorough" and given.aware and dim <= MAX_DENSE_DIM:
        kept = max(1, dim // 2)
        yield from (Candidate(LeanVec(kept), RaBitQ(bits)) for bits in (2, 4, 6))


def _product(turn: Transform, room: int, dim: int) -> Iterator[Candidate]:
    """Codes of 8 bits, which rank best, and of 4, which are scanned fastest."""
    if room > 0:
        yield Candidate(turn, PQ(min(room, dim)))
        yield Candidate(turn, PQ(min(2 * room, dim), bits=4))


def _fits(candidate: Candidate, given: Setting) -> bool:
    return candidate.bytes_per_vector(given) <= given.budget


def _rotates(given: Setting) -> bool:
    return 1 < given.dim <= MAX_DENSE_DIM and given.n >= _MIN_ROWS_FOR_CODEBOOKS
