# ruff: noqa: E501 -- a layer is a row
"""Every layer and model against PyTorch: outputs and JVPs, weights going through a safetensors file."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

import fwdad
from fwdad import nn, tree

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch = pytest.importorskip("torch", reason="the peer of these comparisons, PyTorch, is not installed")
load_file = pytest.importorskip("safetensors.torch").load_file

# What PyTorch says of its own insides when it differentiates forward.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")

_spec = importlib.util.spec_from_file_location(
    "torch_models", Path(__file__).parents[2] / "benchmarks" / "torch_models.py"
)
torch_models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(torch_models)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # it has no derivative
    yield
    torch.set_num_threads(threads)


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class SelfAttention(torch.nn.MultiheadAttention):
    """PyTorch's layer, called on one sequence."""

    def forward(self, x):
        return super().forward(x, x, x, need_weights=False)[0]


class Tokens(torch.nn.Module):
    """What torchvision's transformer does in front of its layers."""

    def __init__(self):
        super().__init__()
        self.class_token = torch.nn.Parameter(torch.zeros(1, 1, 6))
        self.encoder = torch.nn.Module()
        self.encoder.pos_embedding = torch.nn.Parameter(torch.zeros(1, 4, 6))

    def forward(self, x):
        return torch.cat([self.class_token.expand(len(x), -1, -1), x], 1) + self.encoder.pos_embedding


def after(layer, function):
    layer.register_forward_hook(lambda module, args, y: function(y))
    return layer


functional = torch.nn.functional
# fmt: off
#   name                ours                                                  PyTorch's                                                 input
LAYERS = {
    "linear":           (lambda **o: nn.Linear(4, 3, activation="gelu", **o), lambda: after(torch.nn.Linear(4, 3), functional.gelu),    (5, 4)),
    "linear silu":      (lambda **o: nn.Linear(4, 3, activation="silu", **o), lambda: after(torch.nn.Linear(4, 3), functional.silu),    (5, 4)),
    "linear elu":       (lambda **o: nn.Linear(4, 3, activation="elu", **o),  lambda: after(torch.nn.Linear(4, 3), functional.elu),     (5, 4)),
    "linear leaky":     (lambda **o: nn.Linear(4, 3, activation="leaky-relu", **o),
                         lambda: after(torch.nn.Linear(4, 3), functional.leaky_relu),                                                   (5, 4)),
    "conv":             (lambda **o: nn.Conv2d(3, 4, 3, **o),                 lambda: torch.nn.Conv2d(3, 4, 3),                         (2, 3, 6, 5)),
    "conv all options": (lambda **o: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2, bias=False, **o),
                         lambda: torch.nn.Conv2d(4, 6, (3, 2), (2, 1), (2, 1), (1, 2), 2, False),                                       (2, 4, 7, 6)),
    "conv depthwise":   (lambda **o: nn.Conv2d(4, 4, 3, groups=4, padding=1, **o), lambda: torch.nn.Conv2d(4, 4, 3, 1, 1, groups=4),    (2, 4, 5, 5)),
    "max pool":         (lambda **o: nn.MaxPool2d(3, stride=2, padding=1),    lambda: torch.nn.MaxPool2d(3, 2, 1),                      (2, 3, 7, 8)),
    "max pool dilated": (lambda **o: nn.MaxPool2d((2, 3), dilation=(2, 1)),   lambda: torch.nn.MaxPool2d((2, 3), dilation=(2, 1)),      (2, 3, 7, 8)),
    "avg pool":         (lambda **o: nn.AvgPool2d(3, stride=2, padding=1),    lambda: torch.nn.AvgPool2d(3, 2, 1),                      (2, 3, 7, 8)),
    "adaptive":         (lambda **o: nn.AdaptiveAvgPool2d((3, 2)),            lambda: torch.nn.AdaptiveAvgPool2d((3, 2)),               (2, 3, 7, 8)),
    "batch norm":       (lambda **o: nn.BatchNorm(3, **o),                    lambda: torch.nn.BatchNorm2d(3),                          (4, 3, 3, 2)),
    "batch norm rows":  (lambda **o: nn.BatchNorm(3, momentum=0.3, eps=1e-3, **o),
                         lambda: torch.nn.BatchNorm1d(3, momentum=0.3, eps=1e-3),                                                       (6, 3)),
    "layer norm":       (lambda **o: nn.LayerNorm(5, **o),                    lambda: torch.nn.LayerNorm(5),                            (3, 4, 5)),
    "group norm":       (lambda **o: nn.GroupNorm(2, 6, **o),                 lambda: torch.nn.GroupNorm(2, 6),                         (3, 6, 4, 2)),
    "attention":        (lambda **o: nn.MultiHeadAttention(6, 2, **o),        lambda: SelfAttention(6, 2, batch_first=True),            (3, 5, 6)),
    "class token":      (lambda **o: nn.ClassToken(3, 6, **o),                Tokens,                                                   (2, 3, 6)),
    "embedding":        (lambda **o: nn.Embedding(7, 3, **o),                 lambda: torch.nn.Embedding(7, 3),                         None),
    "sequential":       (lambda **o: nn.Sequential([nn.Conv2d(2, 3, 2, activation="relu", **o), nn.BatchNorm(3, **o), nn.Flatten(), nn.Linear(12, 2, **o)]),
                         lambda: torch.nn.Sequential(torch.nn.Conv2d(2, 3, 2), torch.nn.ReLU(), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(12, 2)),
                         (5, 2, 3, 3)),
}
#   name           shape of an image, sizes that are small but of the same kind
MODELS = {
    "mlp":         ((1, 4, 4),   {"hidden": (5, 6)}),
    "convnet":     ((2, 9, 8),   {"channels": (3, 4)}),
    "lenet5":      ((1, 28, 28), {}),
    "resnet18":    ((3, 32, 32), {"widths": (4, 6, 8, 10)}),
    "vit":         ((3, 8, 12),  {"depth": 2, "width": 12, "heads": 3, "hidden": 10}),
    "mlp-mixer":   ((3, 8, 12),  {"depth": 2, "width": 8, "hidden": (5, 7)}),
}
# fmt: on


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, dtype, train, tmp_path):
    ours, theirs, shape = LAYERS[name]
    x = np.array([[0, 6, 3], [3, 1, 3]]) if shape is None else drawn(shape, 1).astype(dtype)
    compare(ours(dtype=dtype), theirs(), x, train, tmp_path / "weights.safetensors")


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", MODELS)
def test_models(name, dtype, train, tmp_path):
    shape, sizes = MODELS[name]
    model = nn.MODELS[name](shape, 5, dtype=dtype, **sizes)
    x = drawn((3, *shape), 1).astype(dtype)
    compare(model, torch_models.MODELS[name](shape, 5, **sizes), x, train, tmp_path / "weights.safetensors")


def test_every_model_is_compared():
    everything = {name for name, row in nn.MODELS.items() if not row.local}  # PyTorch has no Forward-Forward network
    assert set(MODELS) == everything == set(torch_models.MODELS)


def compare(model, module, x, train, path):
    """Ours and PyTorch's of the same random weights and running statistics: y, dy for k = 1 and 8, new statistics."""
    model = randomised(model)
    nn.save_torch(model, path)
    dtype = model_dtype(model, x)
    module = module.to(torch.float64 if dtype == np.float64 else torch.float32).train(train)
    module.load_state_dict(load_file(path))  # strict
    for k in (1, 8):
        directions = [moved(model, i) for i in range(k)]
        dx = drawn((k, *x.shape), 3).astype(x.dtype) if x.dtype.kind == "f" else None
        y, dy, new = our_jvp(model, directions, x, dx, train)
        for i, direction in enumerate(directions):
            expected, tangent, buffers = torch_jvp(module, x, nn.state_dict(direction), None if dx is None else dx[i])
            close(y, expected, dtype)
            close(dy[i], tangent, dtype)
        for name, value in buffers.items():
            close(new[name], value, dtype)
    for a, b in zip(tree.leaves(nn.load_torch(tree.map(np.zeros_like, model), path)), tree.leaves(model), strict=True):
        assert np.array_equal(a, b)
        assert a.dtype == b.dtype


def randomised(model):
    rng = np.random.default_rng(0)
    new = tree.map(lambda p: rng.uniform(-0.5, 1, p.shape).astype(p.dtype) if p.dtype.kind == "f" else p, model)
    for name, leaf in tree.named_leaves(new).items():
        if name.endswith("running_var.value"):
            leaf += 0.6
    return new


def moved(model, i):
    """Direction i: a tree like the model, with zeros at its buffers."""
    return tree.map(
        lambda b: tree.map(np.zeros_like, b) if tree.is_buffer(b) else drawn(b.shape, 100 + i).astype(b.dtype),
        model,
        is_leaf=tree.is_buffer,
    )


def our_jvp(model, directions, x, dx, train):
    """y, dy and the state dict with the new running statistics."""
    tangent = tree.map(lambda *d: None if tree.is_buffer(d[0]) else np.stack(d), *directions, is_leaf=tree.is_buffer)
    if not train:
        return *fwdad.jvp(lambda m, x: m(x), (model, x), (tangent, dx)), nn.state_dict(model)
    with nn.training(0) as run:
        y, dy = fwdad.jvp(lambda m, x: m(x), (model, x), (tangent, dx))
    return y, dy, nn.state_dict(run.updated(model))


def model_dtype(model, x):
    return next((leaf.dtype for leaf in tree.leaves(model)), x.dtype)


def torch_jvp(module, x, direction, dx):
    """y, dy and the buffers that the call left behind."""
    parameters = dict(module.named_parameters())
    tangents = {name: torch.from_numpy(direction[name]) for name in parameters}
    x = torch.from_numpy(x)

    def call(parameters, *x_moving):
        buffers = {name: b.clone() for name, b in module.named_buffers()}  # a training step changes them in place
        return torch.func.functional_call(module, (parameters, buffers), x_moving or (x,)), buffers

    primals, moving = (parameters,), (tangents,)
    if dx is not None:
        primals, moving = (*primals, x), (*moving, torch.from_numpy(dx))
    with torch.no_grad(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.func.jvp(call, primals, moving, has_aux=True)


def close(value, expected, dtype):
    """Within 1e-10 in float64, 1e-4 of the largest entry in float32; NaN never passes."""
    expected = expected.detach().numpy()
    assert value.shape == expected.shape
    if dtype == np.float64:
        assert np.all(np.abs(value - expected) <= 1e-10 * (1 + np.abs(expected)))
    else:
        assert np.all(np.abs(value - expected) <= 1e-4 * np.abs(expected).max())


def test_a_wrong_file_is_described(tmp_path):
    path = tmp_path / "weights.safetensors"
    nn.save_torch(nn.MLP((4, 3, 2)), path)
    with pytest.raises(ValueError, match=r"weights.safetensors: .*0.weight has shape \(3, 4\), not \(3, 5\)"):
        nn.load_torch(nn.MLP((5, 3, 2)), path)
    with pytest.raises(ValueError, match=r"4.weight is missing; 4.bias is missing"):
        nn.load_torch(nn.MLP((4, 3, 2, 2)), path)
    with pytest.raises(ValueError, match=r"2.weight is unexpected"):
        nn.load_torch(nn.MLP((4, 3)), path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="cut short or damaged"):
        nn.load_torch(nn.MLP((4, 3, 2)), path)
    header = b'{"0.weight": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2))
    with pytest.raises(ValueError, match=r"weights.safetensors: '0.weight' has dtype F8_E4M3, unknown to NumPy"):
        nn.load_torch(nn.MLP((4, 3, 2)), path)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.safetensors"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_widened_with_a_warning(dtype, tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).to(
        getattr(torch, dtype)
    )
    importlib.import_module("safetensors.torch").save_file(module.state_dict(), tmp_path / "half.safetensors")
    with pytest.warns(UserWarning, match=r"half.safetensors: 4 arrays are float16 or bfloat16; they were widened"):
        model = nn.load_torch(nn.MLP((4, 3, 2)), tmp_path / "half.safetensors")
    for name, array in nn.state_dict(model).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, module.state_dict()[name].float().numpy())
