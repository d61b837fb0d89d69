"""Seconds and peak memory of a forward-gradient step of whole models, beside torch.func, in one run.

    python benchmarks/models_beside_torch.py [--models resnet18 vit] [--k 4] [--batch 128] [--threads 2] [--rounds 2]
                                             [--json FILE]

A step draws k normal directions over all parameters, computes the mean cross-entropy of a batch of CIFAR shape, in
training mode, and its k directional derivatives in one forward pass, and takes the mean of d_i v_i. The ways:

    fwdad              ForwardGradient(Normal(k), Mean(), "weight"): directions are streams
    torch.func, vmap   torch.func.vmap over k of torch.func.jvp, directions by torch.randn
    torch.func, loop   k calls of torch.func.jvp

Losses and derivatives along the same given directions are compared before anything is timed. Each way runs in a process
of its own, so that the peak memory is its own, and the ways take turns. The time is the least of the rounds' medians.
PyTorch's BatchNorm keeps no running statistics here, because vmap forbids it.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHAPE, CLASSES = (3, 32, 32), 10
WAYS = ("fwdad", "torch.func, vmap", "torch.func, loop")
TOLERANCE = 1e-3  # float32, relative to the largest


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, *SHAPE)).astype(np.float32), rng.integers(0, CLASSES, size)


def fwdad_way(name: str, k: int, size: int, threads: int) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    """The step as a function of its number, and loss and derivatives along given directions."""
    import fwdad
    from fwdad import estimators, nn, tree

    fwdad.kernels.set_num_threads(threads)
    model = nn.MODELS[name](SHAPE, CLASSES)
    x, y = batch(size)
    fg = fwdad.ForwardGradient(estimators.Normal(k), estimators.Mean(), "weight")

    def loss(model: Any, x: Any, y: Any) -> Any:
        return nn.cross_entropy(model(x), y)

    def step(i: int) -> Any:
        with nn.training(i) as run:
            value, gradient = fg(loss, model, x, y)
        return value, gradient, run.updated(model)

    def answer() -> Any:
        names = nn.state_dict(model)
        given = directions({n: a.shape for n, a in names.items()}, k)
        rows = [
            nn.with_state_dict(model, {n: given[n][i] if n in given else a for n, a in names.items()}) for i in range(k)
        ]
        tangent = tree.map(lambda *v: None if tree.is_buffer(v[0]) else np.stack(v), *rows, is_leaf=tree.is_buffer)
        with nn.training(0):
            value, d = fwdad.jvp(lambda m: np.mean(loss(m, x, y)), (model,), (tangent,))
        return float(value), d.tolist()

    return step, answer


def torch_way(
    name: str, k: int, size: int, threads: int, vmapped: bool
) -> tuple[Callable[[int], Any], Callable[[], Any]]:
    import torch
    from torch_models import MODELS

    from fwdad import nn

    torch.set_num_threads(threads)
    module = MODELS[name](SHAPE, CLASSES).train()
    state = nn.state_dict(nn.MODELS[name](SHAPE, CLASSES))
    module.load_state_dict({n: torch.from_numpy(a) for n, a in state.items()})
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    parameters = {n: p.detach() for n, p in module.named_parameters()}
    x, y = (torch.from_numpy(a) for a in batch(size))

    def loss(parameters: Any) -> Any:
        return torch.nn.functional.cross_entropy(torch.func.functional_call(module, parameters, (x,)), y)

    def along(v: Any) -> Any:
        return torch.func.jvp(loss, (parameters,), (v,))

    @torch.no_grad()
    def derivatives(v: Any) -> Any:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the one that has a JVP
            if vmapped:
                values, d = torch.func.vmap(along, randomness="same")(v)
                return values[0], d
            pairs = [along({n: t[i] for n, t in v.items()}) for i in range(k)]
            return pairs[0][0], torch.stack([d for _, d in pairs])

    @torch.no_grad()
    def step(i: int) -> Any:
        torch.manual_seed(i)
        v = {n: torch.randn(k, *p.shape) for n, p in parameters.items()}
        value, d = derivatives(v)
        return value, {n: torch.tensordot(d, t, 1) / k for n, t in v.items()}

    def answer() -> Any:
        given = directions({n: tuple(p.shape) for n, p in parameters.items()}, k)
        value, d = derivatives({n: torch.from_numpy(given[n]) for n in parameters})
        return float(value), d.tolist()

    return step, answer


def directions(shapes: dict[str, tuple[int, ...]], k: int) -> dict[str, np.ndarray]:
    """The same normal directions, by the parameters' names, for everybody."""
    return {
        name: np.random.default_rng([len(name), *name.encode()]).standard_normal((k, *shape), np.float32)
        for name, shape in shapes.items()
        if "running" not in name and "num_batches" not in name
    }


def worker(way: str, name: str, task: str, options: argparse.Namespace) -> None:
    """Print one JSON line: the answer, or the median seconds of a step and the peak memory in MiB."""
    given = name, options.k, options.batch, options.threads
    step, answer = fwdad_way(*given) if way == "fwdad" else torch_way(*given, vmapped=way == "torch.func, vmap")
    if task == "answer":
        print(json.dumps(answer()))
        return
    idle = peak()
    step(0)
    seconds = []
    for i in range(1, 1 + options.steps):
        start = time.perf_counter()
        step(i)
        seconds.append(time.perf_counter() - start)
    print(json.dumps([statistics.median(seconds), peak(), peak() - idle]))


def peak() -> float:
    """The largest resident set so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ask(way: str, name: str, task: str, arguments: list[str]) -> Any:
    command = [sys.executable, "-W", "ignore", __file__, *arguments, "--worker", way, name, task]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Compare the answers, then time, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet18", "vit"])
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2, help="timed steps in a round, after one to warm up")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker, options)
        return
    arguments = [f"--{n}={getattr(options, n)}" for n in ("k", "batch", "threads", "steps")]

    import torch

    import fwdad

    print(
        f"{platform.processor() or platform.machine()}, {options.threads} threads; fwdad {fwdad.__version__} "
        f"({fwdad.kernels.info()['isa']}), NumPy {np.__version__}, PyTorch {torch.__version__}"
    )
    print(f"batch {options.batch} of {SHAPE}, float32, training mode, k = {options.k}\n")
    print(f"{'model':10} {'way':17} {'s / step':>9} {'of fwdad':>9} {'peak MiB':>9} {'above idle':>11}   loss, apart")
    rows = []
    for name in options.models:
        answers = {way: ask(way, name, "answer", arguments) for way in WAYS}
        value, d = answers["fwdad"]
        apart = {
            way: max(abs(v - value) / abs(value), float(np.abs(np.subtract(e, d)).max() / np.abs(d).max()))
            for way, (v, e) in answers.items()
        }
        for way, difference in apart.items():
            if not difference <= TOLERANCE:
                raise SystemExit(
                    f"{name}: {way} gives another answer than fwdad: {answers[way]} and {answers['fwdad']}"
                )
        rounds = [{way: ask(way, name, "time", arguments) for way in WAYS} for _ in range(options.rounds)]
        best = {way: [min(r[way][j] for r in rounds) for j in range(3)] for way in WAYS}
        for way, (seconds, top, above) in best.items():
            ratio = seconds / best["fwdad"][0]
            print(
                f"{name:10} {way:17} {seconds:9.3f} {ratio:9.2f} {top:9.0f} {above:11.0f}   "
                f"{value:.4f}, {apart[way]:.1e}"
            )
            rows.append({"case": name, "who": way, "k": options.k, "ms": 1e3 * seconds, "mib": top})
    if options.json:
        options.json.write_text(json.dumps({"records": rows}), encoding="utf-8")


if __name__ == "__main__":
    main()
