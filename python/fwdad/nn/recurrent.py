"""Diagonal recurrent layers: exact gradients carried forward in memory that does not grow with the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwdad.dual import Array
from fwdad.nn.dtypes import check_input, floating
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, generator


class LRU(Module):
    """A linear recurrent unit: a complex diagonal recurrence between two products.

    ``u_t = lambda u_(t-1) + x_t B`` and ``y_t = Re(gamma u_t C) + x_t D + b``, with ``gamma = sqrt(1 - |lambda|^2)``
    and ``lambda = exp(-exp(nu) + i phase)``. No unit sees another, so what a parameter does to its unit is one number
    a step, carried forward: `online` gives exact gradients while a sequence passes by, however long it is.

    Parameters
    ----------
    in_features, units, out_features : int
        ``nu`` and ``phase`` are (units,); the real and imaginary parts of B and C are ``weight_in`` (2, in_features,
        units) and ``weight_out`` (2, units, out_features); D is ``skip`` (in_features, out_features), b is ``bias``.
    radii : (float, float)
        Between which ``|lambda|`` is drawn, within 0 to 1.
    seed : int, numpy.random.SeedSequence or None
        What the initial values follow from; None takes the next seed of the process.
    dtype : dtype
        The floating dtype of the parameters.

    Raises
    ------
    TypeError
        For a dtype that is neither float32 nor float64, and for an input of another dtype.
    ValueError
        For a size below 1, or radii that are not in order within 0 to 1.

    References
    ----------
    Orvieto et al., arXiv 2303.06349, section 3; Zucchet et al., arXiv 2305.15947, section 3 (online gradients).

    Examples
    --------
    >>> LRU(3, 8, 2, seed=0)(np.ones((4, 5, 3), np.float32)).shape
    (4, 5, 2)
    """

    nu: Array
    phase: Array
    weight_in: Array
    weight_out: Array
    skip: Array
    bias: Array

    def __init__(
        self,
        in_features: int,
        units: int,
        out_features: int,
        *,
        radii: tuple[float, float] = (0.9, 0.999),
        seed: Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        if min(in_features, units, out_features) < 1:
            raise ValueError(f"sizes must be at least 1; got {in_features}, {units} and {out_features}")
        low, high = radii
        if not 0 < low <= high < 1:
            raise ValueError(f"radii must be 0 < low <= high < 1; got {low} and {high}")
        random, dtype = generator(seed), floating(dtype)
        radius = np.sqrt(random.uniform(low**2, high**2, units))
        self.nu = np.log(-np.log(radius)).astype(dtype)
        self.phase = random.uniform(0, 2 * np.pi, units).astype(dtype)
        self.weight_in = (random.standard_normal((2, in_features, units)) / np.sqrt(2 * in_features)).astype(dtype)
        self.weight_out = (random.standard_normal((2, units, out_features)) / np.sqrt(units)).astype(dtype)
        self.skip = (random.standard_normal((in_features, out_features)) / np.sqrt(in_features)).astype(dtype)
        self.bias = np.zeros(out_features, dtype)

    def __call__(self, x: Array) -> Array:
        """Return y (B, T, out_features) for x (B, T, in_features)."""
        check_input(self, x, self.nu.dtype)
        radius = np.exp(-np.exp(self.nu))
        real, imaginary = radius * np.cos(self.phase), radius * np.sin(self.phase)
        gamma = np.sqrt(1 - radius * radius)
        re: Array = 0.0
        im: Array = 0.0
        outputs = []
        for t in range(x.shape[1]):
            now = x[:, t]
            re, im = (
                real * re - imaginary * im + now @ self.weight_in[0],
                real * im + imaginary * re + now @ self.weight_in[1],
            )
            y = (gamma * re) @ self.weight_out[0] - (gamma * im) @ self.weight_out[1]
            outputs.append(y + now @ self.skip + self.bias)
        return np.stack(outputs, axis=1)

    def online(self, batch: int) -> Online:
        """Begin sequences, as many as `batch`, whose gradients are summed while they pass by."""
        return Online(self, batch)


class Online:
    """Sequences that pass through an `LRU` step by step, and the exact gradient of a sum of losses, so far.

    The traces ``e_t = lambda e_(t-1) + u_(t-1)`` and ``E_t = lambda E_(t-1) + x_t`` are the derivatives of u by lambda
    and by B, (B, units) and (B, in_features, units). They do not depend on the loss, and take as much memory for any T.

    Parameters
    ----------
    layer : LRU
    batch : int
        How many sequences.

    Examples
    --------
    >>> online = LRU(1, 4, 1, seed=0).online(batch=2)
    >>> for x, target in [(np.ones((2, 1), np.float32), 0.5)] * 3:
    ...     y = online.step(x)
    ...     online.credit(y - target)
    >>> online.gradient.weight_in.shape
    (2, 1, 4)
    """

    def __init__(self, layer: LRU, batch: int) -> None:
        self.layer = layer
        radius = np.exp(-np.exp(layer.nu))
        self._lambda = radius * np.exp(1j * layer.phase)
        self._gamma = np.sqrt(1 - radius * radius)
        self._gamma_by_nu = radius * radius * np.exp(layer.nu) / self._gamma
        self._out = layer.weight_out[0] + 1j * layer.weight_out[1]
        self._into = layer.weight_in[0] + 1j * layer.weight_in[1]
        inputs, units = layer.weight_in.shape[1:]
        self.u = np.zeros((batch, units), self._lambda.dtype)
        self._by_lambda = np.zeros_like(self.u)
        self._by_into = np.zeros((batch, inputs, units), self.u.dtype)
        self._x = np.zeros((batch, inputs), layer.nu.dtype)
        self.gradient: LRU = object.__new__(LRU)
        for name in LRU.__annotations__:
            setattr(self.gradient, name, np.zeros_like(getattr(layer, name)))

    def step(self, x: Array) -> Array:
        """Return y_t (B, out_features) for x_t (B, in_features)."""
        check_input(self.layer, x, self.layer.nu.dtype)
        self._x = x
        self._by_lambda = self._lambda * self._by_lambda + self.u
        self._by_into = self._lambda * self._by_into + x[:, :, np.newaxis]
        self.u = self._lambda * self.u + x @ self._into
        y: Array = ((self._gamma * self.u) @ self._out).real + x @ self.layer.skip + self.layer.bias
        return y

    def credit(self, g: Array) -> None:
        """Add the gradient of a loss of the y that `step` gave last, for g = dL/dy (B, out_features)."""
        layer, sums = self.layer, self.gradient
        h = self._gamma * self.u
        # Every unit's direction, pushed through C and contracted by the loss: dL = Re(by_h dh).
        by_h = np.einsum("bo,no->bn", g, self._out)
        by_gamma = np.sum((by_h * self.u).real, axis=0)
        by_lambda = np.sum(by_h * self._by_lambda, axis=0) * self._gamma * self._lambda
        by_into = np.einsum("bn,bin->in", by_h * self._gamma, self._by_into)
        sums.nu += by_gamma * self._gamma_by_nu - np.exp(layer.nu) * by_lambda.real
        sums.phase -= by_lambda.imag
        sums.weight_in += np.stack([by_into.real, -by_into.imag])
        sums.weight_out += np.stack([h.real.T @ g, -h.imag.T @ g])
        sums.skip += self._x.T @ g
        sums.bias += np.sum(g, axis=0)
