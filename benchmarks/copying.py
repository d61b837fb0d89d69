"""The copying task by exact online gradients: ten symbols, T blanks, a sign, and the ten symbols again.

    python benchmarks/copying.py --steps 1000

An `fwdad.nn.LRU` reads one step after the other; each gradient is carried forward beside the state, in memory that does
not depend on T. The loss is the cross-entropy at the ten steps of recall. Symbols are eight, so that chance is 1/8.
Adam moves the eigenvalues slowly: after T steps a change of theirs shows T times.
"""

import argparse
import time

import numpy as np

from fwdad import nn, optim, tree

SYMBOLS, LENGTH = 8, 10
SLOW = {"nu": 1e-2, "phase": 1e-3}


def sequences(random, count, steps):
    """One-hot inputs (count, LENGTH + steps + LENGTH, SYMBOLS + 2), and the symbols (count, LENGTH)."""
    symbols = random.integers(0, SYMBOLS, (count, LENGTH))
    entries = np.full((count, 2 * LENGTH + steps), SYMBOLS)
    entries[:, :LENGTH] = symbols
    entries[:, LENGTH + steps - 1] = SYMBOLS + 1
    return np.eye(SYMBOLS + 2, dtype=np.float32)[entries], symbols


def pass_by(layer, inputs, symbols):
    """The gradient of the mean cross-entropy, and the share of symbols that are recalled."""
    online, begin, right = layer.online(len(inputs)), inputs.shape[1] - LENGTH, 0
    for t in range(inputs.shape[1]):
        y = online.step(inputs[:, t])
        if t >= begin:
            labels = symbols[:, t - begin]
            p = np.exp(y - y.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            right += np.sum(np.argmax(p, axis=1) == labels)
            p[np.arange(len(p)), labels] -= 1
            online.credit(p / symbols.size)
    return online.gradient, right / symbols.size


def main():
    """Train until all symbols of a batch of new sequences are recalled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000, help="T")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--most", type=int, default=1000, help="iterations")
    settings = parser.parse_args()
    random = np.random.default_rng(0)
    layer = nn.LRU(
        SYMBOLS + 2, settings.units, SYMBOLS, radii=(1 - 1 / settings.steps, 1 - 0.1 / settings.steps), seed=0
    )
    optimizer = optim.adam(settings.rate)
    state, start = optimizer.init(layer), time.process_time()
    for iteration in range(1, settings.most + 1):
        gradient, share = pass_by(layer, *sequences(random, settings.batch, settings.steps))
        updates, state = optimizer.update(gradient, state, layer)
        for name, factor in SLOW.items():
            setattr(updates, name, tree.map(lambda u, factor=factor: factor * u, getattr(updates, name)))
        layer = optim.apply_updates(layer, updates)
        if iteration % 10 == 0 or share == 1:
            print(
                f"iteration {iteration}: {share:.4f} recalled, {time.process_time() - start:.1f} s of one core",
                flush=True,
            )
        if share == 1:
            break


if __name__ == "__main__":
    main()
