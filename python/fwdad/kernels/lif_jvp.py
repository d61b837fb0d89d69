"""lif_jvp: spike counts of leaky integrate-and-fire neurons, and their derivatives by one tangent of ones.

Bound by arithmetic, one division a unit and step for the derivatives. Memory does not depend on the number of steps,
unless the spike trains or the slopes of all steps are asked for.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]

SURROGATES: dict[str, tuple[float, bool]] = {"fast-sigmoid": (25.0, False), "arctan": (math.pi, True)}
"""name -> (sharpness a, squared): psi(u) is ``1 / (1 + a |u|)^2``, or, squared, ``1 / (1 + (a u)^2)``."""

DERIVATIVES = ("by_current", "by_beta", "by_theta")
SERIES = ("train", "slopes")


class Spikes(NamedTuple):
    """What the neurons did; None for what was not asked for."""

    counts: Array
    by_current: Array | None = None
    by_beta: Array | None = None
    by_theta: Array | None = None
    train: Array | None = None
    slopes: Array | None = None


def lif_jvp(
    current: Array,
    beta: Array,
    theta: Array,
    steps: int,
    bias: Array | None = None,
    surrogate: str = "fast-sigmoid",
    give: Collection[str] = ("by_current",),
) -> Spikes:
    """Run leaky integrate-and-fire neurons and count their spikes.

    ``u_t = beta u_(t-1) + I_t - theta s_(t-1)`` and ``s_t = 1 where u_t > theta``, from u_0 = s_0 = 0; a count is
    ``sum_t s_t``. Where the derivative of a spike by u is the surrogate psi_t = psi(u_t - theta), and the spike that
    resets has none, a tangent of ones gives the derivatives for all units at once::

        e_t = beta e_(t-1) + 1          by_current = sum_t psi_t e_t
        q_t = beta q_(t-1) + u_(t-1)    by_beta    = sum_t psi_t q_t
        p_t = beta p_(t-1) - s_(t-1)    by_theta   = sum_t psi_t (p_t - 1)

    Parameters
    ----------
    current : ndarray, (B, n) or (B, steps, n)
        float32 or float64: the same in all steps, or one for each.
    beta, theta : ndarray, (n,)
        Leak and threshold of each unit.
    steps : int
        At least 1.
    bias : ndarray, (n,) or (B, n), or None
        A constant current that is added.
    surrogate : str
        A name in `SURROGATES`.
    give : collection of str
        What to return beside the counts: "by_current" (B, n), the derivative by a constant current; "by_beta",
        "by_theta" (B, n); "train" (B, steps, n), the spikes; "slopes" (B, steps, n), psi_t.

    Returns
    -------
    Spikes
        C-contiguous arrays, of the dtype of `current`, in which all is computed.

    Raises
    ------
    TypeError
        If arrays are not of one common float dtype.
    ValueError
        If shapes do not fit together, there is no step, or a name is unknown.

    References
    ----------
    arXiv 2502.20411 (the neuron); arXiv 2305.15947 (traces carried forward).

    Examples
    --------
    >>> one = np.ones(1)
    >>> lif_jvp(np.array([[0.6]]), beta=one, theta=one, steps=4, give=["train"])[0:5:4]
    (array([[2.]]), array([[[0.],
            [1.],
            [0.],
            [1.]]]))
    """
    where = "lif_jvp"
    if surrogate not in SURROGATES:
        raise ValueError(f"{where}: surrogate: expected one of {', '.join(SURROGATES)}, given {surrogate!r}")
    for name in give:
        if name not in (*DERIVATIVES, *SERIES):
            raise ValueError(f"{where}: give: expected names of {', '.join((*DERIVATIVES, *SERIES))}, given {name!r}")
    if not 1 <= steps <= 2**24:
        raise ValueError(f"{where}: steps: expected 1 to 2^24, given {steps}")
    current = checks.contiguous(where, "current", current)
    if current.ndim == 2:
        current = current[:, np.newaxis]
    checks.ndim(where, "current", current, 3, "(B, n) or (B, steps, n)")
    rows, series, n = current.shape
    checks.shape(where, "current", (rows, series, n), (rows, 1, n), (rows, steps, n), why=f"steps is {steps}")
    beta = checks.contiguous(where, "beta", beta, current.dtype)
    theta = checks.contiguous(where, "theta", theta, current.dtype)
    for name, value in (("beta", beta), ("theta", theta)):
        checks.shape(where, name, value.shape, (n,), why=f"current is {current.shape}")
    if bias is not None:
        bias = checks.contiguous(where, "bias", bias, current.dtype)
        checks.shape(where, "bias", bias.shape, (n,), (rows, n), why=f"current is {current.shape}")
    body = KERNEL.on(checks.one_device(where, current=current, beta=beta, theta=theta, bias=bias))
    return Spikes(*body(current, beta, theta, bias, steps, *SURROGATES[surrogate], give))


def lif_jvp_reference(
    current: Array,
    beta: Array,
    theta: Array,
    bias: Array | None,
    steps: int,
    sharpness: float,
    squared: bool,
    give: Collection[str],
) -> tuple[Any, ...]:
    """Step by step, for all units at once."""
    given = current if bias is None else current + (bias if bias.ndim == 1 else bias[:, np.newaxis])
    u, spike, count, e, p, q, by_current, by_beta, by_theta = np.zeros((9, len(current), *beta.shape), current.dtype)
    train, slopes = np.zeros((2, len(current), steps, *beta.shape), current.dtype)
    one = current.dtype.type(1)
    for t in range(steps):
        e = beta * e + one
        p = beta * p - spike
        q = beta * q + u
        u = beta * u + given[:, t if given.shape[1] > 1 else 0] - theta * spike
        spike = (u > theta).astype(current.dtype)
        v = current.dtype.type(sharpness) * (u - theta)
        psi = one / (one + v * v) if squared else one / (one + np.abs(v)) ** 2
        count = count + spike
        by_current, by_beta, by_theta = by_current + psi * e, by_beta + psi * q, by_theta + psi * (p - one)
        train[:, t], slopes[:, t] = spike, psi
    found = {"by_current": by_current, "by_beta": by_beta, "by_theta": by_theta, "train": train, "slopes": slopes}
    return count, *(found[name] if name in give else None for name in (*DERIVATIVES, *SERIES))


def _room(current: Array, steps: int, give: Collection[str], make: Any) -> list[Any]:
    """Return an array for each result, None for those that are not asked for."""
    rows, _, n = current.shape
    shapes = dict.fromkeys(DERIVATIVES, (rows, n)) | dict.fromkeys(SERIES, (rows, steps, n))
    asked = [make(shape, current.dtype) if name in give else None for name, shape in shapes.items()]
    return [make((rows, n), current.dtype), *asked]


def lif_jvp_native(
    current: Array,
    beta: Array,
    theta: Array,
    bias: Array | None,
    steps: int,
    sharpness: float,
    squared: bool,
    give: Collection[str],
) -> tuple[Any, ...]:
    """C++: csrc/cpu/lif_jvp.cpp."""
    room = _room(current, steps, give, empty)
    dispatch.native.lif_jvp(current, beta, theta, bias, steps, sharpness, squared, *room)
    return tuple(room)


def lif_jvp_cuda(
    current: Array,
    beta: Array,
    theta: Array,
    bias: Array | None,
    steps: int,
    sharpness: float,
    squared: bool,
    give: Collection[str],
) -> tuple[Any, ...]:
    """CUDA: csrc/cuda/lif_jvp.cu."""
    with device.launch(current) as launch:
        room = _room(current, steps, give, device.empty)
        dispatch.cuda.lif_jvp(launch, current, beta, theta, bias, steps, sharpness, squared, *room)
        return tuple(room)


KERNEL = dispatch.register(
    "lif_jvp",
    "counts of the spikes of leaky integrate-and-fire neurons, and what one tangent of ones gives of them",
    "current (B, n) or (B, steps, n), beta (n,), theta (n,), bias (n,), (B, n) or None -> counts (B, n), and, where "
    "asked for, derivatives (B, n) by current, beta and theta, spikes and slopes (B, steps, n)",
    lif_jvp_reference,
    lif_jvp_native,
    lif_jvp_cuda,
)
