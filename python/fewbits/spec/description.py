"""What an index is to be, whole: its parts and whether they fit together. No data, no state."""

from __future__ import annotations

from dataclasses import dataclass, field

from .codecs import PQ, Codec, Float
from .codecs_rotated import RaBitQ, RecurrentBinary
from .ivf import IVF
from .transforms import OPQ, Identity, RandomRotation, Transform

CODEC_SAMPLE = 65_536
_SAMPLE_FLOATS = 1 << 28  # 1 GiB


@dataclass(frozen=True)
class Description:
    """What the user asked for: the whole of an index but its data."""

    dim: int
    metric: str
    transform: Transform = field(default_factory=Identity)
    partition: IVF | None = None
    codec: Codec = field(default_factory=Float)
    rerank: Codec | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        out_dim = self.transform.out_dim(self.dim)
        if self.codec.on_disk:
            raise ValueError(
                "codec: on_disk is for the rerank store; codes that are scanned are in RAM (or mapped by open)"
            )
        if isinstance(self.transform, OPQ) and not isinstance(self.codec, PQ):
            raise ValueError(f"transform: OPQ serves PQ codes, got codec={self.codec}; PCA or RandomRotation serves it")
        for name, codec, dim in (("codec", self.codec, out_dim), ("rerank", self.rerank, self.dim)):
            if isinstance(codec, PQ) and codec.m > dim:
                raise ValueError(f"{name}: PQ has at most one code a dimension ({dim}), got m={codec.m}")
            if isinstance(codec, PQ) and codec.score_aware and self.metric == "l2":
                raise ValueError(f"{name}: score_aware={codec.score_aware!r} is for 'ip' and 'cosine', got metric 'l2'")
        if getattr(self.codec, "residual", None) and self.partition is None:
            raise ValueError(
                f"codec: residual=True codes differences from IVF centroids, got partition=None and {self.codec}"
            )
        if getattr(self.rerank, "residual", None):
            raise ValueError(f"rerank: its codes are of the vectors themselves, got {self.rerank}")
        if isinstance(self.rerank, RaBitQ | RecurrentBinary):
            raise ValueError(
                f"rerank: its codes are of vectors as they come, not rotated; Scalar serves it, got {self.rerank}"
            )
        if isinstance(self.codec, RecurrentBinary):
            if self.metric != "cosine":
                raise ValueError(f"codec: RecurrentBinary scores cosines, got metric {self.metric!r}")
            if not self.rotates and not isinstance(self.transform, Identity):
                raise ValueError(f"transform: trained RecurrentBinary has maps of its own, got {self.transform}")
        if getattr(self.rerank, "staged", False):
            raise ValueError("rerank: staged is for codes that are scanned, got Scalar(staged=True)")

    @property
    def residual(self) -> bool:
        return self.partition is not None and getattr(self.codec, "residual", False) is not False

    @property
    def rotates(self) -> bool:
        """Whether the codec wants a space that is rotated at random."""
        return getattr(self.codec, "rotates", False)

    @property
    def needs_training(self) -> bool:
        parts_that_do_not = (Identity, RandomRotation, Float, RecurrentBinary, type(None))
        return not all(
            isinstance(part, parts_that_do_not) for part in (self.transform, self.partition, self.codec, self.rerank)
        )

    def sample_size(self, n: int) -> int:
        """Training vectors wanted of n."""
        wanted = max(CODEC_SAMPLE, self.partition.sample_size(n) if self.partition else 0)
        return min(wanted, max(1024, _SAMPLE_FLOATS // self.dim))

    def summary(self) -> str:
        """One line: the parts in the order in which a vector meets them."""
        parts = [f"dim {self.dim}", self.metric]
        if not isinstance(self.transform, Identity):
            parts.append(self.transform.describe())
        if self.partition is not None:
            parts.append(self.partition.describe())
        parts.append(self.codec.describe())
        if self.rerank is not None:
            parts.append(f"rerank {self.rerank.describe()}{' on disk' if self.rerank.on_disk else ''}")
        return ", ".join(parts)
