"""From a sample to an engine without vectors."""

from __future__ import annotations

from .. import _core
from ..fit.few import too_few
from ..fit.model import train
from ..input.progress import Progress
from ..input.sample import Sample
from ..numeric.arrays import F32
from ..spec.description import Description
from ..spec.parts import Model
from .state import Training


def fitted(
    description: Description,
    sample: Sample,
    expected: int,
    threads: int | None,
    progress: Progress,
    queries: F32 | None,
) -> tuple[_core.Engine, Training]:
    """An engine without vectors, trained on a sample."""
    size = len(sample)
    model = fitted_model(description, sample, expected, threads, progress, queries)
    training = Training(too_few(description, size, expected), size, model.notes)
    return _core.Engine(model.params, model.arrays), training


def fitted_model(
    description: Description,
    sample: Sample,
    expected: int,
    threads: int | None,
    progress: Progress,
    queries: F32 | None = None,
) -> Model:
    if description.needs_training and not len(sample):
        raise ValueError(f"training: expected at least 1 vector of dimension {description.dim}, got none")
    with progress:
        return train(description, sample, expected, threads or 0, progress, queries)
