"""Newton's method with a sparse Jacobian, and how the solution moves with a parameter.

Bratu's equation u'' + s exp(u) = 0, with u = 0 at both ends, describes a body that heats itself; s is how strongly.
On a grid each equation has three unknowns, so `fwdad.colouring` finds the Jacobian in three directions, whatever the
number of points. `fwdad.custom_root` makes the solver a function with derivatives: du/ds without a word about how it
was solved. The truth is the solution on paper: u = -2 log(cosh((x - 1/2) q / 2) / cosh(q / 4)), where
q = sqrt(2 s) cosh(q / 4).
"""

import numpy as np
from scipy.optimize import brentq
from scipy.sparse.linalg import spsolve

import fwdad

POINTS = 300
x = np.linspace(0, 1, POINTS + 2)[1:-1]
h = x[1] - x[0]


def equations(u, s):
    """Return by how much u misses the equation, at each inner point."""
    around = np.concatenate([np.zeros(1), u, np.zeros(1)])
    return (around[2:] - 2 * u + around[:-2]) / h**2 + s * np.exp(u)


colours = fwdad.colouring(equations, np.zeros(POINTS), 1.0)
steps = []


def newton(s):
    """Return u, beginning at zeros."""
    u = np.zeros(POINTS)
    for _ in range(20):
        change = spsolve(colours.csr(u, s), -equations(u, s))
        u = u + change
        steps.append(np.max(np.abs(change)))
        if steps[-1] < 1e-10:
            return u
    raise RuntimeError(f"Newton's method did not converge for s = {s}")


def on_paper(s):
    """Return u by the formula: q by a solver, with derivatives."""

    def equation(q, s):
        return q - np.sqrt(2 * s) * np.cosh(q / 4)

    q = fwdad.custom_root(equation, lambda s: brentq(equation, 0, 4, args=(s,), xtol=1e-14))(s)
    return -2 * np.log(np.cosh((x - 0.5) * q / 2) / np.cosh(q / 4))


s = 2.0
u, slope = fwdad.value_and_derivative(fwdad.custom_root(equations, newton))(s)
print(f"{POINTS} unknowns, {colours.jacobian(u, s).directions} directions, {len(steps)} steps of Newton:")
print("  largest change", ", ".join(f"{change:.0e}" for change in steps))
middle = POINTS // 2
print(f"in the middle u = {u[middle]:.6f}, and du/ds = {slope[middle]:.6f}")

expected, expected_slope = fwdad.value_and_derivative(on_paper)(s)
print(f"errors of the grid: u {np.max(np.abs(u - expected)):.1e}, du/ds {np.max(np.abs(slope - expected_slope)):.1e}")
assert np.allclose(u, expected, atol=2 * h**2)
assert np.allclose(slope, expected_slope, atol=2 * h**2)
difference = (newton(s + 1e-4) - newton(s - 1e-4)) / 2e-4
assert np.allclose(slope, difference, rtol=1e-6)
