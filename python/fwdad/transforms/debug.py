"""debug_nans: the operation that makes the first NaN."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.dual import Dual, name_of
from fwdad.errors import NaNError
from fwdad.transforms.carriers import Carrier
from fwdad.transforms.watch import watching


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
    with watching(_checked):
        yield


def _checked(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
) -> Any:
    """Run an operation and check its answer."""
    answer = run()
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
