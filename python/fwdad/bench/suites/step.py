"""A training step by weight perturbation: k normal directions, their derivatives, the exact projection, SGD.

Everyone but fwdad makes the projection from the Gram matrix, layer by layer, which is much faster than QR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import fwdad
from fwdad import estimators, nn, optim, tangents, tree
from fwdad.bench import peers, target
from fwdad.bench.benchmark import Work, normals, register
from fwdad.bench.task import Task, relative_error

Arrays = list[np.ndarray]

BATCH, RATE = 64, 1e-3


class Network(NamedTuple):
    """A classifier of 784 inputs, two hidden layers of w units with relu, 10 classes, and a batch of 64."""

    params: Arrays  # weight, bias, weight, bias, ...
    x: np.ndarray
    labels: np.ndarray


def network(w: int) -> Network:
    """Return parameters by He, and random examples that move no unit so near to relu's kink that rounding decides."""
    sizes = (784, w, w, 10)
    params: Arrays = []
    for i in range(3):
        weight = normals(i, *sizes[i : i + 2]) * np.float32(np.sqrt(2 / sizes[i]))
        params += [weight, np.zeros(sizes[i + 1], np.float32)]
    x = normals(3, 2 * BATCH, 784)
    nearest = np.minimum(*(np.abs(z).min(axis=1) for z in hidden(params, x)))
    return Network(params, x[nearest > 1e-5][:BATCH], np.arange(BATCH) % 10)


def hidden(params: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the units of both hidden layers hold before relu, in float64."""
    w1, b1, w2, b2 = (p.astype(np.float64) for p in params[:4])
    z1 = x @ w1 + b1
    return z1, np.maximum(z1, 0) @ w2 + b2


def gradient(net: Network) -> Arrays:
    """Return the gradient of the mean cross-entropy, by backpropagation in float64."""
    w2, w3, b3 = (p.astype(np.float64) for p in (net.params[2], *net.params[4:]))
    x = net.x.astype(np.float64)
    h1, h2 = (np.maximum(z, 0) for z in hidden(net.params, x))
    z = h2 @ w3 + b3
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(BATCH), net.labels] -= 1
    g3 = p / BATCH
    g2 = (g3 @ w3.T) * (h2 > 0)
    g1 = (g2 @ w2.T) * (h1 > 0)
    return [x.T @ g1, g1.sum(axis=0), h1.T @ g2, g2.sum(axis=0), h2.T @ g3, g3.sum(axis=0)]


def projection(directions: Sequence[np.ndarray], g: Arrays) -> Arrays:
    """Return the projection of g on the span of directions, one array (k, *shape) a parameter, in float64."""
    k = directions[0].shape[0]
    gram, d = np.zeros((k, k)), np.zeros(k)
    for v, part in zip(directions, g, strict=True):
        flat = v.reshape(k, -1).astype(np.float64)
        gram += flat @ flat.T
        d += flat @ part.ravel()
    c = np.linalg.solve(gram, d)
    return [np.tensordot(c, v.astype(np.float64), 1) for v in directions]


def stepping(
    w: int,
    restart: Callable[[], Any],
    advance: Callable[[float], Any],
    params: Callable[[], Arrays],
    directions: Callable[[], Arrays] | None,
) -> Task:
    """Return the task of doing one step after the other.

    Parameters
    ----------
    w : int
        Width of the network.
    restart : function
        Goes back to the first parameters.
    advance : function
        Does one step at a rate.
    params : function
        Gives the parameters now.
    directions : function or None
        Gives those of the first step; None for a step along the gradient itself.
    """

    def check(_: Any) -> float:
        net, rate = network(w), 1e4  # a rate at which rounding of the parameters does not count
        restart()
        advance(rate)
        moved = [(new - old.astype(np.float64)) / -rate for new, old in zip(params(), net.params, strict=True)]
        truth = gradient(net) if directions is None else projection(directions(), gradient(net))
        restart()
        return relative_error(*(np.concatenate([part.ravel() for part in parts]) for parts in (moved, truth)))

    restart()
    return Task(lambda: advance(RATE), check, 1e-4)


def hosted(arrays: Iterable[Any]) -> Arrays:
    """Return arrays of any library as NumPy's."""
    return [target.on_host(array) for array in arrays]


def ours(w: int, k: int) -> Task:
    """Call ForwardGradient with normal directions and the global projection, then SGD."""
    net = network(w)
    x, labels = target.send(net.x), target.send(net.labels)
    sampler = estimators.Normal(k=k, seed=0)
    state: dict[str, Any] = {}

    def restart() -> None:
        params = [target.send(p.copy()) for p in net.params]
        state["model"] = tree.unflatten(tree.flatten(nn.MLP((784, w, w, 10)))[1], params)
        state["fg"] = fwdad.ForwardGradient(sampler, estimators.Projection(), perturb="weight")
        state["optimizer"] = optim.sgd(RATE).init(state["model"])

    def loss(model: Any, x: Any, labels: Any) -> Any:
        return nn.cross_entropy(model(x), labels)

    def advance(rate: float) -> None:
        _, grads = state["fg"](loss, state["model"], x, labels)
        state["model"], state["optimizer"] = optim.sgd(rate).step(grads, state["optimizer"], state["model"])

    def directions() -> Arrays:
        return [tangents.as_dense(part) for part in sampler.directions(net.params, step=0).parts]

    return stepping(w, restart, advance, lambda: hosted(tree.leaves(state["model"])), directions)


def by_numpy(w: int, k: int) -> Task:
    """Compute the tangents of the network by hand: NumPy differentiates nothing."""
    net = network(w)
    x, each, labels = (target.send(array) for array in (net.x, np.arange(BATCH), net.labels))
    state: dict[str, Any] = {}

    def restart() -> None:
        state.update(params=[target.send(p) for p in net.params], random=target.generator())

    def advance(rate: float) -> None:
        params = state["params"]
        v = [state["random"].standard_normal((k, *p.shape), dtype=np.float32) for p in params]
        w1, b1, w2, b2, w3, b3 = params
        z1 = x @ w1 + b1
        h1, dh1 = np.maximum(z1, 0), (z1 > 0) * (x @ v[0] + v[1][:, None])
        z2 = h1 @ w2 + b2
        h2, dh2 = np.maximum(z2, 0), (z2 > 0) * (dh1 @ w2 + h1 @ v[2] + v[3][:, None])
        z3, dz3 = h2 @ w3 + b3, dh2 @ w3 + h2 @ v[4] + v[5][:, None]
        p = np.exp(z3 - z3.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[each, labels] -= 1
        d = np.sum(p * dz3, axis=(1, 2)) / BATCH
        flat = [part.reshape(k, -1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = np.linalg.solve(gram, d)
        state["params"] = [p - rate * (c @ part).reshape(p.shape) for p, part in zip(params, flat, strict=True)]
        state["directions"] = v

    return stepping(w, restart, advance, lambda: hosted(state["params"]), lambda: hosted(state["directions"]))


def torch_loss(torch: Any, params: Any, x: Any, labels: Any) -> Any:
    """Return the mean loss."""
    w1, b1, w2, b2, w3, b3 = params
    h = torch.relu(torch.addmm(b1, x, w1))
    h = torch.relu(torch.addmm(b2, h, w2))
    return torch.nn.functional.cross_entropy(torch.addmm(b3, h, w3), labels)


def by_torch(derivatives: Callable[[Any, Any, Any, Any], Any], w: int, k: int) -> Task:
    """Sample, differentiate, project, update in place; `derivatives` gives d (k,) for the directions."""
    torch, net = peers.torch(), network(w)
    x, labels = (torch.tensor(array, device=target.name()) for array in (net.x, net.labels))
    state: dict[str, Any] = {}

    def restart() -> None:
        state["params"] = [torch.tensor(p, device=target.name()) for p in net.params]

    def advance(rate: float) -> None:
        params = state["params"]
        v = [torch.randn((k, *p.shape), device=target.name()) for p in params]
        d = derivatives(torch, lambda *p: torch_loss(torch, p, x, labels), params, v)
        flat = [part.flatten(1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = torch.linalg.solve(gram, d)
        for p, part in zip(params, flat, strict=True):
            p.sub_((c @ part).view_as(p), alpha=rate)
        state["directions"] = v

    return stepping(w, restart, advance, lambda: hosted(state["params"]), lambda: hosted(state["directions"]))


def by_vmap(torch: Any, loss: Any, params: Any, v: Any) -> Any:
    """Call vmap of jvp; for one direction jvp alone, which is faster."""
    jvp, vmap = torch.func.jvp, torch.func.vmap
    if len(v[0]) == 1:
        return jvp(loss, tuple(params), tuple(part[0] for part in v))[1].reshape(1)
    return vmap(lambda *parts: jvp(loss, tuple(params), parts)[1])(*v)


def by_loop(torch: Any, loss: Any, params: Any, v: Any) -> Any:
    """Call one pass a direction."""
    forward_ad = torch.autograd.forward_ad
    found = []
    for i in range(len(v[0])):
        with forward_ad.dual_level():
            duals = [forward_ad.make_dual(p, part[i]) for p, part in zip(params, v, strict=True)]
            found.append(forward_ad.unpack_dual(loss(*duals)).tangent)
    return torch.stack(found)


def torch_backprop(w: int, k: int) -> Task:
    """Compute the gradient by autograd, update in place; there is no k."""
    torch, net = peers.torch(), network(w)
    x, labels = (torch.tensor(array, device=target.name()) for array in (net.x, net.labels))
    state: dict[str, Any] = {}

    def restart() -> None:
        state["params"] = [torch.tensor(p, device=target.name(), requires_grad=True) for p in net.params]

    def advance(rate: float) -> None:
        grads = torch.autograd.grad(torch_loss(torch, state["params"], x, labels), state["params"])
        with torch.no_grad():
            for p, g in zip(state["params"], grads, strict=True):
                p.sub_(g, alpha=rate)

    return stepping(w, restart, advance, lambda: hosted(p.detach() for p in state["params"]), None)


def jax_loss(params: Any, x: Any, labels: Any) -> Any:
    """Return the mean loss."""
    jax = peers.jax()
    w1, b1, w2, b2, w3, b3 = params
    h = jax.nn.relu(x @ w1 + b1)
    h = jax.nn.relu(h @ w2 + b2)
    logits = jax.nn.log_softmax(h @ w3 + b3)
    return -jax.numpy.mean(jax.numpy.take_along_axis(logits, labels[:, None], axis=1))


def by_jax(w: int, k: int) -> Task:
    """Sample, differentiate, project and update in one compiled function that reuses the parameters' memory."""
    jax, net = peers.jax(), network(w)
    x, labels = jax.numpy.asarray(net.x), jax.numpy.asarray(net.labels)
    state: dict[str, Any] = {}

    def sample(params: Any, key: Any) -> list[Any]:
        keys = jax.random.split(key, len(params))
        return [jax.random.normal(own, (k, *p.shape)) for own, p in zip(keys, params, strict=True)]

    def restart() -> None:
        state.update(params=[jax.numpy.array(p) for p in net.params], key=jax.random.key(0))

    def along(params: Any, v: Any) -> Any:
        return jax.jvp(lambda p: jax_loss(p, x, labels), (params,), (v,))[1]

    def one(params: Any, key: Any, rate: Any) -> Any:
        draw, key = jax.random.split(key)
        v = sample(params, draw)
        # vmap over a single direction would only make its products slower
        d = along(params, [part[0] for part in v])[None] if k == 1 else jax.vmap(lambda t: along(params, t))(v)
        flat = [part.reshape(k, -1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = jax.scipy.linalg.solve(gram, d, assume_a="pos")
        return [p - rate * (c @ part).reshape(p.shape) for p, part in zip(params, flat, strict=True)], key

    compiled = jax.jit(one, donate_argnums=0)

    def advance(rate: float) -> None:
        state["params"], state["key"] = jax.block_until_ready(compiled(state["params"], state["key"], rate))

    def directions() -> Arrays:
        draw, _ = jax.random.split(jax.random.key(0))
        return [np.asarray(v) for v in sample(net.params, draw)]

    return stepping(w, restart, advance, lambda: hosted(state["params"]), directions)


def jax_backprop(w: int, k: int) -> Task:
    """Compute the gradient by reverse mode and the update, compiled as one; there is no k."""
    jax, net = peers.jax(), network(w)
    x, labels = jax.numpy.asarray(net.x), jax.numpy.asarray(net.labels)
    state: dict[str, Any] = {}

    def restart() -> None:
        state["params"] = [jax.numpy.array(p) for p in net.params]

    def one(params: Any, rate: Any) -> Any:
        grads = jax.grad(lambda p: jax_loss(p, x, labels))(params)
        return [p - rate * g for p, g in zip(params, grads, strict=True)]

    compiled = jax.jit(one, donate_argnums=0)

    def advance(rate: float) -> None:
        state["params"] = jax.block_until_ready(compiled(state["params"], rate))

    return stepping(w, restart, advance, lambda: hosted(state["params"]), None)


def work(w: int, k: int) -> Work:
    """Return the products of the network and its tangents: a fast step hides sampling, projecting and updating."""
    return Work(2.0 * BATCH * (784 * w * (1 + k) + (w + 10) * w * (1 + 2 * k)))


def alone(w: int, k: int) -> bool:
    """Whether backpropagation is measured: it has no k, so beside one tangent alone."""
    return k == 1


register(
    "step",
    sizes=[],
    small={"w": 8, "k": 3},
    work=work,
    tasks={
        "fwdad": ours,
        "torch": partial(by_torch, by_vmap),
        "torch-loop": partial(by_torch, by_loop),
        "jax": by_jax,
        "numpy": by_numpy,
        "torch-backprop": torch_backprop,
        "jax-backprop": jax_backprop,
    },
    only={"torch-backprop": alone, "jax-backprop": alone},
)
