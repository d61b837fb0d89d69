"""unit_jvp_thin: what every unit of a layer does to the outputs, or to the loss, through the layer after it.

Bound by arithmetic: ``2 B n1 (active n2) c`` operations. Units of the second layer whose slope is zero, half of them
behind a relu, cost nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.kernels import checks, device, dispatch
from fwdad.kernels.memory import empty

Array = NDArray[Any]


def unit_jvp_thin(w: Array, r: Array, s: Array, v: Array, e: Array | None = None) -> Array:
    """Push the direction of each unit of a layer forward: ``d_bi = r_bi sum_c e_bc (sum_m w_im s_bm v_mc)``.

    Direction i moves unit i. Behind its own activation (slope r), the weights w and activation (slope s) of the next
    layer and a product with v, it is a tangent of c outputs; the loss, whose gradient there is e, contracts it.

    Parameters
    ----------
    w : ndarray, (n1, n2)
        float32 or float64, of any strides.
    r : ndarray, (B, n1)
        Slopes of the first activation, for each example.
    s : ndarray, (B, n2)
        Slopes of the second.
    v : ndarray, (n2, c)
        As `w`.
    e : ndarray, (B, c), or None
        The gradient of the loss with respect to the outputs.

    Returns
    -------
    ndarray, (B, n1); without e (B, n1, c)
        C-contiguous, of the dtype of `w`, in which products are summed; without e, the tangents of the outputs.

    Raises
    ------
    TypeError
        If an argument is not an array of one common float dtype.
    ValueError
        If shapes do not fit together.
    MemoryError
        If v has more than 2^28 entries.

    Notes
    -----
    A unit whose slope is zero does not move: it adds nothing, and an infinity or NaN that it meets is not seen.

    The c tangents are formed first, and then contracted with e. ``w (s (v e))`` is the same sum for a c-th of the
    operations, but it is a product with transposed weights: a backward pass.

    Examples
    --------
    >>> w, v = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    >>> unit_jvp_thin(w, r=np.array([[2.0]]), s=np.array([[1.0, 0.0]]), v=v, e=np.array([[10.0]])).tolist()
    [[60.0]]
    """
    where = "unit_jvp_thin"
    w = checks.float_array(where, "w", w)
    checks.ndim(where, "w", w, 2, "(n1, n2)")
    n1, n2 = w.shape
    r = checks.contiguous(where, "r", r, w.dtype)
    s = checks.contiguous(where, "s", s, w.dtype)
    v = checks.float_array(where, "v", v, w.dtype)
    checks.ndim(where, "r", r, 2, "(B, n1)")
    checks.ndim(where, "v", v, 2, "(n2, c)")
    rows, c = len(r), v.shape[1]
    checks.shape(where, "r", r.shape, (rows, n1), why=f"w is {w.shape}")
    checks.shape(where, "s", s.shape, (rows, n2), why=f"w is {w.shape}, r is {r.shape}")
    checks.shape(where, "v", v.shape, (n2, c), why=f"w is {w.shape}")
    if e is not None:
        e = checks.contiguous(where, "e", e, w.dtype)
        checks.shape(where, "e", e.shape, (rows, c), why=f"r is {r.shape}, v is {v.shape}")
    return KERNEL.on(checks.one_device(where, w=w, r=r, s=s, v=v, e=e))(w, r, s, v, e)


@np.errstate(invalid="ignore")
def unit_jvp_thin_reference(w: Array, r: Array, s: Array, v: Array, e: Array | None) -> Array:
    """Compute the products of each example, of the units that move; inf - inf is NaN without a word, as elsewhere."""
    out = np.zeros(_shape(w, r, v, e), w.dtype)
    for b in range(len(r)):
        first, second = r[b] != 0, s[b] != 0
        tangents = (w[np.ix_(first, second)] * s[b, second]) @ v[second]  # (units, c)
        out[b, first] = r[b, first, np.newaxis] * tangents if e is None else r[b, first] * (tangents @ e[b])
    return out


def _shape(w: Array, r: Array, v: Array, e: Array | None) -> tuple[int, ...]:
    """Return the result's shape."""
    return (len(r), len(w)) if e is not None else (len(r), len(w), v.shape[1])


def unit_jvp_thin_native(w: Array, r: Array, s: Array, v: Array, e: Array | None) -> Array:
    """C++: csrc/cpu/unit_jvp_thin.cpp."""
    out = empty(_shape(w, r, v, e), w.dtype)
    dispatch.native.unit_jvp_thin(w, r, s, v, e, out)
    return out


def unit_jvp_thin_cuda(w: Array, r: Array, s: Array, v: Array, e: Array | None) -> Array:
    """CUDA: csrc/cuda/unit_jvp_thin.cu."""
    with device.launch(w) as launch:
        out = device.empty(_shape(w, r, v, e), w.dtype)
        dispatch.cuda.unit_jvp_thin(launch, w, r, s, v, e, out)
        return out


KERNEL = dispatch.register(
    "unit_jvp_thin",
    "`d_bi = r_bi sum_c e_bc (sum_m w_im s_bm v_mc)`: what each unit does to the loss",
    "w (n1, n2), r (B, n1), s (B, n2), v (n2, c), e (B, c) or None -> (B, n1), or without e (B, n1, c); w and v of any "
    "strides; zeros of r and s give zero, whatever they meet; products summed in the dtype of w",
    unit_jvp_thin_reference,
    unit_jvp_thin_native,
    unit_jvp_thin_cuda,
)
