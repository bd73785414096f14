"""One progress bar on stderr for long work, and the hooks by which the core reports to it.

The core calls its hook between blocks of work; that is also where Ctrl-C arrives (Python raises KeyboardInterrupt
inside the hook, the core stops). Hence a hook is passed even when nothing is shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

ProgressArgument = bool | Callable[[str, float], None] | None
"""None: a bar if stderr is a terminal; True or False: always or never; a callable gets (stage, fraction done)."""

_WIDTH = 24
_SECONDS_BETWEEN_DRAWS = 0.1


class Progress:
    """Shows the stages of one call (`with Progress(argument) as progress: ... progress.stage("k-means")`)."""

    def __init__(self, argument: ProgressArgument) -> None:
        if argument is not None and not isinstance(argument, bool) and not callable(argument):
            raise TypeError(f"progress: expected None, a bool or a callable(stage, fraction), got {argument!r}")
        self.argument = argument
        self._report = argument if callable(argument) else None
        self._draws = sys.stderr.isatty() if argument is None else argument is True
        self._last_draw = 0.0
        self._last_name = ""
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last_draw:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def stage(self, name: str) -> Callable[[float], None]:
        """The hook of one stage: call it with the fraction done."""

        def hook(fraction: float) -> None:
            if self._report is not None:
                self._report(name, fraction)
            elif self._draws:
                self._draw(name, fraction)

        return hook

    def _draw(self, name: str, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last_draw < _SECONDS_BETWEEN_DRAWS and fraction < 1 and name == self._last_name:
            return
        self._last_draw, self._last_name = now, name
        done = round(_WIDTH * min(max(fraction, 0.0), 1.0))
        bar = "#" * done + "." * (_WIDTH - done)
        sys.stderr.write(f"\r\033[K{name:<24} [{bar}] {fraction:4.0%}  {now - self._started:.0f} s")
        sys.stderr.flush()
