"""The two ways in which a derivative could be lost, as exceptions that say what to do instead."""


class NoRuleError(TypeError):
    """A NumPy function without a JVP rule met a Dual."""


class LostDerivativeError(TypeError):
    """An operation would have turned a Dual into plain numbers and dropped its tangent."""
