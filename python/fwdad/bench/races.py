"""Races to an accuracy: who needs how many seconds of the processor, with settings that a search found.

The gradient along all units is that of backpropagation, so that one search serves all who follow it. Rows that are
drawn have a search of their own, of as many trials. Random directions race with the settings that they had by default.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fwdad.bench.processes import Worker
from fwdad.bench.racers import PROBLEMS, Setting
from fwdad.bench.records import Record, with_ratios

LOOKS = 32
"""Into how many legs a schedule is cut; from a quarter of it on, a test follows each."""

Settings = Mapping[str, Mapping[float, Setting]]
"""Settings by what they were searched for, "exact" or "rows", and by the accuracy to reach."""

SEARCHED: dict[str, Settings] = {
    "digits": {kind: {0.9: Setting(0.11, 0.9, "cosine", 82)} for kind in ("exact", "rows")},
    "mnist": {
        "exact": {
            0.95: Setting(0.074, 0.8, "cosine", 324),
            0.97: Setting(0.065, 0.9, "cosine", 730),
            0.98: Setting(0.15, 0.8, "linear", 3881),
        },
        "rows": {
            0.95: Setting(0.074, 0.8, "cosine", 486),
            0.97: Setting(0.065, 0.9, "cosine", 1095),
            0.98: Setting(0.15, 0.8, "linear", 5800),
        },
    },
    "fashion-mnist": {kind: {0.9: Setting(0.06, 0.9, "cosine", 7500)} for kind in ("exact", "rows")},
}
"""What `search` found for the gradient on MNIST, by 10 trials (7 for 98%). The others were not searched yet.

Rows on MNIST have the gradient's settings, half as long again.
"""

RANDOM = "fwdad-random"

DEFAULT = Setting(5e-3, 0.0, "cosine", 3 * 781)
"""Of random directions: those of `fwdad train --data mnist --epochs 3`; with 30 epochs the rate falls too late."""

Report = Callable[[str], None]


class Reached(NamedTuple):
    """When a run reached an accuracy: after so many steps, and seconds of the processor."""

    steps: int
    seconds: float


def setting_of(who: str, target: float, settings: Settings) -> Setting | None:
    """Return the setting that a competitor races with; None where no trial reached the accuracy."""
    return DEFAULT if who == RANDOM else settings["rows" if who == "fwdad-rows" else "exact"].get(target)


def legs(setting: Setting, most: int) -> Iterator[int]:
    """Yield the numbers of steps between two tests, up to the schedule's end or `most` steps.

    Examples
    --------
    >>> lengths = list(legs(Setting(0.1, 0.9, "linear", 320), 1000))
    >>> lengths[0], lengths[1], sum(lengths)
    (80, 10, 320)
    """
    end = min(setting.steps, most)
    leg = max(1, end // LOOKS)
    yield max(1, end // 4)
    for start in range(max(1, end // 4), end, leg):
        yield min(leg, end - start)


def heat(
    workers: Mapping[str, Worker],
    problem: str,
    settings: Mapping[str, Setting],
    targets: Mapping[str, Sequence[float]],
    seed: int,
    part: str,
) -> dict[tuple[str, float], Reached]:
    """Let competitors run, in turns, to their accuracies or their ends; return who reached what, and when."""
    running = {}
    for who, setting in settings.items():
        workers[who].ask(run={"problem": problem, "setting": setting, "seed": seed, "part": part})
        running[who] = legs(setting, PROBLEMS[problem].most)
    steps, seconds = dict.fromkeys(running, 0), dict.fromkeys(running, 0.0)
    reached: dict[tuple[str, float], Reached] = {}
    while running:
        for who in list(running):
            leg = next(running[who], 0)
            if leg:
                spent, accuracy = workers[who].ask(steps=leg)
                steps[who] += leg
                seconds[who] += spent
                for target in targets[who]:
                    if accuracy >= target:
                        reached.setdefault((who, target), Reached(steps[who], seconds[who]))
            if not leg or all((who, target) in reached for target in targets[who]):
                del running[who]
    return reached


def trial_settings(about: int, trials: int) -> list[Setting]:
    """Return what a search tries, of half to twice `about` steps; the same for everyone.

    Examples
    --------
    >>> print(trial_settings(200, 1)[0])
    rate 0.015, momentum 0.95, cosine over 128 steps
    """
    random = np.random.default_rng(0)
    found = []
    for _ in range(trials):
        momentum, schedule = random.choice([0.8, 0.9, 0.95]), random.choice(["linear", "linear", "cosine", "constant"])
        rate = (1 - momentum) * 10 ** random.uniform(-0.7, 0)  # steps are as long as with rate / (1 - momentum)
        steps = about * 2 ** random.uniform(-0.7, 0.7)
        found.append(Setting(float(f"{rate:.2g}"), float(momentum), str(schedule), round(steps)))
    return found


def search(problem: str, trials: int, threads: int, report: Report) -> Settings:
    """Return the settings that reach the validation accuracies after fewest steps, the slower of two seeds."""
    found: dict[str, dict[float, Setting]] = {}
    for kind, who in {"exact": "fwdad", "rows": "fwdad-rows"}.items():
        found[kind] = {}
        with Worker(who, threads) as worker:
            for target, about in PROBLEMS[problem].targets.items():
                fewest = math.inf
                for number, setting in enumerate(trial_settings(about, trials)):
                    steps = 0.0
                    for seed in (1000, 1001):  # none that races
                        hits = heat({who: worker}, problem, {who: setting}, {who: [target]}, seed, "validation")
                        steps = max(steps, hits[who, target].steps if hits else math.inf)
                        if steps >= fewest:
                            break
                    report(f"{kind}, {target:.0%}, {number + 1}/{trials}  {setting}: {steps}")
                    if steps < fewest:
                        fewest, found[kind][target] = steps, setting
    return found


def race(
    problem: str,
    who: Sequence[str],
    settings: Settings,
    seeds: int,
    threads: int,
    report: Report,
) -> list[Record]:
    """Return who needs how long for each accuracy: the median over seeds, of processes of their own for each."""
    targets = list(PROBLEMS[problem].targets)
    reached: list[dict[tuple[str, float], Reached]] = []
    for seed in range(seeds):
        reached.append({})
        with ExitStack() as stack:
            workers = {name: stack.enter_context(Worker(name, threads)) for name in who}
            for target in targets:
                report(f"seed {seed + 1}/{seeds}  {problem} {target:.0%}")
                chosen = {name: setting for name in who if (setting := setting_of(name, target, settings))}
                goals = {name: [target] for name in chosen}
                if RANDOM in who and target == targets[0]:
                    goals[RANDOM] = targets  # its setting is one for all
                elif RANDOM in who:
                    del chosen[RANDOM]
                reached[-1] |= heat(workers, problem, chosen, goals, seed, "test")
    records = []
    for target in targets:
        group = []
        for name in who:
            hits = [found[name, target] for found in reached if (name, target) in found]
            setting = setting_of(name, target, settings)
            record = Record(f"{problem} {100 * target:g}%", name, setting=str(setting or "no trial reached it"))
            if len(hits) == seeds:
                blocks = tuple(1e3 * hit.seconds for hit in hits)
                steps = round(statistics.median(hit.steps for hit in hits))
                record = replace(record, ms=statistics.median(blocks), blocks=blocks, steps=steps)
            group.append(record)
        records += with_ratios(group)
    return records
