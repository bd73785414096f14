"""The description of a whole index: its parts, and checks that they fit together. No data, no state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .codec import Codec
from .float import Float
from .identity import Identity
from .ivf import IVF
from .random_rotation import RandomRotation
from .transform import Transform

CODEC_SAMPLE = 65_536
_SAMPLE_FLOATS = 1 << 28  # 1 GiB


@dataclass(frozen=True)
class Description:
    """What the user asked for: everything that defines an index except its data."""

    dim: int
    metric: str
    transform: Transform = field(default_factory=Identity)
    partition: IVF | None = None
    codec: Codec = field(default_factory=Float)
    rerank: Codec | None = None
    seed: int = 0
    PARTS: ClassVar[tuple[str, ...]] = ("transform", "partition", "codec", "rerank")

    def __post_init__(self) -> None:
        self._check_codec(self.transform.out_dim(self.dim))
        if self.rerank is not None:
            self._check_rerank(self.rerank)

    def _check_codec(self, dim: int) -> None:
        codec = self.codec
        if codec.on_disk:
            raise ValueError(
                "codec: on_disk is for the rerank store; codes that are scanned are in RAM (or mapped by open)"
            )
        if codec.other_dim is not None:
            raise ValueError(f"codec: dim is for a rerank store, of another embedding than the index's, got {codec}")
        self.transform.check(codec, self.metric)
        codec.check("codec", dim, self.metric)
        if codec.residual and self.partition is None:
            raise ValueError(
                f"codec: residual=True codes differences from IVF centroids, got partition=None and {codec}"
            )
        if codec.has_maps and not self.transform.is_identity:
            raise ValueError(f"transform: trained {type(codec).__name__} has maps of its own, got {self.transform}")

    def _check_rerank(self, rerank: Codec) -> None:
        if rerank.residual:
            raise ValueError(f"rerank: residual=True is only for codes in lists, got {rerank}")
        if not rerank.kind.traits.rerank:
            raise ValueError(
                f"rerank: vectors in a rerank store are not rotated, as this codec requires; use Scalar, got {rerank}"
            )
        rerank.check("rerank", self.rerank_dim, self.metric)
        if rerank.staged:
            raise ValueError("rerank: staged is for codes that are scanned, got Scalar(staged=True)")

    @property
    def parts(self) -> dict[str, Any]:
        """The parts by name; None for those that the index does not have."""
        return {name: getattr(self, name) for name in self.PARTS}

    @property
    def two_embeddings(self) -> bool:
        """Whether the rerank store has another embedding of the same objects than the index."""
        return self.rerank is not None and self.rerank.other_dim is not None

    @property
    def rerank_dim(self) -> int:
        """Dimensions of the vectors that results are ranked by."""
        return (self.rerank and self.rerank.other_dim) or self.dim

    @property
    def residual(self) -> bool:
        return self.partition is not None and self.codec.residual is not False

    @property
    def needs_training(self) -> bool:
        return any(part is not None and part.needs_training for part in self.parts.values())

    @property
    def starts_empty(self) -> bool:
        """Whether vectors can be added without training on a sample."""
        codecs = [codec for codec in (self.codec, self.rerank) if codec is not None]
        return not (self.partition or self.transform.needs_training) and all(codec.starts_empty for codec in codecs)

    @property
    def rerank_sample_size(self) -> int:
        """Number of training vectors to sample for the rerank store, if it has another embedding."""
        return min(CODEC_SAMPLE, max(1024, _SAMPLE_FLOATS // self.rerank_dim))

    def sample_size(self, n: int) -> int:
        """Number of training vectors to sample from n."""
        wanted = max(CODEC_SAMPLE, self.partition.sample_size(n) if self.partition else 0)
        least = self.partition.least_sample(n) if self.partition else 0
        return min(wanted, max(1024, least, _SAMPLE_FLOATS // self.dim))

    def describe_rerank(self) -> str:
        of = f" of another embedding, {self.rerank_dim} dimensions" if self.two_embeddings else ""
        return "" if self.rerank is None else self.rerank.describe() + of

    def summary(self) -> str:
        """The parts in one line, in the order in which vectors pass through them."""
        parts = [f"dim {self.dim}", self.metric]
        if not self.transform.is_identity:
            parts.append(self.transform.describe())
        if self.partition is not None:
            parts.append(self.partition.describe())
        parts.append(self.codec.describe())
        if self.rerank is not None:
            parts.append(f"rerank {self.describe_rerank()}{' on disk' if self.rerank.on_disk else ''}")
        return ", ".join(parts)


def default_transform(codec: Codec) -> Transform:
    """The transform before this codec if the user does not give one."""
    return RandomRotation() if codec.rotates else Identity()
