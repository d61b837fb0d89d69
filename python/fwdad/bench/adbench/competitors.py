"""Who computes a problem's Jacobian: fwdad forward; JAX forward and backward, PyTorch and autograd as suits them best.

A competitor is a function of a problem that returns two others: one evaluates the objective, one the Jacobian, as
columns ``(k, *answer's shape)`` of NumPy. A backward pass gives all rows that share no column.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

import fwdad
from fwdad.bench import peers
from fwdad.bench.adbench import by_hand
from fwdad.bench.adbench.problems import Problem
from fwdad.bench.task import BenchError

Runs = tuple[Callable[[], Any], Callable[[], Any]]


def of_fwdad(problem: Problem) -> Runs:
    """One pass in all directions."""

    def f(*moving: Any) -> Any:
        return problem.objective(np, problem.data, *moving)

    return problem.value, lambda: fwdad.jvp(f, problem.moving, problem.directions)[1]


def _given_to(problem: Problem, array: Callable[[Any], Any]) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """Return data, what moves and directions as another library's arrays; what is used as an index stays."""

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return [convert(v) for v in value]
        return array(value) if isinstance(value, np.ndarray) and value.dtype == np.float64 else value

    data = {name: convert(value) for name, value in problem.data.items()}
    return data, convert(list(problem.moving)), convert(list(problem.directions))


def of_jax(problem: Problem, backward: bool = False) -> Runs:
    """All directions, or all rows, by vmap, compiled."""
    jax = peers.jax()
    jax.config.update("jax_enable_x64", True)
    data, moving, directions = _given_to(problem, jax.numpy.asarray)

    def f(*x: Any) -> Any:
        return problem.objective(jax.numpy, data, *x)

    def forward(x: Any, v: Any) -> Any:
        return jax.vmap(lambda v: jax.jvp(f, x, v)[1])(v)

    def rows(x: Any, _: Any) -> Any:
        y, pull = jax.vjp(f, *x)
        units = jax.numpy.eye(problem.rows).reshape(problem.rows, *y.shape[:1], *(1,) * (y.ndim - 1))
        return jax.vmap(pull)(jax.numpy.broadcast_to(units, (problem.rows, *y.shape)))

    value, jacobian = jax.jit(f), jax.jit(rows if backward else forward)
    arguments = tuple(moving), tuple(directions)
    return (
        lambda: jax.block_until_ready(value(*moving)),
        lambda: (
            _columns(problem, jax.block_until_ready(jacobian(*arguments)))
            if backward
            else np.asarray(jacobian(*arguments))
        ),
    )


def of_torch(problem: Problem) -> Runs:
    """Go backward for each row, or by torch.func's forward mode in all directions."""
    torch = peers.torch()
    data, moving, directions = _given_to(problem, torch.tensor)

    def f(*x: Any) -> Any:
        return problem.objective(torch, data, *x)

    def forward() -> Any:
        def along(*v: Any) -> Any:
            return torch.func.jvp(f, tuple(moving), v)[1]

        return torch.func.vmap(along)(*directions).numpy()

    def rows() -> Any:
        x = [m.requires_grad_() for m in moving]
        y = f(*x)
        totals = [y] if y.ndim == 0 else [row.sum() for row in y]
        found = [torch.autograd.grad(total, x, retain_graph=True) for total in totals]
        return _columns(problem, [np.stack([g[i].numpy() for g in found]) for i in range(len(x))])

    def value() -> Any:
        with torch.no_grad():
            return f(*moving).numpy()

    return value, rows if problem.rows else forward


def of_autograd(problem: Problem) -> Runs:
    """Go backward for each row, or forward in one direction after the other."""
    autograd, numpy = import_module("autograd"), import_module("autograd.numpy")

    def f(*x: Any) -> Any:
        return problem.objective(numpy, problem.data, *x)

    def rows() -> Any:
        pull, y = autograd.make_vjp(lambda x: f(*x))(problem.moving)
        units = np.eye(problem.rows).reshape(problem.rows, *y.shape[:1], *(1,) * (y.ndim - 1)) if y.ndim else [1.0]
        found = [pull(np.broadcast_to(unit, y.shape)) for unit in units]
        return _columns(problem, [np.stack([row[i] for row in found]) for i in range(len(problem.moving))])

    def forward() -> Any:
        push = autograd.make_jvp(lambda x: f(*x))(problem.moving)
        return np.stack([push(tuple(v[i] for v in problem.directions))[1] for i in range(problem.k)])

    return problem.value, rows if problem.rows else forward


def _columns(problem: Problem, rows: Any) -> np.ndarray:
    """Make columns (k, rows, ...) or (k,) of gradients (rows, *shape) by each argument."""
    if np.ndim(problem.value()) == 0:
        return np.concatenate([np.reshape(r, -1) for r in rows])
    return np.swapaxes(np.asarray(rows[0]), 0, 1)


COMPETITORS: dict[str, Callable[[Problem], Runs]] = {
    "fwdad": of_fwdad,
    "jax": of_jax,
    "jax-reverse": lambda problem: of_jax(problem, backward=True),
    "torch": of_torch,
    "autograd": of_autograd,
    "C++ by hand": by_hand.of_cpp,
}


PEERS = ("jax", "torch", "autograd")


def chosen_peers(given: str | None) -> list[str]:
    """Return the peers of a comma-separated list: all that are installed for None, none for "none".

    Raises BenchError for a name that is no peer's, and for a peer that is not installed.
    """
    installed = [name for name in PEERS if find_spec(name) is not None]
    names = installed if given is None else [] if given == "none" else given.split(",")
    for name in names:
        if name not in installed:
            raise BenchError(
                f"--peers: expected names among {', '.join(PEERS)} that are installed, or none; given {name!r}"
            )
    return names


def takes_part(who: str, folder: str, problem: Problem) -> bool:
    """Whether a competitor is fit for a problem: backward where rows are few, by hand where a hand has written it."""
    if who == "C++ by hand":
        return folder == "ba" and by_hand.compiler() is not None
    if who == "autograd" and folder.startswith("hand"):
        return False  # autograd.numpy has no JVP of the products of stacks
    return who != "jax-reverse" or problem.rows > 0
