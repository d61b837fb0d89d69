"""The end of a process whose daemon threads are inside kernels."""

import subprocess
import sys

import pytest

from fwdad.kernels import dispatch

SCRIPT = """
import threading, time
import numpy as np
from fwdad.kernels import dispatch

native = dispatch.native
native.set_num_threads(2)
started = threading.Barrier(4)

def work(n):
    a, b, out = (np.ones((1, n, n), np.float32) for _ in range(3))
    started.wait()
    while True:
        native.matmul(a, b, out)

for n in (300, 100, 20):
    threading.Thread(target=work, args=(n,), daemon=True).start()
started.wait()
time.sleep(0.02)
"""


@pytest.mark.skipif(dispatch.native is None, reason="fwdad._native was not built")
@pytest.mark.parametrize("turn", range(3))
def test_the_process_ends_as_if_they_were_not_there(turn):
    command = [sys.executable, *(["-S"] if sys.flags.no_site else []), "-c", SCRIPT]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
