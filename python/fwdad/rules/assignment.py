"""Writing into a Dual: x[i] = v, x += v, np.copyto(x, v), ..., with views that share memory as NumPy's do.

Duals share arrays (the tangent of x + 1 is x's own), so an array that a Dual holds is never written to. A write first
gives the Dual copies of its own, at a cost of O(k size), and changes those.

`y = x[1:]` is a view: what is written into y appears in x. A view remembers the Dual that it was taken from (`view_of`),
and that Dual knows its living views. A write into any of them goes to the Dual from which all were taken, the root: the
root copies its arrays, every view is taken from it again, and then one write reaches them all.
"""

from __future__ import annotations

import copy as copying
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from fwdad.dual import INPLACE, RULES, UFUNC_METHODS, Array, Dual, Rule, highest_level, plain, split
from fwdad.errors import LostDerivativeError
from fwdad.rules.forms import align, broadcast_tangent, enter, reject_duals, rule_for, zeros


class View(NamedTuple):
    """How a view was taken: ``rule(base, *args, **kwargs)``, or item `part` of that list."""

    base: Dual
    rule: Rule
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    part: int | None

    def taken_again(self) -> Dual:
        """Take the view from its base's present arrays."""
        answer = self.rule(self.base, *self.args, **self.kwargs)
        view: Dual = answer if self.part is None else answer[self.part]
        return view


VIEWS: list[Callable[..., Any]] = [
    operator.getitem, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d, np.atleast_3d,
    np.transpose, np.matrix_transpose, np.linalg.matrix_transpose, np.swapaxes, np.moveaxis, np.rollaxis,
    np.flip, np.fliplr, np.flipud, np.rot90, np.real, np.imag, np.diagonal, np.linalg.diagonal, np.diag,
    np.broadcast_to, np.split, np.array_split, np.hsplit, np.vsplit, np.dsplit, np.unstack,
]  # fmt: skip
"""The functions whose answer may be a view of their first argument."""


def watch_views() -> None:
    """Make the rules of `VIEWS` remember what they return; called once, when the tables are full."""
    for function in VIEWS:
        if function in RULES:
            RULES[function] = _watched(RULES[function])


def _watched(rule: Rule) -> Rule:
    def watched(x: Any, *args: Any, **kwargs: Any) -> Any:
        answer = rule(x, *args, **kwargs)
        if type(x) is Dual:
            if type(answer) is Dual:
                _remember(answer, View(x, rule, args, kwargs, None))
            elif isinstance(answer, (list, tuple)):
                for part, view in enumerate(answer):
                    _remember(view, View(x, rule, args, kwargs, part))
        return answer

    return watched


def _remember(answer: Dual, view: View) -> None:
    """Tie a view to its base, if their primals share memory."""
    base, primal = view.base, plain(answer)
    if type(answer) is not Dual or answer is base or answer.level != base.level or not isinstance(primal, np.ndarray):
        return
    if np.may_share_memory(primal, plain(base)):
        known = getattr(base, "views", [])
        if len(known) >= 16 and len(known) & (len(known) - 1) == 0:  # each time the list has doubled
            known = _living(base)
        known.append(weakref.ref(answer))
        answer.view_of, base.views = view, known


def _living(base: Dual) -> list[weakref.ref[Dual]]:
    return [view for view in getattr(base, "views", []) if view() is not None]


def _root(x: Dual) -> Dual:
    while (view := getattr(x, "view_of", None)) is not None:
        x = view.base
    return x


def _retake_views(base: Dual) -> None:
    """Take all living views of a Dual from its present arrays."""
    for reference in list(getattr(base, "views", [])):
        view = reference()
        if view is not None and view.view_of.base is base:
            fresh = view.view_of.taken_again()
            view.primal, view.tangent = fresh.primal, fresh.tangent
            _retake_views(view)


def _own(x: Dual, primal: Array, tangent: Array) -> None:
    """Give x's root and its views arrays that no other Dual holds and that can hold a value's primal and tangent."""
    root = _root(x)
    root.primal, root.tangent = _room(root.primal, primal), _room(root.tangent, tangent)
    _retake_views(root)
    if not (_aliases(x.primal, root.primal) and (_is_carried(x.tangent) or _aliases(x.tangent, root.tangent))):
        raise LostDerivativeError(
            "this view of a Dual cannot be written through: its memory order is not that of its base's copy. "
            "Write into the base itself, or into view.copy()"
        )


def _room(array: Array, value: Any) -> Array:
    """Copy an array in C order; the copy gets a zero tangent of value's level if it has none so high."""
    copy = copying.copy(array) if isinstance(array, Dual) else np.array(array, order="C")
    if type(value) is Dual and (type(copy) is not Dual or value.level > copy.level):
        return Dual(copy, zeros(value.tangent, copy.shape, copy.dtype), value.level)
    return copy


def _aliases(view: Array, base: Array) -> bool:
    return view is base or base.size == 0 or np.may_share_memory(plain(view), plain(base))


def write(put: Callable[[Array, Any], None], x: Dual, value: Any) -> None:
    """Do ``put(x, value)``, where put moves entries of value into x and does nothing else.

    The same `put`, applied to the numbers of value's entries, tells which entry went where. So a tangent follows its
    primal for every kind of index, and where an index is repeated the last one wins, as in NumPy.
    """
    if not isinstance(plain(x), np.ndarray):
        raise TypeError(
            "a number cannot be written into: a Dual of shape () has no entries; assign to the name instead"
        )
    if highest_level([value]) > x.level:
        raise LostDerivativeError(
            "a Dual cannot be written into a Dual of a lower level: the array belongs to an outer transform and would keep "
            "a tangent of the inner one. Make the array inside the inner function, or use np.where or np.stack"
        )
    primal, tangent = split(value, x.level)
    _own(x, primal, tangent)
    put(x.primal, primal)
    source = np.full(x.shape, -1, np.int64)
    put(source, np.arange(np.size(primal)).reshape(np.shape(primal)))
    written = source >= 0
    moved = 0 if tangent is None else tangent.reshape(tangent.shape[0], -1)[:, source[written]]
    if _is_carried(x.tangent):
        root = _root(x)
        root.tangent[(slice(None), *np.unravel_index(_cells(x)[written], root.shape))] = moved
        _retake_views(root)
    else:
        x.tangent[slice(None), written] = moved


def _is_carried(tangent: Array) -> bool:
    """Whether a tangent is another transform's carrier, and so no memory that views could share."""
    return isinstance(tangent, Dual) and type(tangent) is not Dual


def _cells(x: Dual) -> np.ndarray:
    """Find where the entries of a view lie in its flattened root."""
    view = getattr(x, "view_of", None)
    if view is None:
        return np.arange(x.size).reshape(x.shape)
    cells = _cells(view.base).astype(np.float64)
    numbers = view._replace(base=Dual(cells, np.zeros((1, *cells.shape)), view.base.level))
    return np.asarray(numbers.taken_again().primal, np.intp)


@rule_for(operator.setitem)
def _setitem(x: Dual, index: Any, value: Any) -> None:
    if any(type(item) is Dual for item in (index if isinstance(index, tuple) else (index,))):
        raise LostDerivativeError(
            "an index cannot be a Dual; a comparison of Duals gives a plain boolean array, which can"
        )
    write(lambda target, v: operator.setitem(target, index, v), x, value)


def placing(function: Callable[..., Any], position: int, name: str) -> None:
    """Enter ``function(x, ...)``, which moves entries of its argument called `name`, at `position`, into x."""

    def rule(x: Array, *args: Any, **kwargs: Any) -> None:
        given = list(args)
        value = kwargs.pop(name) if name in kwargs else given.pop(position - 1)
        reject_duals(function, tuple(given), kwargs)
        if type(x) is not Dual:
            raise LostDerivativeError(
                f"np.{function.__name__} was asked to write a Dual into a NumPy array, which would lose its derivative; "
                "write into a Dual (0 * dual makes one of its shape), or build the array by np.where or np.stack"
            )

        def put(target: Array, v: Any) -> None:
            function(target, *given[: position - 1], v, *given[position - 1 :], **kwargs)

        write(put, x, value)

    enter(function, rule, "linear")


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
    """Do ``x[...] = value`` for a value of x's shape, as an in-place operator or out= writes it.

    Raises ValueError for another shape, TypeError where NumPy's "same_kind" casting forbids the dtype.
    """
    if np.shape(value) != x.shape:
        raise ValueError(f"a result of shape {np.shape(value)} does not fit in place into a Dual of shape {x.shape}")
    dtype = np.result_type(plain(value))
    if not np.can_cast(dtype, x.dtype, "same_kind"):
        raise TypeError(f"a result of dtype {dtype} cannot be written in place into a Dual of dtype {x.dtype}")
    alone = getattr(x, "view_of", None) is None and not _living(x)
    if alone and type(value) is Dual and value.level == x.level and dtype == x.dtype:
        x.primal, x.tangent = value.primal, value.tangent
    else:
        write(lambda target, v: operator.setitem(target, ..., v), x, value)


def _in_place(ufunc: np.ufunc) -> Callable[[Dual, Any], Any]:
    """Make the method for ``x op= y``. It replaces a number, as Python and NumPy do, and writes into an array."""

    def method(self: Dual, other: Any) -> Any:
        answer = ufunc(self, other)
        if not isinstance(plain(self), np.ndarray):
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
        if type(x) is not Dual:
            raise LostDerivativeError(
                f"np.{ufunc.__name__}.at was asked to write a Dual into a NumPy array, which would lose its derivative; "
                "write into a Dual (0 * dual makes one of its shape), or add np.bincount(index, weights=values)"
            )
        if highest_level([value]) > x.level:
            write(lambda target, v: None, x, value)  # raises what every such write raises
        primal, tangent = split(value, x.level)
        _own(x, primal, tangent)
        ufunc.at(x.primal, index, primal)
        if tangent is not None:
            cells = np.arange(x.size).reshape(x.shape)[index]
            tangent = broadcast_tangent(align(tangent, cells.ndim), cells.shape).reshape(tangent.shape[0], -1)
            ufunc.at(x.tangent, (slice(None), *np.unravel_index(cells.ravel(), x.shape)), tangent)

    UFUNC_METHODS[ufunc, "at"] = rule


_adding_at(np.add)
_adding_at(np.subtract)
