"""debug_nans: where a tangent first becomes NaN."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import RULES, Dual, Rule, name_of
from fwdad.errors import NaNError

_active = contextvars.ContextVar("fwdad_debug_nans", default=False)
_lock = threading.Lock()
_unwatched: list[dict[Callable[..., Any], Rule]] = []  # the rules as they are, once for each watch that goes on


@contextmanager
def debug_nans() -> Iterator[None]:
    """Within it, the operation in which a tangent first becomes NaN raises `NaNError` with its name.

    An operation whose arguments already hold a NaN is not to blame. Each thread watches for itself. Every operation
    looks through its arguments and its answer, at the cost of reading them once more; outside, nothing is slower.

    >>> import numpy as np, fwdad
    >>> with fwdad.debug_nans(), np.errstate(invalid="ignore"):
    ...     fwdad.jvp(lambda x: np.sqrt(x) * 0, (0.0,), (1.0,))
    Traceback (most recent call last):
    fwdad.errors.NaNError: np.multiply made the first NaN of a tangent: 1 of 1 entries
    """
    with _lock:
        _unwatched.append(dict(_unwatched[0]) if _unwatched else dict(RULES))
        if len(_unwatched) == 1:
            RULES.update({function: _watching(function, rule) for function, rule in _unwatched[0].items()})
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)
        with _lock:
            rules = _unwatched.pop()
            if not _unwatched:
                RULES.update(rules)


def _watching(function: Callable[..., Any], rule: Rule) -> Rule:
    @functools.wraps(rule)
    def watching(*args: Any, **kwargs: Any) -> Any:
        answer = rule(*args, **kwargs)
        if _active.get():
            bad = sum(_nans(tangent) for tangent in _tangents(answer))
            if bad and not any(_nans(value) for value in _values((args, kwargs))):
                raise NaNError(
                    f"{name_of(function)} made the first NaN of a tangent: {bad} of "
                    f"{sum(np.size(tangent) for tangent in _tangents(answer))} entries"
                )
        return answer

    return watching


def _nans(value: Any) -> int:
    """How many entries of a floating array are NaN."""
    numeric = isinstance(value, (np.ndarray, np.generic, float, complex))
    return int(np.count_nonzero(np.not_equal(value, value))) if numeric else 0


def _tangents(answer: Any) -> list[Any]:
    """The tangents of all levels in an answer."""
    found: list[Any] = []
    for leaf in tree.leaves(answer):
        if type(leaf) is Dual:
            found += [*_tangents(leaf.primal), *_values(leaf.tangent)]
    return found


def _values(values: Any) -> list[Any]:
    """Primals and tangents of all levels in a tree."""
    found: list[Any] = []
    for leaf in tree.leaves(values):
        found += [*_values(leaf.primal), *_values(leaf.tangent)] if type(leaf) is Dual else [leaf]
    return found
