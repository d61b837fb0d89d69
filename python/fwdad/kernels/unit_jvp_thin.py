import numpy as np

from fwdad.kernels import dispatch


def unit_jvp_thin(w, r, s, v, e):
    shape = (len(r), len(w)) if e is not None else (len(r), len(w), v.shape[1])
    out = np.empty(shape, w.dtype)
    dispatch.native.unit_jvp_thin(w, np.ascontiguousarray(r), np.ascontiguousarray(s), v, None if e is None else np.ascontiguousarray(e), out)
    return out
