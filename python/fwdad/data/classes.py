"""Classes: what they are called, and their numbers in a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from fwdad.files import parse_number


def names_of(words: Iterable[str]) -> tuple[str, ...]:
    """Return the different words: numbers by their value, then words by the alphabet.

    Examples
    --------
    >>> names_of(["cat", "10", "9", "cat"])
    ('9', '10', 'cat')
    """
    return tuple(sorted(set(words), key=_order))


def numbers_of(words: Sequence[str], names: Sequence[str]) -> NDArray[np.int64]:
    """Return each word's place among the names, (N,); -1 for a word that is none of them.

    Examples
    --------
    >>> numbers_of(["dog", "cat", "cow"], ["cat", "dog"])
    array([ 1,  0, -1])
    """
    numbers = {name: number for number, name in enumerate(names)}
    return np.fromiter((numbers.get(word, -1) for word in words), np.int64, len(words))


def _order(name: str) -> tuple[float, str]:
    try:
        value = parse_number(name)
    except ValueError:
        value = math.nan
    return (value, name) if math.isfinite(value) else (math.inf, name)
