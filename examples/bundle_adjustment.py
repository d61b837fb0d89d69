"""Bundle adjustment: where cameras stood and points lie, from what the cameras saw.

A residual depends on one camera (6 numbers) and one point (3). So the Jacobian of all residuals is sparse, and
`fwdad.colouring` needs few directions for it, however many points there are: 8, since a residual across does not move
with a camera's shift upwards. Each step of Gauss and Newton, damped as
by Levenberg and Marquardt, solves a sparse system with it.
"""

import numpy as np
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

import fwdad

CAMERAS, POINTS = 5, 40
rng = np.random.default_rng(0)


def seen(cameras, points):
    """Project points (P, 3) into cameras (C, 6), a rotation vector and a translation each: (C, P, 2)."""
    turn, shift = cameras[:, None, :3], cameras[:, None, 3:]
    angle = np.sqrt(np.sum(turn**2, axis=-1, keepdims=True))
    axis = turn / angle
    along = np.sum(axis * points, axis=-1, keepdims=True) * axis
    turned = np.cos(angle) * points + np.sin(angle) * np.cross(axis, points) + (1 - np.cos(angle)) * along  # Rodrigues
    there = turned + shift
    return there[..., :2] / there[..., 2:]


def residuals(x):
    """Return what is seen minus what was seen, as a vector."""
    cameras, points = x[: 6 * CAMERAS].reshape(CAMERAS, 6), x[6 * CAMERAS :].reshape(POINTS, 3)
    return (seen(cameras, points) - picture).ravel()


turns, shifts = rng.normal(0, 0.3, (CAMERAS, 3)), rng.normal((0, 0, 6), 0.5, (CAMERAS, 3))
cameras, points = np.hstack([turns, shifts]), rng.uniform(-1, 1, (POINTS, 3))
picture = seen(cameras, points)
truth = np.concatenate([cameras.ravel(), points.ravel()])

x = truth + rng.normal(0, 0.05, truth.shape)
colours = fwdad.colouring(residuals, x)
damping, r = 1e-3, residuals(x)
print(f"{len(r)} residuals, {len(x)} unknowns, {colours.jacobian(x).directions} directions")
for step in range(20):
    j = colours.csr(x)
    normal = j.T @ j
    change = spsolve((normal + damping * diags_array(normal.diagonal())).tocsc(), -j.T @ r)
    trial = residuals(x + change)
    if trial @ trial < r @ r:
        x, r, damping = x + change, trial, damping / 10
    else:
        damping *= 10
    error = np.sqrt(np.mean(r**2))
    print(f"step {step + 1:2}: root mean square of the residuals {error:.2e}")
    if error < 1e-12:
        break

dense = fwdad.jacfwd(residuals)(x)
assert np.allclose(colours.csr(x).toarray(), dense, atol=1e-12), "the Jacobian by all directions says the same"
assert error < 1e-10, "the pictures have no noise, so they can be explained exactly"
# Pictures do not tell where the world begins, which way it is turned, or its scale; ratios of distances they do tell.
found = x[6 * CAMERAS :].reshape(POINTS, 3)
ratios = np.linalg.norm(found[1:] - found[0], axis=1) / np.linalg.norm(points[1:] - points[0], axis=1)
print(f"distances of points are right up to one scale, to {np.ptp(ratios):.1e}")
assert np.ptp(ratios) < 1e-6
