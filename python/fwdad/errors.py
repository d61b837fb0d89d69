"""Exceptions for derivatives that would be lost or wrong; each says what happened and what to do."""


class NoRuleError(TypeError):
    """A NumPy function without a JVP rule met a Dual."""


class NaNError(FloatingPointError):
    """An operation made a NaN while `fwdad.debug_nans` was watching."""


class LostDerivativeError(TypeError):
    """An operation would have turned a Dual into plain numbers and dropped its tangent."""
