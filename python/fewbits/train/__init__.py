"""Trainers that make an index rank better at the same bytes: `fb.train.jpq`.

numba is loaded when a trainer runs, not on import.
"""

from .jpq import jpq
from .report import StageReport, TrainingReport

__all__ = ["StageReport", "TrainingReport", "jpq"]
