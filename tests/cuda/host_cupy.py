"""A stand-in for CuPy whose arrays lie in main memory, and which is as strict as CuPy where a program can go wrong.

As in CuPy, an array is no ndarray: it follows NumPy's protocols for what `FUNCTIONS` and ufuncs do, does not mix with
ndarrays, and becomes one only by `.get()`. New memory is poison (NaN), with a poisoned margin on both sides, which
`check_margins` finds untouched or a kernel has written beyond its arrays.

What it does not show: that CuPy itself does the same. Names, argument names and refusals are those of CuPy 14.
"""

import sys
import time
import types
import weakref

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

MARGIN = 256  # bytes
FUNCTIONS = {
    "all", "any", "argmax", "argsort", "broadcast_to", "clip", "concatenate", "copy", "count_nonzero", "cumsum",
    "diagonal", "einsum", "empty_like", "expand_dims", "full_like", "isclose", "linalg.norm", "linalg.qr",
    "linalg.solve", "max", "mean", "min", "moveaxis", "ndim", "ones_like", "outer", "pad", "prod", "put_along_axis",
    "ravel", "repeat", "reshape", "shape", "size", "sort", "squeeze", "stack", "std", "sum", "swapaxes", "take",
    "take_along_axis", "tensordot", "tile", "trace", "transpose", "tril", "var", "where", "zeros_like",
}  # fmt: skip
"""Functions of CuPy that fwdad's programs call through NumPy; all of them have CuPy's name under NumPy's."""

blocks = weakref.WeakValueDictionary()
overwritten = []  # sizes of the arrays, now gone, around which memory was written to
calls = set()  # names of the functions and ufuncs that were called
copies = []  # sizes of the arrays that went to the device or came back
waits = []  # how the host asked for a value: each time it would wait until all that was launched is done


SIGNALLING = {"<f4": bytes.fromhex("ffffbfff"), "<f8": bytes.fromhex("fffffffffffff7ff")}
"""NaN whose bits any arithmetic changes: what a kernel computes from a margin is no margin again."""


class Block:
    """Memory of one array, of 0xFF, in a margin of signalling NaN."""

    def __init__(self, shape, dtype):
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self.bytes = np.full(size + 2 * MARGIN + 64, 0xFF, np.uint8)
        self.start = MARGIN + -(self.bytes.ctypes.data + MARGIN) % 64
        self.end = self.start + size
        pattern = np.frombuffer(SIGNALLING.get(np.dtype(dtype).str, b"\xff"), np.uint8)
        self.margin = np.resize(pattern, MARGIN)  # on either side; sizes are multiples of the pattern's
        self.around = (slice(self.start - MARGIN, self.start), slice(self.end, self.end + MARGIN))
        for part in self.around:
            self.bytes[part] = self.margin
        self.array = self.bytes[self.start : self.end].view(dtype).reshape(shape)
        blocks[id(self)] = self

    def untouched(self):
        return all(np.array_equal(self.bytes[part], self.margin) for part in self.around)

    def __del__(self):
        if not self.untouched():
            overwritten.append(self.end - self.start)


def check_margins():
    """Raise AssertionError where memory around an array, of those that are gone as well, has been written to."""
    found = [*overwritten, *(block.end - block.start for block in list(blocks.values()) if not block.untouched())]
    overwritten.clear()
    assert not found, f"memory around arrays of {found} bytes was written to"


class ndarray(NDArrayOperatorsMixin):
    """An array on the device."""

    def __init__(self, host, block):
        self._host = host  # a view of block.array
        self._block = block

    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    T = property(lambda self: self._view(self._host.T))
    device = property(lambda self: Device(0))

    @property
    def shape(self):
        return self._host.shape

    @property
    def __cuda_array_interface__(self):
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self._host.ctypes.data if self.size else 0, False),
            "strides": None if self.flags.c_contiguous else self.strides,
            "version": 3,
        }

    def _view(self, host):
        return ndarray(host, self._block) if isinstance(host, np.ndarray) else to_device(host)

    def get(self):
        waits.append("get")
        copies.append(self.size)
        return self._host.copy(order="K")

    def item(self):
        waits.append("item")
        return self._host.item()

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        return self if not copy and self.dtype == dtype else to_device(self._host.astype(dtype))

    def copy(self, order="C"):
        return to_device(self._host.copy(order))

    def reshape(self, *shape, order="C"):
        result = self._host.reshape(*shape, order=order)
        return self._view(result) if np.shares_memory(result, self._host) else to_device(result)

    def view(self, dtype):
        return self._view(self._host.view(dtype))

    def transpose(self, *axes):
        return self._view(self._host.transpose(*axes))

    def fill(self, value):
        self._host.fill(value)

    def __getitem__(self, index):
        result = self._host[on_host(index)]
        return self._view(result) if np.shares_memory(result, self._host) else to_device(result)

    def __setitem__(self, index, value):
        self._host[on_host(index)] = on_host(value)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        waits.append("__bool__")
        return bool(self._host)

    def __int__(self):
        waits.append("__int__")
        return int(self._host)

    def __float__(self):
        waits.append("__float__")
        return float(self._host)

    def __index__(self):
        waits.append("__index__")
        return self._host.__index__()

    def __repr__(self):
        return repr(self._host)

    def __array__(self, *args, **kwargs):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        calls.add(ufunc.__name__)
        known = (ndarray, np.ndarray, np.generic, int, float, bool)  # ndarrays are refused below, as CuPy does
        if method != "__call__" or not all(isinstance(x, known) for x in (*inputs, *(out or ()))):
            return NotImplemented
        kwargs = {name: on_host(v) for name, v in kwargs.items()}
        if out is not None:
            kwargs["out"] = tuple(o._host for o in out)
        result = ufunc(*map(on_host, inputs), **kwargs)
        return out[0] if out is not None else to_device(result)

    def __array_function__(self, function, types, args, kwargs):
        module = function.__module__.removeprefix("numpy").lstrip(".")
        name = f"{module}.{function.__name__}" if module else function.__name__
        calls.add(name)
        if name not in FUNCTIONS or not all(issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        result = function(*map(on_host, args), **{key: on_host(v) for key, v in kwargs.items()})
        if name in ("ndim", "shape", "size") or result is None:
            return result
        return tuple(map(to_device, result)) if isinstance(result, tuple) else to_device(result)


METHODS = ("sum", "mean", "min", "max", "any", "all", "argmax", "ravel", "squeeze", "swapaxes", "prod", "std", "dot")
for _name in METHODS:
    setattr(
        ndarray,
        _name,
        lambda self, *args, _name=_name, **kwargs: to_device(getattr(self._host, _name)(*map(on_host, args), **kwargs)),
    )


def on_host(value):
    """What NumPy can compute with; refuses ndarrays, as CuPy's operations do."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(on_host(v) for v in value)
    return value


def to_device(value):
    """An array, or number, of NumPy's as an array of this module, in memory of its own."""
    value = np.asarray(value)
    result = empty(value.shape, value.dtype, "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C")
    result._host[...] = value
    return result


def empty(shape, dtype=float, order="C"):
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    block = Block(shape[::-1] if order == "F" else shape, dtype)
    return ndarray(block.array.T if order == "F" else block.array, block)


def array(value, dtype=None, copy=True, order="K"):
    if isinstance(value, ndarray):
        value = value._host
    else:
        value = np.asarray(value)
        copies.append(value.size)
        waits.append("array")
    return to_device(np.array(value, dtype, order=order))


def strided(buffer, shape, dtype, offset, strides):
    """A view of an array of bytes; CuPy has this in the constructor of its ndarray."""
    return ndarray(np.ndarray(shape, dtype, buffer._host, offset, strides), buffer._block)


class Device:
    """The only one, number 0."""

    def __init__(self, number=0):
        self.id = number

    def use(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def __eq__(self, other):
        return self.id == other.id

    __hash__ = None


class Stream:
    ptr = 0


class Event:
    """Reached as soon as it is recorded: nothing here runs later than it was asked for."""

    def record(self):
        self.time = time.perf_counter()

    def synchronize(self):
        return None


class Generator:
    """Of random numbers, those of NumPy's."""

    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)

    def standard_normal(self, size=None, dtype=float, out=None):
        if out is None:
            return to_device(self._generator.standard_normal(size, dtype))
        self._generator.standard_normal(dtype=dtype, out=out._host)
        return out


cuda = types.SimpleNamespace(
    Device=Device,
    get_current_stream=Stream,
    Event=Event,
    get_elapsed_time=lambda begin, end: 1e3 * (end.time - begin.time),
    runtime=types.SimpleNamespace(
        getDeviceProperties=lambda number: {"name": b"a stand-in", "major": 0, "minor": 0},
        driverGetVersion=lambda: 13000,
    ),
)
random = types.SimpleNamespace(default_rng=Generator)
__version__ = "0"
module = sys.modules[__name__]
