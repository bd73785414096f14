"""Opening, looking into and checking index files. The file's format is the core's; here is only the description in it.

The description (section "meta") is JSON of the parts' names and settings. It explains an index; what search does
follows from the params and arrays alone. A file without a usable description is refused as corrupt.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO

from .. import _core
from ..errors import CorruptIndexError
from ..index.index import Index
from ..multivector.index import MultiVectorIndex, is_multivector
from ..multivector.pooling import Pooling
from ..spec.codecs import CODECS, PQ, Float, Scalar
from ..spec.codecs_rotated import RaBitQ, RecurrentBinary
from ..spec.description import Description
from ..spec.ivf import IVF
from ..spec.parts import METRIC_CODES
from ..spec.transforms import OPQ, PCA, Identity, RandomRotation
from .places import Path, buffer, contents, encoded, shown

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PARTS = {kind.__name__: kind for kind in (Identity, RandomRotation, PCA, OPQ, IVF, *CODECS, Pooling)}
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_FIELDS = ("transform", "partition", "codec", "rerank")
_LINEAR = (1, 3)  # 3: documents and queries have maps of their own
_KINDS: dict[type, tuple[int, ...]] = {
    Identity: (0, *_LINEAR),  # RepCONC makes a map of it
    RandomRotation: (1, 2, 3),
    PCA: _LINEAR,
    OPQ: _LINEAR,
    IVF: (1,),
    **{kind: (number,) for number, kind in enumerate((Float, Scalar, PQ, RaBitQ, RecurrentBinary), 1)},
}


def open(path: Path | Buffer | BinaryIO, *, mmap: bool = True, verify: bool = False) -> Index:
    """Opens an index file.

    Parameters
    ----------
    path : str, bytes or os.PathLike, or a binary file object or buffer
        The path of the file. An open binary file (or any object with ``read``) is read to its end; a bytearray,
        memoryview, mmap, or bytes that begin as an index file does, are taken as the contents.
    mmap : bool
        Map the file: fast, shared between processes, pages are read as needed. With False the file is read into
        memory, and later changes to it have no effect. File objects and buffers are always copied into memory.
    verify : bool
        Also compare the checksum of every byte. Everything that search relies on is checked in either case.

    Returns
    -------
    Index

    Raises
    ------
    FileNotFoundError, CorruptIndexError, FormatVersionError
        What is wrong with the file, and where.

    Notes
    -----
    `save` replaces a file atomically: indexes that are open keep the old contents. Other programs, such as ``cp``,
    overwrite a file in place. Searches of a mapped index then read a mixture of old and new bytes, and if the file
    becomes shorter the process ends by SIGBUS. Copy to a new name and rename it (``cp new.fb index.fb.tmp && mv
    index.fb.tmp index.fb``), or open with ``mmap=False``.

    Examples
    --------
    >>> index = fb.open("wiki.fb")
    """
    check_flags(mmap, verify)
    file = contents(path)
    if file is not None:
        return Index.from_bytes(file)
    return described(shown(path), open_engine(path, mmap, verify))  # type: ignore[arg-type]


def open_any(path: Path) -> Index | MultiVectorIndex:
    """The index in a file, of whichever kind; mapped."""
    return (MultiVectorIndex.open if is_multivector(inspect(path)["params"]) else open)(path)


def open_engine(path: Path, mmap: bool, verify: bool) -> _core.Engine:
    """The engine in a file of either kind of index."""
    return _core.Engine.open(encoded(path), mapped=mmap, verify_all=verify)


def check_flags(mmap: bool, verify: bool) -> None:
    for value, argument in ((mmap, "mmap"), (verify, "verify")):
        if not isinstance(value, bool):
            raise TypeError(f"{argument}: expected True or False, got {value!r}")


def engine_of_bytes(file: Buffer) -> _core.Engine:
    """The engine in the contents of a file; every byte is checked."""
    return _core.Engine.from_bytes(buffer(file))


def described(name: str, engine: _core.Engine) -> Index:
    """The index of an engine that was read from what is called `name`."""
    if is_multivector(engine.params):
        raise ValueError(f"{name}: holds a multi-vector index: that is for fewbits.MultiVectorIndex to read")
    description, why = decode_meta(name, engine)
    return Index._of(description, engine, why)


def inspect(path: Path) -> dict[str, Any]:
    """What a file says of itself (version, params, sections with their sizes and checksums), without loading it."""
    return _core.inspect(encoded(path))


def verify(path: Path) -> None:
    """Checks every checksum and everything that open checks; raises CorruptIndexError at the first thing wrong."""
    _core.verify(encoded(path))
    open_any(path)


def encode_meta(description: Description, why: tuple[str, ...], **others: Any) -> bytes:
    """others: parts that are not of the description, by name."""
    import json  # here, for `import fewbits` to be quick

    parts = {}
    for name, part in ({field: getattr(description, field) for field in _FIELDS} | others).items():
        parts[name] = None if part is None else {"kind": type(part).__name__} | _settings(part)
    return json.dumps({"parts": parts, "seed": description.seed, "why": why}, sort_keys=True).encode()


def decode_meta(name: str, engine: _core.Engine) -> tuple[Description, tuple[str, ...]]:
    params = engine.params
    try:
        meta = _meta(engine)
        parts = {field: _part(meta["parts"][field]) for field in _FIELDS}
        metric = {code: metric for metric, code in METRIC_CODES.items()}[params["metric"]]
        description = Description(dim=params["dim"], metric=metric, seed=int(meta["seed"]), **parts)
        _check_kinds(description, params)
        return description, tuple(str(reason) for reason in meta["why"])
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None


def _check_kinds(description: Description, params: dict[str, int]) -> None:
    """Whether the description is of the parts that the file has."""
    for field in _FIELDS:
        part = getattr(description, field)
        kinds = (0,) if part is None else _KINDS[type(part)]
        if params[f"{field}.kind"] not in kinds:
            raise ValueError(f"{field}: {part} is described, the file has kind {params[f'{field}.kind']}")


def decode_part(name: str, engine: _core.Engine, part: str) -> Any:
    """One of encode_meta's others."""
    try:
        return _part(_meta(engine)["parts"][part])
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None


def _meta(engine: _core.Engine) -> dict[str, Any]:
    import json  # here, for `import fewbits` to be quick

    meta: dict[str, Any] = json.loads(engine.meta)
    return meta


def _unreadable(name: str, error: Exception) -> CorruptIndexError:
    return CorruptIndexError(f"{name}: section 'meta': the description of the index is not readable ({error})")


def _settings(part: Any) -> dict[str, Any]:
    """Its fields, but those that are arrays of the file."""
    return {field.name: getattr(part, field.name) for field in fields(part) if field.metadata.get("stored", True)}


def _part(stored: dict[str, Any] | None) -> Any:
    if stored is None:
        return None
    settings = dict(stored)
    return _PARTS[settings.pop("kind")](**settings)
