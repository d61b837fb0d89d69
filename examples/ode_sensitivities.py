"""How the solution of a differential equation moves with its parameters.

Foxes and rabbits: r' = a r - b r f, f' = c r f - d f. `fwdad.jacfwd` runs SciPy's own solver with four tangents, one
for each of a, b, c, d. The truth is the classical way: the variational equations S' = J S + dy'/dp, written by hand,
which SciPy solves beside the animals.
"""

import numpy as np
import scipy.integrate

import fwdad

START, END = np.array([10.0, 5.0]), 12.0
PARAMETERS = np.array([1.1, 0.4, 0.1, 0.4])
SOLVER = {"rtol": 1e-9, "atol": 1e-9, "method": "DOP853"}


def growth(y, p):
    """Return y' for the animals y and the parameters p."""
    r, f = y
    a, b, c, d = p
    return np.stack([a * r - b * r * f, c * r * f - d * f])


def animals(p):
    """Return how many rabbits and foxes there are at the end: (2,)."""
    return scipy.integrate.solve_ivp(lambda t, y: growth(y, p), (0.0, END), START, **SOLVER).y[:, -1]


def by_hand(p):
    """Return the same and its derivatives (2, 4), by the variational equations."""

    def both(t, z):
        (r, f), s = z[:2], z[2:].reshape(2, 4)
        a, b, c, d = p
        by_animals = np.array([[a - b * f, -b * r], [c * f, c * r - d]])
        by_parameters = np.array([[r, -r * f, 0, 0], [0, 0, r * f, -f]])
        return np.concatenate([growth(z[:2], p), (by_animals @ s + by_parameters).ravel()])

    z = scipy.integrate.solve_ivp(both, (0.0, END), np.concatenate([START, np.zeros(8)]), **SOLVER).y[:, -1]
    return z[:2], z[2:].reshape(2, 4)


y, sensitivities = fwdad.value_and_jacfwd(animals)(PARAMETERS)
print(f"after {END:g} years: {y[0]:.4f} rabbits, {y[1]:.4f} foxes")
for name, column in zip("abcd", sensitivities.T, strict=True):
    print(f"  d/d{name}: {column[0]:10.4f} rabbits {column[1]:10.4f} foxes")

expected, truth = by_hand(PARAMETERS)
error = np.max(np.abs(sensitivities - truth)) / np.max(np.abs(truth))
print(f"against the variational equations: relative error {error:.1e}")
assert np.allclose(y, expected, rtol=1e-6)
assert error < 1e-6
