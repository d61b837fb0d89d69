"""A seed matrix for a banded Jacobian: few directions for many columns."""

from collections.abc import Iterator

import numpy as np

import fwdad
from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, array_of, expect, shown

TEXT = """
A function of n numbers that returns n numbers has a *Jacobian*: a matrix J, whose entry `J[i, j]` is the slope of
output i as input j grows. Forward mode does not give J itself, but products with it. For k directions, the rows of an
array `S` (k, n), one call of

    y, dy = fwdad.jvp(f, (x,), (S,))

gives `dy`, an array (k, n), whose row c is `J @ S[c]`. If `S` is `np.eye(n)`, direction c moves input c alone, and
`dy` is all of J, transposed. But the call takes about as long as k calls of f, and n may be large.

Often output i depends on inputs near i only, as in a row of springs or a diffusion equation. Then J is *banded*:
apart from the main diagonal, only `lower` diagonals below it and `upper` above it are not zero.

    J[i, j] = 0   unless   i - lower <= j <= i + upper

Now a direction may move several inputs at once. Take inputs 3 and 9 of a narrow band: no output depends on both, so
each entry of the product comes from one of the two, and the band says from which.

**Write** `seeds(n, lower, upper)`, which returns directions (k, n), and `recover(dy, lower, upper)`, which makes J,
an array (n, n), of their products `dy` (k, n). J must be right, and k as small as can be. The starter takes n
directions.
"""

STARTER = '''\
import numpy as np


def seeds(n, lower, upper):
    """Return the directions, an array (k, n)."""
    return np.eye(n)


def recover(dy, lower, upper):
    """Return the Jacobian (n, n) from dy (k, n), where dy[c] = J @ seeds(n, lower, upper)[c]."""
    return dy.T
'''

SOLUTION = '''\
import numpy as np


def seeds(n, lower, upper):
    """Return the directions, an array (k, n)."""
    k = min(n, lower + upper + 1)
    return np.array([[1.0 if j % k == c else 0.0 for j in range(n)] for c in range(k)])


def recover(dy, lower, upper):
    """Return the Jacobian (n, n) from dy (k, n), where dy[c] = J @ seeds(n, lower, upper)[c]."""
    k, n = dy.shape
    jacobian = np.zeros((n, n))
    for i in range(n):
        for j in range(max(0, i - lower), min(n, i + upper + 1)):
            jacobian[i, j] = dy[j % k, i]
    return jacobian
'''

HINTS = (
    "How many entries of the band can lie in one row of J? All of these columns meet in this row, so they need as many "
    "different directions. And so many are enough.",
    "Put column j into direction `j % k`. Columns of one direction are then k apart.",
    "`dy[c, i]` is the sum of `J[i, j]` over the columns j of direction c, and only one of them lies in the band of "
    "row i. All entries outside of the band are 0.",
)

WRONG = {
    "the right Jacobian, in n directions": ("k = min(n, lower + upper + 1)", "k = n"),
    "a direction too few": ("k = min(n, lower + upper + 1)", "k = min(n, max(1, lower + upper))"),
    "a band taken for symmetric": ("k = min(n, lower + upper + 1)", "k = min(n, 2 * max(lower, upper) + 1)"),
    "entries outside of the band": ("range(max(0, i - lower), min(n, i + upper + 1))", "range(n)"),
    "rows and columns change places": ("jacobian[i, j] = ", "jacobian[j, i] = "),
}


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Differentiate random banded functions along the seeds, and count these."""
    seeds, recover = answer.function("seeds"), answer.function("recover")
    for n, lower, upper in [(6, 0, 0), (8, 1, 1), (12, 1, 1), (11, 2, 0), (10, 0, 3), (15, 3, 1), (3, 2, 2)]:
        weights = np.triu(np.tril(rng.uniform(0.5, 2.0, (n, n)), upper), -lower)
        x = rng.normal(size=n)
        jacobian = (1 - np.tanh(weights @ x) ** 2)[:, None] * weights
        yield f"n = {n}, lower = {lower}, upper = {upper}: the Jacobian"
        directions = array_of(seeds(n, lower, upper))
        if directions.ndim != 2 or directions.shape[1] != n:
            raise Wrong(f"seeds of shape (k, {n})", f"shape {directions.shape}")
        dy = fwdad.jvp(lambda x, w=weights: np.tanh(w @ x), (x,), (directions,))[1]
        found = recover(dy.copy(), lower, upper)
        expect(found, jacobian)
        yield f"n = {n}, lower = {lower}, upper = {upper}: the number of directions"
        fewest, k = min(n, lower + upper + 1), len(directions)
        if k > fewest:
            raise Wrong(f"{fewest} directions", f"{k}: the Jacobian is right, but costs {k / fewest:.1f} times as much")
    yield "n = 2000, lower = 1, upper = 1: the number of directions"
    k = len(array_of(seeds(2000, 1, 1)))
    if k != 3:
        raise Wrong("3", shown(k))
    yield Remark("3 directions in place of 2000. fwdad.sparse_jacfwd finds patterns and directions by itself.")


EXERCISE = Exercise(
    4, "banded-jacobian", "A seed matrix for a banded Jacobian", TEXT, STARTER, SOLUTION, HINTS, WRONG, check
)
