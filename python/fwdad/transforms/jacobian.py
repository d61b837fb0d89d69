"""jacfwd, hessian, hvp: whole Jacobians by one direction for each input, all at once or in chunks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from fwdad import tree
from fwdad.dual import Array, Dual
from fwdad.errors import NoRuleError
from fwdad.transforms.arguments import Argnums, check_chunk_size, choose, moving_leaves, unit_directions
from fwdad.transforms.forward import jvp
from fwdad.transforms.sparse import HessianPlan, JacobianPlan
from fwdad.transforms.terms import NotSeparableError, terms

Tree = Any
P = ParamSpec("P")


def value_and_jacfwd(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make a function that returns f's value and its Jacobian, as `jacfwd` does.

    Parameters
    ----------
    f, argnums, has_aux, chunk_size
        As in `jacfwd`.

    Returns
    -------
    callable
        A function of f's arguments that returns ``(y, J)``, or ``((y, aux), J)`` with `has_aux`.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> fwdad.value_and_jacfwd(np.sum)(np.array([1.0, 3.0]))
    (np.float64(4.0), array([1., 1.]))
    """
    check_chunk_size(chunk_size)

    def value_and_jacobian(*args: Any, **kwargs: Any) -> Any:
        x, put = choose(args, argnums)
        leaves, structure = moving_leaves(x)

        def of_leaves(*moving: Array) -> Tree:
            return f(*put(tree.unflatten(structure, moving)), **kwargs)

        columns = _Columns(leaves)
        width = max(columns.n, 1)  # without inputs, one direction of nothing
        for start in range(0, width, chunk_size or width):
            directions = unit_directions(leaves, start, min(start + (chunk_size or width), width))
            y, dy, *aux = jvp(of_leaves, tuple(leaves), tuple(directions), has_aux)
            columns.add(start, dy)
        return ((y, *aux) if has_aux else y), columns.jacobian(structure)

    return value_and_jacobian


class _Columns:
    """The Jacobian of a tree of results by a list of arrays, whose entries are its n columns, while it is collected."""

    def __init__(self, leaves: list[Array]) -> None:
        self.leaves = leaves
        self.ends = np.cumsum([leaf.size for leaf in leaves])
        self.n = int(self.ends[-1])
        self.structure: tree.Structure | None = None
        self.blocks: list[list[Any]] = []  # [result][argument]: an array (*t, size), or a list of its chunks

    def add(self, start: int, dy: Tree) -> None:
        """Take the tangents (c, *t) of columns start to start + c."""
        if self.structure is None:
            results, self.structure = tree.flatten(dy, is_leaf=lambda node: node is None)
            self.blocks = [[self._block(t, leaf) for leaf in self.leaves] for t in results]
        else:
            results = tree.leaves_like(dy, self.structure, "f's next result", lambda node: node is None)
        for t, row in zip(results, self.blocks, strict=True):
            for i, (leaf, end) in enumerate(zip(self.leaves, self.ends, strict=True)):
                first, last = max(start, int(end) - leaf.size), min(start + len(t), int(end)) if t is not None else 0
                if t is None or first >= last:
                    continue
                chunk = np.moveaxis(t[first - start : last - start], 0, -1)
                if isinstance(row[i], list):
                    row[i].append(chunk)
                else:
                    begin = int(end) - leaf.size
                    row[i][..., first - begin : last - begin] = chunk

    def _block(self, t: Any, leaf: Array) -> Any:
        """Allocate all columns, so that chunks cost no second copy; Duals of outer transforms are joined later."""
        if t is None or (isinstance(t, np.ndarray) and (len(t) < self.n or leaf.size == 0)):
            return None if t is None else np.empty((*t.shape[1:], leaf.size), t.dtype)
        return []

    def jacobian(self, structure: tree.Structure) -> Tree:
        """Build the tree of Jacobians, for arguments of the given structure."""
        assert self.structure is not None, "at least one chunk was added"
        rows: list[Any] = []
        for row in self.blocks:
            blocks = []
            for leaf, block in zip(self.leaves, row, strict=True):
                if isinstance(block, list):
                    block = block[0] if len(block) == 1 else np.concatenate(block, axis=-1)
                blocks.append(None if block is None else np.reshape(block, (*block.shape[:-1], *leaf.shape)))
            rows.append(None if blocks[0] is None else tree.unflatten(structure, blocks))
        return tree.unflatten(self.structure, rows)


def jacfwd(
    f: Callable[P, Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[P, Any]:
    """Make the Jacobian of f: ``J[..., j] = df/dx_j``.

    Parameters
    ----------
    f : callable
        A function to a pytree of arrays, written in NumPy.
    argnums : int or tuple of int, default: 0
        The argument to differentiate by, a pytree of floating arrays; or several.
    has_aux : bool, default: False
        f returns ``(y, aux)``.
    chunk_size : int, optional
        How many columns one pass computes; all by default. A pass needs memory for that many tangents of everything
        in f, and computes f's primal again.

    Returns
    -------
    callable
        A function of f's arguments that returns J, or ``(J, aux)`` with `has_aux`. J has f's structure. In place of a
        result of shape t it holds a tree like the argument (a tuple of trees for several), whose leaf of shape s has
        become ``(*t, *s)``; None for an integer or boolean result.

    Raises
    ------
    TypeError
        An argument that moves is not floating.
    ValueError
        `argnums` names an argument that does not exist, or one twice; `chunk_size` is less than 1.

    Notes
    -----
    A complex argument moves along the real axis, which gives the complex derivative of a holomorphic f.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> fwdad.jacfwd(lambda x: x * x)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    value_and_jacobian = value_and_jacfwd(f, argnums, has_aux, chunk_size)

    def jacobian(*args: P.args, **kwargs: P.kwargs) -> Any:
        y, columns = value_and_jacobian(*args, **kwargs)
        return (columns, y[1]) if has_aux else columns

    return jacobian


def value_and_hessian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make a function that returns f's value and its Hessian, as `hessian` does.

    Parameters
    ----------
    f, argnums, has_aux, chunk_size
        As in `jacfwd`.

    Returns
    -------
    callable
        A function of f's arguments that returns ``(y, H)``, or ``((y, aux), H)`` with `has_aux`.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> y, h = fwdad.value_and_hessian(np.prod)(np.array([2.0, 3.0]))
    >>> float(y), h.tolist()
    (6.0, [[0.0, 1.0], [1.0, 0.0]])
    """
    value_and_jacobian = value_and_jacfwd(f, argnums, has_aux, chunk_size)

    def jacobian_and_value(*args: Any, **kwargs: Any) -> Any:
        y, columns = value_and_jacobian(*args, **kwargs)
        return columns, y

    columns_of_columns = jacfwd(jacobian_and_value, argnums, True, chunk_size)

    def value_and_h(*args: Any, **kwargs: Any) -> Any:
        few = None if has_aux or chunk_size is not None else _of_a_sum(f, argnums, args, kwargs)
        if few is not None:
            return f(*args, **kwargs), few
        h, y = columns_of_columns(*args, **kwargs)
        return y, h

    return value_and_h


WORTH_A_PATTERN = 32
"""Inputs from which `hessian` looks for summands that depend on few of them."""


BEYOND_CACHES, BLOCK = 2**19, 8
"""Entries of the n^2 tangents of all summands from which `hessian` takes blocks, and the directions of a block."""


def _by_blocks(g: Callable[..., Array], leaves: list[Array], ends: np.ndarray) -> np.ndarray:
    """Compute the Hessian (n, n) of a number by blocks on and above the diagonal, whose tangents stay in the caches.

    All directions of a block move one leaf: what depends on others alone has no tangents at that level.
    """
    starts = [(start, int(end)) for begin, end in itertools.pairwise(ends) for start in range(begin, end, BLOCK)]
    columns = [slice(start, min(start + BLOCK, end)) for start, end in starts]
    directions = [tuple(unit_directions(leaves, block.start, block.stop)) for block in columns]
    h = np.zeros((ends[-1], ends[-1]), np.result_type(*leaves))
    for i, v in enumerate(directions):
        for j in range(i, len(directions)):
            bends = jvp(lambda *x, v=v: jvp(g, x, v)[1], tuple(leaves), directions[j])[1]
            if isinstance(bends, Dual):  # g uses what an outer transform moves
                raise NotSeparableError
            h[columns[j], columns[i]] = bends
            h[columns[i], columns[j]] = bends.T
    return h


def _of_a_sum(f: Callable[..., Tree], argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tree | None:
    """Compute the Hessian of a sum, in few directions or by blocks; None where neither pays."""
    x, put = choose(args, argnums)
    leaves, structure = moving_leaves(x)
    ends = np.cumsum([0, *(leaf.size for leaf in leaves)])
    if ends[-1] < WORTH_A_PATTERN or any(isinstance(leaf, Dual) or leaf.dtype.kind == "c" for leaf in leaves):
        return None

    def g(*moving: Array) -> Tree:
        return f(*put(tree.unflatten(structure, moving)), **kwargs)

    try:
        plan = JacobianPlan.find(terms(g), leaves)
        if 2 * plan.directions <= ends[-1]:
            few = HessianPlan(terms, plan).compute(g, leaves, checked=False)
            if isinstance(few.values, Dual):  # f uses what an outer transform moves
                return None
            h = few.dense()
        elif plan.pattern.shape[0] * ends[-1] ** 2 >= BEYOND_CACHES:
            h = _by_blocks(g, leaves, ends)
        else:
            return None
    except (NotSeparableError, TypeError, NoRuleError):  # not a sum, or not for these carriers
        return None
    blocks = [
        [
            np.reshape(h[ends[i] : ends[i + 1], ends[j] : ends[j + 1]], (*row.shape, *column.shape))
            for j, column in enumerate(leaves)
        ]
        for i, row in enumerate(leaves)
    ]
    return tree.unflatten(structure, [tree.unflatten(structure, row) for row in blocks])


def hessian(
    f: Callable[..., Tree], argnums: Argnums = 0, has_aux: bool = False, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Make the Hessian of f: ``H[..., i, j] = d^2 f / dx_i dx_j``, jacfwd of jacfwd.

    Parameters
    ----------
    f, argnums, has_aux, chunk_size
        As in `jacfwd`.

    Returns
    -------
    callable
        A function of f's arguments that returns H, or ``(H, aux)`` with `has_aux`. Its structure is that of `jacfwd`
        applied twice: a result of shape t, by leaves of shapes r and s, gives ``(*t, *r, *s)``.

    Notes
    -----
    A sum of which each summand depends on few inputs takes few directions, as `sparse_hessian` says; that is found
    from 32 real inputs on, unless `has_aux` or `chunk_size` is given. Else the cost is n^2 tangents for n inputs. `hvp`
    computes products with H, `laplacian` its trace.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> fwdad.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    value_and_h = value_and_hessian(f, argnums, has_aux, chunk_size)

    def h(*args: Any, **kwargs: Any) -> Any:
        y, columns = value_and_h(*args, **kwargs)
        return (columns, y[1]) if has_aux else columns

    return h


def hvp(
    f: Callable[..., Array], primals: tuple[Tree, ...], tangents: tuple[Tree, ...], chunk_size: int | None = None
) -> tuple[Tree, ...]:
    """Multiply the Hessian of f, whose result has shape (), by one direction or k: ``H(x) v_i``.

    Parameters
    ----------
    f, primals, tangents
        As in `jvp`.
    chunk_size : int, optional
        As in `jacfwd`.

    Returns
    -------
    tuple of pytrees
        Like `primals`; a leaf of shape s stays so for one direction, and becomes ``(k, *s)`` for k.

    Raises
    ------
    ValueError
        f(x) has another shape than ().

    Notes
    -----
    This is the gradient of ``<grad f, v_i>``. It takes n directions, and in each the k of `tangents`: forward mode has
    no cheaper way.

    Examples
    --------
    >>> import numpy as np, fwdad
    >>> x, v = np.array([3.0, 5.0]), np.array([1.0, 0.0])
    >>> fwdad.hvp(lambda x: x[0] ** 2 * x[1], (x,), (v,))
    (array([10.,  6.]),)
    """

    def slope(*x: Tree) -> Array:
        y, dy = jvp(f, x, tangents)
        if np.shape(y) != ():
            raise ValueError(f"hvp takes functions whose result has shape (); got {np.shape(y)}: use fwdad.hessian")
        return dy

    product: tuple[Tree, ...] = jacfwd(slope, tuple(range(len(primals))), chunk_size=chunk_size)(*primals)
    return product
