"""The JVP rules of NumPy's functions, one table a file; importing this package fills `fwdad.dual.RULES`.

kinks         points where a derivative does not exist
forms         how a row becomes a rule
elementwise   sin, exp, +, *, ...
reductions    sum, mean, max, prod, ...
emath         np.emath
folds         np.subtract.outer, np.maximum.accumulate, np.logaddexp.reduce, ...: ufuncs' methods
statistics    median, quantile, nanmean, average, cov, ...
shaping       reshape, transpose, flip, concatenate, where, pad, x[index], ...
views         rot90, split, atleast_2d, diagonal, ...: composed of slices
moving        tile, repeat, vstack, insert, choose, ...: one word each
sorting       sort, partition, unique, searchsorted, ...
products      matmul, dot, tensordot, kron, cross, convolve, ...
einsum        any string
linalg        solve, inv, det, norm, ...
decompositions  cholesky, qr, eigh, svd, ...
fft           fft, rfftn, fftshift, ...
sampling      diff, gradient, interp, trapezoid, linspace, ...
polynomials   polyval, polyfit, roots, ...
creation      zeros_like, full_like, like=: arrays into which Duals can be written
assignment    x[i] = v, x += v, np.copyto(x, v): writing, and the views that share what is written
vectorize     np.vectorize
operators     constant linear operators, of any library
replacing     functions that make plain arrays of their arguments first: how they hear of Duals
series        the package numpy.polynomial, for programs that import it
scipy/        SciPy's functions, for programs that import SciPy
methods       x.sum(), x.T, ...: ndarray's methods, which call the functions above
"""

from fwdad.rules import (
    assignment,
    creation,
    decompositions,
    einsum,
    elementwise,
    emath,
    fft,
    folds,
    forms,
    kinks,
    linalg,
    methods,
    moving,
    operators,
    polynomials,
    products,
    reductions,
    replacing,
    sampling,
    shaping,
    sorting,
    statistics,
    vectorize,
    views,
)

assignment.watch_views()
replacing.watch()

__all__ = [
    "assignment", "creation", "decompositions", "einsum", "elementwise", "emath", "fft", "folds", "forms", "kinks", "linalg", "methods", "moving", "operators", "polynomials", "products",
    "reductions", "replacing", "sampling", "shaping", "sorting", "statistics", "vectorize", "views",
]  # fmt: skip
