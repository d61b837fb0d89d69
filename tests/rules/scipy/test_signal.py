"""scipy.signal and scipy.fft under every transform."""

import numpy as np
import pytest

import fwdad

signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed")
from scipy import fft  # noqa: E402

RNG = np.random.default_rng(0)
X, H = RNG.standard_normal(7), RNG.standard_normal(3)
IMAGE, STAMP = RNG.standard_normal((3, 4)), RNG.standard_normal((2, 2))
SOS = signal.butter(3, 0.4, output="sos")
B, A = signal.butter(2, 0.4)

CASES = {
    **{
        f"{f.__name__}, {mode}": (lambda x, h, f=f, mode=mode: f(x, h, mode), X, H)
        for f in (signal.convolve, signal.fftconvolve, signal.correlate)
        for mode in ("full", "same", "valid")
    },
    "convolve, two axes": (lambda x, h: signal.convolve(x, h, mode="same"), IMAGE, STAMP),
    "fftconvolve, one axis": (lambda x, h: signal.fftconvolve(x, h, axes=1), IMAGE, IMAGE[:, :2]),
    "oaconvolve": (signal.oaconvolve, X, H),
    "correlate, longer": (lambda x, h: signal.correlate(h, x, mode="valid"), X, H),
    "lfilter": (signal.lfilter, H, np.array([1.3, 0.4, -0.2]), X),
    "lfilter, axis": (lambda b, x: signal.lfilter(b, [1.0, 0.5], x, axis=0), H, IMAGE),
    "lfilter, zi": (lambda x: signal.lfilter(B, A, x, zi=np.array([0.1, -0.2])), X),
    "sosfilt": (lambda x: signal.sosfilt(SOS, x), X),
    "filtfilt": (lambda x: signal.filtfilt(B, A, x, padlen=3), X),
    "detrend": (signal.detrend, X),
    "hilbert": (lambda x: np.abs(signal.hilbert(x)) ** 2, X),
    "resample": (lambda x: signal.resample(x, 5), X),
    "dct": (lambda x: fft.dct(x, norm="ortho") ** 2, X),
    "idst, axis": (lambda x: fft.idst(x, type=3, axis=0), IMAGE),
    "rfft": (lambda x: np.abs(fft.rfft(x)) ** 2, X),
    "irfft": (lambda x: fft.irfft(fft.rfft(x) * 2, n=7), X),
    "fft2": (lambda x: np.abs(fft.fft2(x)) ** 2, IMAGE),
    "fftn": (lambda x: np.real(fft.fftshift(fft.fftn(x))), IMAGE),
    "dctn": (fft.dctn, IMAGE),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_every_transform(case, under_every_transform):
    under_every_transform(*case)


def test_what_a_filter_does_not_take():
    for call in (
        lambda x: signal.sosfilt(SOS, x, zi=np.zeros((2, 2))),
        lambda x: signal.lfilter(x, A, X, zi=np.zeros(2)),
        lambda x: signal.filtfilt(x, A, X),
    ):
        with pytest.raises(fwdad.LostDerivativeError, match=r"scipy.signal.\w+ (is|with) .*by the signal alone"):
            fwdad.jvp(call, (X,), (X,))
