"""Spikes: a step whose derivative is that of a smooth one, and neurons that integrate, leak and fire."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np

from fwdad import kernels
from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.functions.activations import sigmoid
from fwdad.kernels.lif_jvp import SURROGATES as NATIVE
from fwdad.rules.forms import align, broadcast_tangent
from fwdad.tangents import is_kind


def _triangle(u: Array) -> Array:
    near = np.clip(u, -1, 1)
    return near * (1 - 0.5 * np.abs(near))


SurrogateName = Literal["fast-sigmoid", "arctan", "sigmoid", "triangle"]
"""The names of `SURROGATES`."""

# fmt: off
SURROGATES: dict[str, Callable[[Array], Array]] = {
    # name          smooth step                                its derivative, the surrogate
    "fast-sigmoid": lambda u: u / (1 + 25 * np.abs(u)),        # 1 / (1 + 25 |u|)^2
    "arctan":       lambda u: np.arctan(math.pi * u) / math.pi,  # 1 / (1 + (pi u)^2)
    "sigmoid":      lambda u: sigmoid(4 * u),                  # 4 s (1 - s)
    "triangle":     _triangle,                                 # max(0, 1 - |u|)
}
# fmt: on
"""Surrogates by name, each as the smooth step whose derivative it is. A new one is a row."""

SpikesOutput = Literal["counts", "train", "membrane"]
OUTPUTS = get_args(SpikesOutput)


def surrogate_row(name: str) -> Callable[[Array], Array]:
    """Return the smooth step of a surrogate; ValueError for a name that is not in `SURROGATES`."""
    if name not in SURROGATES:
        raise ValueError(f"surrogate must be one of {', '.join(SURROGATES)}; got {name!r}")
    return SURROGATES[name]


def spike(u: Array, surrogate: SurrogateName = "fast-sigmoid") -> Array:
    """Return 1 where u is positive, else 0; its derivative is that of a smooth step.

    Parameters
    ----------
    u : array
        How far the membrane is above the threshold.
    surrogate : str
        A name in `SURROGATES`.

    Raises
    ------
    ValueError
        For an unknown surrogate.

    References
    ----------
    E. O. Neftci, H. Mostafa, F. Zenke, arXiv 1901.09948.

    Examples
    --------
    >>> import fwdad
    >>> y, dy = fwdad.jvp(spike, (np.array([-0.04, 0.0, 1.0]),), (np.ones(3),))
    >>> y.tolist(), dy.round(4).tolist()
    ([0.0, 0.0, 1.0], [0.25, 1.0, 0.0015])
    """
    step = surrogate_row(surrogate)
    values = plain(u)
    fired = np.greater(values, 0).astype(values.dtype)
    if not isinstance(u, Dual):
        return fired
    smooth = step(u)
    return fired + (smooth - plain(smooth))  # the difference is zero, but moves


def lif(
    current: Array,
    beta: Array,
    theta: Array,
    steps: int | None = None,
    bias: Array | None = None,
    *,
    surrogate: SurrogateName = "fast-sigmoid",
    output: SpikesOutput = "counts",
) -> Array:
    """Run leaky integrate-and-fire neurons, each by itself.

    ``u_t = beta u_(t-1) + I_t - theta s_(t-1)`` and ``s_t = spike(u_t - theta)``, from u_0 = s_0 = 0. The spike that
    resets has no derivative. Counts and their k tangents come from one kernel, `fwdad.kernels.lif_jvp`, where what
    moves is a constant current, a bias, beta or theta: memory does not grow with the steps, and one tangent of ones
    gives the derivatives of all units. Elsewhere it is the NumPy program.

    Parameters
    ----------
    current : (..., n), or (..., steps, n)
        The same in all `steps`, or, without `steps`, one for each.
    beta, theta : (n,) or ()
        Leak and threshold.
    steps : int, optional
        How many steps of a constant current.
    bias : (n,) or (..., n), optional
        A constant current that is added.
    surrogate : str
        A name in `SURROGATES`.
    output : {"counts", "train", "membrane"}
        How often each unit fired, (..., n); its spikes, or its membrane u, at every step, (..., steps, n).

    Raises
    ------
    ValueError
        For an unknown surrogate or output, or fewer than one step.

    References
    ----------
    arXiv 2502.20411.

    Examples
    --------
    >>> lif(np.array([0.6, 0.1]), np.ones(()), np.ones(()), steps=4)
    array([2., 0.])
    """
    surrogate_row(surrogate)
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}; got {output!r}")
    total = current.shape[-2] if steps is None else steps
    if total < 1:
        raise ValueError(f"lif needs at least one step; got {total}")
    if surrogate in NATIVE and output != "membrane":
        fast = _by_kernel(current, beta, theta, steps, bias, total, surrogate, output)
        if fast is not None:
            return fast
    return _program(current, beta, theta, steps is None, bias, total, surrogate, output)


def _program(
    current: Array,
    beta: Array,
    theta: Array,
    series: bool,
    bias: Array | None,
    steps: int,
    surrogate: SurrogateName,
    output: SpikesOutput,
) -> Array:
    u: Array = 0.0
    fired: Array = 0.0
    count: Array = 0.0
    every = []
    for t in range(steps):
        flow = current[..., t, :] if series else current
        flow = flow if bias is None else flow + bias
        u = flow if t == 0 else beta * u + flow - theta * plain(fired)
        fired = spike(u - theta, surrogate)
        if output == "counts":
            count = count + fired
        else:
            every.append(fired if output == "train" else u)
    return count if output == "counts" else np.stack(every, axis=-2)


def _by_kernel(
    current: Array,
    beta: Array,
    theta: Array,
    steps: int | None,
    bias: Array | None,
    total: int,
    surrogate: str,
    output: str,
) -> Array | None:
    """Return what the kernel gives; None where it does not know the arguments, or what moves."""
    level = highest_level((current, beta, theta, bias))
    primals, tangents = zip(*(split(a, level) for a in (current, beta, theta, bias)), strict=True)
    i, leak, threshold, b = primals
    if level and (output == "train" or (steps is None and tangents[0] is not None)):
        return None
    arrays = [a for a in (*primals, *tangents) if a is not None]
    if not all(type(a) is np.ndarray or kernels.is_device_array(a) or is_kind(a) for a in arrays):
        return None
    if i.ndim != (3 if steps is None else 2) or any(a.dtype != i.dtype for a in arrays) or i.dtype.kind != "f":
        return None
    if i.dtype.itemsize < 4 or max(leak.ndim, threshold.ndim) > 1 or (b is not None and b.ndim not in (1, 2)):
        return None
    n = i.shape[-1:]
    give = {"by_current": tangents[0] is not None or tangents[3] is not None}
    give |= {"by_beta": tangents[1] is not None, "by_theta": tangents[2] is not None, "train": output == "train"}
    spikes = kernels.lif_jvp(
        i,
        np.broadcast_to(leak, n),
        np.broadcast_to(threshold, n),
        total,
        b,
        surrogate,
        [k for k, v in give.items() if v],
    )
    if not level:
        return spikes.train if output == "train" else spikes.counts
    slopes = (spikes.by_current, spikes.by_beta, spikes.by_theta, spikes.by_current)
    terms: list[Any] = [align(t, 2) * slope for t, slope in zip(tangents, slopes, strict=True) if t is not None]
    tangent = terms[0] if len(terms) == 1 else sum(terms[1:], terms[0])
    return Dual(spikes.counts, broadcast_tangent(tangent, spikes.counts.shape), level)
