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
from fwdad.data.files import read_bytes

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 32  # what every NumPy can hold; real files have 1 to 4


def read_idx(path: Path) -> NDArray[np.generic]:
    """Read the array in an IDX file, in the machine's byte order; `DataError` if the file is anything else."""
    content = read_bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or content[3] > MAX_RANK:
        raise DataError(f"{path} is not an IDX file: it begins with {content[:4].hex(' ') or 'nothing'}")
    dtype, rank = np.dtype(DTYPES[content[2]]), content[3]
    header = 4 + 4 * rank
    if len(content) < header:
        raise DataError(f"{path} is cut short: {len(content)} bytes, but its header alone takes {header}")
    shape = struct.unpack_from(f">{rank}I", content, 4)
    expected = header + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        what = "is cut short" if len(content) < expected else "has bytes after its values"
        raise DataError(f"{path} {what}: its header promises {expected} bytes for shape {shape}, it has {len(content)}")
    values = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return values.astype(dtype.newbyteorder("="))
