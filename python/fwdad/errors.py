"""Exceptions for derivatives that would be lost or wrong, and for files of a run; each says what to do."""

import numpy as np


def undefined(owner: object, method: str) -> NotImplementedError:
    """Return the error for a method that a subclass was to define."""
    return NotImplementedError(f"{type(owner).__name__} must define {method}")


class NoRuleError(TypeError):
    """A NumPy function without a JVP rule met a Dual."""


class NaNError(FloatingPointError):
    """An operation made a NaN while `fwdad.debug_nans` was watching."""


class LostDerivativeError(TypeError):
    """An operation would have turned a Dual into plain numbers and dropped its tangent."""


def is_lost(error: BaseException) -> bool:
    """Whether an error is a LostDerivativeError, or NumPy's "setting an array element with a sequence" in its place."""
    return isinstance(error, LostDerivativeError) or isinstance(error.__cause__, LostDerivativeError)


class RepeatedValuesError(np.linalg.LinAlgError):
    """A transform met equal eigenvalues or singular values, and cannot part them; `fwdad.jvp` can."""


class RunError(ValueError):
    """A run's folder or file cannot be used as asked; the message names it and says what to do."""


class RunWarning(UserWarning):
    """A run goes on under circumstances that may change its numbers."""
