"""Fourier transforms: all linear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fwdad.dual import Dual
from fwdad.rules.forms import enter, from_back, linear, reject_duals

_function: Any
# fmt: off
#      function             position of the axis, its default       what the axes are called
for _function in (np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft):
    linear(_function,       axis=2, default=-1)
for _function in (np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2):
    linear(_function,       axis=2, default=(-2, -1),               names=("axes",))
for _function in (np.fft.fftshift, np.fft.ifftshift):
    linear(_function,       axis=1,                                 names=("axes",))
# fmt: on


def n_dimensional(function: Any) -> None:
    """Enter a transform over the axes given, or else over the last ``len(s)`` ones, or else over all."""

    def rule(
        x: Dual, s: Sequence[int] | None = None, axes: Any = None, norm: str | None = None, **options: Any
    ) -> Dual:
        reject_duals(function, (s, axes), options)
        answer = function(x.primal, s, axes, norm)
        over = range(-(x.ndim if s is None else len(s)), 0) if axes is None else axes
        return Dual(answer, function(x.tangent, s, from_back(tuple(over), x.ndim), norm), x.level)

    enter(function, rule, "linear")


for _function in (np.fft.fftn, np.fft.ifftn, np.fft.rfftn, np.fft.irfftn):
    n_dimensional(_function)
