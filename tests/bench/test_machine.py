"""The measured peaks and the description of the machine."""

import math

import pytest

from fwdad import kernels
from fwdad.bench import BenchError, as_json, describe, machine, measure_peaks
from fwdad.kernels import dispatch


def test_peaks_are_measured_and_the_threads_stay():
    before = kernels.get_num_threads()
    peaks = measure_peaks(megabytes=1)
    assert kernels.get_num_threads() == before
    assert all(math.isfinite(value) and value > 0 for value in as_json(peaks).values())
    assert peaks.share(peaks.fma / 2, 1.0) == 0.5
    assert peaks.share(None, peaks.copy / 4) == 0.25
    assert peaks.share(None, None) is None


def test_probes_do_the_work_that_they_count():
    a, b = machine.aligned(200_000), machine.aligned(200_000)
    a[:] = range(200_000)
    b[:] = -1
    dispatch.native.probe_copy(a, b)
    whole = a.size // 16 * 16  # registers
    assert (b[:whole] == a[:whole]).all()
    sink = machine.aligned(1)
    b[:] = 1
    dispatch.native.probe_read(b, sink)
    assert sink[0] == pytest.approx(200_000, rel=1e-3)  # what is left of the last piece is not read


def test_without_native_kernels_there_is_nothing_to_measure(monkeypatch):
    monkeypatch.setattr(dispatch, "native", None)
    with pytest.raises(BenchError, match="was not built"):
        measure_peaks()


def test_the_machine_is_described():
    about = describe()
    assert about["isa"] in about["isas"]
    assert about["cpu"]
    assert about["versions"]["numpy"].count(".") == 2
