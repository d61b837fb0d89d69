"""Assumptions: what is taken to hold of arrays on a device until the host waits for the device anyway.

Where a program asks a device's array ``if condition``, the host waits until all that was launched before is done.
Inside `assuming`, `assume` takes the condition to hold and keeps it on the device; `read` brings it to the host with
the number that is wanted there, in one copy. Where a condition did not hold, the program runs again and asks at once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from fwdad.kernels.device import is_device_array, to_device

T = TypeVar("T")


class Unfounded(Exception):
    """An assumption did not hold."""


_made: ContextVar[list[Any] | None] = ContextVar("assumptions", default=None)


def assume(condition: Any) -> bool:
    """Return whether a condition, a bool or an array of one, holds; of a device's, inside `assuming`, that it does."""
    made = _made.get()
    if made is None or not is_device_array(condition):
        return bool(condition)
    made.append(condition)
    return True


def read(value: Any) -> float:
    """Return a real array of one entry as a float; raise `Unfounded` where an assumption so far did not hold."""
    made = _made.get()
    if not made or not is_device_array(value):
        return float(value)
    number, *held = to_device(np.stack([np.reshape(a, ()).astype(np.float64) for a in (value, *made)]), "cpu")
    made.clear()
    if not all(held):
        raise Unfounded
    return float(number)


def assuming(run: Callable[[], T]) -> T:
    """Return what ``run()`` returns; it runs a second time, without assumptions, where one did not hold.

    Examples
    --------
    >>> assuming(lambda: assume(np.array(2) > 1))
    True
    """
    made: list[Any] = []
    token = _made.set(made)
    try:
        result = run()
        if made:
            read(made[-1])
        return result
    except Unfounded:
        pass
    except Exception:
        if all(made):
            raise  # else it may be what a wrong assumption has led to
    finally:
        _made.reset(token)
    return run()
