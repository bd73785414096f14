"""fb.Filter: which vectors a search may return; and conversion of the forms that `search(filter=...)` takes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .ids import vector_ids
from .labels import as_labels


class Filter:
    """A prepared filter for repeated use: which vectors of an index it allows is cached until the index changes.

    `Filter.allow(ids)` is the same as ``Filter(ids)``, and `Filter.deny` the opposite. `Filter.label` allows vectors by
    label instead.

    Parameters
    ----------
    allow : (m,) array of bool, (n,) array of int, or numba cfunc
        A mask by id: id i is allowed if ``mask[i]``; ids >= m are not allowed. Or the allowed ids, without repetition.
        Or a compiled predicate of the id, ``@cfunc("boolean(int64)")``: it may be called concurrently, without the GIL
        and in any order, and must be pure.

    Raises
    ------
    TypeError, ValueError
        For anything else, and for ids that are repeated or not whole numbers >= 0.

    Notes
    -----
    Filters can be pickled and copied, except those of a predicate.

    Examples
    --------
    >>> recent = fb.Filter(years >= 2020)
    >>> ids, scores = index.search(queries, k=10, filter=recent)
    """

    def __init__(self, allow: Any) -> None:
        self._kept = allow  # keeps a predicate's code alive
        if hasattr(allow, "address") and hasattr(allow, "ctypes"):
            self._core = _core.Filter.predicate(_address(allow))
            return
        array = np.asarray(allow)
        if array.dtype == np.bool_:
            if array.ndim != 1:
                raise ValueError(f"filter: expected a mask of shape (n,), got {array.shape}")
            self._core = _core.Filter.mask(np.ascontiguousarray(array).view(np.uint8))
        elif array.dtype.kind in "iu" or not array.size:
            self._core = _core.Filter.ids(_ids(array), allow=True)
        else:
            raise TypeError(f"filter: expected a boolean mask, ids, a fb.Filter or a numba cfunc, got {allow!r}")

    def __repr__(self) -> str:
        """What it was made from, such as ``Filter.deny(<2 ids>)``."""
        kind, given = self._core.given()
        if given is None:
            return "Filter(<predicate>)"
        if kind == "mask":
            return f"Filter(<mask of {given.size:,}, {np.count_nonzero(given):,} allowed>)"
        name, of = {"allowed": ("allow", "ids"), "denied": ("deny", "ids"), "labels": ("label", "labels")}[kind]
        return f"Filter.{name}(<{given.size:,} {of}>)"

    def __reduce__(self) -> tuple[Any, ...]:
        kind, given = self._core.given()
        if given is None:
            raise TypeError(
                "filter: a compiled predicate is code of this process and cannot be pickled or copied; pass a mask or "
                "ids, or create the filter again where it is needed"
            )
        return _filter_of, _packed(kind, given)

    @classmethod
    def allow(cls, ids: Any) -> Filter:
        """Allow these vectors and no others.

        Parameters
        ----------
        ids : (n,) array of int, (m,) array of bool, or numba cfunc
            As in `Filter`.

        Returns
        -------
        Filter

        Examples
        --------
        >>> mine = fb.Filter.allow([3, 14, 15])
        """
        return cls(ids)

    @classmethod
    def deny(cls, ids: Any) -> Filter:
        """Allow all vectors except these.

        Parameters
        ----------
        ids : (n,) array of int
            Whole numbers, without repetition.

        Returns
        -------
        Filter

        Examples
        --------
        >>> others = fb.Filter.deny([3, 14, 15])
        """
        return cls._of(_core.Filter.ids(_ids(np.asarray(ids)), allow=False))

    @classmethod
    def label(cls, labels: Any) -> Filter:
        """Allow the vectors with this label, or with any of several.

        The results are those of a filter by the ids of these vectors, which are found faster: in every list of an index
        vectors are ordered by label, so that the vectors of a label are one range.

        Parameters
        ----------
        labels : int or (n,) array of int
            As given to `Index.build` or `Index.add`. Labels that no vector has allow none.

        Returns
        -------
        Filter
            A search with it raises ValueError if the vectors of the index have no labels.

        Raises
        ------
        TypeError, ValueError
            For anything but whole numbers, int64.

        Examples
        --------
        >>> labelled = fb.Index(x.shape[1], metric="l2").add(x, labels=np.arange(len(x)) % 7)
        >>> found = labelled.search(queries, k=10, filter=fb.Filter.label([2, 5]))
        >>> bool(np.isin(labelled.labels(found.ids[0]), [2, 5]).all())
        True
        """
        return cls._of(_core.Filter.labels(as_labels(np.atleast_1d(np.asarray(labels)), "filter: labels")))

    @classmethod
    def _of(cls, core: _core.Filter) -> Filter:
        made = cls.__new__(cls)
        made._kept, made._core = None, core
        return made


def _packed(kind: str, given: NDArray[Any]) -> tuple[str, NDArray[Any], int]:
    """What a filter is pickled as: its kind, numbers, and the first id if the numbers are bits. A mask has a bit per id
    from the first that is allowed to the last, and so have ids if that is shorter than 4 bytes for each."""
    if kind == "labels":
        return kind, given, 0
    allowed = np.flatnonzero(given) if kind == "mask" else given
    first, last = (int(allowed.min()), int(allowed.max())) if allowed.size else (0, -1)
    if kind == "mask" or (last - first) // 8 < 4 * allowed.size:
        bits = np.zeros(last - first + 1, np.bool_)
        bits[allowed - first] = True
        return kind if kind == "mask" else f"{kind} bits", np.packbits(bits), first
    return kind, given.astype(np.uint32) if last < 2**32 else given, 0


def _filter_of(kind: str, stored: NDArray[Any], first: int = 0) -> Filter:
    """Restores a pickled filter."""
    if kind == "labels":
        return Filter.label(stored)
    if kind == "mask":
        return Filter(np.concatenate((np.zeros(first, np.bool_), np.unpackbits(stored).view(np.bool_))))
    ids = np.flatnonzero(np.unpackbits(stored)) + first if kind.endswith(" bits") else stored
    return Filter.deny(ids) if kind.startswith("denied") else Filter.allow(ids)


def core_filters(value: Any, n_queries: int) -> tuple[list[_core.Filter], NDArray[np.uint32] | None]:
    """The filters in the form that the core takes, and the number of each query's filter (None: all share one)."""
    if value is None:
        return [], None
    given = list(value) if isinstance(value, Sequence) else []
    if not given or not all(isinstance(item, Filter) for item in given):
        return [(value if isinstance(value, Filter) else Filter(value))._core], None
    if len(given) != n_queries:
        raise ValueError(f"filter: expected one per query ({n_queries}), got {len(given)}")
    distinct = {id(item): item for item in given}
    numbers = {key: number for number, key in enumerate(distinct)}
    return [item._core for item in distinct.values()], np.array([numbers[id(item)] for item in given], np.uint32)


def _ids(array: NDArray[Any]) -> NDArray[np.int64]:
    try:
        ids = vector_ids(array if array.size else np.empty(0, np.int64))
    except (TypeError, ValueError) as error:
        raise type(error)(f"filter: {error}") from None
    ordered = np.sort(ids)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        raise ValueError(
            f"filter: expected ids without repetition, got {int(repeated[0])} more than once among {len(ids)}; a mask "
            "must have dtype bool: pass mask.astype(bool)"
        )
    return ids


def _address(predicate: Any) -> int:
    function = predicate.ctypes
    if function.restype is not ctypes.c_bool or list(function.argtypes) != [ctypes.c_int64]:
        raise TypeError(f'filter: expected a numba cfunc of signature "boolean(int64)", got {predicate!r}')
    return int(predicate.address)
