"""The only table of parts. A new part needs an entry here and an export in `fewbits/__init__.py`."""

from __future__ import annotations

from .chain import Chain
from .codec import Codec
from .float import Float
from .identity import Identity
from .ivf import IVF
from .leanvec import LeanVec
from .opq import OPQ
from .pca import PCA
from .pq import PQ
from .rabitq import RaBitQ
from .random_rotation import RandomRotation
from .recurrent_binary import RecurrentBinary
from .scalar import Scalar
from .transform import Transform

CODECS: tuple[type[Codec], ...] = (Float, Scalar, PQ, RaBitQ, RecurrentBinary)
TRANSFORMS: tuple[type[Transform], ...] = (Identity, RandomRotation, PCA, LeanVec, OPQ, Chain)
PARTITIONS: tuple[type[IVF], ...] = (IVF,)
PARTS: dict[str, type] = {part.__name__: part for part in (*TRANSFORMS, *PARTITIONS, *CODECS)}
