"""Train digits with one tangent: a network learns, and nothing travels backwards."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import fwdad
from fwdad.data import load
from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, array_of, expect

TEXT = """
A network learns by walking down its loss: take a batch of examples, find the gradient g of the loss by the weights w,
and take a step, `w = w - rate * g`. Usually backpropagation finds g. Here you guess it, by *one* direction v and one
forward pass:

    value, dy = fwdad.jvp(f, (w,), (V,))    # V is v[None], of shape (1, *w.shape)

The leading axis of `V` and `dy` counts directions, and here there is one: `dy[0]` is the slope of f along v, which is
`np.sum(v * g)`. The **forward gradient** is `dy[0] * v`. A single one is
a bad guess of g. But it is right on average, if the entries of v are random, independent of each other, with mean 0
and variance 1. And many small steps along bad guesses still go down.

**Write** two functions:

- `estimate(f, w, rng)` returns one forward gradient of `f` at `w`, of the shape of `w`. It calls `fwdad.jvp` once,
  with one direction, which it draws anew from `rng`, a `np.random.Generator`, at every call.
- `train(loss, images, labels, rng)` returns weights w (64, 10). `images` is (1197, 64), and `labels` are (1197,) digits
  from 0 to 9. The guess for an image is the largest of its ten scores, `image @ w`. `loss(w, images, labels)` is a
  number that says how bad the scores are, for all images or a batch of them. Begin with zeros, and take small steps
  on random batches by `estimate`.

Of 300 digits that they have not seen, the weights must classify 80% correctly, and all must be done within 30 seconds.
3000 steps on batches of 64 take a few seconds; find a good rate between 1e-4 and 1e-1.
"""

STARTER = '''\
import numpy as np

import fwdad


def estimate(f, w, rng):
    """Return a forward gradient of f at w, an array of w's shape, by one call of fwdad.jvp with one direction."""
    raise NotImplementedError("estimate is yours to write")


def train(loss, images, labels, rng):
    """Return weights (64, 10) with a small loss(weights, images, labels)."""
    w = np.zeros((64, 10))
    return w
'''

SOLUTION = '''\
import numpy as np

import fwdad


def estimate(f, w, rng):
    """Return a forward gradient of f at w, an array of w's shape, by one call of fwdad.jvp with one direction."""
    v = rng.standard_normal(w.shape)
    value, dy = fwdad.jvp(f, (w,), (v[None],))
    return dy[0] * v


def train(loss, images, labels, rng):
    """Return weights (64, 10) with a small loss(weights, images, labels)."""
    w = np.zeros((64, 10))
    for step in range(2000):
        rows = rng.integers(0, len(labels), 64)
        w = w - 0.005 * estimate(lambda w: loss(w, images[rows], labels[rows]), w, rng)
    return w
'''

HINTS = (
    "`v = rng.standard_normal(w.shape)` is a good direction. `v[None]` gives it the leading axis that counts "
    "directions.",
    "A batch is `rows = rng.integers(0, len(labels), 64)`; the function of w alone is `lambda w: loss(w, images[rows], "
    "labels[rows])`.",
    "If the loss grows, the rate is too large: a forward gradient of 640 numbers is about 25 times as long as the "
    "gradient. 0.005 does well.",
)

WRONG = {
    "directions whose mean is not 0": ("rng.standard_normal(w.shape)", "rng.uniform(0, 1, w.shape)"),
    "directions of length 1": (
        "v = rng.standard_normal(w.shape)",
        "v = rng.standard_normal(w.shape)\n    v = v / np.linalg.norm(v)",
    ),
    "the same direction at every call": (
        "rng.standard_normal(w.shape)",
        "np.random.default_rng(0).standard_normal(w.shape)",
    ),
    "the gradient itself, by as many directions as weights": (
        "value, dy = fwdad.jvp(f, (w,), (v[None],))\n    return dy[0] * v",
        "return fwdad.jacfwd(f)(w)",
    ),
    "uphill": ("w = w - 0.005", "w = w + 0.005"),
    "images and labels of different examples": ("labels[rows]), w, rng)", "labels[:64]), w, rng)"),
}

HELD_OUT = 0.8


def loss(w: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Return the mean cross-entropy of the linear classifier ``x @ w``."""
    z = x @ w
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(len(y)), y])


class Watched:
    """A function that counts its calls with tangents, and refuses more than one tangent."""

    def __init__(self, function: Any) -> None:
        self.function, self.passes = function, 0

    def __call__(self, w: Any, *batch: Any) -> Any:
        """Call it."""
        if isinstance(w, fwdad.Dual):
            self.passes += 1
            if w.k != 1:
                raise Wrong("one direction", f"{w.k} directions in one pass")
        return self.function(w, *batch)


def check(answer: Answer, rng: np.random.Generator) -> Iterator[str]:
    """Check that an estimate takes one tangent and is right on average, then train and classify."""
    estimate, train = answer.function("estimate"), answer.function("train")
    slopes = np.round(rng.uniform(1, 2, 3) * [1, -1, 1], 1)
    f = Watched(lambda w: np.sum(slopes * w))

    yield f"estimate of f(w) = sum({slopes} * w): one pass with one direction, of w's shape"
    first = array_of(estimate(f, np.zeros(3), rng))
    if first.shape != (3,):
        raise Wrong("shape (3,)", f"shape {first.shape}")
    if f.passes != 1:
        raise Wrong("1 pass of fwdad.jvp", f"{f.passes}")
    yield "another direction at every call"
    others = [array_of(estimate(f, np.zeros(3), rng)) for _ in range(30)]  # directions of +-1 are often the same twice
    if all(abs(first @ other) > (1 - 1e-9) * np.linalg.norm(first) * np.linalg.norm(other) for other in others):
        raise Wrong("another direction", "the same; draw it from rng")
    count = 1000
    yield f"the mean of {count} estimates, where the gradient is {slopes}"
    average = np.mean([array_of(estimate(f, np.zeros(3), rng)) for _ in range(count)], axis=0)
    expect(np.round(average, 2), slopes, 6 * np.sqrt(2 / count) * np.linalg.norm(slopes) / np.max(np.abs(slopes)))

    digits = load("digits")
    watched, images = Watched(loss), digits.train.inputs.reshape(-1, 64).astype(np.float64)
    yield "train(loss, images, labels, rng): weights (64, 10), by one direction at a time"
    w = array_of(train(watched, images, digits.train.targets, rng))
    if w.shape != (64, 10):
        raise Wrong("shape (64, 10)", f"shape {w.shape}")
    if watched.passes < 100:
        raise Wrong("many passes of fwdad.jvp through loss", f"{watched.passes}")
    yield f"{len(digits.test.targets)} digits that it has not seen: {HELD_OUT:.0%} of them are right"
    guesses = np.argmax(digits.test.inputs.reshape(-1, 64) @ w, axis=1)
    accuracy = float(np.mean((guesses == digits.test.targets) & np.all(np.isfinite(w))))
    if not accuracy >= HELD_OUT:
        raise Wrong(f"at least {HELD_OUT:.0%}", f"{accuracy:.1%} after {watched.passes} passes")
    yield Remark(f"{accuracy:.1%} after {watched.passes} passes of one direction, and nothing travelled backwards.")


EXERCISE = Exercise(
    6, "one-tangent", "Train digits with one tangent", TEXT, STARTER, SOLUTION, HINTS, WRONG, check, seconds=30.0
)
