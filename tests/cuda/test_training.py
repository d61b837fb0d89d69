"""Training through the CUDA backend's Python path, with its kernels run on the host: the CPU's numbers, to rounding."""

import copy
import dataclasses
import operator
import sys
import types

import numpy as np
import pytest

import fwdad
from fwdad import estimators, kernels, nn, optim, perturbation, tree
from fwdad.kernels import device, dispatch, policy
from fwdad.perturbation import Activities
from fwdad.train import Learner, TrainConfig, Trainer

X = np.random.default_rng(0).standard_normal((32, 20)).astype(np.float32)
Y = np.arange(32) % 5


def steps(where, sampler, combiner, perturb, activation="tanh", count=3, model=None, x=X, y=Y):
    """Losses and model after a few steps of Adam."""
    x, y = (kernels.to_device(a, where) for a in (x, y))
    model, optimizer = (model or nn.MLP((20, 24, 5), activation=activation)).to(where), optim.adam(1e-2)
    state = optimizer.init(model)
    perturb = Activities("batch") if perturb == "batch" else perturb
    fg = fwdad.ForwardGradient(copy.deepcopy(sampler), combiner, perturb)  # some have a state
    losses = []
    for _ in range(count):
        loss, gradient = fg(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, y)
        updates, state = optimizer.update(gradient, state, model)
        model = optim.apply_updates(model, updates)
        losses.append(loss)
    return losses, model


@pytest.mark.parametrize("perturb", ["activity", "weight"])
@pytest.mark.parametrize("sampler", [estimators.Rademacher(k=6, seed=3), estimators.Normal(k=6, seed=3)], ids=str)
@pytest.mark.parametrize("combiner", [estimators.Projection(), estimators.Mean()], ids=str)
def test_steps_equal_the_cpus(cuda_on_host, perturb, sampler, combiner):
    losses, model = steps("cuda", sampler, combiner, perturb)
    expected_losses, expected_model = steps("cpu", sampler, combiner, perturb)
    assert losses == pytest.approx(expected_losses, rel=2e-6)
    for leaf, expected in zip(tree.leaves(model), tree.leaves(expected_model), strict=True):
        assert kernels.device_of(leaf) == "cuda:0"
        np.testing.assert_allclose(leaf.get(), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("angle", [15, 1])
def test_the_projection_on_a_large_cone(cuda_on_host, angle):
    """The two ways to mend a Gram matrix that is not exact."""
    v = estimators.FixedAngle(8, seed=1, angle=angle).directions([np.zeros((128, 128), np.float32)], 0).parts[0]
    d = np.linspace(1.0, 2.0, 8)
    (expected,) = estimators.Projection().gradient(d, perturbation.Directions([v]))
    (found,) = estimators.Projection().gradient(
        kernels.to_device(d, "cuda"), perturbation.Directions([kernels.to_device(v, "cuda")])
    )
    assert kernels.device_of(found) == "cuda:0"
    assert np.linalg.norm(found.get() - expected) <= 3e-7 * np.linalg.norm(expected)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "softplus", "sigmoid"])
def test_every_activation_and_shared_noise(cuda_on_host, activation):
    arguments = estimators.Rademacher(k=6), estimators.Projection(), "batch", activation
    losses, _ = steps("cuda", *arguments)
    assert losses == pytest.approx(steps("cpu", *arguments)[0], rel=2e-6)


def test_a_run_of_the_trainer(cuda_on_host, tmp_path):
    """fwdad train --device cuda: metrics, checkpoint and resume; metrics equal the CPU's to float32 rounding."""
    config = TrainConfig(hidden=(16,), tangents=4, epochs=2, batch_size=256, seed=5)
    results = {}
    for where in ("cpu", "cuda"):
        trainer = Trainer.new(dataclasses.replace(config, device=where), tmp_path / where)
        results[where] = trainer.run()
        results[where, "rows"] = trainer.progress.rows
    for given, expected in zip(results["cuda", "rows"], results["cpu", "rows"], strict=True):
        assert given == pytest.approx(expected, rel=2e-5)
    assert results["cuda"]["test_accuracy"] == results["cpu"]["test_accuracy"]
    again = Trainer.resume(tmp_path / "cuda")
    assert again.finished
    for leaf in tree.leaves(again.model):
        assert kernels.device_of(leaf) == "cuda:0"


def test_only_functions_that_cupy_has_are_called(cuda_on_host):
    """What a step calls through NumPy's protocols; all of it is in CuPy 14 under the same name."""
    cuda_on_host.calls.clear()
    steps("cuda", estimators.Rademacher(k=6), estimators.Projection(), "activity", activation="relu")
    assert cuda_on_host.calls <= {
        "add", "all", "any", "argmax", "broadcast_to", "divide", "equal", "exp", "greater", "greater_equal", "isfinite",
        "isinf", "less", "log", "logical_and", "max", "maximum", "mean", "minimum", "moveaxis", "multiply", "ndim",
        "negative", "ones_like", "reshape", "shape", "sqrt", "squeeze", "stack", "subtract", "sum", "transpose",
        "where", "zeros_like",
    }  # fmt: skip


COMBINERS = [
    estimators.Sum(), estimators.MeanTimesDimension(), estimators.Max(), estimators.MaxNormalised(),
    estimators.MeanOfNearBest(), estimators.Mean(corrected=True), estimators.Projection(corrected=True),
]  # fmt: skip
SAMPLERS = [
    estimators.Normalised(k=6, seed=3), estimators.StandardBasis(k=6, seed=3), estimators.Haar(k=6, seed=3),
    estimators.Orthogonal(k=6, seed=3), estimators.FixedAngle(k=6, seed=3),
    estimators.Mixed(estimators.Previous(), estimators.Normal(k=5, seed=3)),
]  # fmt: skip


PAIRS = [
    *((estimators.Normal(k=6, seed=3), combiner) for combiner in COMBINERS),
    *((sampler, estimators.Projection()) for sampler in SAMPLERS),
    # Fewer directions than a layer has units: more would leave it to rounding which of them explain the derivatives.
    (estimators.Normal(k=3, seed=3), estimators.Projection(scope="tensor")),
    (estimators.Normalised(k=6, seed=3), estimators.MeanTimesDimension()),
]


@pytest.mark.parametrize("perturb", ["weight", "activity", "batch"])
@pytest.mark.parametrize(("sampler", "combiner"), PAIRS, ids=lambda value: type(value).__name__)
def test_all_combiners_and_samplers(cuda_on_host, sampler, combiner, perturb):
    """A step gives the CPU's, and moves no array between host and device that it does not have to."""
    copies = []
    for count in (1, 2):  # the model, x and y came first, and the first step looks for derivatives that would be lost
        cuda_on_host.copies.clear()
        losses, model = steps("cuda", sampler, combiner, perturb, count=count)
        copies.append(len(cuda_on_host.copies))
    assert copies[1] == copies[0] + 1 or sampler.joint or combiner.corrected  # the loss
    expected_losses, expected_model = steps("cpu", sampler, combiner, perturb, count=2)
    assert losses == pytest.approx(expected_losses, rel=2e-6)
    for leaf, expected in zip(tree.leaves(model), tree.leaves(expected_model), strict=True):
        np.testing.assert_allclose(leaf.get(), expected, rtol=0, atol=2e-5)


WAITING = {
    "activity": (estimators.Normal(k=6, seed=3), "activity"),
    "weight": (estimators.Normal(k=6, seed=3), "weight"),
    "batch": (estimators.Rademacher(k=6, seed=3), Activities("batch")),
}


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("optimizer", [optim.adam(1e-2), optim.sgd(1e-2, momentum=0.9)], ids=["adam", "sgd"])
@pytest.mark.parametrize("name", WAITING)
def test_the_host_waits_once_a_step(cuda_on_host, name, optimizer, activation):
    """For the loss; with it comes what had been assumed."""
    sampler, perturb = WAITING[name]
    x, y = (kernels.to_device(a, "cuda") for a in (X, Y))
    fg = fwdad.ForwardGradient(sampler, estimators.Projection(), perturb)
    model = nn.MLP((20, 24, 24, 5), activation=activation, seed=0).to("cuda")
    learner = Learner(model, lambda m, x, y: nn.cross_entropy(m(x), y), fg, optimizer)
    for step in range(3):  # the first looks for derivatives that would be lost
        cuda_on_host.waits.clear()
        learner.step(step, x, y)
    assert cuda_on_host.waits == ["get"]


@pytest.mark.parametrize("perturb", ["activity", "weight"])
def test_what_was_assumed_is_looked_at(cuda_on_host, perturb):
    """A label out of range is an error, and an infinite loss has the CPU's derivatives."""
    fg = fwdad.ForwardGradient(estimators.Normal(k=6, seed=3), perturb=perturb)
    model = nn.MLP((20, 24, 5), seed=0)
    there = [kernels.to_device(a, "cuda") for a in (X, Y + 3)]
    for smoothing in (0, 0.1):  # with it, labels are also an index
        with pytest.raises(ValueError, match=r"labels must lie in 0\.\.4; got 3\.\.7"):
            fg(lambda m, x, y, s=smoothing: nn.cross_entropy(m(x), y, s), model.to("cuda"), *there)
    shift = np.where(X[:, :5] > 2, np.inf, 0).astype(np.float32)
    answers = []
    for where in ("cuda", "cpu"):
        fg.step = 0
        batch = (kernels.to_device(a, where) for a in (X, Y, shift))
        with np.errstate(invalid="ignore"):
            value, gradient = fg(lambda m, x, y, shift: nn.cross_entropy(m(x) + shift, y), model.to(where), *batch)
        answers.append((value, [kernels.to_device(leaf, "cpu") for leaf in tree.leaves(gradient)]))
    assert not np.isfinite(answers[0][0])
    np.testing.assert_equal(answers[0][0], answers[1][0])
    for mine, expected in zip(*(answer[1] for answer in answers), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-5, atol=1e-6)


def test_a_report(cuda_on_host):
    reports = []
    for where in ("cpu", "cuda"):
        fg = fwdad.ForwardGradient(estimators.Normal(k=3), perturb="weight")
        model = nn.MLP((20, 5)).to(where)
        x, y = (kernels.to_device(a, where) for a in (X, Y))
        reports.append(fg.diagnose(lambda m, x, y: nn.cross_entropy(m(x), y), model, x, y, reference=model)[2])
    given, expected = ([*dataclasses.astuple(r)[:-1], *r.expected] for r in reports)
    assert given == pytest.approx(expected, rel=1e-4)


OPTIONS = [
    {"average": 0.9}, {"clip": 0.1}, {"label_smoothing": 0.1}, {"augment": "crop-flip"}, {"task": "regression"},
    {"optimizer": "sgd", "weight_decay": 0.1}, {"optimizer": "rmsprop", "momentum": 0.5}, {"model": "convnet"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_a_run(cuda_on_host, tmp_path, options):
    """Two steps with each option of `fwdad train` that calls functions of its own; evaluation and resume with them."""
    rng, arrays = np.random.default_rng(0), {}
    for part, n in (("train", 8), ("validation", 4), ("test", 4)):
        classes, values = np.arange(n) % 3, rng.random((n, 2), np.float32)
        arrays[f"x_{part}"] = rng.random((n, 1, 8, 8), np.float32)
        arrays[f"y_{part}"] = values if options.get("task") == "regression" else classes
    data = tmp_path / "data.npz"
    np.savez(data, **arrays)
    config = TrainConfig(**{"data": str(data), "tangents": 3, "epochs": 1, "batch_size": 4, "seed": 5} | options)
    rows = {}
    for where in ("cpu", "cuda"):
        trainer = Trainer.new(dataclasses.replace(config, device=where), tmp_path / where)
        trainer.run()
        (rows[where],) = trainer.progress.rows
    for given, expected in zip(rows["cuda"], rows["cpu"], strict=True):
        assert given == (None if expected is None else pytest.approx(expected, rel=1e-4))
    again = Trainer.resume(tmp_path / "cuda")
    for leaf in tree.leaves((again.model, again.evaluated)):
        assert kernels.device_of(leaf) == "cuda:0"


MODELS = {
    "resnet18": {"widths": (4, 4, 4, 8), "blocks": (1, 1, 1, 1)},
    "vit": {"depth": 1, "width": 8, "heads": 2, "hidden": 16},
    "mlp-mixer": {"depth": 1, "width": 8, "hidden": (4, 16)},
}


@pytest.mark.parametrize("perturb", ["activity", "weight"])
@pytest.mark.parametrize("name", MODELS)
def test_small_ones_of_the_large_models(cuda_on_host, name, perturb):
    x, y = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32), np.arange(4)
    model = nn.MODELS[name]((1, 8, 8), 5, **MODELS[name])
    arguments = estimators.Rademacher(k=3), estimators.Projection(), perturb
    losses, _ = steps("cuda", *arguments, count=2, model=model, x=x, y=y)
    assert losses == pytest.approx(steps("cpu", *arguments, count=2, model=model, x=x, y=y)[0], rel=1e-4)


def test_names_of_the_stand_in_are_cupys(cuda_on_host, monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy")
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: fwdad[cuda13]; it needs no GPU for this")
    functions = [operator.attrgetter(name)(cupy) for name in cuda_on_host.FUNCTIONS]
    methods = [getattr(cupy.ndarray, name) for name in (*cuda_on_host.METHODS, "get", "item", "astype", "fill")]
    assert all(map(callable, functions + methods))


def test_host_and_device_arrays_do_not_mix(cuda_on_host):
    x, w = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    message = "affine_jvp: expected all arrays on one device, given x on cuda:0, w on cpu; move them with"
    with pytest.raises(TypeError, match=message):
        kernels.affine_jvp(cuda_on_host.array(x), w, None, None, None, None)
    with pytest.raises(TypeError, match="combine: expected all arrays on one device, given c on cpu, v on cuda:0"):
        kernels.combine(np.ones(2), cuda_on_host.array(x))
    stream = kernels.Stream(0, 0, 0, "normal", 2, (3, 4))
    with pytest.raises(TypeError, match=r"x on cuda:0, w on cuda:0, dw on cpu"):
        kernels.affine_jvp(cuda_on_host.array(x), cuda_on_host.array(w), None, None, stream, None)


def test_elementwise_kernels_take_device_arrays(cuda_on_host):
    """Large tangents of one dtype go through the kernels; results stay on the device and equal the CPU's."""
    rng = np.random.default_rng(1)
    x, dx = rng.standard_normal((64, 64), np.float32), rng.standard_normal((16, 64, 64), np.float32)
    labels = np.arange(64) % 5
    there = [cuda_on_host.array(a) for a in (x, dx, labels)]
    assert policy.use_elementwise(there[1], there[0])
    assert not policy.use_elementwise(there[1], x)
    assert not policy.use_elementwise(there[1], there[0].T)
    for name, arguments in (
        ("scaled_tangents", (0, 1, 0, 1)), ("weighted_rows", (0, 1)), ("cross_entropy_jvp", (0, 2, 1)),
    ):  # fmt: skip
        given = getattr(kernels, name)(*(there[i] for i in arguments))
        expected = getattr(kernels, name)(*((x, dx, labels)[i] for i in arguments))
        for g, e in zip(*(r if isinstance(r, tuple) else (r,) for r in (given, expected)), strict=True):
            assert kernels.device_of(g) == "cuda:0"
            np.testing.assert_allclose(g.get(), e, rtol=1e-5, atol=1e-5)
    assert policy.use_axpby(there[1], there[1])
    assert not policy.use_axpby(there[1], dx)
    np.testing.assert_array_equal(kernels.axpby(0.5, there[1], 2, there[1]).get(), 2.5 * dx)
    with pytest.raises(
        TypeError, match="scaled_tangents: expected all arrays on one device, given a on cpu, dx on cuda"
    ):
        kernels.scaled_tangents(x, there[1])
    wrong = cuda_on_host.array(labels + 1000)
    for part in kernels.cross_entropy_jvp(there[0], wrong, there[1]):
        assert np.isnan(part.get()).all()


@pytest.mark.parametrize("activation", ["identity", "relu", "gelu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_dense_products_are_cublas(cuda_on_host, monkeypatch, dtype, activation):
    """From CUBLAS_SIZE, where CuPy can load it; the answers are those of the kernel."""
    rng = np.random.default_rng(2)
    m, depth, n, k = 4, 5, 6, 3

    def draw(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x, w, dx, dw = draw(m, depth), draw(depth, n), draw(k, m, depth), draw(k, depth, n)
    monkeypatch.setattr(policy, "CUBLAS_SIZE", k * m * depth * n)
    here = kernels.Stream(0, 0, 0, "normal", k, (depth, n), np.dtype(dtype))
    there = dataclasses.replace(here, device="cuda:0")
    for found in (False, True):
        monkeypatch.setitem(sys.modules, "cupy.cublas", types.ModuleType("cublas") if found else None)
        device.has_cublas.cache_clear()
        assert kernels.affine_jvp(*map(cuda_on_host.array, (x, w)), None, None, None, None)[1] is None
        for b, db in ((None, None), (draw(n), draw(k, n)), (draw(m, n), draw(k, m, n))):
            for dense, along_x, along_w in (
                (True, dx, dw), (True, dx, None), (True, None, dw), (True, dx, here), (False, None, here),
            ):  # fmt: skip
                arguments = x, w, b, along_x, along_w, db
                cuda_on_host.calls.clear()
                moved = (cuda_on_host.array(a) if isinstance(a, np.ndarray) else a and there for a in arguments)
                given = kernels.affine_jvp(*moved, activation)
                assert ("matmul" in cuda_on_host.calls) == (found and dense)
                for g, e in zip(given, kernels.affine_jvp(*arguments, activation), strict=True):
                    np.testing.assert_allclose(g.get(), e, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("k", [3, 64])
@pytest.mark.parametrize("function", [np.sqrt, np.log, np.tanh, np.exp, np.square, np.cbrt], ids=lambda f: f.__name__)
def test_unary_rules_on_the_device(cuda_on_host, function, k):
    """Small, and large enough for a kernel; rules whose derivative can be infinite look for that on the device."""
    rng = np.random.default_rng(0)
    x, dx = rng.uniform(0.5, 2, 1500).astype(np.float32), rng.standard_normal((k, 1500), np.float32)
    y, dy = fwdad.jvp(function, (cuda_on_host.array(x),), (cuda_on_host.array(dx),))
    expected_y, expected_dy = fwdad.jvp(function, (x,), (dx,))
    assert kernels.device_of(dy) == "cuda:0"
    np.testing.assert_allclose(y.get(), expected_y, rtol=1e-6)
    np.testing.assert_allclose(dy.get(), expected_dy, rtol=1e-5, atol=1e-6)


def test_arrays_come_and_go(cuda_on_host):
    x = np.arange(6.0).reshape(2, 3)
    there = kernels.to_device(x, "cuda")
    assert kernels.device_of(there) == "cuda:0"
    assert kernels.to_device(there, "cuda:0") is there
    assert np.array_equal(kernels.to_device(there, "cpu"), x)
    assert kernels.to_device(x, "cpu") is x
    with pytest.raises(ValueError, match='device: expected "cpu", "cuda" or "cuda:N", given \'gpu\''):
        kernels.to_device(x, "gpu")
    with pytest.raises(kernels.CudaError, match="there is no device cuda:1: the driver counts 1"):
        kernels.to_device(x, "cuda:1")


def test_errors_of_the_module_are_python_exceptions(cuda_host_module):
    stream = (1, 0, 0, 4, 2, 3, 4, -1, 4)
    with pytest.raises(TypeError, match=r"generate: out: expected .*, given numpy\.ndarray"):
        cuda_host_module.generate((0, 0, bytearray), stream, np.empty((2, 3, 4), np.float32))
    with pytest.raises(TypeError, match="generate: at: expected"):
        cuda_host_module.generate((), stream, None)


def test_without_kernels_there_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(dispatch, "cuda", None)
    device.require.cache_clear()
    with pytest.raises(kernels.CudaError, match=r"the CUDA kernels of this fwdad are not built: .*install nvcc"):
        nn.MLP((2, 2)).to("cuda")


def test_without_cupy_there_is_one_clear_error(monkeypatch, cuda_host_module):
    monkeypatch.setattr(dispatch, "cuda", cuda_host_module)
    monkeypatch.setitem(sys.modules, "cupy", None)
    device.require.cache_clear()
    with pytest.raises(kernels.CudaError, match=r"need CuPy, which cannot be imported .*install fwdad\[cuda12\] or"):
        kernels.to_device(X, "cuda")


@pytest.mark.skipif(dispatch.cuda is None, reason="the CUDA kernels were not built: " + dispatch.info()["cuda"])
def test_the_module_imports_and_says_why_there_is_no_device():
    assert dispatch.info()["cuda"].startswith("built by nvcc")
    try:
        assert dispatch.cuda.device_count() > 0
    except RuntimeError as error:
        assert str(error).startswith("CUDA: ")  # noqa: PT017
        assert "csrc/cuda/device.cu:" in str(error)  # noqa: PT017


@pytest.mark.gpu
@pytest.mark.parametrize("perturb", ["activity", "weight"])
@pytest.mark.parametrize(
    ("sampler", "combiner"),
    [(estimators.Rademacher(k=6, seed=3), estimators.Projection()), *PAIRS],
    ids=lambda value: type(value).__name__,
)
def test_a_step_on_the_device_equals_the_cpus(cuda_device, sampler, combiner, perturb):
    arguments = sampler, combiner, perturb
    losses, model = steps("cuda", *arguments)
    expected_losses, expected_model = steps("cpu", *arguments)
    assert losses == pytest.approx(expected_losses, rel=2e-6)
    for leaf, expected in zip(tree.leaves(model), tree.leaves(expected_model), strict=True):
        np.testing.assert_allclose(leaf.get(), expected, rtol=0, atol=2e-5)
