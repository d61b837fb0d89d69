"""debug_nans: the operation that makes the first NaN."""

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
from fwdad.transforms.carriers import Carrier
from fwdad.transforms.custom import custom_jvp

# Whether this thread watches. Also False within a rule: its own steps are not the user's operations.
_watches = contextvars.ContextVar("fwdad_debug_nans", default=False)
_lock = threading.Lock()
_open: list[tuple[dict[Callable[..., Any], Rule], dict[type[Carrier], Any], Any]] = []
"""What `debug_nans` replaces, as it was: the rules, how carriers operate, and the rule of every `custom_jvp`; once for
each context that is open."""


@contextmanager
def debug_nans() -> Iterator[None]:
    """Raise `NaNError`, with the operation's name, where the first NaN is made.

    Within this context an operation on a Dual raises if a primal or a tangent of its answer holds a NaN and none of its
    arguments does.

    Raises
    ------
    NaNError
        The message names the operation and counts the entries.

    Notes
    -----
    Each thread watches for itself. Operations on plain arrays are not watched; ``np.errstate(invalid="raise")`` does
    that. Arguments and answers are read once more; outside of the context nothing is slower.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> with fwdad.debug_nans(), np.errstate(invalid="ignore"):
    ...     fwdad.jvp(lambda x: np.sqrt(x) * 0, (0.0,), (1.0,))
    Traceback (most recent call last):
    fwdad.errors.NaNError: np.multiply made the first NaN: 1 of 1 entries of the tangents
    """
    with _lock:
        operates = {carrier: carrier.operate for carrier in Carrier.__subclasses__()}
        _open.append(_open[0] if _open else (dict(RULES), operates, custom_jvp.rule))
        if len(_open) == 1:
            rules, operates, custom_rule = _open[0]
            custom_jvp.rule = _watched_custom(custom_rule)  # type: ignore[method-assign]
            RULES.update({function: _watched_rule(function, rule) for function, rule in rules.items()})
            for carrier, operate in operates.items():
                carrier.operate = _watched_operate(operate)  # type: ignore[method-assign]
    token = _watches.set(True)
    try:
        yield
    finally:
        _watches.reset(token)
        with _lock:
            rules, operates, custom_rule = _open.pop()
            if not _open:
                custom_jvp.rule = custom_rule  # type: ignore[method-assign]
                RULES.update(rules)
                for carrier, operate in operates.items():
                    carrier.operate = operate  # type: ignore[method-assign]


def _watched_rule(function: Callable[..., Any], rule: Rule) -> Rule:
    @functools.wraps(rule)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return _watched(function, args, kwargs, lambda: rule(*args, **kwargs))

    return watched


def _watched_custom(rule: Rule) -> Rule:
    @functools.wraps(rule)
    def watched(self: custom_jvp, *args: Any) -> Any:
        return _watched(self, args, {}, lambda: rule(self, *args))

    return watched


def _watched_operate(operate: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(operate)
    def watched(self: Carrier, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _watched(function, args, kwargs, lambda: operate(self, function, args, kwargs))

    return watched


def _watched(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
) -> Any:
    """Run one of the user's operations, and check its answer if this thread watches."""
    if not _watches.get():
        return run()
    token = _watches.set(False)
    try:
        answer = run()
    finally:
        _watches.reset(token)
    _check(function, (args, kwargs), answer)
    return answer


def _check(function: Callable[..., Any], arguments: Any, answer: Any) -> None:
    """Raise NaNError if the answer's Duals hold a NaN, and the arguments none."""
    primals, tangents = _halves(answer)
    for arrays, what in ((primals, "primal"), (tangents, "tangents")):
        bad = sum(_nans(array) for array in arrays)
        if bad and not any(_nans(leaf) for half in _halves(arguments, plain_too=True) for leaf in half):
            size = sum(np.size(array) for array in arrays)
            raise NaNError(f"{name_of(function)} made the first NaN: {bad} of {size} entries of the {what}")


def _nans(value: Any) -> int:
    """Count the NaN entries of a floating array."""
    numeric = isinstance(value, (np.ndarray, np.generic, float, complex))
    return int(np.count_nonzero(np.not_equal(value, value))) if numeric else 0


def _halves(values: Any, plain_too: bool = False) -> tuple[list[Any], list[Any]]:
    """Collect the primals and the tangents, of all levels, of the Duals in a tree; `plain_too` adds plain leaves."""
    primals: list[Any] = []
    tangents: list[Any] = []
    for leaf in tree.leaves(values):
        if isinstance(leaf, Dual):
            primal, tangent = leaf.halves() if isinstance(leaf, Carrier) else (leaf.primal, leaf.tangent)
            lower_primals, derivatives = _halves(primal, plain_too=True)
            primals += lower_primals
            tangents += [*derivatives, *(array for half in _halves(tangent, plain_too=True) for array in half)]
        elif plain_too:
            primals.append(leaf)
    return primals, tangents
