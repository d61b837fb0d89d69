"""Reader of IDX files, the format of MNIST and its relatives.

Layout, all big-endian: two zero bytes; one byte for the type of the values; one for the number of dimensions; that many
unsigned 32-bit sizes; then the values, the last index fastest, and nothing after them. A file may be gzipped.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError
from fwdad.data.files import opened

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 32  # what every NumPy can hold; real files have 1 to 4


def read_idx(path: Path) -> NDArray[np.generic]:
    """Read the array in an IDX file, in the machine's byte order; `DataError` if the file is anything else."""
    with opened(path) as (file, most):
        start = file.read(4)
        if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in DTYPES or start[3] > MAX_RANK:
            raise DataError(f"{path} is not an IDX file: it begins with {start.hex(' ') or 'nothing'}")
        dtype, rank = np.dtype(DTYPES[start[2]]), start[3]
        sizes = file.read(4 * rank)
        if len(sizes) < 4 * rank:
            raise DataError(f"{path} is cut short: it ends within its header of {4 + 4 * rank} bytes")
        shape = struct.unpack(f">{rank}I", sizes)
        promised = dtype.itemsize * math.prod(shape)
        # No more is read than the header promises, and nothing if the file cannot hold that much.
        content = file.read(promised + 1) if promised <= most else b""
    if len(content) != promised:
        what = "is cut short" if len(content) < promised else "has bytes after its values"
        raise DataError(
            f"{path} {what}: its header promises {promised} bytes of values, of shape {shape}; get it again"
        )
    values = np.frombuffer(content, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="))
