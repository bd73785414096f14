"""Trainers that improve ranking at the same size: `fb.train.jpq`, `repconc`, `adapter`, `recurrent_binary`; what a
few judged queries teach about scores: `calibrate`, `fuse`; and labels without judges: `pseudo_labels`.

numba is loaded when a trainer runs, not on import.
"""

from .adapter import adapter
from .calibrate import CalibrationReport, calibrate
from .fuse import Fusion, fuse
from .jpq import jpq
from .pseudo_labels import pseudo_labels
from .recurrent_binary import recurrent_binary
from .repconc import repconc
from .report import StageReport, TrainingReport

__all__ = [
    "CalibrationReport",
    "Fusion",
    "StageReport",
    "TrainingReport",
    "adapter",
    "calibrate",
    "fuse",
    "jpq",
    "pseudo_labels",
    "recurrent_binary",
    "repconc",
]
