"""Compiles with numba, which is imported when a kernel is first called, not with fewbits or fewbits.train.

A kernel is a plain function of arrays and numbers that calls no other kernel; it runs without the GIL. Compiled code is
cached beside the package or in the user's cache directory, or not at all if neither is writable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def require_numba() -> Any:
    try:
        import numba
    except ImportError as error:
        raise ImportError(f"fewbits.train compiles its kernels with numba: pip install numba ({error})") from error
    return numba


class Compiled(Generic[P, R]):
    """A function that numba compiles on its first call; `python` is the uncompiled function."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.python = function
        self._native: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self._native is None:
            self._native = _native(self.python)
        return self._native(*args, **kwargs)


def _native(function: Callable[P, R]) -> Callable[P, R]:
    njit = require_numba().njit
    options = {"nogil": True, "error_model": "numpy"}
    try:
        native: Callable[P, R] = njit(cache=True, **options)(function)
    except RuntimeError:  # no writable cache directory
        native = njit(**options)(function)
    return native
