"""The result of a trainer: what was measured in validation, and which state was kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageReport:
    """The results of one stage of a trainer.

    Attributes
    ----------
    name : str
    measure : str
        Name of the measure in `values`.
    values : tuple of float
        The validation mean before the stage and after each of its epochs.
    losses : tuple of float
        The mean loss of each epoch.
    kept : bool
        Whether the best state of the stage is kept.
    interrupted : bool
        Whether the stage was ended by Ctrl-C; the best state until then counts.
    """

    name: str
    measure: str
    values: tuple[float, ...]
    losses: tuple[float, ...]
    kept: bool
    interrupted: bool = False


@dataclass(frozen=True)
class TrainingReport:
    """The outcome of a trainer of `fewbits.train`.

    Attributes
    ----------
    measure : str
        Name of the measure in `before` and `after`.
    before, after : float
        Means over the validation queries, which are not used in training. ``after >= before``; they are equal if no
        stage is kept: then the index is unchanged.
    queries, validation_queries : int
        Number of queries used in training, and number held out.
    stages : tuple of StageReport
    seconds : float
    interrupted : bool
        Whether a stage was ended by Ctrl-C.
    changed : bool
        Whether the index was changed.
    """

    measure: str
    before: float
    after: float
    queries: int
    validation_queries: int
    stages: tuple[StageReport, ...]
    seconds: float

    @property
    def interrupted(self) -> bool:
        return any(stage.interrupted for stage in self.stages)

    @property
    def changed(self) -> bool:
        return any(stage.kept for stage in self.stages)

    def __str__(self) -> str:
        lines = [
            f"{self.measure} on {self.validation_queries:,} held-out queries: {self.before:.4f} -> {self.after:.4f} "
            f"({self.queries:,} training queries, {self.seconds:.0f} s{', interrupted' if self.interrupted else ''})"
        ]
        for stage in self.stages:
            values = " ".join(f"{value:.4f}" for value in stage.values)
            lines.append(f"  {stage.name}: {stage.measure} {values}{'' if stage.kept else '  (not kept)'}")
        if not self.changed:
            lines.append("  no stage improved on the start: the index is unchanged")
        return "\n".join(lines)
