"""scipy.signal: convolutions are bilinear, filters linear in the signal."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal as signal

from fwdad.dual import Array, Dual, highest_level, plain, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import align, from_back, zeros
from fwdad.rules.replacing import linear_in, replaces


def _cropped(full: Array, first: Array, second: Array, mode: str, axes: tuple[int, ...]) -> Array:
    """Take the part of a full convolution that a mode means."""
    window: list[Any] = [slice(None)] * full.ndim
    for axis in axes:
        n, m = first.shape[axis], second.shape[axis]
        if mode == "same":
            start = (full.shape[axis] - n) // 2
            window[axis] = slice(start, start + n)
        elif mode == "valid":
            window[axis] = slice(min(n, m) - 1, max(n, m))
        elif mode != "full":
            raise ValueError(f"scipy.signal: mode is 'full', 'valid' or 'same', got {mode!r}")
    return full[tuple(window)]


def _by_fourier(first: Array, second: Array, axes: tuple[int, ...]) -> Array:
    """Return the full convolution along axes."""
    sizes = tuple(first.shape[a] + second.shape[a] - 1 for a in axes)
    if plain(first).dtype.kind == "c" or plain(second).dtype.kind == "c":
        return np.fft.ifftn(np.fft.fftn(first, sizes, axes) * np.fft.fftn(second, sizes, axes), sizes, axes)
    return np.fft.irfftn(np.fft.rfftn(first, sizes, axes) * np.fft.rfftn(second, sizes, axes), sizes, axes)


@replaces(signal, "fftconvolve")
def _fftconvolve(in1: Array, in2: Array, mode: str = "full", axes: Any = None) -> Array:
    axes = tuple(range(-in1.ndim, 0)) if axes is None else from_back(tuple(np.atleast_1d(axes).tolist()), in1.ndim)
    return _cropped(_by_fourier(in1, in2, axes), in1, in2, mode, axes)


@replaces(signal, "oaconvolve")
def _oaconvolve(in1: Array, in2: Array, mode: str = "full", axes: Any = None) -> Array:
    return signal.fftconvolve(in1, in2, mode, axes)


@replaces(signal, "convolve")
def _convolve(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    """By shifted products along one axis, and by the Fourier transform along several."""
    in1, in2 = (v if isinstance(v, Dual) else np.asarray(v) for v in (in1, in2))
    if in1.ndim != 1:
        return signal.fftconvolve(in1, in2, mode)
    return _cropped(np.convolve(in1, in2), in1, in2, mode, (0,))


@replaces(signal, "correlate")
def _correlate(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    in1, in2 = (v if isinstance(v, Dual) else np.asarray(v) for v in (in1, in2))
    if mode == "valid" and in2.size > in1.size:
        return np.conjugate(np.flip(signal.correlate(in2, in1, mode)))
    return signal.convolve(in1, np.conjugate(np.flip(in2)), mode)


def _delayed(x: Array, steps: int, axis: int) -> Array:
    """Move a signal back by steps, with zeros before it."""
    n = x.shape[axis]
    behind = [slice(None)] * (-axis - 1)
    zero = np.zeros_like(x[(Ellipsis, slice(0, min(steps, n)), *behind)])
    return np.concatenate([zero, x[(Ellipsis, slice(0, max(n - steps, 0)), *behind)]], axis)


def _moving_average(weights: Array, x: Array, axis: int) -> Array:
    """Filter x by weights (k, m) in k ways: ``sum_j w_ij x[n - j]``."""
    total: Array = 0
    for j in range(weights.shape[1]):
        total = total + np.reshape(weights[:, j], (-1,) + (1,) * x.ndim) * _delayed(x, j, axis)
    return total


@replaces(signal, "lfilter", "differentiable")
def _lfilter(b: Array, a: Array, x: Array, axis: int = -1, zi: Array = None) -> Any:
    """Differentiate ``a * y = b * x``: ``a * dy = db * x + b * dx - da * y``, where * filters."""
    b, a, x = (v if isinstance(v, Dual) else np.asarray(v, float) for v in (b, a, x))
    level, axis = highest_level((b, a, x)), from_back(axis, x.ndim)
    (pb, tb), (pa, ta), (px, tx) = (split(v, level) for v in (b, a, x))
    if zi is not None:
        if tb is not None or ta is not None or isinstance(zi, Dual):
            raise LostDerivativeError("scipy.signal.lfilter with zi= is differentiated by the signal alone")
        y, last = signal.lfilter(pb, pa, px, axis, zi)
        dy, change = signal.lfilter(pb, pa, tx, axis, zeros(tx, last.shape, last.dtype))
        return Dual(y, dy, level), Dual(last, change, level)
    y = signal.lfilter(pb, pa, px, axis)
    terms = [] if tx is None else [signal.lfilter(pb, pa, align(tx, y.ndim), axis)]
    if tb is not None:
        terms.append(signal.lfilter(np.ones(1), pa, _moving_average(tb, px, axis), axis))
    if ta is not None:
        terms.append(-signal.lfilter(np.ones(1), pa, _moving_average(ta, y, axis), axis))
    return Dual(y, sum(terms[1:], start=terms[0]), level)


def _filter(name: str, coefficients: int) -> None:
    """Enter a filter with constant coefficients, so many arguments, which come before the signal."""

    def rule(*args: Any, **options: Any) -> Dual:
        *constant, x = args
        if len(constant) != coefficients or not isinstance(x, Dual) or highest_level(constant) or "zi" in options:
            raise LostDerivativeError(
                f"scipy.signal.{name} is differentiated by the signal alone, without zi=, and with its options by name"
            )
        options["axis"] = from_back(options.get("axis", -1), x.ndim)
        function = getattr(signal, name)
        y, dy = (function(*constant, v, **options) for v in (x.primal, x.tangent))
        return Dual(y, dy, x.level)

    replaces(signal, name, "linear")(rule)


_filter("sosfilt", 1)
_filter("filtfilt", 2)
linear_in(signal, "detrend", axis=1, default=-1)
linear_in(signal, "hilbert", axis=2, default=-1)
linear_in(signal, "resample", axis=3, default=0)
