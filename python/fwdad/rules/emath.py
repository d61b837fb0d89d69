"""np.emath: functions whose answer is complex where no real one exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, plain
from fwdad.rules.forms import composed


def extended(function: Any, real: Callable[..., Any], outside: Callable[[Any], Any]) -> None:
    """Enter a function of np.emath: the real one, of complex numbers where an argument lies outside of its domain."""

    def rule(*args: Array) -> Array:
        *first, x = args
        return real(*first, made_complex(x) if np.any(outside(plain(x))) else x)

    composed(function)(rule)


def made_complex(x: Array) -> Array:
    """Return an array of complex dtype."""
    array: Any = x if isinstance(x, Dual) else np.asarray(x)
    return array.astype(np.result_type(plain(x), np.complex64))


def _negative(x: Any) -> Any:
    return np.real(x) < 0


def _beyond_one(x: Any) -> Any:
    return np.abs(x) > 1


# fmt: off
#        function            on the real line                                outside of it
extended(np.emath.sqrt,      np.sqrt,                                        _negative)
extended(np.emath.log,       np.log,                                         _negative)
extended(np.emath.log2,      np.log2,                                        _negative)
extended(np.emath.log10,     np.log10,                                       _negative)
extended(np.emath.arccos,    np.arccos,                                      _beyond_one)
extended(np.emath.arcsin,    np.arcsin,                                      _beyond_one)
extended(np.emath.arctanh,   np.arctanh,                                     _beyond_one)
extended(np.emath.logn,      lambda n, x: np.emath.log(x) / np.emath.log(n), lambda x: False)
# fmt: on


@composed(np.emath.power)
def _power(x: Array, p: Array) -> Array:
    exponent = p if isinstance(p, Dual) else np.asarray(p)  # an array's dtype counts, as in NumPy's
    return np.power(made_complex(x) if np.any(_negative(plain(x))) else x, exponent)
