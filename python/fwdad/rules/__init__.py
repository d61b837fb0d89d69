"""The JVP rules of NumPy's functions, one table a file; importing this package fills `fwdad.dual.RULES`.

forms         how a row becomes a rule
elementwise   sin, exp, +, *, ...
special       scipy.special's erf, gammaln, xlogy, ...
reductions    sum, mean, max, prod, ...
statistics    median, quantile, nanmean, average, cov, ...
shaping       reshape, transpose, concatenate, where, pad, x[index], ...
views         flip, rot90, split, diagonal, ...: composed of slices
moving        tile, repeat, vstack, insert, choose, ...: in one word each
sorting       sort, partition, unique, searchsorted, ...
products      matmul, dot, tensordot, kron, cross, convolve, ...
einsum        any string
linalg        solve, inv, det, norm, ...
decompositions  cholesky, qr, eigh, svd, ...
fft           fft, rfftn, fftshift, ...
sampling      diff, gradient, interp, trapezoid, linspace, ...
polynomials   polyval, polyfit, roots, ...
assignment    x[i] = v, x += v, np.copyto(x, v): writing, and the views that see it
methods       x.sum(), x.T, ...: ndarray's methods, by way of the functions above
"""

from fwdad.rules import (
    assignment,
    decompositions,
    einsum,
    elementwise,
    fft,
    forms,
    linalg,
    methods,
    moving,
    polynomials,
    products,
    reductions,
    sampling,
    shaping,
    sorting,
    special,
    statistics,
    views,
)

assignment.watch_views()

__all__ = [
    "assignment", "decompositions", "einsum", "elementwise", "fft", "forms", "linalg", "methods", "moving", "polynomials", "products",
    "reductions", "sampling", "shaping", "sorting", "special", "statistics", "views",
]  # fmt: skip
