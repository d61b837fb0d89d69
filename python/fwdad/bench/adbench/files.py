"""ADBench's files: problems in, derivatives and times out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fwdad.bench.task import BenchError


class Mixture(NamedTuple):
    """Weights' logarithms (K,), means (K, d), factors (K, d (d + 1) / 2), points (N, d), and the prior's numbers."""

    alphas: np.ndarray
    means: np.ndarray
    factors: np.ndarray
    points: np.ndarray
    gamma: float
    m: int


class Bundle(NamedTuple):
    """Cameras (n, 11), points (m, 3), weights (p,), features (p, 2), and who sees what: camera and point (p,)."""

    cameras: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    features: np.ndarray
    camera: np.ndarray
    point: np.ndarray


class Skeleton(NamedTuple):
    """Of each bone its parent, transforms (4, 4); of each vertex its place (4,) and bones' weights; triangles."""

    parents: np.ndarray
    relative: np.ndarray
    inverse: np.ndarray
    vertices: np.ndarray
    weights: np.ndarray
    triangles: np.ndarray


class Hand(NamedTuple):
    """A skeleton, 26 parameters, points (N, 3) with their vertices or triangles, and their places (N, 2) or None."""

    skeleton: Skeleton
    theta: np.ndarray
    points: np.ndarray
    at: np.ndarray
    places: np.ndarray | None


class Text(NamedTuple):
    """Main (2 layers, 4 b) and extra (3, b) parameters, state (2 layers, b) and text (T, b)."""

    main: np.ndarray
    extra: np.ndarray
    state: np.ndarray
    text: np.ndarray


def _numbers(path: Path) -> Iterator[float]:
    """Yield the numbers of a file.

    Raises BenchError where there is none, or anything else.
    """
    try:
        yield from map(float, path.read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: expected numbers of an ADBench file: {error}") from error
    raise BenchError(f"{path}: the file ends early")


def _array(numbers: Iterator[float], *shape: int) -> np.ndarray:
    return np.fromiter(itertools.islice(numbers, int(np.prod(shape))), np.float64).reshape(shape)


def read_mixture(path: Path) -> Mixture:
    """Read a file of GMM: sizes d, K, N; alphas, means, factors, points; gamma and m."""
    numbers = _numbers(path)
    d, k, n = (int(next(numbers)) for _ in range(3))
    return Mixture(
        _array(numbers, k),
        _array(numbers, k, d),
        _array(numbers, k, d * (d + 1) // 2),
        _array(numbers, n, d),
        next(numbers),
        int(next(numbers)),
    )


def read_bundle(path: Path) -> Bundle:
    """Read a file of BA: sizes n, m, p and one camera, point, weight and feature, which all observations have."""
    numbers = _numbers(path)
    n, m, p = (int(next(numbers)) for _ in range(3))
    camera, point, weight, feature = (_array(numbers, size) for size in (11, 3, 1, 2))
    seen = np.arange(p)
    return Bundle(
        np.tile(camera, (n, 1)),
        np.tile(point, (m, 1)),
        np.tile(weight, p),
        np.tile(feature, (p, 1)),
        seen % n,
        seen % m,
    )


def read_hand(path: Path, with_places: bool) -> Hand:
    """Read a file of HAND, with the skeleton in the folder `model` beside it.

    Sizes N and 26; of each point its vertex (or triangle) and place; with `with_places` the places in triangles; theta.
    """
    numbers = _numbers(path)
    n, size = int(next(numbers)), int(next(numbers))
    rows = _array(numbers, n, 4)
    places = _array(numbers, n, 2) if with_places else None
    theta = _array(numbers, size)
    return Hand(read_skeleton(path.parent / "model"), theta, rows[:, 1:], rows[:, 0].astype(np.intp), places)


def read_skeleton(folder: Path) -> Skeleton:
    """Read the folder `model`: bones.txt, vertices.txt and triangles.txt, whose words are separated by colons."""
    bones, vertices, triangles = (_rows(folder / f"{name}.txt") for name in ("bones", "vertices", "triangles"))
    weights = np.zeros((len(vertices), len(bones)))
    for row, vertex in zip(weights, vertices, strict=True):
        for bone, weight in zip(vertex[9::2], vertex[10::2], strict=False):
            row[int(bone)] = float(weight)
    return Skeleton(
        np.array([int(bone[1]) for bone in bones]),
        np.array([bone[2:18] for bone in bones], float).reshape(-1, 4, 4),
        np.array([bone[18:34] for bone in bones], float).reshape(-1, 4, 4),
        np.array([[*vertex[:3], 1] for vertex in vertices], float),
        weights,
        np.array(triangles, np.intp),
    )


def _rows(path: Path) -> list[list[str]]:
    try:
        return [line.split(":") for line in path.read_text(encoding="utf-8").splitlines() if line]
    except OSError as error:
        raise BenchError(f"{path}: expected a file of ADBench's hand model: {error}") from error


def read_text(path: Path) -> Text:
    """Read a file of LSTM: sizes layers, T, b; main, extra, state, text."""
    numbers = _numbers(path)
    layers, length, b = (int(next(numbers)) for _ in range(3))
    return Text(
        _array(numbers, 2 * layers, 4 * b),
        _array(numbers, 3, b),
        _array(numbers, 2 * layers, b),
        _array(numbers, length, b),
    )


def write_outputs(folder: Path, name: str, who: str, value: Any, jacobian: Any, seconds: tuple[float, float]) -> None:
    """Write ``NAME_F_WHO.txt``, ``NAME_J_WHO.txt`` (a row a line) and ``NAME_times_WHO.txt`` as ADBench does."""
    folder.mkdir(parents=True, exist_ok=True)
    spelled: Callable[[Any], str] = "{:.8e}".format
    for kind, rows in (("F", np.reshape(value, (-1, 1))), ("J", jacobian), ("times", np.reshape(seconds, (-1, 1)))):
        lines = ["\t".join(map(spelled, row)) for row in rows]
        (folder / f"{name}_{kind}_{who}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
