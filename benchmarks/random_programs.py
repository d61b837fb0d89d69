"""Random NumPy programs under every transform, against central differences of the programs themselves.

A program takes views and aliases, writes in place (also into arrays of shape ()), branches, reduces and does linear
algebra. Each is drawn from its seed. Where two step sizes of the differences disagree, as they do across a kink, the
program is left out and counted.

Run: python benchmarks/random_programs.py [--count 1000] [--first 0]. It exits with 1 unless all programs are right.
"""

import argparse
import sys
import time
from collections import Counter

import numpy as np

import fwdad
from fwdad import functions

N = 5


def run(seed, x):
    """The program of a seed, at x (5,); a list of arrays. Its choices depend on shapes alone, never on values."""
    rng = np.random.default_rng(seed)
    names = [x * 1.0, x.copy(), np.reshape(np.sin(x[:4]), (2, 2)), (x[1:2] + 0.3).reshape(())]
    for _ in range(rng.integers(4, 12)):
        step = STEPS[rng.integers(len(STEPS))]
        one, two = (names[i] for i in rng.integers(len(names), size=2))
        number = names[3] if rng.random() < 0.5 else np.tanh(np.mean(two))
        new = step(rng, one, two, number)
        if new is not None and np.size(new) <= 12:
            names.append(new)
    return names


def writable(v):
    """Whether a value is an array; a number cannot be written into."""
    return isinstance(fwdad.dual.memory(v), np.ndarray)


def views(rng, v, w, s):
    if v.ndim == 0:
        return [v[...], v.reshape(1), v.T, np.expand_dims(v, 0)][rng.integers(4)]
    choices = [
        lambda: v[1:], lambda: v[::-1], lambda: v[0:1], lambda: v[-1], lambda: v.T, lambda: v.reshape(-1),
        lambda: v.ravel(), lambda: v[..., None], lambda: v[...], lambda: np.moveaxis(v, 0, -1), lambda: np.squeeze(v),
        lambda: np.flip(v), lambda: np.array_split(v, 2)[0], lambda: v[..., 0, None], lambda: np.atleast_2d(v),
        lambda: next(iter(v)), lambda: v[0, ...],
    ]  # fmt: skip
    if v.ndim == 2 and v.shape[0] == v.shape[1]:
        choices += [lambda: np.einsum("ii->i", v), lambda: np.rot90(v), lambda: v[:, 0], lambda: v[np.newaxis, 0]]
    return choices[rng.integers(len(choices))]() if v.shape[0] else None


def aliases(rng, v, w, s):
    return [lambda: v, lambda: v.copy(), lambda: v + 0.5, lambda: +v, lambda: np.copy(v), lambda: v.flatten()][
        rng.integers(6)
    ]()


def entries(rng, v, w, s):
    """Write into some entries."""
    if not writable(v):
        return
    if v.ndim == 0:
        v[...] = s
        return
    n = v.shape[0]
    i = int(rng.integers(n)) if n else 0
    choices = [
        lambda: v.__setitem__(slice(i, None), s), lambda: v.__setitem__([0, -1], 0.5 * v[-1]) if n else None,
        lambda: v.__setitem__(rng.random(v.shape) < 0.5, np.cos(s)), lambda: v.__setitem__(..., np.sin(v[::-1])),
        lambda: v.__setitem__(i, 0.25) if n else None, lambda: v.flat.__setitem__(slice(None, None, 2), s),
        lambda: np.copyto(v, np.tanh(v) * s, where=rng.random(v.shape) < 0.5),
        lambda: np.putmask(v, rng.random(v.shape) < 0.5, np.sin(v)),
        lambda: np.place(v, rng.random(v.shape) < 0.5, np.reshape(np.cos(w), -1)) if np.size(w) else None,
        lambda: np.put(v, [0, -1], [0.1, 0.2]) if np.size(v) else None,
        lambda: np.put(v, [0], s) if np.size(v) else None,
        lambda: np.put_along_axis(v, np.zeros((1, *v.shape[1:]), int), np.mean(v, 0, keepdims=True), 0) if n else None,
        lambda: np.fill_diagonal(v, s) if v.ndim == 2 else v.fill(s), lambda: np.add.at(v, [0, 0], s) if n else None,
        lambda: np.subtract.at(v, [-1], 0.5 * s) if n else None, lambda: v.sort(axis=0),
    ]  # fmt: skip
    choices[rng.integers(len(choices))]()


def center(a):
    a -= np.mean(a)


def whole(rng, v, w, s):
    """Write into all of an array, by operators, out= and a helper function."""
    same = w if np.shape(w) == v.shape else s

    def by_operator(v):
        kind = rng.integers(5)
        if kind == 0:
            v += same
        elif kind == 1:
            v *= np.cos(same)
        elif kind == 2:
            v -= 0.5 * np.sin(v)
        elif kind == 3:
            v /= 2 + np.sin(same)
        else:
            v **= 2

    choices = [
        lambda: by_operator(v),
        lambda: center(v) if v.ndim and np.size(v) else None,
        lambda: np.multiply(np.sin(v), 0.7, out=v) if v.ndim else np.add(v, 0.1, out=v),
        lambda: np.tanh(v, out=v),
        lambda: np.subtract(0.5, v, out=v),
    ]
    if writable(v):
        choices[rng.integers(len(choices))]()


def rows(rng, v, w, s):
    """Loop over rows that are views."""
    for row in v if v.ndim == 2 else ():
        row *= 0.5 + np.tanh(s)


def elementwise(rng, v, w, s):
    choices = [
        lambda: np.sin(v), lambda: np.tanh(v * s), lambda: np.exp(-v * v), lambda: 1 / (2 + np.cos(v)),
        lambda: np.hypot(v, 2.0), lambda: np.where(rng.random(np.shape(v)) < 0.5, v, s), lambda: np.arctan(v) + s,
        lambda: np.sqrt(1 + v * v) - 1, lambda: np.maximum(v, s), lambda: np.clip(v, -0.7, 0.8),
        lambda: np.log1p(v * v), lambda: v - np.trunc(v), lambda: functions.sigmoid(v), lambda: np.abs(v),
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]()


def reductions(rng, v, w, s):
    if np.size(v) == 0:
        return None
    choices = [
        lambda: np.sum(np.sin(v), axis=0), lambda: np.mean(v, keepdims=True), lambda: np.prod(np.tanh(v)),
        lambda: np.max(v), lambda: np.min(v, axis=-1), lambda: np.linalg.norm(v + 2) / 3, lambda: np.var(v),
        lambda: np.cumsum(np.tanh(v)), lambda: functions.logsumexp(v) - 1, lambda: np.tanh(np.sum(v, keepdims=True)),
        lambda: np.median(v), lambda: np.sort(np.reshape(v, -1)), lambda: np.add.reduce(np.reshape(v, -1)) * 0.3,
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]()


def linear_algebra(rng, v, w, s):
    m = np.reshape(np.resize(np.tanh(v), 4), (2, 2)) if np.size(v) else np.eye(2) * s
    spd = m @ m.T + 2 * np.eye(2)
    choices = [
        lambda: np.linalg.solve(m + 3 * np.eye(2), m[0]), lambda: np.linalg.inv(spd), lambda: np.linalg.det(spd) / 8,
        lambda: np.linalg.cholesky(spd), lambda: m @ m, lambda: np.einsum("ij,kj->ik", m, spd) / 3,
        lambda: np.linalg.qr(spd)[1], lambda: np.linalg.slogdet(spd)[1],
        lambda: np.linalg.eigvalsh(spd + np.diag([0.0, 1.0])), lambda: np.outer(m[0], m[1]),
        lambda: np.tensordot(m, spd, 1) / 4, lambda: np.linalg.pinv(spd), lambda: np.kron(m[0], m[1]),
        lambda: np.trace(spd) * s,
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]()


def branches(rng, v, w, s):
    """Choose by a value, and write in the branch."""
    if np.sum(v) > np.sum(w):
        if writable(v):
            v *= 0.5
        return np.cos(v)
    return v * s if s > 0 else np.sin(v) + 1


def joined(rng, v, w, s):
    choices = [
        lambda: np.concatenate([np.reshape(v, -1), np.reshape(w, -1)]), lambda: np.stack([v, np.sin(v)]),
        lambda: np.append(v, s), lambda: np.reshape(v, -1)[np.argsort(np.reshape(v, -1))], lambda: np.repeat(v, 2),
        lambda: np.pad(v, 1, mode="edge") if np.ndim(v) == 1 and np.size(v) else None, lambda: np.roll(v, 1),
    ]  # fmt: skip
    return choices[rng.integers(len(choices))]()


def nested(rng, v, w, s):
    """Differentiate inside the program, where the inner function writes, too."""

    def inner(t):
        y = np.reshape(t * v, -1)
        y[:1] *= t
        y += np.sin(t)
        return np.tanh(np.sum(y))

    return fwdad.derivative(inner)(0.3 + 0.1 * np.tanh(s))


@fwdad.custom_jvp
def cube(x):
    return np.tanh(x) ** 3


@cube.defjvp
def _cube(primals, tangents):
    t = np.tanh(primals[0])
    return cube(primals[0]), 3 * t * t * (1 - t * t) * tangents[0]


def own_rule(rng, v, w, s):
    return cube(v)


STEPS = [
    views, views, aliases, entries, entries, whole, whole, rows, elementwise, elementwise, reductions, linear_algebra,
    branches, joined, nested, own_rule,
]  # fmt: skip


def flat(values):
    """All entries of a tree of results in one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in fwdad.tree.leaves(values)])


def differences(f, x, v, h):
    """First and second derivatives along v, by central differences of fourth order."""
    forth2, forth, here, back, back2 = (f(x + i * h * v) for i in (2, 1, 0, -1, -2))
    return (
        (8 * (forth - back) - (forth2 - back2)) / (12 * h),
        (16 * (forth + back) - (forth2 + back2) - 30 * here) / (12 * h * h),
    )


def close(value, expected, tolerance):
    return (
        type(value) is np.ndarray
        and value.shape == expected.shape
        and bool(np.all(np.abs(value - expected) <= tolerance * (1 + np.abs(expected))))
    )


def truth(f, x, directions):
    """First and second derivatives along directions, or None where two step sizes disagree."""
    pairs = []
    for v in directions:
        (first, second), again = differences(f, x, v, 2e-3), differences(f, x, v, 3e-3)
        if not (np.all(np.isfinite(first)) and close(first, again[0], 1e-7) and close(second, again[1], 1e-4)):
            return None
        pairs.append((first, second))
    return [np.array(column) for column in zip(*pairs, strict=True)]


def transforms(f, x, v, units):
    """What each transform finds, by its name, and what it must be: a kind of derivative, along v or unit vectors."""

    def total(x):
        return sum(np.sum(np.sin(leaf)) for leaf in f(x))

    def slope(x):
        return fwdad.jvp(f, (x,), (v,))[1]

    def jacobian(j):
        return np.concatenate([np.reshape(leaf, (-1, N)) for leaf in fwdad.tree.leaves(j)])

    def hessian(h):
        return np.concatenate([np.reshape(leaf, (-1, N, N)) for leaf in fwdad.tree.leaves(h)])

    def along(t):
        return f(x + t * v)

    def third(t):
        return fwdad.derivative(fwdad.derivative(fwdad.derivative(along)))(t)

    where = fwdad.jacobian_pattern(f)(x)[:2]
    hvp_v = [
        lambda: fwdad.hvp(total, (x,), (v,))[0] @ v,
        lambda: fwdad.derivative(fwdad.derivative(lambda t: total(x + t * v)))(0.0),
    ]
    first, second, each, curved = "first", "second", "each first", "each second"
    return {
        "jvp": (lambda: flat(slope(x)), first),
        "jvp of all": (lambda: jacobian_of_tangents(fwdad.jvp(f, (x,), (units,))[1]).T, each),
        "directional_derivative": (lambda: flat(fwdad.directional_derivative(f, (x,), (v,))), first),
        "derivative": (lambda: flat(fwdad.derivative(along)(0.0)), first),
        "nested jvp": (lambda: flat(fwdad.jvp(slope, (x,), (v,))[1]), second),
        "jacfwd": (lambda: jacobian(fwdad.jacfwd(f)(x)).T, each),
        "value_and_jacfwd": (lambda: jacobian(fwdad.value_and_jacfwd(f, chunk_size=2)(x)[1]).T, each),
        "hessian": (lambda: np.einsum("mii->im", hessian(fwdad.hessian(f)(x))), curved),
        "value_and_hessian": (lambda: hessian(fwdad.value_and_hessian(f)(x)[1]) @ v @ v, second),
        "hvp": (lambda: np.atleast_1d(hvp_v[0]()), np.atleast_1d(hvp_v[1]())),
        "linearize": (lambda: flat(fwdad.linearize(f, x)[1](v)), first),
        "linearize of all": (lambda: jacobian_of_tangents(fwdad.linearize(f, x)[1](units)).T, each),
        "jvp of linearize": (lambda: flat(fwdad.jvp(lambda x: fwdad.linearize(f, x)[1](v), (x,), (v,))[1]), second),
        "jet 1": (lambda: flat(fwdad.jet(f, (x,), ([v],))[1][0]), first),
        "jet 2": (lambda: flat(fwdad.jet(f, (x,), ([v, 0 * v],))[1][1]), second),
        "jet 3": (lambda: flat(fwdad.jet(f, (x,), ([v, 0 * v, 0 * v],))[1][2]), flat(third(0.0))),
        "laplacian": (lambda: flat(fwdad.laplacian(f)(x)), "sum of second"),
        "value_and_laplacian": (lambda: flat(fwdad.value_and_laplacian(f, chunk_size=2)(x)[1]), "sum of second"),
        "sparse_jacfwd": (lambda: fwdad.sparse_jacfwd(f)(x).dense().T, each),
        "jvp of sparse_jacfwd": (
            lambda: fwdad.jvp(lambda x: fwdad.sparse_jacfwd(f)(x).values, (x,), (v,))[1],
            fwdad.jvp(lambda x: jacobian(fwdad.jacfwd(f)(x))[where], (x,), (v,))[1],
        ),
    }  # fmt: skip


def jacobian_of_tangents(dy):
    """The matrix whose columns are the tangents of unit vectors."""
    return np.concatenate([np.reshape(leaf, (len(leaf), -1)).T for leaf in fwdad.tree.leaves(dy)])


def check(seed):
    """Return the transforms that fail for the program of a seed, with what they do; None where it has a kink."""
    rng = np.random.default_rng([seed, 1])
    x, v, units = rng.uniform(-1, 1, N), rng.standard_normal(N) / 2, np.eye(N)

    def f(x):
        return run(seed, x)

    numbers = truth(lambda x: flat(f(x)), x, [v, *units])
    if numbers is None:
        return None
    expected = {
        "first": numbers[0][0],
        "second": numbers[1][0],
        "each first": numbers[0][1:],
        "each second": numbers[1][1:],
        "sum of second": np.sum(numbers[1][1:], axis=0),
    }
    wrong = {}
    y = fwdad.jvp(f, (x,), (v,))[0]
    if not close(flat(y), flat(f(x)), 1e-13):
        wrong["value"] = "differs"
    for name, (call, target) in transforms(f, x, v, units).items():
        aim = expected[target] if isinstance(target, str) else target
        try:
            found = call()
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
            continue
        tolerance = 1e-6 if isinstance(target, str) and "first" in target else 1e-4
        if not close(found, aim, tolerance):
            wrong[name] = f"found {found}, expected {aim}"
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args()
    start, seed, done, left_out = time.perf_counter(), options.first, 0, 0
    failures = Counter()
    while done < options.count:
        wrong = check(seed)
        if wrong is None:
            left_out += 1
        else:
            done += 1
            for name, what in wrong.items():
                failures[name] += 1
                print(f"seed {seed}: {name}: {what[:200]}", flush=True)
        seed += 1
    seconds, wrong = time.perf_counter() - start, sum(failures.values())
    print(f"{done} programs, {left_out} left out at kinks, {seconds:.0f} s: {wrong} wrong {dict(failures)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
