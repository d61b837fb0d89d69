"""A file's problem: the function, what moves, and the directions in which its whole Jacobian is found."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fwdad.bench.adbench import files, objectives
from fwdad.bench.task import BenchError


@dataclass(frozen=True)
class Problem:
    """A function of ADBench with its data.

    Attributes
    ----------
    name : str
        The file's, without its suffix.
    objective : callable
        ``objective(xp, data, *moving)``.
    data : dict
        Arrays and numbers that do not move.
    moving : tuple of ndarray
        What moves.
    directions : tuple of ndarray
        Of each of these its k directions, ``(k, *shape)``, which give the Jacobian as columns ``(k, *answer's shape)``.
        Columns that share no row are in one direction.
    rows : int
        How many backward passes give the Jacobian; 0 if these are more than directions.
    """

    name: str
    objective: Callable[..., Any]
    data: dict[str, Any]
    moving: tuple[np.ndarray, ...]
    directions: tuple[np.ndarray, ...]
    rows: int = 0

    @property
    def k(self) -> int:
        """The number of directions."""
        return len(self.directions[0])

    def value(self) -> Any:
        """Evaluate the function."""
        return self.objective(np, self.data, *self.moving)

    def reference(self, direction: int) -> Any:
        """Compute a column of the Jacobian by a complex step, in float64."""
        moved = (x + 1e-30j * v[direction] for x, v in zip(self.moving, self.directions, strict=True))
        return np.imag(self.objective(np, self.data, *moved)) / 1e-30


def bundle(path: Path) -> Problem:
    """Bundle adjustment: an observation's 15 parameters are a column each, and all observations move at once."""
    given = files.read_bundle(path)
    x = np.concatenate([given.cameras[given.camera], given.points[given.point], given.weights[:, np.newaxis]], 1).T
    units = np.broadcast_to(np.eye(15)[:, :, np.newaxis], (15, *x.shape))
    data = {"feature": np.ascontiguousarray(given.features.T)}
    return Problem(path.stem, objectives.reprojection, data, (np.ascontiguousarray(x),), (units,), rows=2)


FINGER_ANGLES = 6
"""Parameters before those of the fingers."""


def hand(path: Path, with_places: bool) -> Problem:
    """Hand tracking: 26 directions; with places in triangles 2 more, in which each place moves its own point."""
    given = files.read_hand(path, with_places)
    bones, theta = given.skeleton, given.theta
    flexion, abduction = np.zeros((2, len(bones.parents), len(theta)))
    for finger in range(5):
        for joint in range(3):  # the first bone of a finger has no angle, the second has two
            angle = FINGER_ANGLES + 4 * finger + joint + (joint > 0)
            flexion[2 + 4 * finger + joint, angle] = 1
            if joint == 0:
                abduction[2 + 4 * finger, angle + 1] = 1
    levels = _levels(bones.parents)
    places = np.argsort(np.concatenate(levels))
    blended = (bones.weights[:, :, np.newaxis] * bones.vertices[:, np.newaxis, :]).reshape(len(bones.vertices), -1)
    data = {
        "flexion": flexion, "abduction": abduction, "relative": bones.relative, "inverse": bones.inverse,
        "zero": np.zeros(len(bones.parents)), "one": np.ones(len(bones.parents)), "points": given.points,
        "levels": levels, "order": places,
        "parents": [np.searchsorted(above, bones.parents[level]) for above, level in itertools.pairwise(levels)],
    }  # fmt: skip
    units = np.eye(len(theta))
    if given.places is None:
        data["blended"] = blended[given.at]
        return Problem(path.stem, objectives.hand, data, (theta,), (units,))
    data["corners"] = [blended[corner] for corner in bones.triangles[given.at].T]
    u = np.ascontiguousarray(given.places.T)
    of_theta = np.concatenate([units, np.zeros((2, len(theta)))])
    of_places = np.concatenate([np.zeros((len(theta), *u.shape)), np.eye(2)[:, :, np.newaxis] * np.ones(u.shape)])
    return Problem(path.stem, objectives.hand_with_places, data, (theta, u), (of_theta, of_places))


def _levels(parents: np.ndarray) -> list[np.ndarray]:
    """Return the bones by their distance from the root, each level in order."""
    depth = np.zeros(len(parents), np.intp)
    for bone, parent in enumerate(parents):
        depth[bone] = 0 if parent < 0 else depth[parent] + 1
    return [np.flatnonzero(depth == level) for level in range(int(depth.max()) + 1)]


def mixture(path: Path) -> Problem:
    """Return the gradient of a Gaussian mixture."""
    given = files.read_mixture(path)
    d = given.means.shape[1]
    below, entry = np.zeros((d * (d - 1) // 2, d, d)), 0
    for column in range(d):
        for row in range(column + 1, d):
            below[entry, row, column], entry = 1, entry + 1
    n = d + given.m + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi) + sum(math.lgamma(0.5 * (n - j)) for j in range(d))
    wishart = n * d * math.log(given.gamma / math.sqrt(2)) - log_gamma
    data = {
        "points": given.points, "gamma": given.gamma, "m": given.m, "wishart": wishart,
        "below": below.reshape(-1, d * d),
    }  # fmt: skip
    return _gradient(path.stem, objectives.mixture, data, (given.alphas, given.means, given.factors))


def lstm(path: Path) -> Problem:
    """Return the gradient of an LSTM."""
    given = files.read_text(path)
    return _gradient(path.stem, objectives.lstm, {"state": given.state, "text": given.text}, (given.main, given.extra))


def _gradient(name: str, f: Callable[..., Any], data: dict[str, Any], moving: tuple[np.ndarray, ...]) -> Problem:
    """Return a problem with one direction for each parameter."""
    n = sum(x.size for x in moving)
    blocks = np.split(np.eye(n), np.cumsum([x.size for x in moving])[:-1], axis=1)
    directions = tuple(block.reshape(n, *x.shape) for block, x in zip(blocks, moving, strict=True))
    return Problem(name, f, data, moving, directions, rows=1)


FOLDERS: dict[str, Callable[[Path], Problem]] = {
    "ba": bundle,
    "hand/simple_small": lambda path: hand(path, with_places=False),
    "hand/complicated_small": lambda path: hand(path, with_places=True),
    "gmm/1k": mixture,
    "lstm": lstm,
}
"""ADBench's folders, and how their files are read."""


def found(folder: Path, only: tuple[str, ...]) -> Iterator[tuple[str, Problem]]:
    """Yield ``(folder's name, problem)`` of the files whose path contains one of some words.

    Raises BenchError if there is none.
    """
    paths = [
        (name, path)
        for name in FOLDERS
        for path in sorted((folder / name).glob("*.txt"))
        if path.stem != "test" and any(word in f"{name}/{path.name}" for word in only)
    ]
    if not paths:
        raise BenchError(f"{folder}: no file of {', '.join(FOLDERS)} there has {' or '.join(only)} in its name")
    return ((name, FOLDERS[name](path)) for name, path in paths)
