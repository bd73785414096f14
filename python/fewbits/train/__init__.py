"""Trainers that improve ranking at the same size: `fb.train.jpq`, `repconc`, `adapter`, `recurrent_binary`.

numba is loaded when a trainer runs, not on import.
"""

from .adapter import adapter
from .jpq import jpq
from .recurrent_binary import recurrent_binary
from .repconc import repconc
from .report import StageReport, TrainingReport

__all__ = ["StageReport", "TrainingReport", "adapter", "jpq", "recurrent_binary", "repconc"]
