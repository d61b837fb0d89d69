"""Adversarial calls of `fwdad._native`, the same for the same seed: each is carried out or refused by name.

    python tests/kernels/fuzz_bindings.py --seconds 60 --seed 0

The calls follow each kernel's contract, at random sizes, and then up to three arguments are spoilt. Run under a
sanitizer (`ctest --preset asan`) this shows that no argument leads out of bounds. It prints how many were refused.
"""

import argparse
import collections
import math
import random
import re
import sys
import time

import numpy as np

from fwdad.kernels import dispatch

NATIVE = dispatch.native
DOCUMENTS = {name: getattr(NATIVE, name).__doc__ or "" for name in dir(NATIVE)}
KERNELS = [name for name, text in DOCUMENTS.items() if text.startswith(f"{name}(") and "\n\n" in text]
DTYPES = (np.int64, np.float32, np.float64, np.float16, np.complex64, bool, object, "S3")
ACTIVATIONS = ("identity", "relu", "tanh", "gelu", "sigmoid", "elu", "softplus", "nothing", "", "\0")
LIMITS = (0, 1, -1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**65))
REFUSED = (TypeError, ValueError, MemoryError)
THREADS = (1, 2, 3, 7)


class Sizes(dict):
    """Sizes by name, drawn when first asked for."""

    def __init__(self, rng):
        self.rng = rng

    def __missing__(self, name):
        self[name] = self.rng.choice((0, 1, 1, 2, 3, 4, 5, 8, 17, 33))
        return self[name]


def rows_of(name):
    """The rows of a kernel's contract: (name, whether it may be None, axes or None)."""
    for word in DOCUMENTS[name].split("\n\n")[1].replace("->", "").split():
        row, _, axes = word.partition(":")
        yield row.rstrip("?"), row.endswith("?"), axes[1:-1].split(",") if axes else None


def shape_of(axes, sizes, rng):
    shape = []
    for axis in axes:
        if axis.startswith("[") and rng.random() < 0.5:
            continue
        axis = axis.strip("[]")
        if axis.endswith("..."):
            shape += [sizes[axis]] if rng.random() < 0.8 else [sizes[axis], 1]
        else:
            shape.append(math.prod(1 if factor == "1" else sizes[factor] for factor in axis.split("*")))
    return tuple(shape)


def window(sizes, rng):
    """A window whose sizes are those already drawn where they are known; the number of its positions follows."""
    pairs = [[rng.choice((1, 1, 2, 3)) for _ in range(2)] for _ in range(4)]
    pairs[0] = [max(1, sizes["kh"]), max(1, sizes["kw"])]
    pairs[2] = [rng.choice((0, 0, 1, 2)) for _ in range(2)]
    sizes["kh"], sizes["kw"] = pairs[0]
    for at, (image, positions) in enumerate((("h", "rows"), ("w", "columns"))):
        kernel, stride, padding, dilation = (pair[at] for pair in pairs)
        sizes[positions] = max(0, (sizes[image] + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return tuple(map(tuple, pairs))


def stream(shape, dtype, rng):
    k, rows, columns = shape if len(shape) == 3 else (*shape, 1)
    return (rng.getrandbits(63), 1, 2, rng.choice((4, 128)), k, rows, columns, -1, np.dtype(dtype).itemsize)


def array_of(shape, dtype, rng):
    return np.full(shape, 1 if dtype == np.int64 else rng.choice((1.0, 0.5, np.nan, np.inf, 1e30)), dtype)


def call_of(name, rng):
    """A call that keeps the contract, as far as it is known here."""
    sizes, dtype, arguments = Sizes(rng), rng.choice((np.float32, np.float64)), []
    types = dict(re.findall(r"(\w+): ([\w ]+(?: \| [\w ]+)*)", DOCUMENTS[name].split("\n\n")[0]))
    given_window = window(sizes, rng) if "window" in types else None
    for row, may_be_none, axes in rows_of(name):
        kind = types[row]
        if may_be_none and rng.random() < 0.3:
            arguments.append(None)
        elif kind == "Window":
            arguments.append(given_window)
        elif kind == "str":
            arguments.append(rng.choice(ACTIVATIONS[:7]))
        elif kind in ("int", "float", "bool"):
            arguments.append({"int": rng.randrange(4), "float": rng.random(), "bool": rng.random() < 0.5}[kind])
        elif "Descriptor" in kind and (kind.startswith("Descriptor") or rng.random() < 0.4):
            arguments.append(stream(shape_of(axes, sizes, rng), dtype, rng))
        else:
            wide = row in ("gram", "g") or name == "projection_coefficients" or (name, row) == ("combine", "c")
            entries = np.int64 if row in ("labels", "rank", "operations") else np.float64 if wide else dtype
            arguments.append(array_of(shape_of(axes, sizes, rng), entries, rng))
    return arguments


def spoilt(value, rng):
    """The value, or another in its place, spoilt in one of many ways."""
    if rng.random() < 0.15:
        return rng.choice((None, object(), "nothing", b"x", [], {}, 1.5, True, np.float32(1), *LIMITS))
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        pairs = [list(pair) for pair in value]
        pairs[rng.randrange(4)][rng.randrange(2)] = rng.choice((*LIMITS, 7, 100))
        return tuple(map(tuple, pairs))
    if isinstance(value, tuple):
        fields = list(value)
        fields[rng.randrange(len(fields))] = rng.choice((*LIMITS, None, 1.5, 3, 5, 128))
        return tuple(fields[: rng.choice((8, 9, 9, 9, 9))])
    if isinstance(value, np.ndarray):
        return spoilt_array(value, rng)
    if isinstance(value, str):
        return rng.choice(ACTIVATIONS)
    return rng.choice((np.nan, np.inf, *LIMITS))


def spoilt_array(array, rng):
    if array.size > 2**20 or array.dtype.kind not in "iufc":  # spoilt already, and nothing to make another of
        return array
    way = rng.randrange(9)
    if way == 0:
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(DTYPES))
    if way == 1 and array.ndim:  # one axis of another size
        shape = list(array.shape)
        shape[rng.randrange(array.ndim)] = rng.choice((0, 1, 2, 3, 64))
        return np.ones(shape, array.dtype)
    if way == 2 and array.size and array.ndim:  # larger than all memory
        shape, strides = list(array.shape), list(array.strides)
        at = rng.randrange(array.ndim)
        shape[at], strides[at] = rng.choice((2**31, 2**33, 2**40)), 0
        return np.lib.stride_tricks.as_strided(array, shape, strides, writeable=False)
    if way == 3:
        return np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    if way == 4:
        return array[..., ::-1] if array.ndim else array
    if way == 5:
        return np.asfortranarray(array)
    if way == 6:
        readonly = array.copy()
        readonly.flags.writeable = False
        return readonly
    if way == 7:
        return array.astype(array.dtype.newbyteorder())
    return array.reshape((1,) * rng.randrange(1, 30) + array.shape) if rng.random() < 0.5 else array[None]


def other_call(rng):
    """A call of what is no kernel."""
    number = rng.choice((*LIMITS, 1024, 1025, 2048, None, "2", 1.5))
    shape = [rng.choice((0, 1, 3, *LIMITS)) for _ in range(rng.randrange(5))]
    dtypes = [np.dtype(kind) for kind in ("f4", "f8", "V0", "S0", "O", "i1")]
    which = rng.randrange(4)
    if which == 0:
        NATIVE.set_num_threads(number)
    elif which == 1:
        if 0 in shape or math.prod(shape) < 2**24:  # others are refused, or have the system's own answer
            NATIVE.empty(rng.choice(dtypes), shape)
    elif which == 2:
        NATIVE.select_isa(rng.choice((*NATIVE.info()["isas"], "", "v9", "\0", "a" * 10_000)))
    else:
        NATIVE.info(*[number] * rng.randrange(2))


def one(rng):
    """Make one call; whether it was carried out."""
    try:
        if rng.random() < 0.05:
            other_call(rng)
        else:
            name = rng.choice(KERNELS)
            arguments = call_of(name, rng)
            first = name == "probe_fma"  # it does as many rounds as it is asked for
            for _ in range(rng.choice((0, 1, 1, 2, 3))):
                at = rng.randrange(first, len(arguments))
                arguments[at] = spoilt(arguments[at], rng)
            if rng.random() < 0.03:
                arguments = arguments[:-1] if rng.random() < 0.5 else [*arguments, None]
            getattr(NATIVE, name)(*arguments)
    except REFUSED:
        return False
    finally:
        if NATIVE.get_num_threads() not in THREADS or rng.random() < 0.01:
            NATIVE.set_num_threads(rng.choice(THREADS))
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--calls", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if NATIVE is None:
        sys.exit("fwdad._native was not built")
    rng, counts, end = random.Random(options.seed), collections.Counter(), time.monotonic() + options.seconds
    while time.monotonic() < end and counts.total() < options.calls:
        counts[one(rng)] += 1
    sys.stdout.write(f"{counts.total()} calls: {counts[True]} carried out, {counts[False]} refused\n")


if __name__ == "__main__":
    main()
