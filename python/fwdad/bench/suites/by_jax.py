"""JAX's part: every task compiled as a whole; each call waits for its answer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fwdad.bench import place
from fwdad.bench.suites import problems
from fwdad.bench.task import Task, relative_error

jax.config.update("jax_platforms", "cpu" if place.name() == "cpu" else "cuda")
jax.config.update("jax_default_matmul_precision", "highest")  # on devices JAX would round float32 factors to tf32


def forward(params: Any, x: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean loss."""
    w1, b1, w2, b2, w3, b3 = params
    h = jax.nn.relu(x @ w1 + b1)
    h = jax.nn.relu(h @ w2 + b2)
    logits = jax.nn.log_softmax(h @ w3 + b3)
    return -jnp.mean(jnp.take_along_axis(logits, labels[:, None], axis=1))


def sample(params: Any, key: jax.Array, k: int) -> list[jax.Array]:
    """k normal directions a parameter."""
    keys = jax.random.split(key, len(params))
    return [jax.random.normal(own, (k, *p.shape)) for own, p in zip(keys, params, strict=True)]


def step(w: int, k: int) -> Task:
    """Sample, differentiate, project and update in one compiled function that reuses the parameters' memory."""
    net = problems.network(w)
    x, labels = jnp.asarray(net.x), jnp.asarray(net.labels)
    state: dict[str, Any] = {}

    def restart() -> None:
        state.update(params=[jnp.array(p) for p in net.params], key=jax.random.key(0))

    def along(params: Any, v: Any) -> jax.Array:
        return jax.jvp(lambda p: forward(p, x, labels), (params,), (v,))[1]

    def one(params: Any, key: jax.Array, rate: jax.Array) -> Any:
        draw, key = jax.random.split(key)
        v = sample(params, draw, k)
        # vmap over a single direction would only make its products slower
        d = along(params, [part[0] for part in v])[None] if k == 1 else jax.vmap(lambda t: along(params, t))(v)
        flat = [part.reshape(k, -1) for part in v]
        gram = sum((part @ part.T for part in flat[1:]), flat[0] @ flat[0].T)
        c = jax.scipy.linalg.solve(gram, d, assume_a="pos")
        return [p - rate * (c @ part).reshape(p.shape) for p, part in zip(params, flat, strict=True)], key

    compiled = jax.jit(one, donate_argnums=0)

    def advance(rate: float) -> None:
        state["params"], state["key"] = jax.block_until_ready(compiled(state["params"], state["key"], rate))

    def directions() -> list[np.ndarray]:
        draw, _ = jax.random.split(jax.random.key(0))
        return [np.asarray(v) for v in sample(net.params, draw, k)]

    def check(_: Any) -> float:
        restart()
        error = problems.step_error(advance, lambda: [np.asarray(p) for p in state["params"]], directions, w)
        restart()
        return error

    restart()
    return Task(lambda: advance(problems.RATE), check, 1e-4)


def backprop(w: int, k: int) -> Task:
    """The gradient by reverse mode and the update, compiled as one; there is no k."""
    net = problems.network(w)
    x, labels = jnp.asarray(net.x), jnp.asarray(net.labels)
    state: dict[str, Any] = {"params": [jnp.array(p) for p in net.params]}

    def one(params: Any, rate: jax.Array) -> Any:
        grads = jax.grad(lambda p: forward(p, x, labels))(params)
        return [p - rate * g for p, g in zip(params, grads, strict=True)]

    compiled = jax.jit(one, donate_argnums=0)

    def advance(rate: float) -> None:
        state["params"] = jax.block_until_ready(compiled(state["params"], rate))

    def check(_: Any) -> float:
        state["params"] = [jnp.array(p) for p in net.params]
        error = problems.step_error(advance, lambda: [np.asarray(p) for p in state["params"]], None, w)
        state["params"] = [jnp.array(p) for p in net.params]
        return error

    return Task(lambda: advance(problems.RATE), check, 1e-4)


def drawn_product(m: int, depth: int, n: int, k: int) -> Task:
    """random.normal and matmul, compiled as one."""
    x = jnp.asarray(problems.normals(0, m, depth))
    state = {"key": jax.random.key(0)}

    def one(key: jax.Array) -> Any:
        draw, key = jax.random.split(key)
        dw = jax.random.normal(draw, (k, depth, n))
        return key, draw, jnp.matmul(x, dw)

    compiled = jax.jit(one)

    def call() -> Any:
        state["key"], draw, product = jax.block_until_ready(compiled(state["key"]))
        return draw, product

    def check(answer: Any) -> float:
        dw = np.asarray(jax.random.normal(answer[0], (k, depth, n)))
        return relative_error(answer[1], np.asarray(x, np.float64) @ dw)

    return Task(call, check, 1e-6)


def generate(n: int) -> Task:
    """random.normal, compiled."""
    draw = jax.jit(lambda key: jax.random.normal(key, (n,)))
    key = jax.random.key(0)
    return Task(lambda: draw(key).block_until_ready(), problems.moments_error, 3e-3)


TASKS = {
    ("jax", "step"): step,
    ("jax-backprop", "step"): backprop,
    ("jax", "normals + product"): drawn_product,
    ("jax", "normals"): generate,
}
