"""fewbits: a compact nearest-neighbour index for vectors, on CPUs.

>>> import fewbits as fb
>>> index = fb.build(x, metric="cosine", bytes_per_vector=64)
>>> ids, scores = index.search(queries, k=10)

Importing loads the compiled core and nothing else; every name loads its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._core import __version__, available_isas, isa

if TYPE_CHECKING:
    from . import train
    from .auto import build
    from .auto_multivector import build_multivector
    from .codecs import PQ, Float, Scalar
    from .codecs_rotated import RaBitQ, RecurrentBinary
    from .errors import CorruptIndexError, FewbitsError, FormatVersionError, NotTrainedError
    from .faiss_indexes import from_faiss
    from .fde import FDE
    from .files import inspect, open, verify
    from .filters import Filter
    from .index import Index, SearchResult
    from .measures import evaluate, exact_search, recall
    from .merging import merge
    from .multivector import MultiVectorIndex, chamfer
    from .packed import unpack_bits
    from .partitions import IVF
    from .reduction import Pooling, carve
    from .transforms import OPQ, PCA, Identity, RandomRotation
    from .tuning import Tuned, tune

__all__ = [
    "FDE",
    "IVF",
    "OPQ",
    "PCA",
    "PQ",
    "CorruptIndexError",
    "FewbitsError",
    "Filter",
    "Float",
    "FormatVersionError",
    "Identity",
    "Index",
    "MultiVectorIndex",
    "NotTrainedError",
    "Pooling",
    "RaBitQ",
    "RandomRotation",
    "RecurrentBinary",
    "Scalar",
    "SearchResult",
    "Tuned",
    "__version__",
    "available_isas",
    "build",
    "build_multivector",
    "carve",
    "chamfer",
    "evaluate",
    "exact_search",
    "from_faiss",
    "inspect",
    "isa",
    "merge",
    "open",
    "recall",
    "train",
    "tune",
    "unpack_bits",
    "verify",
]

_MODULES = {
    "auto": ("build",),
    "auto_multivector": ("build_multivector",),
    "codecs": ("PQ", "Float", "Scalar"),
    "codecs_rotated": ("RaBitQ", "RecurrentBinary"),
    "errors": ("CorruptIndexError", "FewbitsError", "FormatVersionError", "NotTrainedError"),
    "faiss_indexes": ("from_faiss",),
    "fde": ("FDE",),
    "files": ("inspect", "open", "verify"),
    "filters": ("Filter",),
    "index": ("Index", "SearchResult"),
    "measures": ("evaluate", "exact_search", "recall"),
    "merging": ("merge",),
    "multivector": ("MultiVectorIndex", "chamfer"),
    "packed": ("unpack_bits",),
    "partitions": ("IVF",),
    "reduction": ("Pooling", "carve"),
    "tuning": ("Tuned", "tune"),
    "transforms": ("OPQ", "PCA", "Identity", "RandomRotation"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "train":
        return import_module(".train", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fewbits' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
