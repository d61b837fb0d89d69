"""A layer of one's own: a product of two thin matrices, in place of a large one.

A layer is a `Module` that asks for its `site`, adds the bias that moves, and knows its parameters' gradients from its
own input: `local_gradient`. It knows nothing else of how it is trained; `check_layer` checks it against differences.
What happens at a site is told in docs/how-it-works.md, under "With activity perturbation".
Here it is the first layer of a network for digits, which is trained by forward gradients, and needs fewer numbers
than `nn.Linear`.
"""

import numpy as np

import fwdad
from fwdad import data, estimators, nn, optim
from fwdad.perturbation import site
from fwdad.testing import check_layer


class ThinLinear(nn.Module):
    """``y = x a b + bias``: x (B, n), a (n, rank), b (rank, m)."""

    a: np.ndarray
    b: np.ndarray
    bias: np.ndarray

    def __init__(self, n, m, rank, seed, dtype=np.float32):
        rng = np.random.default_rng(seed)
        self.a = (rng.standard_normal((n, rank)) / np.sqrt(n)).astype(dtype)
        self.b = (rng.standard_normal((rank, m)) / np.sqrt(rank)).astype(dtype)
        self.bias = np.zeros(m, dtype)

    def __call__(self, x):
        """Return y."""
        here = site(self, x, (*x.shape[:-1], self.b.shape[1]), self.bias.dtype)
        return here.settled(x @ self.a @ self.b + here.moved(self.bias))

    def local_gradient(self, x, g):
        """Return the parameters' gradients from g = dL/dy."""
        gradient = object.__new__(ThinLinear)
        gradient.a, gradient.b, gradient.bias = x.T @ (g @ self.b.T), (x @ self.a).T @ g, np.sum(g, axis=0)
        return gradient


class Network(nn.Module):
    """A thin layer, tanh, and a linear one."""

    first: ThinLinear
    last: nn.Linear

    def __init__(self):
        self.first, self.last = ThinLinear(64, 64, rank=12, seed=0), nn.Linear(64, 10, seed=1)

    def __call__(self, x):
        """Return scores of the classes."""
        return self.last(np.tanh(self.first(x)))


rng = np.random.default_rng(0)
check_layer(ThinLinear(5, 4, rank=2, seed=0, dtype=np.float64), rng.standard_normal((3, 5)))
digits = data.load("digits")
x, y = digits.train.inputs, digits.train.targets
model, optimizer = Network(), optim.adam(5e-3)
state = optimizer.init(model)
fg = fwdad.ForwardGradient(estimators.Normal(k=16, seed=0), estimators.Projection(), perturb="activity")
for _ in range(600):
    rows = rng.integers(0, len(x), 64)
    loss, grads = fg(lambda model, x, y: nn.cross_entropy(model(x), y), model, x[rows], y[rows])
    model, state = optimizer.step(grads, state, model)

accuracy = np.mean(np.argmax(model(digits.test.inputs), axis=1) == digits.test.targets)
thin = sum(p.size for p in (model.first.a, model.first.b, model.first.bias))
print(f"the thin layer has {thin} numbers, a Linear would have {64 * 64 + 64}")
print(f"accuracy on {len(digits.test.targets)} digits that it has not seen: {accuracy:.1%}")
assert accuracy > 0.9
