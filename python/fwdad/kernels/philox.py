"""Random words from a counter, and the map from words to normals and signs: the specification of every bit.

A counter-based generator is a function: (key, counter) -> four random 32-bit words. It has no state, so any part of a
stream can be made by anyone, in any order, again and again. How (row, column) becomes a counter stands in `stream.py`;
the whole contract, in one page, in docs/random-contract.md. Constants and polynomials are those of the C++ and CUDA
sources, to the bit: tests/kernels/test_generate.py compares them.

Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U32 = NDArray[np.uint32]

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # what a round adds to the key: the golden ratio and sqrt(3) - 1, times 2^32


def philox4x32(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[U32, U32, U32, U32]:
    """Return four random words for each counter, by ten rounds of Philox4x32.

    Parameters
    ----------
    counter : tuple of four integers or integer arrays
        Arrays broadcast together; each entry is in [0, 2^32).
    key : tuple of two integers
        Each in [0, 2^32).

    Returns
    -------
    tuple of four ndarrays
        uint32.

    Examples
    --------
    >>> [f"{int(word):08x}" for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, np.uint64) for c in counter))
    for turn in range(ROUNDS):
        k0, k1 = (np.uint64((key[j] + turn * WEYL[j]) & 0xFFFFFFFF) for j in (0, 1))
        p0, p1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
    return c0.astype(np.uint32), c1.astype(np.uint32), c2.astype(np.uint32), c3.astype(np.uint32)


def fma32(a: Any, b: Any, c: Any) -> F32:
    """Return the correctly rounded float32 of a * b + c, as a fused multiply-add instruction does.

    The product is exact in float64. The sum is rounded to odd there (TwoSum finds what rounding lost), so that the
    second rounding, to float32, is the only one (S. Boldo and G. Melquiond, "Emulation of a FMA", 2008).

    Examples
    --------
    >>> float(fma32(1 + 2.0**-12, 1 + 2.0**-12, -1 - 2.0**-11)) == 2.0**-24
    True
    """
    a32, b32, c32 = (np.asarray(v, np.float32) for v in (a, b, c))
    product, addend = np.multiply(a32, b32, dtype=np.float64), c32.astype(np.float64)
    total = np.asarray(product + addend)
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    bits = total.view(np.int64)
    towards = np.where((lost > 0) == (total > 0), 1, -1)
    odd = np.where((lost != 0) & (bits & 1 == 0), bits + towards, bits)
    return odd.view(np.float64).astype(np.float32)


def _horner(x: F32, coefficients: tuple[float, ...]) -> F32:
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = fma32(value, x, coefficient)
    return value


# Minimax polynomials, written as float32 values, lowest power first.
LOG = (  # -2 (ln(1 + t) - t) / t^2 for 1 + t in [sqrt(1/2), sqrt(2)): error of the logarithm 3.0e-8, relative
    float.fromhex("0x1.fffffap-1"), float.fromhex("-0x1.5556f2p-1"), float.fromhex("0x1.0004aep-1"),
    float.fromhex("-0x1.98d330p-2"), float.fromhex("0x1.535ac6p-2"), float.fromhex("-0x1.317f18p-2"),
    float.fromhex("0x1.250fdap-2"), float.fromhex("-0x1.65fda2p-3"),
)  # fmt: skip
MINUS_2_LN_2 = float.fromhex("-0x1.62e430p+0")
SIN = (  # sin(pi/4 t) / t in y = t^2 for |t| <= 1: error 2.8e-8, relative
    float.fromhex("0x1.921fb6p-1"), float.fromhex("-0x1.4abc24p-4"),
    float.fromhex("0x1.4680a4p-9"), float.fromhex("-0x1.33198ep-15"),
)  # fmt: skip
COS = (  # (cos(pi/4 t) - 1) / y in y = t^2 for |t| <= 1: error of the cosine 4.4e-10, relative
    float.fromhex("-0x1.3bd3ccp-2"), float.fromhex("0x1.03c1b0p-6"),
    float.fromhex("-0x1.55b2b4p-12"), float.fromhex("0x1.d4f632p-19"),
)  # fmt: skip


def normals_from_words(w0: U32, w1: U32) -> tuple[F32, F32]:
    """Return two standard normals, sqrt(-2 ln u) (cos a, sin a): the first word gives u, the second a.

    Every step is one correctly rounded float32 operation, so that the result has the same bits wherever fused
    multiply-add exists. |value| <= 6.67, the square root of -2 ln 2^-32.
    """
    one_bit, two_bits = np.uint32(1), np.uint32(2)
    # u in (0, 1] and its logarithm: u = 2^e (1 + t) with 1 + t in [sqrt(1/2), sqrt(2)).
    u = fma32((w0 >> one_bit).astype(np.float32), 2.0**-31, 2.0**-32)
    bits = u.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23
    t = (bits - (exponent << 23)).view(np.float32) - np.float32(1)
    h = fma32(t, _horner(t, LOG), -2)
    radius = np.sqrt(fma32(t, h, exponent.astype(np.float32) * np.float32(MINUS_2_LN_2)))
    # The angle is 2 pi w1 / 2^32: a quadrant (the top bits of w1 after rounding) and a rest of at most pi/4.
    t = (w1 << two_bits).view(np.int32).astype(np.float32) * np.float32(2.0**-31)
    y = t * t
    sine, cosine = t * _horner(y, SIN), fma32(y, _horner(y, COS), 1)
    quadrant = w1 + np.uint32(1 << 29)
    swap = (quadrant & np.uint32(1 << 30)) != 0
    return (
        radius * _flip(np.where(swap, sine, cosine), quadrant + np.uint32(1 << 30)),
        radius * _flip(np.where(swap, cosine, sine), quadrant),
    )


def signs_from_words(word: U32) -> F32:
    """Return 32 signs from each word, on a new axis before the last: bit j, if set, makes sign j negative."""
    bit = np.arange(32, dtype=np.uint32)[:, None]
    return _flip(np.ones((), np.float32), word[..., None, :] << (np.uint32(31) - bit))


def _flip(value: F32, word: U32) -> F32:
    """Change the sign of `value` where the top bit of `word` is set."""
    return np.asarray(value.view(np.uint32) ^ (word & np.uint32(1 << 31))).view(np.float32)
