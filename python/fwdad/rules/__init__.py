"""The JVP rules of NumPy's functions, one table a file; importing this package fills `fwdad.dual.RULES`.

forms         how a row becomes a rule
elementwise   sin, exp, +, *, ...
reductions    sum, mean, max, prod, ...
shaping       reshape, transpose, concatenate, where, x[index], ...
products      matmul, dot, tensordot, ...
assignment    x[i] = v, x += v, np.copyto(x, v): writing, and the views that see it
methods       x.sum(), x.T, ...: ndarray's methods, by way of the functions above
"""

from fwdad.rules import assignment, elementwise, forms, methods, products, reductions, shaping

assignment.watch_views()

__all__ = ["assignment", "elementwise", "forms", "methods", "products", "reductions", "shaping"]
