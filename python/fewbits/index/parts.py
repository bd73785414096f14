"""The parts of an index as its constructor takes them."""

from __future__ import annotations

from collections.abc import Sequence

from ..input.checks import metric_name, whole_number
from ..spec.chain import Chain
from ..spec.codec import Codec
from ..spec.description import Description, default_transform
from ..spec.float import Float
from ..spec.ivf import IVF
from ..spec.registry import CODECS, PARTITIONS, TRANSFORMS
from ..spec.transform import Transform


def checked_description(
    dim: object,
    max_dim: int,
    metric: object,
    transform: Transform | Sequence[Transform] | None,
    partition: IVF | None,
    codec: Codec | None,
    rerank: Codec | None,
    seed: object,
) -> Description:
    chain = Chain(transform) if isinstance(transform, list | tuple) else transform
    _expect(chain, "transform", TRANSFORMS)
    _expect(partition, "partition", PARTITIONS)
    _expect(codec, "codec", CODECS)
    _expect(rerank, "rerank", CODECS)
    codec = Float() if codec is None else codec
    return Description(
        dim=whole_number(dim, "dim", 1, max_dim),
        metric=metric_name(metric),
        transform=chain if isinstance(chain, Transform) else default_transform(codec),
        partition=partition,
        codec=codec,
        rerank=rerank,
        seed=whole_number(seed, "seed", 0, 2**63 - 1),
    )


def check_alone(**parts: object) -> None:
    for name, part in parts.items():
        if part is not None:
            raise ValueError(f"{name}: codec='auto' chooses it, expected None, got {part!r}")


def _expect(value: object, name: str, kinds: tuple[type, ...]) -> None:
    if value is not None and not isinstance(value, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{name}: expected None or one of {names} (an instance), got {value!r}")
