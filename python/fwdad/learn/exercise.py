"""What an exercise is, and the words in which its checks speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


class Wrong(Exception):
    """A check found a wrong answer.

    Parameters
    ----------
    expected, given : str
        What should have come, and what came.
    """

    def __init__(self, expected: str, given: str) -> None:
        super().__init__(f"expected {expected}, given {given}")
        self.expected, self.given = expected, given


class Remark(str):
    """A line of a check that claims nothing: a figure for the learner."""


@dataclass(frozen=True)
class Answer:
    """What the learner's file defines.

    Parameters
    ----------
    names : Mapping
        The file's global names.
    """

    names: Mapping[str, Any]

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function, or a class, of the file; `Wrong` where there is none."""
        found = self.names.get(name)
        if not callable(found):
            raise Wrong(f"a function {name} in your file", "none" if found is None else shown(found))
        return found  # type: ignore[no-any-return]


Check = Callable[[Answer, np.random.Generator], Iterator[str]]
"""Yields what it checks next, with the input, and then checks it: raises `Wrong`, or goes on."""


@dataclass(frozen=True)
class Exercise:
    """A task whose answer is a file of functions, and all that belongs to it.

    Parameters
    ----------
    number : int
        Its place in the list.
    name, title : str
        On the command line, and in words.
    text : str
        The task, in Markdown, for a reader who knows NumPy and has done the exercises before.
    starter, solution : str
        The file to begin with, and one that passes.
    hints : tuple of str
        From the faintest to the plainest.
    wrong : dict
        Wrong answers that look right, for the tests: what is wrong -> a text of the solution, and what replaces it.
    check : callable
        Judges an answer. The generator makes inputs, others at every attempt.
    seconds : float
        How long an answer may take.
    """

    number: int
    name: str
    title: str
    text: str
    starter: str
    solution: str
    hints: tuple[str, ...]
    wrong: dict[str, tuple[str, str]]
    check: Check
    seconds: float = 10.0


def shown(value: Any) -> str:
    r"""Return a value in at most a few lines.

    Examples
    --------
    >>> shown(1 / 3), shown(np.ones((2, 2))), shown(None)
    ('0.33333333', '[[1. 1.]\n [1. 1.]]', 'None')
    """
    if isinstance(value, (float, np.floating)):
        return f"{value:.8g}"
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=6, threshold=100, edgeitems=2, suppress_small=True)
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def expect(given: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Raise `Wrong` unless an answer is the array or number that was expected.

    Parameters
    ----------
    given : any
        What the learner's function returned.
    expected : array_like
        float64.
    tolerance : float
        Of each entry, relative to the largest one expected or to 1.
    """
    expected = np.asarray(expected, np.float64)
    number = array_of(given, shown(expected[()]))
    if number.shape != expected.shape:
        raise Wrong(f"shape {expected.shape}", f"shape {number.shape}")
    if not np.all(np.abs(number - expected) <= tolerance * max(1.0, np.max(np.abs(expected), initial=0.0))):
        raise Wrong(shown(expected[()]), shown(number[()]))


def array_of(given: Any, expected: str = "an array of numbers") -> np.ndarray:
    """Return an answer as a float64 array; `Wrong` where it holds no numbers."""
    try:
        number = np.asarray(given)
    except (TypeError, ValueError):  # a Dual, a ragged list
        number = np.asarray(None)
    if number.dtype.kind not in "fiu":
        raise Wrong(expected, "None" if given is None else f"{shown(given)}, of type {type(given).__name__}")
    return number.astype(np.float64)
