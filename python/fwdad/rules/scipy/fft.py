"""scipy.fft: all linear."""

from __future__ import annotations

import scipy.fft as fft

from fwdad.rules.replacing import linear_in

linear_in(fft, "fft ifft rfft irfft hfft ihfft", axis=2, default=-1)
linear_in(fft, "dct idct dst idst", axis=3, default=-1)
linear_in(fft, "fft2 ifft2 rfft2 irfft2", axis=2, default=(-2, -1), axes="axes")
linear_in(fft, "fftn ifftn rfftn irfftn", axis=2, axes="axes")
linear_in(fft, "dctn idctn dstn idstn", axis=3, axes="axes")
linear_in(fft, "fftshift ifftshift", axis=1, axes="axes")
