"""Break the mean of forward gradients with aligned tangents, and mend it by a projection."""

from collections.abc import Iterator

import numpy as np

from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, array_of, expect

TEXT = """
A function of n numbers that returns one number, such as the loss of a network, has a *gradient* g: n slopes, one for
each number. Forward mode gives the slope along a direction v. It is `v @ g`, but g itself stays unknown. Along k
directions, the rows of an array V (k, n), you get k slopes, `d = V @ g`. How well can g be guessed from V and d?

The usual guess is the **mean** of the directions, each times its slope: `(d_1 v_1 + ... + d_k v_k) / k`. If the
directions are random, it points the right way on average. But if they are nearly parallel, it says nearly the same
thing k times.

The **projection** is the best guess that can be made: of all sums `p = c_1 v_1 + ... + c_k v_k`, the one nearest to
g. What is left of g, `g - p`, is then at right angles to every direction: `V @ (g - p)` is 0. So `V @ p` is `V @ g`,
which is d, and from that c can be found without knowing g.

**Write** three functions:

- `tangents(n, k, degrees, rng)` breaks the mean. It returns k random directions, an array (k, n), all of length 1.
  The first points anywhere, one way as often as another. Each of the others has an angle of `degrees` to the first,
  to any side of it. Take the random numbers from `rng`, a `np.random.Generator`. k is at most n.
- `mean(V, d)` returns the mean above, an array (n,).
- `projection(V, d)` mends it: it returns p, an array (n,). It must be right even if one direction is given twice.

At the end you see how much the mean suffers. It is the experiment of section 4.3 of arXiv 2410.17764 in small.
"""

STARTER = '''\
import numpy as np


def tangents(n, k, degrees, rng):
    """Return k directions of length 1, an array (k, n): rows 1, 2, ... at an angle of degrees to row 0."""
    V = rng.standard_normal((k, n))
    return V / np.linalg.norm(V, axis=1, keepdims=True)


def mean(V, d):
    """Return 1/k sum_i d_i v_i, an array (n,)."""
    raise NotImplementedError("mean is yours to write")


def projection(V, d):
    """Return the sum of c_i v_i whose slopes along the rows of V are d, an array (n,)."""
    raise NotImplementedError("projection is yours to write")
'''

SOLUTION = '''\
import numpy as np


def tangents(n, k, degrees, rng):
    """Return k directions of length 1, an array (k, n): rows 1, 2, ... at an angle of degrees to row 0."""
    V = rng.standard_normal((k, n))
    V[0] /= np.linalg.norm(V[0])
    V[1:] -= np.outer(V[1:] @ V[0], V[0])  # now at right angles to the first
    V[1:] /= np.linalg.norm(V[1:], axis=1, keepdims=True)
    angle = np.radians(degrees)
    V[1:] = np.cos(angle) * V[0] + np.sin(angle) * V[1:]
    return V


def mean(V, d):
    """Return 1/k sum_i d_i v_i, an array (n,)."""
    return d @ V / len(V)


def projection(V, d):
    """Return the sum of c_i v_i whose slopes along the rows of V are d, an array (n,)."""
    return np.linalg.pinv(V) @ d
'''

HINTS = (
    "For `tangents`: make a first direction u of length 1, and another one w of length 1 at right angles to it, by "
    "taking out of a random vector its part along u. Then `cos(angle) u + sin(angle) w` has length 1 and the angle.",
    "For `projection`: put `p = V.T @ c` into `V @ p = d`. That is `(V @ V.T) @ c = d`: k equations for "
    "the k numbers c.",
    "If a direction is given twice, two of these equations are the same, and `np.linalg.solve` fails. "
    "`np.linalg.lstsq(V, d, rcond=None)[0]` returns the shortest p with `V @ p = d`; it is the projection. So does "
    "`np.linalg.pinv(V) @ d`.",
)

WRONG = {
    "fails where a direction is given twice": (
        "np.linalg.pinv(V) @ d",
        "V.T @ np.linalg.solve(V @ V.T, d)",
    ),
    "a projection of directions at right angles only": (
        "np.linalg.pinv(V) @ d",
        "V.T @ (d / np.sum(V**2, axis=1))",
    ),
    "orthonormal directions with the slopes of the old ones": (
        "np.linalg.pinv(V) @ d",
        "np.linalg.qr(V.T)[0] @ d",
    ),
    "the sum in place of the mean": ("d @ V / len(V)", "d @ V"),
    "not at right angles before it is turned": ("V[1:] -= np.outer(V[1:] @ V[0], V[0])", "V[1:] -= 0"),
    "more often one way than another": ("rng.standard_normal((k, n))", "rng.random((k, n))"),
    "all the same direction": ("np.sin(angle) * V[1:]", "np.sin(angle) * V[1:2]"),
}


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Check angles, the mean's formula, and what defines a projection; then show the cosines."""
    tangents, mean, projection = map(answer.function, ("tangents", "mean", "projection"))
    for n, k, degrees in [(20, 5, 90), (20, 5, 15), (6, 6, 60), (9, 1, 30)]:
        yield f"tangents({n}, {k}, {degrees}, rng): shape and lengths"
        v = array_of(tangents(n, k, degrees, rng))
        if v.shape != (k, n):
            raise Wrong(f"shape {(k, n)}", f"shape {v.shape}")
        expect(np.linalg.norm(v, axis=1), np.ones(k))
        yield f"tangents({n}, {k}, {degrees}, rng): the cosines of the angles to the first"
        expect(v[1:] @ v[0], np.full(k - 1, np.cos(np.radians(degrees))))
        yield f"tangents({n}, {k}, {degrees}, rng): no direction is a sum of others"
        if np.linalg.matrix_rank(v, 1e-9) < k:
            raise Wrong(f"{k} different directions", f"{np.linalg.matrix_rank(v, 1e-9)} that do not depend on others")
    yield "tangents: others at each call"
    if np.allclose(tangents(20, 3, 45, rng), tangents(20, 3, 45, rng)):
        raise Wrong("other random directions", "the same; take the random numbers from rng")
    yield "tangents(20, 3, 90, rng): one way as often as another, so that the average over 300 calls is near 0"
    average = np.mean([array_of(tangents(20, 3, 90, rng)) for _ in range(300)], axis=0)
    length = np.max(np.linalg.norm(average, axis=1))
    if not length < 0.25:
        raise Wrong("averages of a length below 0.25", f"{length:.2f}; draw each number with a mean of 0")

    v, g = rng.normal(size=(3, 8)), rng.normal(size=8)
    yield "mean of 3 random directions of any length, n = 8"
    expect(mean(v, v @ g), (v @ g) @ v / 3)
    cases = {
        "3 random directions of any length": v,
        "3 directions at right angles": np.eye(8)[:3],
        "2 directions at 5 degrees": np.eye(8)[:2] * np.sin(np.radians(5)) + np.eye(8)[2] * np.cos(np.radians(5)),
        "8 directions, as many as n": rng.normal(size=(8, 8)) + 6 * np.eye(8),  # never close to dependent
        "4 directions, one of them given twice": v[[0, 1, 2, 1]],
        "4 axes, one of them given twice": np.eye(8)[[0, 3, 5, 3]],  # exactly singular, whatever the rounding
    }
    for text, v in cases.items():
        yield f"projection on {text}, n = 8"
        p = array_of(projection(v.copy(), v @ g))
        _, values, right = np.linalg.svd(v, full_matrices=False)
        basis = right[values > 1e-9 * values[0]]
        expect(p, basis.T @ (basis @ g), 1e-7)

    yield "both estimates of 200 random gradients, n = 64, k = 16"
    table = ["cosine to the gradient    mean    projection"]
    for degrees in (90, 45, 15):
        cosines = np.zeros((200, 2))
        for row in cosines:
            v, g = tangents(64, 16, degrees, rng), rng.normal(size=64)
            for place, guess in enumerate((mean(v, v @ g), projection(v, v @ g))):
                row[place] = guess @ g / np.linalg.norm(guess) / np.linalg.norm(g)
        average = np.mean(cosines, axis=0)
        table.append(f"{degrees:>3} degrees              {average[0]:8.3f}{average[1]:14.3f}")
    yield from map(Remark, table)


EXERCISE = Exercise(
    5,
    "aligned-tangents",
    "Break the mean with aligned tangents, and mend it",
    TEXT,
    STARTER,
    SOLUTION,
    HINTS,
    WRONG,
    check,
)
