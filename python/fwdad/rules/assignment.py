"""Writing into a Dual: x[i] = v, x += v, np.copyto(x, v), ..., with views that share memory as NumPy's do.

Duals share arrays (the tangent of x + 1 is x's own), so an array that a Dual holds is never written to. A write makes a
new value, by the linear function `written`, at a cost of O(k size); the Dual becomes that value. As `written` is a
function like any other, writes work under every transform.

`y = x[1:]` is a view: what is written into y appears in x. A view remembers the Dual that it was taken from (`view_of`),
and that Dual knows its living views. A write into any of them goes to the Dual from which all were taken, the root: the
root becomes the new value, and every view is taken from it again.
"""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fwdad.dual import (
    INPLACE,
    RULES,
    UFUNC_METHODS,
    Array,
    Dual,
    Rule,
    check_meaning,
    highest_level,
    memory,
    name_of,
    primitive,
    split,
)
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import align, broadcast_tangent, enter, flat, reject_duals, rule_for, zeros


class Step(NamedTuple):
    """How to take a view of an array: ``function(*before, array, *after, **kwargs)``."""

    function: Callable[..., Any]
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012  never changed

    def of(self, array: np.ndarray) -> np.ndarray:
        """Take the view."""
        view: np.ndarray = self.function(*self.before, array, *self.after, **self.kwargs)
        return view


class View(NamedTuple):
    """How a view was taken: by the function's rule, with the Dual that it is a view of at a place among the arguments."""

    function: Callable[..., Any]
    rule: Rule
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    place: int

    @property
    def base(self) -> Dual:
        """The Dual that it is a view of."""
        base: Dual = self.args[self.place]
        return base

    @property
    def step(self) -> Step:
        """How to take the same view of another array."""
        return Step(self.function, self.args[: self.place], self.args[self.place + 1 :], self.kwargs)


VIEWS: set[Callable[..., Any]] = {
    operator.getitem, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.transpose, np.matrix_transpose, np.swapaxes,
    np.moveaxis, np.flip, np.real, np.imag, np.diagonal, np.broadcast_to, np.einsum, sliding_window_view,
}  # fmt: skip
"""The functions whose answer may be a view of an argument; those composed of them give views, too."""


def watch_views() -> None:
    """Make the rules of `VIEWS` remember what they return; called once, when the tables are full."""
    for function in VIEWS:
        RULES[function] = _watched(function, RULES[function])


def _watched(function: Callable[..., Any], rule: Rule) -> Rule:
    def watched(*args: Any, **kwargs: Any) -> Any:
        answer = rule(*args, **kwargs)
        if type(answer) is Dual and not isinstance(answer.primal, np.generic):
            remember_view(answer, function, rule, args, kwargs)
        return answer

    return watched


def remember_view(
    answer: Dual, function: Callable[..., Any], rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Tie the answer of a function of `VIEWS` to the argument that it shares memory with, if there is one."""
    mine = memory(answer)
    if not isinstance(mine, np.ndarray):
        return
    for place, base in enumerate(args):
        if isinstance(base, Dual) and base.level == answer.level and base is not answer:
            theirs = memory(base)
            if mine is theirs or (mine.base is not None and np.may_share_memory(mine, theirs)):
                known = getattr(base, "views", [])
                if len(known) >= 16 and len(known) & (len(known) - 1) == 0:  # each time the list has doubled
                    known = _living(base)
                known.append(weakref.ref(answer))
                answer.view_of, base.views = View(function, rule, args, kwargs, place), known
            return


def _living(base: Dual) -> list[weakref.ref[Dual]]:
    return [view for view in getattr(base, "views", []) if view() is not None]


def _retake_views(base: Dual) -> None:
    """Take all living views of a Dual from its present value."""
    for reference in list(getattr(base, "views", [])):
        view = reference()
        if view is not None and view.view_of.base is base:
            view.become(view.view_of.rule(*view.view_of.args, **view.view_of.kwargs))
            _retake_views(view)


class Put(NamedTuple):
    """``function(target, *before, value, *after, **kwargs)``, which moves entries of a value into a target."""

    function: Callable[..., Any]
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}  # noqa: RUF012  never changed

    def __call__(self, target: Array, value: Any) -> None:
        """Write a value."""
        self.function(target, *self.before, value, *self.after, **self.kwargs)


@primitive
def written(x: Array, value: Any, steps: tuple[Step, ...], put: Put) -> Array:
    """Return a copy of x, with a value put into the view of it that some steps take."""
    return _made(written, x, value, steps, put)


def _viewed(base: np.ndarray, steps: tuple[Step, ...]) -> np.ndarray:
    """Take a view of an array.

    Raises LostDerivativeError where the array's layout gives a copy.
    """
    view = base
    for step in steps:
        view = step.of(view)
    if steps and base.size and not np.may_share_memory(view, base):
        raise LostDerivativeError(
            "this view of a Dual cannot be written through: its memory order is not that of its base's copy. "
            "Write into the base itself, or into view.copy()"
        )
    return view


@rule_for(written, kind="linear")
def _written(x: Array, value: Any, steps: tuple[Step, ...], put: Put) -> Dual:
    """Write tangents where the primal's entries were written.

    The same write, applied to the numbers 1, 2, ... of value's entries, tells which entry went where. So a tangent follows
    its primal for every kind of index and view, and where an index is repeated the last one wins, as in NumPy.
    """
    level = max(x.level if type(x) is Dual else 0, value.level if type(value) is Dual else 0)
    (px, dx), (pv, dv) = split(x, level), split(value, level)
    primal = _made(written, px, pv, steps, put)
    tangent = dx if dx is not None else zeros(dv, primal.shape, primal.dtype)
    array = memory(px)
    shape = pv.shape if hasattr(pv, "shape") else np.shape(pv)
    marks = np.arange(1, math.prod(shape) + 1).reshape(shape)
    if array.dtype.kind != "c":
        numbers = np.empty_like(array, np.intp, subok=False)
        numbers.fill(0)
        put(_viewed(numbers, steps), marks)
        return Dual(primal, _moved(tangent, dv, numbers > 0, numbers, ()), level)
    both = np.full_like(array, -1 - 1j, np.complex128, subok=False)
    put(_viewed(both, steps), marks + 1j * marks if np.iscomplexobj(pv) else marks)
    real, imaginary = both.real.astype(np.intp), both.imag.astype(np.intp)
    if np.array_equal(real, imaginary):
        return Dual(primal, _moved(tangent, dv, real > 0, real, ()), level)
    # A part was written, or a real value, whose imaginary part is 0.
    dv = None if dv is None else np.real(dv)
    for part, numbers in ((np.real, real), (np.imag, imaginary)):
        moves = None if np.any(numbers == 0) else dv
        tangent = _moved(tangent, moves, numbers >= 0, numbers, (Step(part),))
    return Dual(primal, tangent, level)


def _moved(tangent: Array, dv: Array | None, there: np.ndarray, numbers: np.ndarray, steps: tuple[Step, ...]) -> Array:
    """Write there the tangents of value's entries by their numbers, or zeros if value does not move."""
    moved: Array = 0 if dv is None else flat(dv).take(numbers[there] - 1, 1)
    return _made(written, tangent, moved, steps, Put(operator.setitem, ((slice(None), there),)))


def _made(by: Callable[..., Any], x: Array, value: Any, steps: tuple[Step, ...], put: Put) -> Array:
    """Call `written` or `added`, and save the dispatch where nothing moves."""
    if isinstance(x, Dual) or isinstance(value, Dual):
        return by(x, value, steps, put)
    copy = np.array(x, order="K")
    put(_viewed(copy, steps) if steps else copy, value)
    return copy


@primitive
def added(x: Array, value: Any, steps: tuple[Step, ...], put: Put) -> Array:
    """Return a copy of x, with a value added to the view of it that some steps take; put is a ufunc's `at`."""
    return _made(added, x, value, steps, put)


@rule_for(added, kind="linear")
def _added(x: Array, value: Any, steps: tuple[Step, ...], put: Put) -> Dual:
    """Add tangents where the primal's entries were added; the numbers of x's entries tell where that is."""
    level = highest_level((x, value))
    (px, dx), (pv, dv) = split(x, level), split(value, level)
    primal = _made(added, px, pv, steps, put)
    tangent = dx if dx is not None else zeros(dv, primal.shape, primal.dtype)
    if dv is not None:
        numbers = np.empty_like(memory(primal), np.intp, subok=False)
        numbers[...] = np.arange(numbers.size).reshape(numbers.shape)
        cells = _viewed(numbers, steps)[put.before[0]]
        moved = broadcast_tangent(align(dv, cells.ndim), cells.shape)
        tangent = _made(
            added, tangent, moved, (), Put(put.function, ((slice(None), *np.unravel_index(cells, primal.shape)),))
        )
    return Dual(primal, tangent, level)


def _change(x: Dual, value: Any, by: Callable[..., Any], put: Put) -> None:
    """Write or add a value to x: x's root becomes a new value, and all views of it are taken again."""
    if not isinstance(memory(x), np.ndarray):
        raise TypeError(
            f"{type(memory(x)).__name__} cannot be written into under a transform, only NumPy's arrays can. A Dual of "
            "shape () that is a number has no entries: assign to the name instead"
        )
    if not isinstance(value, Dual):
        check_meaning(value, "the value")
    elif value.level > x.level:
        raise LostDerivativeError(
            "a Dual cannot be written into a Dual of a lower level: the array belongs to an outer transform and would "
            "keep a tangent of the inner one. Make the array inside the inner function and like the value "
            "(np.zeros_like(value), np.zeros(n, like=value)), or use np.where or np.stack"
        )
    root: Any = x
    steps: list[Step] = []
    while (view := getattr(root, "view_of", None)) is not None:
        steps.insert(0, view.step)
        root = view.base
    by = RULES[by] if type(root) is Dual else by  # without a dispatch, to save time
    root.become(by(root, value, tuple(steps), put))
    _retake_views(root)


@rule_for(operator.setitem, kind="write")
def _setitem(x: Dual, index: Any, value: Any) -> None:
    if isinstance(index, Dual) or (type(index) is tuple and any(isinstance(item, Dual) for item in index)):
        raise LostDerivativeError(
            "an index cannot be a Dual; a comparison of Duals gives a plain boolean array, which can"
        )
    _change(x, value, written, Put(operator.setitem, (index,)))


def _into_plain(name: str, instead: str) -> NoReturn:
    """Raise LostDerivativeError: a Dual would go into a plain array."""
    raise LostDerivativeError(
        f"{name} was asked to write a Dual into a NumPy array, which would lose its derivative; "
        f"write into an array made like the Dual (np.zeros_like(x), np.zeros(n, like=x)), or {instead}"
    )


def placing(function: Callable[..., Any], position: int, name: str) -> None:
    """Enter ``function(x, ...)``, which moves entries of its argument called `name`, at `position`, into x."""

    def rule(x: Array, *args: Any, **kwargs: Any) -> None:
        given = list(args)
        value = kwargs.pop(name) if name in kwargs else given.pop(position - 1)
        reject_duals(function, tuple(given), kwargs)
        if not isinstance(x, Dual):
            _into_plain(name_of(function), "build the array by np.where or np.stack")
        _change(x, value, written, Put(function, tuple(given[: position - 1]), tuple(given[position - 1 :]), kwargs))

    enter(function, rule, "write")


# fmt: off
#       function             position and name of the value
placing(np.copyto,           1, "src")
placing(np.put,              2, "v")
placing(np.place,            2, "vals")
placing(np.putmask,          2, "values")
placing(np.put_along_axis,   2, "values")
placing(np.fill_diagonal,    1, "val")
# fmt: on


class Flat:
    """``x.flat``: the entries in C order, to read, to iterate over and to write into."""

    def __init__(self, dual: Dual) -> None:
        self.dual = dual

    def __len__(self) -> int:
        """Return the number of entries."""
        return int(self.dual.size)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the entries."""
        return iter(np.reshape(self.dual, -1))

    def __getitem__(self, index: Any) -> Any:
        """Copy entries."""
        return np.copy(np.reshape(self.dual, -1)[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        """Write entries."""
        cells = np.arange(self.dual.size)[index]
        self.dual[np.unravel_index(cells, self.dual.shape)] = value


def replace(x: Dual, value: Any) -> None:
    """Do ``x[...] = value`` for a value of x's shape, as an in-place operator writes it.

    Raises ValueError for another shape, TypeError where NumPy's "same_kind" casting forbids the dtype.
    """
    shape = value.shape if hasattr(value, "shape") else np.shape(value)
    if shape != x.shape:
        raise ValueError(f"a result of shape {shape} does not fit in place into a Dual of shape {x.shape}")
    alone = getattr(x, "view_of", None) is None and not _living(x)
    if alone and type(value) is type(x) and value.level == x.level and value.dtype == x.dtype and x.ndim:
        x.become(value)
    else:
        _change(x, value, written, Put(np.copyto))


def _in_place(ufunc: np.ufunc) -> Callable[[Dual, Any], Any]:
    """Make the method for ``x op= y``. It replaces a number, as Python and NumPy do, and writes into an array."""

    def method(self: Dual, other: Any) -> Any:
        answer = ufunc(self, other)
        if not hasattr(memory(self), "__setitem__"):
            return answer
        replace(self, answer)
        return self

    return method


for _name, _ufunc in INPLACE.items():
    setattr(Dual, f"__i{_name}__", _in_place(_ufunc))


def _adding_at(ufunc: np.ufunc) -> None:
    """Enter ufunc.at for + and -; an index that is repeated counts each time."""

    def rule(x: Array, index: Any, value: Any) -> None:
        reject_duals(ufunc, (index,), {})
        if not isinstance(x, Dual):
            _into_plain(f"np.{ufunc.__name__}.at", "add np.bincount(index, weights=values)")
        _change(x, value, added, Put(ufunc.at, (index,)))

    UFUNC_METHODS[ufunc, "at"] = rule


_adding_at(np.add)
_adding_at(np.subtract)
