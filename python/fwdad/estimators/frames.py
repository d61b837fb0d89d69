"""Samplers of directions that depend on each other: at right angles, or at one angle to a first one.

They draw k independent normal directions over all arrays together, and rearrange them. V is held as a dense
float64 array: 8 k n bytes, and about 4 k^2 n operations a draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fwdad import tree
from fwdad.errors import undefined
from fwdad.estimators.samplers import Random
from fwdad.perturbation import Directions, Template, join, separate


class Frame(Random):
    """Random directions made of normal ones by `arrange`, which a subclass defines."""

    def arrange(self, v: np.ndarray, templates: Sequence[Template], per_row: bool) -> np.ndarray:
        """Return the directions, the rows of (..., k, n), from independent normal ones, float64."""
        raise undefined(self, "arrange(v, templates, per_row)")

    def directions(self, templates: Sequence[Template], step: int, per_row: bool = False) -> Directions:
        """Return what `arrange` makes of this step's normal directions."""
        normal = [self.stream(p, t.shape, np.float64, step, "normal").dense() for p, t in enumerate(templates)]
        v = self.arrange(join(normal, per_row), templates, per_row)
        return Directions(separate(v, templates, per_row), per_row)


class Haar(Frame):
    """Orthonormal directions: k rows of a uniformly distributed orthogonal matrix; every n in a row for k > n.

    Parameters
    ----------
    k, seed
        As of `Normal`.

    References
    ----------
    F. Mezzadri, How to generate random matrices from the classical compact groups, Notices AMS 54(5), 2007.

    Examples
    --------
    >>> v = Haar(k=2, seed=1).directions([np.zeros(3)], step=0).dense()
    >>> np.allclose(v @ v.T, np.eye(2))
    True
    """

    def arrange(self, v: np.ndarray, templates: Sequence[Template], per_row: bool) -> np.ndarray:
        """Return the directions orthonormalised."""
        return orthonormalised(v)


class Orthogonal(Frame):
    """Directions at right angles with the lengths of independent normal ones; every n in a row for k > n.

    Each by itself is N(0, I_n), so that their mean is unbiased, and they cover the space evenly.

    Parameters
    ----------
    k, seed
        As of `Normal`.

    Examples
    --------
    >>> v = Orthogonal(k=2, seed=1).directions([np.zeros(3)], step=0).dense()
    >>> bool(abs(v[0] @ v[1]) < 1e-12)
    True
    """

    def arrange(self, v: np.ndarray, templates: Sequence[Template], per_row: bool) -> np.ndarray:
        """Return the directions orthonormalised, as long as they were."""
        # The length of a normal vector is independent of its direction, and so of the orthonormalised one.
        return np.asarray(orthonormalised(v) * np.linalg.norm(v, axis=-1, keepdims=True))


@dataclass(frozen=True)
class FixedAngle(Frame):
    """Unit directions: a first one u, and k - 1 at one angle a to it, ``cos(a) u + sin(a) w_i``.

    The w_i are independent, of length 1, uniform at right angles to u.

    Parameters
    ----------
    k, seed
        As of `Normal`.
    angle : float
        a, in degrees, from 0 to 180.
    base : pytree, optional
        The direction of u, of any length: arrays that broadcast to those that move; by default random.

    Raises
    ------
    ValueError
        For an angle out of range, a base that does not fit or is zero, or a space of one dimension.

    References
    ----------
    arXiv 2410.17764, section 4.3.

    Examples
    --------
    >>> v = FixedAngle(k=3, seed=1, angle=15).directions([np.zeros(5)], step=0).dense()
    >>> np.rad2deg(np.arccos(v[1:] @ v[0])).round(6)
    array([15., 15.])
    """

    angle: float = 45.0
    base: Any = None

    def __post_init__(self) -> None:
        """Check k, seed and angle."""
        super().__post_init__()
        if not 0 <= self.angle <= 180:
            raise ValueError(f"angle must be from 0 to 180 degrees; got {self.angle!r}")

    def arrange(self, v: np.ndarray, templates: Sequence[Template], per_row: bool) -> np.ndarray:
        """Return u, and the w_i turned towards it."""
        if v.shape[-1] < 2:
            raise ValueError("directions at an angle need a space of two dimensions or more; it has one")
        first = v[..., :1, :] if self.base is None else self._base(templates, per_row)
        u = first / np.linalg.norm(first, axis=-1, keepdims=True)
        w = v[..., 1:, :]
        for _ in range(2):  # the second time for what rounding left
            w = w - np.sum(w * u, axis=-1, keepdims=True) * u
        w = w / np.linalg.norm(w, axis=-1, keepdims=True)
        a = np.deg2rad(self.angle)
        return np.concatenate([u, np.cos(a) * u + np.sin(a) * w], axis=-2)

    def _base(self, templates: Sequence[Template], per_row: bool) -> np.ndarray:
        given = tree.leaves(self.base)
        if len(given) != len(templates):
            raise ValueError(f"base has {len(given)} arrays, but {len(templates)} move")
        try:
            parts = [np.broadcast_to(b, t.shape)[None] for b, t in zip(given, templates, strict=True)]
        except ValueError as error:
            raise ValueError(f"base does not fit what moves: {error}") from None
        base = join(parts, per_row).astype(np.float64)
        if not np.all(np.any(base != 0, axis=-1)):
            raise ValueError("base is zero and has no direction")
        return base


def orthonormalised(v: np.ndarray) -> np.ndarray:
    """Return orthonormal rows for (..., k, n); every n of them, the first j span what the first j of v span.

    Examples
    --------
    >>> orthonormalised(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 3.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """
    n = v.shape[-1]
    frames = []
    for start in range(0, v.shape[-2], n):
        q, r = np.linalg.qr(np.swapaxes(v[..., start : start + n, :], -1, -2))
        # The triangular factor gets a positive diagonal: only then is q unique, and uniformly distributed.
        signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
        frames.append(np.swapaxes(q, -1, -2) * signs[..., None])
    return np.concatenate(frames, axis=-2) + 0.0
