"""The arguments that all trainers over an index share, checked in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..index.index import Index
from ..input.checks import boolean, one_of, real_number, thread_count, whole_number
from .compiled import require_numba
from .losses import MARGIN, RANKING_LOSSES


class Checked:
    """Base of frozen settings; checking replaces each field by its normalised value."""

    threads: int | None

    def _keep(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def workers(self) -> int:
        """`threads` in the form that the core takes."""
        return thread_count(self.threads)


@dataclass(frozen=True)
class Settings(Checked):
    """The arguments that `jpq`, `repconc` and `adapter` share, checked."""

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
    threads: int | None

    def __post_init__(self) -> None:
        one_of(self.loss, "loss", (*RANKING_LOSSES, MARGIN))
        if real_number(self.validation, "validation", 0) >= 1:
            raise ValueError(f"validation: expected a share below 1, got {self.validation:g}")
        for name in ("distillation", "rate", "validation"):
            self._keep(**{name: real_number(getattr(self, name), name, 0)})
        for name, low in (("epochs", 0), ("batch_size", 1), ("topics", 1), ("negatives", 1), ("pseudo_queries", 0)):
            value = getattr(self, name)
            if value is not None or name not in ("topics", "pseudo_queries"):
                self._keep(**{name: whole_number(value, name, low)})
        self._keep(seed=whole_number(self.seed, "seed", 0, 2**63 - 1))
        thread_count(self.threads)


@dataclass(frozen=True)
class BinarySettings(Checked):
    """The settings of `recurrent_binary`, checked."""

    bits: int
    dim: int | None
    symmetric: bool
    hidden: int
    steps: int
    temperature: float
    seed: int
    threads: int | None

    def __post_init__(self) -> None:
        boolean(self.symmetric, "symmetric")
        self._keep(
            bits=whole_number(self.bits, "bits", 1, 4),
            dim=None if self.dim is None else whole_number(self.dim, "dim", 1, 65_535),
            hidden=whole_number(self.hidden, "hidden", 0, 65_535),
            steps=whole_number(self.steps, "steps", 0),
            temperature=real_number(self.temperature, "temperature", 1e-4),
            seed=whole_number(self.seed, "seed", 0, 2**63 - 1),
        )
        thread_count(self.threads)


def check_index(index: object) -> None:
    """Also checks that numba is available."""
    require_numba()
    if not isinstance(index, Index):
        raise TypeError(f"index: expected a fewbits.Index, got {type(index).__name__}")


def map_kind(query_map: object, dim: int) -> str | int | None:
    """ "full", a rank, or None."""
    if query_map is None or query_map == "full":
        return query_map
    return min(whole_number(query_map, "query_map: 'full', None or a rank", 1), dim)
