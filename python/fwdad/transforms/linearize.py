"""linearize: the primal once, then the derivative at that point as a program of its own.

While f runs, the tangents are `Traced`: each NumPy call on one is recorded, and done on two small samples, with one
direction and with two, which show the shapes. A recorded step uses tangents, and numbers that f computed. When the
program runs, nothing of f itself is computed again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, NoReturn, TypeVar, overload

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual, memory, name_of, new_level, split
from fwdad.errors import RepeatedValuesError
from fwdad.transforms.arguments import as_array, call, moving_array
from fwdad.transforms.carriers import Carrier
from fwdad.transforms.forward import Aux, Seeds, Y, jvp, split_aux, take_apart

Tree = Any
Number = TypeVar("Number", bound=float | np.number[Any])

FIXED = "linearize: a rule {}, so it works for a fixed number of directions only; use fwdad.jvp here"


class K:
    """A multiple of the number of directions, found in a shape: ``factor k``."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __mul__(self, other: Any) -> Any:
        """Stay a multiple."""
        return K(self.factor * int(other)) if isinstance(other, (int, np.integer)) else NotImplemented

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        """Whether two multiples are the same."""
        return type(other) is K and other.factor == self.factor

    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *_: Any) -> NoReturn:
        raise TypeError(FIXED.format("asks how many there are"))

    __index__ = __int__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __rsub__ = _refuse


class Slot(NamedTuple):
    """The place of a value in a running program."""

    place: int


class Step(NamedTuple):
    """``function(*args, **kwargs)``, the arguments as a tree with `Slot` and `K` among its leaves."""

    function: Callable[..., Any]
    leaves: list[Any]
    structure: tree.Structure
    results: list[Slot | None]  # None for what does not depend on directions


class Traced(Carrier):
    """A tangent whose value is not known yet: the slot that will hold it, and samples with one and two directions."""

    __slots__ = ("samples", "slot", "tape")

    def __init__(self, tape: Tape, slot: Slot, samples: tuple[Array, Array], level: int) -> None:
        self.tape, self.slot, self.samples, self.level = tape, slot, samples, level

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape, with `K` where it depends on the number of directions."""
        one, two = (sample.shape for sample in self.samples)
        return tuple(a if a == b else K(a) for a, b in zip(one, two, strict=True))

    ndim: Any = property(lambda self: self.samples[0].ndim)
    size: Any = property(lambda self: self.samples[0].size if self.samples[1].size == 0 else K(self.samples[0].size))
    dtype: Any = property(lambda self: self.samples[0].dtype)

    def operate(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call."""
        return self.tape.record(function, args, kwargs)

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Record zeros for each direction."""
        return self.tape.record(np.zeros_like, (self,), {"dtype": dtype, "shape": (self.shape[0], *shape)})

    def __copy__(self) -> Traced:
        """Copy: a write into one of the two does not reach the other."""
        return Traced(self.tape, self.slot, self.samples, self.level)

    def __repr__(self) -> str:
        """Show the shape and the dtype; the value is not known."""
        return f"Traced(shape=({', '.join(['k', *map(str, self.samples[0].shape[1:])])}), dtype={self.dtype})"

    def spelled(self, spec: str) -> str:
        """Take no number format: there are no numbers."""
        return repr(self)

    def become(self, other: Dual) -> None:
        """Take over another tangent's slot."""
        assert isinstance(other, Traced)
        self.slot, self.samples = other.slot, other.samples

    @property
    def memory(self) -> Any:
        """The array that holds the sample with one direction."""
        return memory(self.samples[0])

    def __len__(self) -> int:
        """Return the length of the first axis; refuse if that is the number of directions."""
        return operator.index(self.shape[0])

    def __bool__(self) -> NoReturn:
        """Refuse: the value is not known."""
        self._refuse()

    @property
    def primal(self) -> NoReturn:
        """Refuse: the value is not known."""
        self._refuse()

    tangent = primal

    def _refuse(self) -> NoReturn:
        raise TypeError(
            "linearize: a rule decides by the direction's value, so no linear map can be recorded; use fwdad.jvp here"
        )


def _kept(leaf: Any) -> Any:
    """Keep an argument for a step; an array that a program may write into later is copied."""
    if type(leaf) is Traced:
        return leaf.slot
    if isinstance(leaf, np.ndarray) and (leaf.flags.writeable or not leaf.flags.owndata):
        return leaf.copy()
    return Dual(leaf.primal, leaf.tangent, leaf.level) if type(leaf) is Dual else leaf


class Tape:
    """The steps that the tangents of one pass through f took."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.steps: list[Step] = []
        self.slots = 0

    def input(self, primal: Array) -> Traced:
        """Make the tangent of an argument, not yet known."""
        samples = tuple(np.zeros((k, *primal.shape), primal.dtype) for k in (1, 2))
        return self._traced((samples[0], samples[1]))

    def _traced(self, samples: tuple[Array, Array]) -> Traced:
        self.slots += 1
        return Traced(self, Slot(self.slots - 1), samples, self.level)

    def record(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a call, and return its answer, `Traced` where it depends on directions."""
        leaves, structure = tree.flatten((args, kwargs))
        leaves = [split(leaf, self.level)[0] for leaf in leaves]  # a factor that moves does so in second order
        answers = []
        for k in (1, 2):
            now = [
                leaf.samples[k - 1] if type(leaf) is Traced else k * leaf.factor if type(leaf) is K else leaf
                for leaf in leaves
            ]
            some_args, some_kwargs = tree.unflatten(structure, now)
            try:
                with np.errstate(all="ignore"):
                    answers.append(tree.flatten(function(*some_args, **some_kwargs)))
            except (ValueError, IndexError) as error:
                if k == 1:
                    raise
                raise TypeError(FIXED.format(f"calls {name_of(function)} with plain arrays")) from error
        (one, answer_structure), (two, _) = answers
        results = [self._result(a, b) for a, b in zip(one, two, strict=True)]
        kept = [_kept(leaf) for leaf in leaves]
        slots = [r.slot if type(r) is Traced else None for r in results]
        self.steps.append(Step(function, kept, structure, slots))
        return tree.unflatten(answer_structure, results)

    def _result(self, one: Any, two: Any) -> Any:
        if isinstance(one, (np.ndarray, np.generic, Dual)):
            return self._traced((one, two))
        return K(one) if type(one) is int and one != two else one


class Program:
    """The steps that lead to the results; each with the values that nothing needs after it."""

    def __init__(self, tape: Tape, results: list[Slot]) -> None:
        needed, self.steps = set(results), []
        for step in reversed(tape.steps):
            if needed.isdisjoint(step.results):
                continue
            arguments = {leaf for leaf in step.leaves if type(leaf) is Slot}
            unneeded = [r for r in step.results if r is not None and r not in needed]
            self.steps.append((step, [*(arguments - needed), *unneeded]))
            needed |= arguments
        self.steps.reverse()
        self.results = results

    def run(self, k: int, inputs: list[Array]) -> list[Array]:
        """Compute the results for k directions, from inputs that fill the first slots."""
        values: dict[Slot, Array] = {Slot(i): value for i, value in enumerate(inputs)}
        for step, unneeded in self.steps:
            leaves = [
                values[leaf] if type(leaf) is Slot else k * leaf.factor if type(leaf) is K else leaf
                for leaf in step.leaves
            ]
            args, kwargs = tree.unflatten(step.structure, leaves)
            answers = tree.leaves(step.function(*args, **kwargs))
            for slot, answer in zip(step.results, answers, strict=True):
                if slot is not None:
                    values[slot] = answer
            for slot in unneeded:
                del values[slot]
        return [values[slot] for slot in self.results]


class LinearMap(Generic[Y]):
    """The map ``v -> J_f(x) v`` that `linearize` returns, for one direction or k at a time."""

    def __init__(self, primals: tuple[Tree, ...], tape: Tape, change: Tree) -> None:
        self._primals, self._level = primals, tape.level
        leaves, self._structure = tree.flatten(change, is_leaf=lambda node: node is None)
        self._changes = [leaf.slot if type(leaf) is Traced else leaf for leaf in leaves]
        self._made = [leaf.shape[1:] for leaf in leaves if leaf is not None]
        self._program = Program(tape, [leaf for leaf in self._changes if type(leaf) is Slot])

    def __repr__(self) -> str:
        """Show the shapes of one direction and of its change, and the steps from one to the other."""
        given = ", ".join(str(np.shape(leaf)) for leaf in tree.leaves(self._primals))
        made = ", ".join(str(tuple(shape)) for shape in self._made)
        return f"LinearMap({given} -> {made}; {len(self._program.steps)} steps)"

    def __call__(self, *tangents: Tree) -> Y:
        """Apply the map.

        Parameters
        ----------
        *tangents : pytrees
            One direction or k for each argument of f, as in `jvp`.

        Returns
        -------
        pytree
            dy, as `jvp` returns it.

        Raises
        ------
        ValueError, TypeError
            As in `jvp`.
        """
        if len(tangents) != len(self._primals):
            raise ValueError(f"the map takes {len(self._primals)} tangents, one an argument of f; got {len(tangents)}")
        seeds = Seeds(self._level)
        pairs = enumerate(zip(self._primals, tangents, strict=True))
        duals = [seeds.attach(x, t, f"argument {i}") for i, (x, t) in pairs]
        k = seeds.k or 1
        inputs = [
            tangent if tangent is not None else np.zeros((k, *np.shape(x)), as_array(x).dtype)
            for x, tangent in (split(leaf, self._level) for leaf in tree.leaves(duals))
        ]
        values = iter(self._program.run(k, inputs))
        dy = [next(values) if type(c) is Slot else _for_each(c, k) for c in self._changes]
        given: Y = tree.unflatten(self._structure, dy if seeds.batched else [None if t is None else t[0] for t in dy])
        return given


def _for_each(change: Array | None, k: int) -> Array | None:
    """Repeat a tangent that does not depend on the directions, k times."""
    return None if change is None else np.broadcast_to(change, (k, *change.shape[1:]))


@overload  # of a number, k directions give an array
def linearize(
    f: Callable[..., Number], *primals: Tree, has_aux: Literal[False] = False
) -> tuple[Number, LinearMap[Any]]: ...


@overload
def linearize(f: Callable[..., Y], *primals: Tree, has_aux: Literal[False] = False) -> tuple[Y, LinearMap[Y]]: ...


@overload
def linearize(
    f: Callable[..., tuple[Y, Aux]], *primals: Tree, has_aux: Literal[True]
) -> tuple[Y, LinearMap[Any], Aux]: ...


def linearize(f: Callable[..., Tree], *primals: Tree, has_aux: bool = False) -> Any:
    """Evaluate f once, and return its derivative there as a linear map: ``v -> J_f(x) v``.

    Parameters
    ----------
    f : callable
        A function of the primals to a pytree of arrays, written in NumPy.
    *primals : pytrees
        The arguments of f; floating leaves of any shape may move.
    has_aux : bool, default: False
        f returns ``(y, aux)``.

    Returns
    -------
    y : pytree
        ``f(*primals)``.
    map : callable
        ``map(*tangents)`` takes tangents and returns dy as `jvp` does, one direction or k at a time.
    aux : pytree
        With `has_aux` only.

    Raises
    ------
    TypeError
        A rule looks at a direction's value, or works for a fixed number of directions only.

    Notes
    -----
    The map repeats the operations on tangents alone, so a call costs about what `jvp` costs beyond f itself. It holds
    the numbers of f that these operations need. Recording costs as much as three directions. f's Python branches, and
    orders found by sorting, are those at x. Where eigenvalues or singular values are equal, each call runs f.

    References
    ----------
    R. Frostig, M. J. Johnson, D. Maclaurin, A. Paszke, A. Radul, Decomposing reverse-mode automatic differentiation,
    arXiv 2105.09469.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> y, map = fwdad.linearize(np.sin, np.array([0.0, np.pi]))
    >>> map(np.array([1.0, 1.0])), map(np.ones((2, 2))).tolist()
    (array([ 1., -1.]), [[1.0, -1.0], [1.0, -1.0]])
    """
    tape = Tape(new_level())

    def trace(leaf: Any) -> Any:
        primal = as_array(leaf)
        tangent = tape.input(primal)
        return Dual(moving_array(leaf, "an argument"), tangent, tape.level) if primal.dtype.kind in "fc" else leaf

    try:
        result = call(f, *tree.map(trace, primals))
    except RepeatedValuesError:  # how values part depends on the direction
        return _by_jvp(f, primals, has_aux)
    y, aux = split_aux(result) if has_aux else (result, None)
    answer, change = take_apart(y, tape.level, 1)
    map: LinearMap[Any] = LinearMap(primals, tape, change)
    return (answer, map, take_apart(aux, tape.level, 1)[0]) if has_aux else (answer, map)


def _by_jvp(f: Callable[..., Tree], primals: tuple[Tree, ...], has_aux: bool) -> Any:
    """Return f's value and a map that runs f for each tangent."""
    y, *aux = split_aux(call(f, *primals)) if has_aux else (call(f, *primals),)

    def map(*tangents: Tree) -> Tree:
        return jvp(f, primals, tangents, has_aux)[1]

    return y, map, *aux
