"""A fit by Gauss and Newton, with error bars.

A damped oscillation a exp(-b t) cos(c t + d) is fitted to noisy samples. `fwdad.value_and_jacfwd` gives the residuals
and their exact Jacobian in one pass; each step solves a linear least-squares problem. The Jacobian at the end says
how far each parameter can be trusted. The truth is SciPy's curve_fit, which takes differences.
"""

import numpy as np
from scipy.optimize import curve_fit

import fwdad

NOISE = 0.05
TRUE = np.array([2.0, 0.4, 3.0, 0.5])
rng = np.random.default_rng(0)
t = np.linspace(0, 5, 100)


def oscillation(t, a, b, c, d):
    """Return the model at the times t."""
    return a * np.exp(-b * t) * np.cos(c * t + d)


samples = oscillation(t, *TRUE) + rng.normal(0, NOISE, t.shape)
residuals = fwdad.value_and_jacfwd(lambda p: oscillation(t, *p) - samples)

p = start = np.array([1.5, 0.2, 2.8, 0.0])
for step in range(20):
    r, jacobian = residuals(p)
    change = np.linalg.lstsq(jacobian, -r, rcond=None)[0]
    p = p + change
    print(f"step {step + 1}: sum of squares {r @ r:.6f}, largest change {np.max(np.abs(change)):.1e}")
    if np.max(np.abs(change)) < 1e-10:
        break

r, jacobian = residuals(p)
variance = r @ r / (len(t) - len(p))
errors = np.sqrt(np.diag(variance * np.linalg.inv(jacobian.T @ jacobian)))
for name, value, error, true in zip("abcd", p, errors, TRUE, strict=True):
    print(f"  {name} = {value:.4f} +- {error:.4f}   (true: {true})")

expected, covariance = curve_fit(oscillation, t, samples, start)
assert np.allclose(p, expected, rtol=1e-5)
assert np.allclose(errors, np.sqrt(np.diag(covariance)), rtol=1e-4)
assert np.all(np.abs(p - TRUE) < 4 * errors)
