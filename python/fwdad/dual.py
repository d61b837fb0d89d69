"""Dual numbers: a primal and its k tangents, and how NumPy's calls find their JVP rule.

    f(x + eps t) = f(x) + eps f'(x) t,    eps^2 = 0

A `Dual` carries ``primal`` of any shape and ``tangent`` of shape ``(k, *primal.shape)``: k directional
derivatives that travel through the program together. Values that do not move are never wrapped, so
a zero tangent is the absence of a Dual.

Every transform takes a fresh, larger ``level``. An operation strips the highest level among its
arguments and calls itself on what is left, which may be Duals of lower levels: rules are ordinary
NumPy programs, and nesting needs no further code. Levels are numbers that only grow, shared by all
threads; nothing is opened, so nothing can be left open by an exception or seen by another thread.

NumPy hands a call over by two protocols: ``__array_ufunc__`` (np.sin, +) and ``__array_function__``
(np.sum, np.concatenate). Both look the function up in `RULES`, which the modules in rules/ fill.
"""

from __future__ import annotations

import functools
import itertools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from numbers import Number
from typing import Any, NoReturn, TypeAlias

import numpy as np

from fwdad.errors import LostDerivativeError, NoRuleError

Array: TypeAlias = Any
"""A NumPy array or scalar, a Dual, or any other array that follows NumPy's protocols."""

Rule: TypeAlias = Callable[..., Any]

RULES: dict[Callable[..., Any], Rule] = {}
"""NumPy function -> rule. A rule has the function's signature and is called when an argument is a Dual."""

LIKE: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy function -> how it makes an array for ``like=dual``; its first argument is that Dual."""

_fresh_levels = itertools.count(1)


def new_level() -> int:
    """Return a level above every level that exists."""
    return next(_fresh_levels)


class Dual:
    """A value and its k tangents, for one transform.

    Users meet Duals as the arguments of the functions that they differentiate; `fwdad.jvp` makes them.

    Parameters
    ----------
    primal : array_like
        The value, of any shape.
    tangent : array_like
        k tangents, ``(k, *primal.shape)``, of the primal's floating dtype. Primal and tangent are arrays, or Duals of
        lower levels.
    level : int
        The transform that the tangent belongs to.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> fwdad.jvp(lambda x: print(x), (np.array([1.0, 2.0]),), (np.array([[1.0, 0.0]]),))[0]
    Dual(primal=[1. 2.], tangent=[[1. 0.]])
    """

    # `views` and `view_of` exist only where views have been taken: see rules/assignment.
    # `square` exists only in roots that are zero: see rules/forms.
    __slots__ = ("__weakref__", "level", "primal", "square", "tangent", "view_of", "views")
    square: Any
    view_of: Any
    views: Any
    memory: Any  # of carriers: see the function `memory`
    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]  # == compares values, as for arrays

    def __init__(self, primal: Array, tangent: Array, level: int) -> None:
        self.primal = primal
        self.tangent = tangent
        self.level = level

    # Attributes of the primal.
    shape: Any = property(lambda self: self.primal.shape)
    ndim: Any = property(lambda self: self.primal.ndim)
    size: Any = property(lambda self: self.primal.size)
    dtype: Any = property(lambda self: self.primal.dtype)
    itemsize: Any = property(lambda self: self.dtype.itemsize)
    nbytes: Any = property(lambda self: self.size * self.itemsize)
    device: Any = property(lambda self: plain(self).device)

    def become(self, other: Dual) -> None:
        """Take over another Dual's value, as a write does: see rules/assignment."""
        self.primal, self.tangent = other.primal, other.tangent

    def at_rest(self, value: Array) -> Dual:
        """Return a value of this transform that does not move: an array that Duals can be written into."""
        zero = zeros(self.tangent, (1,) * value.ndim, value.dtype)
        return Dual(value, np.broadcast_to(zero, (*zero.shape[:1], *value.shape)), self.level)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Make tangents of zeros, for a primal of the shape, where this value is a tangent; they do not move."""
        return zeros(self.primal, shape, dtype)

    @property
    def k(self) -> int:
        """The number of tangents."""
        return int(self.tangent.shape[0])

    def __len__(self) -> int:
        """Return the length of the primal's first axis."""
        return len(self.primal)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the first axis."""
        return map(self.__getitem__, range(len(self)))

    def __contains__(self, value: Any) -> bool:
        """Whether an entry of the primal equals the value."""
        return bool(np.any(np.equal(self, value)))

    def __getitem__(self, index: Any) -> Any:
        """Index primal and tangent."""
        return RULES[operator.getitem](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write into primal and tangent: see rules/assignment."""
        RULES[operator.setitem](self, index, value)

    def __bool__(self) -> bool:
        """Return the truth of the primal."""
        return bool(self.primal)

    def __round__(self, digits: int | None = None) -> Any:
        """Round the primal; the result does not move."""
        return np.round(self, digits or 0)

    def __repr__(self) -> str:
        """Show primal and tangent."""
        return described("Dual", primal=self.primal, tangent=self.tangent)

    def __format__(self, spec: str) -> str:
        """Apply a number format to the primal and to each tangent of a Dual of shape (); arrays take no format."""
        if not spec:
            return str(self)
        tangents = self.tangent.spelled(spec) if isinstance(self.tangent, Dual) else spelled(self.tangent, spec)
        return f"Dual(primal={format(self.primal, spec)}, tangent={tangents})"

    def spelled(self, spec: str) -> str:
        """Apply a number format to each entry along the first axis."""
        return spelled(self, spec)

    def __copy__(self) -> Dual:
        """Copy primal and tangent."""
        return Dual(self.primal.copy(), self.tangent.copy(), self.level)

    def __deepcopy__(self, memo: dict[int, Any]) -> Dual:
        """Copy primal and tangent."""
        return self.__copy__()

    # Calls that NumPy hands over.
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Call the rule of a ufunc, or of the function that its method stands for."""
        if len(inputs) > 1:
            for value in inputs:
                if type(value) is not Dual:
                    check_meaning(value, ufunc)
        if "out" in kwargs:
            return _into(kwargs.pop("out"), ufunc, method, inputs, kwargs)
        if method == "__call__":
            rule = RULES.get(ufunc)
            return rule(*inputs, **kwargs) if rule is not None else no_rule(ufunc)
        function = UFUNC_METHODS.get((ufunc, method))
        if function is not None:
            if method != "at":
                kwargs.setdefault("axis", 0)
            return function(*inputs, **kwargs)
        if ufunc not in RULES or method not in ANY_UFUNC_METHODS:
            no_rule(ufunc, f".{method}")
        return ANY_UFUNC_METHODS[method](ufunc, *inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: tuple[type, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call the rule of any other NumPy function."""
        if len(types) > 1:
            check_arguments(function, args, kwargs)
        if kwargs and kwargs.get("out") is not None:
            return written_out(function, args, kwargs)
        rule = RULES.get(function)
        return rule(*args, **kwargs) if rule is not None else self.like(function, args, kwargs)

    def like(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make an array for ``like=self``: see rules/creation."""
        make = LIKE.get(function)
        return make(self, *args, **kwargs) if make is not None else no_rule(function)

    # Conversions that would lose the derivative.
    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse np.asarray."""
        lost_in_library(sys._getframe(1))
        lost("np.asarray, np.array, or an assignment into a NumPy array")

    def __float__(self) -> NoReturn:
        """Refuse float()."""
        lost("float(), a function of the math module, or array[i] = dual")

    def __int__(self) -> NoReturn:
        """Refuse int()."""
        lost("int(), or array[i] = dual for an array of integers,")

    def __complex__(self) -> NoReturn:
        """Refuse complex()."""
        lost("complex(), or a function of the cmath module")

    def __index__(self) -> NoReturn:
        """Refuse use as an index."""
        lost("use as an index")

    def __dlpack__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse DLPack."""
        lost("DLPack (from_dlpack)")

    def __dlpack_device__(self) -> NoReturn:
        """Refuse DLPack."""
        lost("DLPack (from_dlpack)")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse pickling."""
        raise TypeError(
            "a Dual cannot be pickled: it belongs to a transform that runs in this process. Pickle the result of the "
            "transform, or fwdad.stop_gradient of the Dual"
        )


def _into(
    targets: tuple[Any, ...], ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Write a ufunc's result into out=, if that is a Dual; an array would lose the derivative."""
    target = targets[0]
    if len(targets) > 1 or not isinstance(target, Dual):
        if all(t is None for t in targets):
            return getattr(ufunc, method)(*inputs, **kwargs)
        raise LostDerivativeError(
            f"np.{ufunc.__name__} was asked to write a Dual's result into an existing array (out=, or an "
            "in-place operator such as 'array += dual'), which would lose the derivative; "
            "write 'array = array + dual' instead"
        )
    if method != "__call__":
        RULES[np.copyto](target, getattr(ufunc, method)(*inputs, **kwargs))
        return target
    where = kwargs.pop("where", True)
    with np.errstate(all="ignore" if where is not True else None):  # what is not written may be anything
        answer = ufunc(*inputs, **kwargs)
    RULES[np.copyto](target, answer, where=where)
    return target


def written_out(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function without its out=, and write the answer into that, if it is a Dual."""
    target = kwargs["out"]
    if not isinstance(target, Dual):
        raise LostDerivativeError(
            f"{name_of(function)}: out= is a plain array, where the derivative would be lost; leave it out, or make it "
            "like what moves (np.zeros_like(x))"
        )
    answer = function(*args, **{name: value for name, value in kwargs.items() if name != "out"})
    if np.shape(answer) != target.shape:
        raise ValueError(f"{name_of(function)}: out= has shape {target.shape}, and the answer {np.shape(answer)}")
    RULES[np.copyto](target, answer)
    return target


LONGEST = 64
"""Entries of an array up to which a Dual prints them; of a longer one it prints shape and dtype."""


def described(kind: str, **parts: Any) -> str:
    """Name a value's parts: in one line, or one below the other where an array takes more than a line.

    >>> print(described("Dual", primal=np.zeros(2), tangent=np.zeros((1, 2))))
    Dual(primal=[0. 0.], tangent=[[0. 0.]])
    >>> print(described("Dual", primal=np.zeros((2, 2)), tangent=np.zeros((50, 2, 2))))
    Dual(
      primal=[[0. 0.]
              [0. 0.]],
      tangent=<float64 (50, 2, 2)>)
    """
    words = {name: _brief(value) for name, value in parts.items()}
    if not any("\n" in text for text in words.values()):
        return f"{kind}({', '.join(f'{name}={text}' for name, text in words.items())})"
    lines = (f"  {name}={text}".replace("\n", "\n" + " " * (len(name) + 3)) for name, text in words.items())
    return "\n".join([f"{kind}(", ",\n".join(lines)]) + ")"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > LONGEST:
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_brief, value))}]"
    return str(value).replace("\n\n", "\n")


def spelled(values: Iterable[Any], spec: str) -> str:
    """Apply a number format to each of some values."""
    return f"[{', '.join(format(value, spec) for value in values)}]"


def lost(operation: str) -> NoReturn:
    """Raise LostDerivativeError: the operation would make plain numbers of a Dual."""
    raise LostDerivativeError(
        f"{operation} would make plain numbers of a Dual and lose its derivative. Use NumPy functions on the Dual "
        "itself (np.sin for math.sin, np.stack for np.array), and write into an array that is made like it "
        "(np.zeros_like(x), np.zeros(n, like=x)); if the derivative is not wanted, say so with fwdad.stop_gradient"
    )


def lost_in_library(frame: Any) -> None:
    """Raise LostDerivativeError that names the function of SciPy or numpy.polynomial that is called, if one is."""
    calls = []
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("scipy", "numpy"):
        module, name = frame.f_globals["__name__"], frame.f_code.co_name
        if module.startswith("scipy._lib"):  # a decorator, which calls the function itself f
            module, name = (getattr(frame.f_locals.get("f"), a, d) for a, d in (("__module__", ""), ("__name__", "")))
        if module.startswith(("scipy.", "numpy.polynomial.")):
            calls.append((".".join(module.split(".")[: 3 if module.startswith("numpy") else 2]), name, frame))
        frame = frame.f_back
    if not calls:
        return
    public = [call for call in calls if callable(getattr(sys.modules.get(call[0]), call[1], None))]
    module, name, frame = (public or calls)[-1]
    if getattr(sys.modules.get(module), name, None) in RULES:
        raise LostDerivativeError(
            f"{module}.{name} was imported by name before fwdad, so it does not know Duals: import fwdad first, or "
            f"call it as {module}.{name}"
        )
    owner = frame.f_locals.get("self")
    name = name if owner is None else f"{type(owner).__name__}.{name}"
    raise LostDerivativeError(
        f"{module}.{name} has no JVP rule: it would make plain numbers of a Dual and lose its derivative. For a "
        "function that is linear in its argument use fwdad.linear, for one that solves an equation fwdad.custom_root; "
        "else give it a rule with fwdad.custom_jvp, or call it on fwdad.stop_gradient(x)"
    )


FLOAT64 = np.dtype(np.float64)


def check_meaning(value: Any, name: str | Callable[..., Any]) -> None:
    """Raise TypeError for a value whose operations are not those of an array of numbers.

    Such are masked arrays, matrices, other libraries' arrays, dates, strings and objects: the mask, the units or the
    derivative would be lost.
    """
    if type(value) is np.ndarray and value.dtype is FLOAT64:  # to save time
        return
    kind: Any = type(value)
    odd = _odd(kind)
    if odd is None or (odd == "" and value.dtype.kind in "fciub"):
        return
    what, where = odd or f"an array of dtype {value.dtype}", name if isinstance(name, str) else name_of(name)
    raise TypeError(
        f"{where}: {what} has operations of its own, which have no derivative here. Pass the numbers as an array of "
        "floats, np.asarray(x, float); of a masked array x.filled(0), times the mask where that matters"
    )


@functools.cache
def _odd(kind: type) -> str | None:
    """Name a type whose operations are its own; "" where that depends on the dtype, None where they never are."""
    if issubclass(kind, np.ndarray):
        own = any(getattr(kind, name) is not getattr(np.ndarray, name) for name in ("__mul__", "__array_ufunc__"))
    elif hasattr(kind, "shape") and hasattr(kind, "dtype"):
        own = not (issubclass(kind, np.generic) or hasattr(kind, "__array_function__"))
    else:
        return kind.__name__ if issubclass(kind, Number) and not issubclass(kind, (int, float, complex)) else None
    return kind.__name__ if own else "" if issubclass(kind, (np.ndarray, np.generic)) else None


def check_arguments(function: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> None:
    """Do `check_meaning` for the arguments of a function, also for those in lists."""
    for value in args:
        kind = type(value)
        if kind is list or kind is tuple:
            check_arguments(function, value, {})
        elif kind is not Dual and not (kind is np.ndarray and value.dtype.kind in "fb"):
            check_meaning(value, function)
    if kwargs:
        check_arguments(function, kwargs.values(), {})


def no_rule(function: Callable[..., Any], method: str = "") -> NoReturn:
    """Raise NoRuleError: the function has no JVP rule."""
    raise NoRuleError(
        f"{name_of(function)}{method} has no JVP rule, so its derivative is unknown. Write it with functions that "
        "have one, or, if the derivative is not wanted, call it on fwdad.stop_gradient(x)"
    )


def name_of(function: Callable[..., Any]) -> str:
    """Return the function's name for people: np.sin, np.linalg.solve."""
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):
        special = sys.modules.get("scipy.special")
        module = "scipy.special" if getattr(special, name, None) is function else "np"
    else:
        module = getattr(function, "__module__", "").replace("numpy", "np", 1)
    return f"{module}.{name}"


UFUNC_METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {
    (np.add, "reduce"): np.sum,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "reduce"): np.prod,
    (np.multiply, "accumulate"): np.cumprod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
}


ANY_UFUNC_METHODS: dict[str, Callable[..., Any]] = {}
"""The methods of every other ufunc that has a rule, as functions of the ufunc and the method's arguments."""


def _operator(ufunc: np.ufunc) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """Make the methods for ``x op y`` and its reflection; they call the rule without NumPy's dispatch, to save time."""

    def forward(self: Dual, other: Any) -> Any:
        return NotImplemented if type(other) is not Dual and defers(other) else RULES[ufunc](self, other)

    def reflected(self: Dual, other: Any) -> Any:
        return NotImplemented if type(other) is not Dual and defers(other) else RULES[ufunc](other, self)

    return forward, reflected


DEFERRED: list[type] = []
"""Types that handle operators with a Dual themselves, and do not say so by NumPy's convention: see rules/scipy."""


def defers(other: Any) -> bool:
    """Whether another type handles operators itself, which ``__array_ufunc__ = None`` says by NumPy's convention.

    Raises TypeError for a value beside which a Dual has no derivative.
    """
    kind = type(other)
    if kind is float or kind is int or (kind is np.ndarray and other.dtype is FLOAT64):  # to save time
        return False
    if getattr(other, "__array_ufunc__", False) is None or isinstance(other, tuple(DEFERRED)):
        return True
    check_meaning(other, "an operand")
    return False


INPLACE: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
    "matmul": np.matmul, "mod": np.remainder, "floordiv": np.floor_divide,
}  # fmt: skip
"""The operators that also have an in-place form, which rules/assignment enters."""

for _name, _ufunc in {**INPLACE, "divmod": np.divmod}.items():
    _forward, _reflected = _operator(_ufunc)
    setattr(Dual, f"__{_name}__", _forward)
    setattr(Dual, f"__r{_name}__", _reflected)

for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Dual, f"__{_name}__", _operator(_ufunc)[0])


def _refuse_bits(self: Dual, other: Any = None) -> NoReturn:
    raise TypeError(
        "a Dual is a floating value and has no bits to operate on (&, |, ^, ~, <<, >>); combine comparisons instead: "
        "(x > 0) & (x < 1)"
    )


for _name in ("and", "or", "xor", "lshift", "rshift"):
    for _side in ("", "r", "i"):
        setattr(Dual, f"__{_side}{_name}__", _refuse_bits)
setattr(Dual, "__invert__", _refuse_bits)  # noqa: B010  as the others

for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute}.items():
    setattr(Dual, f"__{_name}__", functools.partialmethod(lambda self, ufunc: RULES[ufunc](self), _ufunc))


# How rules take Duals apart.
def highest_level(values: Iterable[Any]) -> int:
    """Return the highest level among values; 0 if none is a Dual."""
    highest = 0
    for value in values:
        if type(value) is Dual and value.level > highest:
            highest = value.level
    return highest


def split(value: Any, level: int) -> tuple[Any, Any]:
    """Return primal and tangent of a value at a level; the tangent is None if the value does not move there."""
    if type(value) is Dual and value.level == level:
        return value.primal, value.tangent
    return value, None


def plain(value: Any) -> Any:
    """Remove the tangents of all levels."""
    while isinstance(value, Dual):
        value = value.primal
    return value


def memory(value: Any) -> Any:
    """Return the array that holds the value itself; what shares memory with it is a view of the value."""
    while type(value) is Dual:
        value = value.primal
    return value.memory if isinstance(value, Dual) else value


def duals_in(values: Iterable[Any]) -> Iterator[Dual]:
    """Yield the Duals among values, also those in lists and tuples."""
    for value in values:
        if isinstance(value, Dual):
            yield value
        elif type(value) is tuple or type(value) is list:
            yield from duals_in(value)


def zeros(like: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Make tangents of zeros, as many as there are in `like`, for a primal of the shape."""
    if hasattr(like, "zeros"):
        return like.zeros(shape, dtype)
    return np.zeros_like(like, dtype=dtype, shape=(like.shape[0], *shape))


def primitive(function: Callable[..., Any], known_as: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Make a function one operation: when an argument is a Dual, its entry in `RULES` is called instead.

    This is how functions that NumPy lacks (fwdad.functions) get rules as NumPy's own have them. `known_as` is another
    function whose rule is to be called.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        duals = list(duals_in((*args, *kwargs.values())))
        if not duals:
            return function(*args, **kwargs)
        # As in NumPy, a subclass decides first: another transform's carrier.
        first = next((dual for dual in duals if type(dual) is not Dual), duals[0])
        return first.__array_function__(known_as or call, (), args, kwargs)

    return call
