"""Stopping by a signal: the work ends at a good place, and the command says how to go on."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stop_on_signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Within the block, SIGINT and SIGTERM call `stop`; a second one ends the process at once.

    Yields a list that will hold the first signal received.
    """
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        received.append(number)
        stop()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        restore()
