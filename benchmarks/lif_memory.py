"""A layer of spiking units: memory and time of its exact gradient by one tangent, beside backpropagation through time.

    python benchmarks/lif_memory.py

500 units, 784 inputs that are the same in all T steps, 128 examples. Ours is a pass of `fwdad.nn.LIF` with one tangent
of ones, and its local gradient; the peer is the same layer in PyTorch, which keeps what each step did. Every T and
implementation is a process of its own, on one core; its memory is the highest resident size above that before the
first pass; its time is CPU time of a pass, the best of three. Both gradients are compared before anything is timed.
At T = 10,000 PyTorch takes about 15 GB.
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np

BATCH, INPUTS, UNITS, BETA, THETA = 128, 784, 500, 0.9, 1.0
STEPS = (10, 100, 1000, 10_000)


def problem():
    """Inputs, and the gradient of the loss by the counts."""
    random = np.random.default_rng(0)
    return random.random((BATCH, INPUTS), np.float32), random.standard_normal((BATCH, UNITS), np.float32) / BATCH


def ours(steps):
    """A function that gives the gradient of the weight."""
    from fwdad import nn
    from fwdad.dual import new_level
    from fwdad.perturbation.sites import Survey, layer_pass

    layer = nn.LIF(INPUTS, UNITS, steps=steps, beta=BETA, theta=THETA, seed=0)
    x, by_count = problem()

    def gradient():
        with layer_pass(Survey, layer, new_level()) as running:
            layer(x)
        return layer.local_gradient(x, by_count * running.sites[0].slope).weight

    return gradient


def torch(steps):
    """The same by backpropagation through time."""
    import torch

    from fwdad import nn

    layer = nn.LIF(INPUTS, UNITS, steps=steps, beta=BETA, theta=THETA, seed=0)
    x, by_count = map(torch.tensor, problem())
    weight, bias = torch.tensor(layer.weight, requires_grad=True), torch.tensor(layer.bias)
    torch.set_num_threads(1)

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u > 0).to(u.dtype)

        @staticmethod
        def backward(ctx, g):
            (u,) = ctx.saved_tensors
            return g / (1 + 25 * u.abs()) ** 2

    def gradient():
        flow = x @ weight + bias
        u = fired = count = torch.zeros_like(flow)
        for _ in range(steps):
            u = BETA * u + flow - THETA * fired.detach()
            fired = Spike.apply(u - THETA)
            count = count + fired
        return torch.autograd.grad((count * by_count).sum(), weight)[0].numpy()

    return gradient


def resident():
    """The highest resident size so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(who, steps):
    """Print what one process found."""
    gradient = {"fwdad": ours, "torch": torch}[who](steps)
    before = resident()
    answer, peak = gradient(), resident()
    times = []
    for _ in range(3):
        start = time.process_time()
        gradient()
        times.append(time.process_time() - start)
    norms = [float(np.linalg.norm(answer)), float(answer[3, 5])]
    print(json.dumps({"memory": peak - before, "seconds": min(times), "answer": norms}))


def main():
    """Measure all, and print a table."""
    print(f"{'T':>6}  {'fwdad MB':>9}  {'torch MB':>9}  {'fwdad ms':>9}  {'torch ms':>9}  {'ratio':>6}")
    for steps in STEPS:
        found = {}
        for who in ("fwdad", "torch"):
            command = [sys.executable, __file__, who, str(steps)]
            found[who] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        a, b = found["fwdad"], found["torch"]
        if not np.allclose(a["answer"], b["answer"], rtol=1e-3):
            raise SystemExit(f"T = {steps}: the gradients differ: {a['answer']} and {b['answer']}")
        numbers = [a["memory"], b["memory"], 1e3 * a["seconds"], 1e3 * b["seconds"]]
        shown = "  ".join(f"{number:>9.1f}" for number in numbers)
        print(f"{steps:>6}  {shown}  {b['seconds'] / a['seconds']:>6.1f}", flush=True)


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else main()
