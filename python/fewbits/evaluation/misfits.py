"""Checks whether two lists of vectors belong together row by row, by how well rows fit each other.

A row that fits its own partner no better than the partners of other rows does not belong to it. This holds for codes of
any precision: a vector's code is chosen because it fits better than other codes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_FEW = 2  # number of misfits allowed in addition to the share
_TIE = 1e-9


def check_fits(fits: list[F64], share: float, message: Callable[[int], str]) -> None:
    """Raises ValueError if rows do not belong to their partners.

    Parameters
    ----------
    fits : list of (n, n) arrays
        How well row i fits partner j, by one or more measures; larger is better. A row is a misfit if by all of them at
        least half of the other partners fit it better than its own.
    share : float
        Share of rows that may be misfits. For rows in random order it is about half.
    message : callable
        Returns the error message for the first misfit.
    """
    n = len(fits[0])
    misfits = np.flatnonzero(np.logical_and.reduce([_misfits(one) for one in fits]))
    if len(misfits) > _FEW + share * n:
        raise ValueError(
            f"{message(int(misfits[0]))} ({len(misfits):,} of {n:,} rows compared fit no better than random ones)"
        )


def _misfits(fits: F64) -> NDArray[np.bool_]:
    own = np.diag(fits)[:, None]
    better = (fits > own + _TIE * np.abs(own)).sum(axis=1)
    return np.asarray((better > 0) & (2 * better >= len(fits) - 1))
