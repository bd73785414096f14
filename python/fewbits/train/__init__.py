"""Trainers that make an index rank better at the same bytes: `fb.train.jpq` and `fb.train.adapter`.

numba is loaded when a trainer runs, not on import.
"""

from .adapter import adapter
from .jpq import jpq
from .report import StageReport, TrainingReport

__all__ = ["StageReport", "TrainingReport", "adapter", "jpq"]
