"""Spiking layers: leaky integrate-and-fire neurons, whose exact surrogate gradient takes one tangent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fwdad import functions, kernels, tree
from fwdad.dual import Array, plain
from fwdad.kernels import policy
from fwdad.kernels.lif_jvp import SURROGATES as NATIVE
from fwdad.kernels.lif_jvp import Spikes
from fwdad.nn.dtypes import check_input, floating
from fwdad.nn.linear import Outer, outer_gradient
from fwdad.nn.module import Module
from fwdad.nn.seeds import Seed, generator, spawn
from fwdad.perturbation import site
from fwdad.transforms import jvp
from fwdad.tree import Buffer, static


class LIF(Module):
    """A layer of leaky integrate-and-fire neurons: the counts of their spikes.

    ``u_t = beta u_(t-1) + x_t w + b - theta s_(t-1)`` and ``s_t = 1`` where ``u_t > theta``, from u_0 = s_0 = 0. A
    spike's derivative by u is the surrogate; the spike that resets has none. No unit sees another, so one tangent of
    ones gives dh/db of all counts h at once, forward and in memory that does not grow with the steps, and from it
    follows the exact surrogate gradient of all weights (`local_gradient`).

    Parameters
    ----------
    in_features, out_features : int
        ``weight`` is (in_features, out_features), ``bias`` is (out_features,); both start uniform in
        ``+-1/sqrt(in_features)``.
    steps : int
        Steps T of an input that is the same in all of them; a series has its own.
    beta, theta : float
        Leak, from 0 to 1, and threshold, above 0, of all units.
    learn : bool
        Whether beta and theta are parameters.
    surrogate : {"fast-sigmoid", "arctan"}
        A name in `fwdad.kernels.lif_jvp.SURROGATES`.
    seed : int, numpy.random.SeedSequence or None
        What the initial weights follow from; None takes the next seed of the process.
    dtype : dtype
        The floating dtype of the parameters.

    Raises
    ------
    TypeError
        For a dtype that is neither float32 nor float64, and for an input of another dtype.
    ValueError
        For a size or a number of steps below 1, beta outside [0, 1], a theta that is not positive, or an unknown
        surrogate.

    References
    ----------
    arXiv 2502.20411.

    Examples
    --------
    >>> layer = LIF(3, 2, steps=5, seed=0)
    >>> layer(np.ones((4, 3), np.float32)).shape, layer.train(np.ones((4, 3), np.float32)).shape
    ((4, 2), (4, 5, 2))
    """

    weight: Array
    bias: Array
    beta: Any
    theta: Any
    steps: int = static(10)
    surrogate: functions.SurrogateName = static("fast-sigmoid")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        steps: int = 10,
        beta: float = 0.99,
        theta: float = 1.0,
        learn: bool = False,
        surrogate: functions.SurrogateName = "fast-sigmoid",
        seed: Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        if min(in_features, out_features, steps) < 1:
            raise ValueError(f"sizes and steps must be at least 1; got {in_features}, {out_features} and {steps}")
        if not 0 <= beta <= 1:
            raise ValueError(f"beta, the leak, must be from 0 to 1; got {beta}")
        if not 0 < theta < np.inf:
            raise ValueError(f"theta, the threshold, must be above 0; got {theta}")
        if surrogate not in NATIVE:
            raise ValueError(f"surrogate must be one of {', '.join(NATIVE)}; got {surrogate!r}")
        random, bound, dtype = generator(seed), 1 / np.sqrt(in_features), floating(dtype)
        self.weight = random.uniform(-bound, bound, (in_features, out_features)).astype(dtype)
        self.bias = random.uniform(-bound, bound, out_features).astype(dtype)
        values = [np.asarray(value, dtype) for value in (beta, theta)]
        self.beta, self.theta = values if learn else map(Buffer, values)
        self.steps, self.surrogate = steps, surrogate

    def __call__(self, x: Array) -> Array:
        """Return counts (B, out_features) for x (B, in_features), constant, or (B, steps, in_features)."""
        check_input(self, x, self.weight.dtype)
        here = site(self, x, (x.shape[0], self.weight.shape[1]), self.weight.dtype)
        flow, bias = self.shaped(current(x, self.weight), self.bias)
        return here.settled(self.fire(flow, here.moved(bias), "counts"))

    def train(self, x: Array) -> Array:
        """Return the spikes of every step, (B, steps, out_features), for x as of a call."""
        check_input(self, x, self.weight.dtype)
        return self.fire(*self.shaped(current(x, self.weight), self.bias), "train")

    def membrane(self, x: Array) -> Array:
        """Return the membrane of every step, (B, steps, out_features), for x as of a call."""
        check_input(self, x, self.weight.dtype)
        return self.fire(*self.shaped(current(x, self.weight), self.bias), "membrane")

    def shaped(self, flow: Array, bias: Array | None) -> tuple[Array, Array | None]:
        """Return the neurons' current and what is added to it, for x w and the bias."""
        return flow, bias

    def fire(self, flow: Array, bias: Array | None, output: functions.SpikesOutput) -> Array:
        """Return counts, train or membrane for currents (B, out_features), constant, or (B, steps, out_features)."""
        return functions.lif(
            flow,
            value_of(self.beta),
            value_of(self.theta),
            self.steps if flow.ndim == 2 else None,
            bias,
            surrogate=self.surrogate,
            output=output,
        )

    def local_gradient(self, x: Array, g: Array) -> LIF:
        """Return the gradients of the parameters for x as of a call and g = dL/db of each example.

        ``dL/dh = g / (dh/db)``, for the surrogate is never zero.
        """
        spikes = self.run(*self.shaped(current(x, plain(self.weight)), plain(self.bias)), self.needs(x))
        return self.gradient(spikes, x, g / spikes.by_current)

    def needs(self, x: Array) -> list[str]:
        """Return what `gradient` needs of the spikes for x, names that `fwdad.kernels.lif_jvp` gives."""
        learns = not isinstance(self.beta, Buffer)
        return ["by_current"] + ["by_beta", "by_theta"] * learns + ["slopes"] * (x.ndim == 3)

    def run(self, flow: Array, bias: Array | None, give: Sequence[str]) -> Spikes:
        """Return what the neurons do, and what is asked for, for currents as of `fire`."""
        beta, theta = (np.broadcast_to(plain(value_of(v)), flow.shape[-1:]) for v in (self.beta, self.theta))
        steps = self.steps if flow.ndim == 2 else flow.shape[1]
        return kernels.lif_jvp(flow, beta, theta, steps, bias, self.surrogate, give)

    def gradient(self, spikes: Spikes, x: Array, by_count: Array, outer: Outer = outer_gradient) -> LIF:
        """Return the gradients of the parameters for x as of a call, its spikes, and by_count = dL/dh of the counts h.

        With a constant x, ``dL/dw = x^T (dL/dh dh/db)``, by `outer`. Of a series, ``dL/dw = sum_t trace_t^T (psi_t
        dL/dh)`` with the traces ``trace_t = beta trace_(t-1) + x_t``; each row of it may be that of several rows of
        spikes, which follow each other.
        """
        gradient, beta = self._gradient_of_neurons(spikes, by_count), plain(value_of(self.beta))
        by_bias = by_count * spikes.by_current
        if x.ndim == 2:
            gradient.weight, gradient.bias = outer(x, by_bias)
            return gradient
        assert spikes.slopes is not None, "asked for"
        trace = np.zeros_like(x[:, 0])
        weight = np.zeros_like(self.weight)
        for t in range(x.shape[1]):
            trace = beta * trace + x[:, t]
            g = spikes.slopes[:, t] * by_count
            if len(g) > len(x):
                g = np.sum(g.reshape(len(x), -1, g.shape[-1]), axis=1)
            weight += product(np.ascontiguousarray(trace.T), g)
        gradient.weight, gradient.bias = weight, np.sum(by_bias, axis=0)
        return gradient

    def _gradient_of_neurons(self, spikes: Spikes, by_count: Array) -> LIF:
        """Return gradients of beta and theta, in a layer that has no weight and bias yet."""
        gradient = object.__new__(type(self))
        gradient.steps, gradient.surrogate = self.steps, self.surrogate
        gradient.beta, gradient.theta = self.beta, self.theta
        if not isinstance(self.beta, Buffer):
            gradient.beta, gradient.theta = (
                np.sum(by_count * slope, dtype=self.beta.dtype) for slope in (spikes.by_beta, spikes.by_theta)
            )
        return gradient


class NormalisedLIF(LIF):
    """A layer of leaky integrate-and-fire neurons whose current has length 1 over the units at every step.

    The current is ``z_t / |z_t|`` with ``z_t = x_t w + b``; all else is as in `LIF`. Activity perturbation moves a
    current that is added to it, so that the neurons are as independent of each other as there.

    References
    ----------
    arXiv 2502.20411 (its public code).

    Examples
    --------
    >>> NormalisedLIF(3, 2, steps=5, seed=0)(np.ones((4, 3), np.float32)).shape
    (4, 2)
    """

    def shaped(self, flow: Array, bias: Array | None) -> tuple[Array, Array | None]:
        """Return the neurons' current, of length 1, and nothing to add."""
        z = flow if bias is None else flow + bias
        return z / _length(z), None

    def gradient(self, spikes: Spikes, x: Array, by_count: Array, outer: Outer = outer_gradient) -> LIF:
        """Return the gradients of the parameters as `LIF` does.

        A count moves by the current I_t of a step by ``dh/dI_t = psi_t + beta dh/dI_(t+1)``, summed from the last step
        on. ``dI/dz = (1 - I I^T) / |z|`` is symmetric, so it is applied to ``dL/dI_t`` as a tangent would be.
        """
        gradient, beta = self._gradient_of_neurons(spikes, by_count), plain(value_of(self.beta))
        z = current(x, self.weight) + self.bias
        length = _length(z)
        unit = z / length
        if x.ndim == 2:
            by_unit = by_count * spikes.by_current
        else:
            assert spikes.slopes is not None, "asked for"
            by_unit, later = np.empty_like(z), np.zeros_like(by_count)
            for t in reversed(range(x.shape[1])):
                later = spikes.slopes[:, t] * by_count + beta * later
                by_unit[:, t] = later
        by_z = (by_unit - unit * np.sum(unit * by_unit, axis=-1, keepdims=True)) / length
        gradient.weight, gradient.bias = outer(*(a.reshape(-1, a.shape[-1]) for a in (x, by_z)))
        return gradient


class RLIF(Module):
    """A layer of leaky integrate-and-fire neurons that see each other's last spikes: the counts of their spikes.

    ``u_t = beta u_(t-1) + x_t w + s_(t-1) v + b - theta s_(t-1)``, as `LIF` with recurrent weights v. Units see each
    other: one tangent no longer gives the gradient. Two ways are left, and have names. Forward gradients with k
    tangents, ``perturb="weight"``, estimate it. `eprop` leaves out what a unit's spikes do to the other units' later
    ones.

    Parameters
    ----------
    in_features, out_features : int
        ``weight`` is (in_features, out_features), ``recurrent`` (out_features, out_features), ``bias``
        (out_features,); they start uniform in ``+-1/sqrt(inputs)``.
    steps, beta, theta, seed, dtype
        As of `LIF`.
    surrogate : str
        A name in `fwdad.functions.SURROGATES`.

    Raises
    ------
    TypeError, ValueError
        As `LIF`.

    References
    ----------
    G. Bellec et al., A solution to the learning dilemma for recurrent networks of spiking neurons, Nature
    Communications 11, 2020 (e-prop).

    Examples
    --------
    >>> RLIF(3, 2, steps=5, seed=0)(np.ones((4, 3), np.float32)).shape
    (4, 2)
    """

    weight: Array
    recurrent: Array
    bias: Array
    beta: Any
    theta: Any
    steps: int = static(10)
    surrogate: functions.SurrogateName = static("fast-sigmoid")

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        steps: int = 10,
        beta: float = 0.9,
        theta: float = 1.0,
        surrogate: functions.SurrogateName = "fast-sigmoid",
        seed: Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        functions.surrogate_row(surrogate)
        first, second = spawn(seed, 2)
        options: dict[str, Any] = {"steps": steps, "beta": beta, "theta": theta, "dtype": dtype}
        own = LIF(in_features, out_features, seed=first, **options)
        self.weight, self.bias, self.beta, self.theta = own.weight, own.bias, own.beta, own.theta
        self.recurrent = LIF(out_features, out_features, seed=second, **options).weight
        self.steps, self.surrogate = steps, surrogate

    def __call__(self, x: Array) -> Array:
        """Return counts (B, out_features) for x (B, in_features), constant, or (B, steps, in_features)."""
        return sum(fired for _, fired in self._run(x))

    def _run(self, x: Array) -> Iterator[tuple[Array, Array]]:
        """Yield how far units are above the threshold, and their spikes, at every step."""
        check_input(self, x, self.weight.dtype)
        beta, theta = value_of(self.beta), value_of(self.theta)
        flow = functions.affine(x, self.weight, self.bias)
        u: Array = 0.0
        fired: Array = None
        for t in range(self.steps if x.ndim == 2 else x.shape[1]):
            now = flow if x.ndim == 2 else flow[:, t]
            u = now if fired is None else beta * u + now + fired @ self.recurrent - theta * plain(fired)
            fired = functions.spike(u - theta, self.surrogate)
            yield u - theta, fired

    def eprop(self, x: Array, by_count: Array) -> RLIF:
        """Return e-prop's gradient for x as of a call and by_count = dL/dh (B, out_features) of the counts h.

        ``dL/dw = sum_t trace_t^T (psi_t dL/dh)``, with traces of the inputs for w, and of the last spikes for v. It is
        exact where v is zero.
        """
        beta = value_of(self.beta)
        gradient: RLIF = tree.map(np.zeros_like, self)
        by_x, by_spikes, by_bias = np.zeros_like(x if x.ndim == 2 else x[:, 0]), np.zeros_like(by_count), 0.0
        last = np.zeros_like(by_count)
        for t, (above, fired) in enumerate(self._run(x)):
            by_x = beta * by_x + (x if x.ndim == 2 else x[:, t])
            by_spikes = beta * by_spikes + last
            by_bias = beta * by_bias + 1
            part = by_count * jvp(functions.SURROGATES[self.surrogate], (above,), (np.ones_like(above),))[1]
            gradient.weight += by_x.T @ part
            gradient.recurrent += by_spikes.T @ part
            gradient.bias += by_bias * np.sum(part, axis=0)
            last = fired
        return gradient


def _length(z: Array) -> Array:
    """Return the length of the last axis, never quite 0, so that it has a derivative."""
    return np.sqrt(np.sum(z * z, axis=-1, keepdims=True) + 1e-24)


def value_of(setting: Any) -> Array:
    """Return beta or theta, learnt or fixed."""
    return setting.value if isinstance(setting, Buffer) else setting


def current(x: Array, weight: Array) -> Array:
    """Return ``x w`` for x (..., in_features)."""
    if x.ndim < 3:
        return functions.affine(x, weight)
    return product(x.reshape(-1, x.shape[-1]), weight).reshape(*x.shape[:-1], -1)


def product(x: Array, w: Array) -> Array:
    """Return ``x w`` for matrices; spikes and their traces, which are mostly zeros, are multiplied without these."""
    return kernels.sparse_product(x, w) if policy.use_sparse(x, w) else functions.affine(x, w)
