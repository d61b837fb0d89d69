"""A network that solves a differential equation, trained forward only.

Poisson's equation on the unit square: Laplacian u = -2 pi^2 sin(pi x) sin(pi y), and u = 0 at the border. The network
u is x (1 - x) y (1 - y) times a layer of tanh, so that the border is right. `fwdad.laplacian` gives what the equation
asks for, and `fwdad.jacfwd` of that moves all weights: a step of Levenberg and Marquardt fits the equation at 144
points. Nothing travels backwards. The truth is u = sin(pi x) sin(pi y).
"""

import numpy as np

import fwdad

HIDDEN = 16
rng = np.random.default_rng(1)


def network(weights, x, y):
    """Return u at the points x, y, arrays (N,)."""
    a, b, c, d = weights.reshape(4, HIDDEN)
    hidden = np.tanh(x[:, None] * a + y[:, None] * b + c)
    return x * (1 - x) * y * (1 - y) * (hidden @ d)


def residual(weights, x, y):
    """Return by how much u misses the equation, at each point."""
    # Moving all points by the same s gives each point's own Laplacian.
    laplacian = fwdad.laplacian(lambda s: network(weights, x + s[0], y + s[1]))(np.zeros(2))
    return laplacian + 2 * np.pi**2 * np.sin(np.pi * x) * np.sin(np.pi * y)


def grid(n):
    """Return n x n points inside the square."""
    inside = (np.arange(n) + 0.5) / n
    x, y = np.meshgrid(inside, inside)
    return x.ravel(), y.ravel()


x, y = grid(12)
weights = rng.normal(0, 1, 4 * HIDDEN)
with_jacobian = fwdad.value_and_jacfwd(residual)  # by the first argument, the weights
damping = 1e-2
r, j = with_jacobian(weights, x, y)
for step in range(40):
    change = np.linalg.solve(j.T @ j + damping * np.eye(len(weights)), -j.T @ r)
    trial = residual(weights + change, x, y)
    if trial @ trial < r @ r:
        weights, damping = weights + change, damping / 3
        r, j = with_jacobian(weights, x, y)
    else:
        damping *= 5
    if step % 10 == 9:
        print(f"step {step + 1}: the equation is missed by {np.sqrt(np.mean(r**2)):.2e}")

x, y = grid(50)  # other points than those it was trained on
error = np.max(np.abs(network(weights, x, y) - np.sin(np.pi * x) * np.sin(np.pi * y)))
print(f"largest error of u on a finer grid: {error:.1e}")
assert error < 1e-3
