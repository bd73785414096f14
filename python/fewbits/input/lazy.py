"""A matrix that lies in a file and is read by rows, in the place of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class LazyMatrix:
    """Base of matrices whose rows are read when they are asked for."""

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype

    def rows(self, begin: int, end: int) -> NDArray[Any]:
        """The rows begin .. end - 1, which there are."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        if isinstance(rows, slice):
            begin, end, step = rows.indices(len(self))
            return self.rows(begin, max(begin, end))[::step] if step > 0 else np.asarray(self)[rows]
        picked = np.asarray(rows)
        picked = np.flatnonzero(picked) if picked.dtype == bool else np.where(picked < 0, picked + len(self), picked)
        if picked.ndim != 1 or ((picked < 0) | (picked >= len(self))).any():
            raise IndexError(f"expected row numbers below {len(self)}, got {rows!r}")
        return self._picked(picked)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.rows(0, len(self))
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _picked(self, picked: NDArray[Any]) -> NDArray[Any]:
        """Rows of any order, read in parts that go forward through the file."""
        out = np.empty((len(picked), self.shape[1]), self.dtype)
        order = np.argsort(picked, kind="stable")
        done = 0
        while done < len(order):
            first = int(picked[order[done]])
            part = self.rows(first, min(first + _READ_ROWS, len(self)))
            here = order[done : np.searchsorted(picked[order], first + len(part))]
            out[here] = part[picked[here] - first]
            done += len(here)
        return out


_READ_ROWS = 8192
