"""Long sequences by exact online gradients, forward only: copying, adding, and MNIST pixel by pixel.

    python benchmarks/sequences.py copying --steps 1000
    python benchmarks/sequences.py adding --steps 400
    python benchmarks/sequences.py mnist --data-dir DIR

An `fwdad.nn.LRU` reads one step after the other; each gradient is carried forward beside the state, in memory that does
not depend on T.

copying   ten of eight symbols, T blanks, a sign, the ten symbols again. Chance is 1/8; done when a batch is recalled.
adding    T pairs (number from 0 to 1, mark); two are marked, and the answer is the sum of their numbers. The recurrence
          is linear, so beside a pair (v, m) it sees relu(v + m - 1), which is the number where there is a mark; its
          units begin as leaky integrators. Chance is an error of 0.167; done below 0.002.
mnist     784 pixels; what the layer says last goes through a small network, whose gradients are exact too: of its
          weights by units, of its input by one direction an entry.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

import fwdad
from fwdad import data, estimators, functions, nn, optim, tree

SYMBOLS, LENGTH, SAID = 8, 10, 64
SLOW = {"nu": 1e-2, "phase": 1e-3}  # after T steps a change of an eigenvalue shows T times


@dataclass
class Copying:
    """Inputs are one-hot, (B, T + 20, 10)."""

    steps: int
    inputs: int = SYMBOLS + 2
    outputs: int = SYMBOLS
    rate: float = 1e-2
    turn: float = 1
    score: str = "of the symbols recalled"

    def batch(self, random, count):
        """Draw inputs, and the answers at the last steps, (B, 10)."""
        symbols = random.integers(0, SYMBOLS, (count, LENGTH))
        entries = np.full((count, 2 * LENGTH + self.steps), SYMBOLS)
        entries[:, :LENGTH] = symbols
        entries[:, LENGTH + self.steps - 1] = SYMBOLS + 1
        return np.eye(self.inputs, dtype=np.float32)[entries], symbols

    def judge(self, y, answers):
        """Return dL/dy of the cross-entropy, and the share that is right."""
        error = functions.softmax(y)
        error[np.arange(len(y)), answers] -= 1
        return error, np.mean(np.argmax(y, axis=1) == answers)

    def done(self, score):
        """Whether all symbols were recalled."""
        return score == 1


@dataclass
class Adding:
    """Inputs are pairs and what is marked, (B, T, 3)."""

    steps: int
    inputs: int = 3
    outputs: int = 1
    rate: float = 1e-2
    turn: float = 0
    score: str = "squared error"

    def batch(self, random, count):
        """Draw inputs, and the sums, (B, 1)."""
        pairs = np.zeros((count, self.steps, 2), np.float32)
        pairs[..., 0] = random.random((count, self.steps))
        half = self.steps // 2
        for first in (0, half):
            pairs[np.arange(count), first + random.integers(0, half, count), 1] = 1
        marked = np.maximum(np.sum(pairs, axis=-1, keepdims=True) - 1, 0)
        return np.concatenate([pairs, marked], axis=-1), np.sum(marked, axis=1)

    def judge(self, y, answers):
        """Return dL/dy of half the squared error, and the mean squared error."""
        return y - answers[:, np.newaxis], np.mean((y[:, 0] - answers) ** 2)

    def done(self, score):
        """Whether the sums are known."""
        return score < 2e-3


class Pixels:
    """Inputs are pixels, (B, 784, 1); a network makes classes of what the layer says."""

    steps, inputs, outputs, rate, turn, score = 784, 1, SAID, 1e-3, 1, "of the digits right"

    def __init__(self, folder):
        digits = data.load("mnist", folder)
        low, high = np.min(digits.train.inputs), np.max(digits.train.inputs)
        self.parts = {
            name: ((part.inputs.reshape(-1, 784, 1) - low) / (high - low), part.targets)
            for name, part in (("train", digits.train), ("test", digits.test))
        }
        self.head = nn.MLP([SAID, 128, 10], seed=1)
        self.units = fwdad.ForwardGradient(estimators.Units())
        self.optimizer = optim.adam(self.rate)
        self.state = self.optimizer.init(self.head)

    def batch(self, random, count):
        """Draw images, and their labels, (B, 1)."""
        inputs, labels = self.parts["train"]
        chosen = random.integers(0, len(labels), count)
        return inputs[chosen], labels[chosen, np.newaxis]

    def judge(self, y, answers):
        """Return dL/dy by a direction for each entry of y, and the share that is right; the network learns."""
        head = self.head
        directions = np.broadcast_to(np.eye(SAID, dtype=y.dtype)[:, np.newaxis], (SAID, *y.shape))
        _, by_y = fwdad.jvp(lambda y: nn.cross_entropy(head(y), answers), (y,), (directions,))
        _, gradient = self.units(lambda m, y, answers: nn.cross_entropy(m(y), answers), head, y, answers)
        self.head, self.state = self.optimizer.step(gradient, self.state, head)
        return by_y.T, np.mean(np.argmax(head(y), axis=1) == answers)

    def done(self, score):
        """Whether all is right; it goes on to the last iteration."""
        return False

    def test(self, layer):
        """Return the test accuracy."""
        inputs, labels = self.parts["test"]
        right = 0
        for start in range(0, len(labels), 500):
            online, part = layer.online(len(labels[start : start + 500])), inputs[start : start + 500]
            for t in range(784):
                y = online.step(part[:, t])
            right += np.sum(np.argmax(self.head(y), axis=1) == labels[start : start + 500])
        return right / len(labels)


def pass_by(layer, task, inputs, answers):
    """The gradient of the mean loss over a batch, answers (B, n) at the last n steps, and the mean score."""
    online, scores, begin = layer.online(len(inputs)), [], inputs.shape[1] - answers.shape[1]
    for t in range(inputs.shape[1]):
        y = online.step(inputs[:, t])
        if t >= begin:
            g, score = task.judge(y, answers[:, t - begin])
            online.credit(g / answers.size)
            scores.append(score)
    return online.gradient, np.mean(scores)


def main():
    """Train until the task is done, or for so many iterations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("copying", "adding", "mnist"))
    parser.add_argument("--steps", type=int, default=1000, help="T, of copying and adding")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--most", type=int, default=1000, help="iterations")
    parser.add_argument("--data-dir", help="of MNIST's files")
    settings = parser.parse_args()
    makers = {"copying": Copying, "adding": Adding, "mnist": lambda steps: Pixels(settings.data_dir)}
    task, random = makers[settings.task](settings.steps), np.random.default_rng(0)
    radii = (1 - 1 / task.steps, 1 - 0.1 / task.steps)
    layer = nn.LRU(task.inputs, settings.units, task.outputs, radii=radii, seed=0)
    layer.phase *= task.turn
    optimizer = optim.adam(task.rate)
    state, start = optimizer.init(layer), time.process_time()
    for iteration in range(1, settings.most + 1):
        gradient, score = pass_by(layer, task, *task.batch(random, settings.batch))
        updates, state = optimizer.update(gradient, state, layer)
        for name, factor in SLOW.items():
            setattr(updates, name, tree.map(lambda u, factor=factor: factor * u, getattr(updates, name)))
        layer = optim.apply_updates(layer, updates)
        if iteration % 10 == 0 or task.done(score):
            seconds = time.process_time() - start
            print(f"iteration {iteration}: {score:.4f} {task.score}, {seconds:.1f} s of one core", flush=True)
        if task.done(score):
            break
    if isinstance(task, Pixels):
        print(f"test accuracy {task.test(layer):.4f}")


if __name__ == "__main__":
    main()
