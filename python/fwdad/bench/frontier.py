"""The frontier: what a step along some directions costs, and how near its estimate comes to the gradient.

Every estimator trains a network of its own, since directions that fit one trajectory say nothing of another. All take
turns, a step at a time. Then each is compared with the exact gradient at the point that it has reached.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fwdad import data, estimators, optim, tree
from fwdad.bench.records import Record
from fwdad.estimators import SAMPLERS, ForwardGradient
from fwdad.perturbation import PERTURBATIONS
from fwdad.train import Learner, TrainConfig
from fwdad.train.build import make_model
from fwdad.train.evaluation import losses

SHARE = 0.25
COMPARED = 20
"""Batches on which an estimate is compared with the gradient."""

RANDOM = (
    ("rademacher", "activity"),
    ("orthogonal", "activity"),
    ("blocks", "activity"),
    ("rademacher", "weight"),
    ("low-rank", "weight"),
)
"""Samplers and what they move: those that differ in what they cost or find."""


class Entry(NamedTuple):
    """An estimator, its name, its number of directions (None: all) and its rate for SGD with momentum."""

    who: str
    k: int | None
    estimator: ForwardGradient
    rate: float


def entries(tangents: Sequence[int]) -> Iterator[Entry]:
    """Yield what is compared."""
    rate_of: Callable[..., Any] = optim.OPTIMIZERS["sgd"].learning_rate
    for who, every, rows in (
        ("units", estimators.Units(), None),
        (f"units, {SHARE:.0%} of the rows", estimators.Units(), estimators.ByError(SHARE)),
        ("class directions", estimators.ClassDirections(), None),
    ):
        yield Entry(who, None, ForwardGradient(every, rows=rows), rate_of("activity", "units"))
    for k in tangents:
        for sampler, perturb in RANDOM:
            estimator = ForwardGradient(SAMPLERS[sampler](k, seed=0), estimators.Projection(), PERTURBATIONS[perturb]())
            yield Entry(f"{sampler}, {perturb}", k, estimator, rate_of(perturb, "projection"))


def loss(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Return the loss of each example."""
    return losses(model(x), y)


def frontier(config: TrainConfig, steps: int, tangents: Sequence[int], report: Callable[[str], None]) -> list[Record]:
    """Return the time of a step, its memory and cos^2 to the exact gradient after so many steps, for every estimator.

    The configuration says the data, the model, the size of a batch and the seed.
    """
    examples = data.load(config.data, config.data_dir, config.task, config.target)
    batches = data.Batches(len(examples.train.targets), config.batch_size, seed=config.seed)

    def batch(number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = batches.indices(number)
        return examples.train.inputs[rows], examples.train.targets[rows]

    everyone = list(entries(tangents))
    learners = [
        Learner(make_model(config, examples.shape, examples.outputs), loss, e.estimator, optim.sgd(e.rate, 0.9))
        for e in everyone
    ]
    times: list[list[float]] = [[] for _ in everyone]
    for number in range(steps):
        if number % 50 == 0:
            report(f"step {number}/{steps}")
        for learner, own in zip(learners, times, strict=True):
            start = time.process_time()
            learner.step(number, *batch(number))
            own.append(1e3 * (time.process_time() - start))
    found = []
    for entry, learner, own in zip(everyone, learners, times, strict=True):
        report(f"{entry.who}, k = {entry.k}: cos^2")
        squares = [cosine(learner, *batch(steps + i)) ** 2 for i in range(COMPARED)]
        tracemalloc.start()
        learner.step(steps, *batch(steps))
        mb = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        ms = statistics.median(own)
        found.append(Record("frontier", entry.who, k=entry.k, ms=ms, mb=mb, cos2=statistics.fmean(squares)))
    return found


def cosine(learner: Learner, x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of a learner's estimate to the exact gradient of the same batch, over all parameters."""
    _, estimate = learner.estimator(loss, learner.model, x, y)
    _, exact = estimators.exact_gradient(loss, learner.model, x, y)
    a, b = (np.concatenate([np.ravel(leaf) for leaf in tree.leaves(g)]).astype(np.float64) for g in (estimate, exact))
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
