"""Every exception of fewbits derives from FewbitsError.

Wrong arguments raise TypeError or ValueError instead, naming what was wrong, what was given and what is expected; they
are raised before anything changes.
"""

from ._core import CorruptIndexError, FewbitsError, FormatVersionError

__all__ = ["CorruptIndexError", "FewbitsError", "FormatVersionError", "NotTrainedError"]


class NotTrainedError(FewbitsError, RuntimeError):
    """The index has parts that must see data first: call `train` or `build`."""
