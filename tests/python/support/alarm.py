"""Ctrl-C by a timer. On a loaded machine a signal can arrive after the call that it was meant for: it is not heard."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Alarm:
    """While this context is open, `start` lets SIGALRM raise KeyboardInterrupt once, unless `stop` comes before."""

    def __init__(self) -> None:
        self._armed = False

    def __enter__(self) -> Alarm:
        self._before = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        signal.signal(signal.SIGALRM, self._before)

    def start(self, seconds: float) -> None:
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def stop(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
