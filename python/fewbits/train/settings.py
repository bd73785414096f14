"""What the trainers over an index have in common as arguments, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..index.index import Index
from ..input.inputs import real_number, thread_count, whole_number
from ..spec.parts import one_of
from .compiled import require_numba
from .losses import RANKING_LOSSES


@dataclass(frozen=True)
class Settings:
    loss: str
    distillation: float
    epochs: int
    batch_size: int
    topics: int | None
    negatives: int
    pseudo_queries: int | None
    rate: float
    validation: float
    seed: int
    threads: int


def check_index(index: object) -> None:
    """Also that there is numba."""
    require_numba()
    if not isinstance(index, Index):
        raise TypeError(f"index: expected a fewbits.Index, got {type(index).__name__}")


def checked(
    loss: object,
    distillation: object,
    epochs: object,
    batch_size: object,
    topics: object,
    negatives: object,
    pseudo_queries: object,
    rate: object,
    validation: object,
    seed: object,
    threads: object,
) -> Settings:
    one_of(loss, "loss", RANKING_LOSSES)
    share = real_number(validation, "validation", 0)
    if share >= 1:
        raise ValueError(f"validation: expected a share below 1, got {share:g}")
    return Settings(
        loss=str(loss),
        distillation=real_number(distillation, "distillation", 0),
        epochs=whole_number(epochs, "epochs", 0),
        batch_size=whole_number(batch_size, "batch_size", 1),
        topics=None if topics is None else whole_number(topics, "topics", 1),
        negatives=whole_number(negatives, "negatives", 1),
        pseudo_queries=None if pseudo_queries is None else whole_number(pseudo_queries, "pseudo_queries", 0),
        rate=real_number(rate, "rate", 0),
        validation=share,
        seed=whole_number(seed, "seed", 0, 2**63 - 1),
        threads=thread_count(threads),
    )


def map_kind(query_map: object, dim: int) -> str | int | None:
    """ "full", a rank, or None."""
    if query_map is None or query_map == "full":
        return query_map
    return min(whole_number(query_map, "query_map: 'full', None or a rank", 1), dim)
