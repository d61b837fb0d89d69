"""What onnxruntime computes from an exported file is what the model computes here."""

import sys

import numpy as np
import pytest

from fwdad import functions, nn, tree
from fwdad.export import EXPORTS, OPSET, ExportError, to_onnx

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'fwdad[onnx]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install onnxruntime")

IMAGE = (3, 32, 32)


def outputs(model, shape, x):
    file = to_onnx(model, shape).SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": x})[0]


def check(model, shape, n=5, dtype=np.float32):
    x = np.random.default_rng(0).standard_normal((n, *shape)).astype(dtype)
    expected = model(x)
    found = outputs(model, shape, x)
    assert found.dtype == dtype
    assert found.shape == expected.shape
    assert np.isfinite(found).all()
    assert np.abs(found - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())
    assert np.abs(expected).max() > 0.01  # there is something to compare


def settle(model, shape):
    """A model whose running statistics are no longer those of the beginning."""
    for step in range(3):
        with nn.training(step) as run:
            model(np.random.default_rng(step).normal(1, 2, (8, *shape)).astype(np.float32))
        model = run.updated(model)
    return model


def shaken(model):
    """A model none of whose parameters are what they are at the beginning, in many cases zeros or ones."""
    rng = np.random.default_rng(6)

    def moved(leaf):
        if tree.is_buffer(leaf):
            return leaf
        return leaf + 0.02 * rng.standard_normal(leaf.shape).astype(leaf.dtype)

    return tree.map(moved, model, is_leaf=tree.is_buffer)


@pytest.mark.parametrize("activation", functions.ACTIVATIONS)
def test_every_activation(activation):
    check(nn.MLP((6, 9, 4), activation=activation, seed=1), (6,))
    check(nn.Sequential([nn.Conv2d(3, 4, 3, activation=activation, seed=1), nn.Flatten()]), IMAGE)


@pytest.mark.parametrize("name", [name for name, row in nn.MODELS.items() if not row.local])
@pytest.mark.parametrize("n", [1, 5])
def test_models(name, n):
    check(settle(shaken(nn.MODELS[name](IMAGE, 10, seed=2)), IMAGE), IMAGE, n)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=3, seed=4),
        nn.Conv2d(3, 5, 5, bias=False, seed=4),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.Sequential([nn.Conv2d(3, 4, 3, seed=4), nn.AdaptiveAvgPool2d(1)]),
        nn.Residual(nn.Conv2d(3, 3, 1, seed=4)),
        nn.Residual(nn.Conv2d(3, 4, 1, seed=4), nn.Conv2d(3, 4, 1, seed=5)),
        nn.LayerNorm((32, 32), eps=0.1),
        nn.Sequential(
            [nn.PatchEmbedding(3, 8, 8, seed=4), nn.ClassToken(16, 8, seed=4), nn.MultiHeadAttention(8, 2, seed=4)]
        ),
        nn.Sequential([nn.Linear(32, 4, seed=4), nn.Linear(4, 3, activation="gelu", seed=5)]),
        nn.Sequential([nn.Flatten(), nn.Dropout(0.5, seed=4), nn.Linear(3 * 32 * 32, 2, bias=False, seed=4)]),
        nn.Sequential([nn.Activation("tanh"), nn.Activation("relu")]),
    ],
    ids=str,
)
def test_layers(layer):
    check(shaken(nn.Sequential([layer, nn.Flatten()])), IMAGE)


def test_float64():
    check(nn.MLP((6, 9, 4), activation="tanh", dtype=np.float64), (6,), dtype=np.float64)
    norm, attention = nn.LayerNorm(6, dtype=np.float64), nn.MultiHeadAttention(6, 2, seed=4, dtype=np.float64)
    check(shaken(nn.Sequential([norm, attention])), (4, 6), dtype=np.float64)


def test_what_the_file_says_of_itself():
    file = to_onnx(nn.MLP((6, 4)), (6,), {"data": "digits"})
    assert {entry.key: entry.value for entry in file.metadata_props} == {"data": "digits"}
    assert (file.producer_name, file.opset_import[0].version) == ("fwdad", OPSET)
    (described,) = file.graph.input
    sizes = [axis.dim_param or axis.dim_value for axis in described.type.tensor_type.shape.dim]
    assert (described.name, sizes) == ("input", ["batch", 6])


def test_what_has_no_export_is_refused(monkeypatch):
    class Odd(nn.Linear):
        def __call__(self, x):
            return super().__call__(x) + 1

    for model, says in (
        (nn.GroupNorm(2, 6), "GroupNorm cannot be exported to ONNX; Linear, Conv2d"),
        (nn.Sequential([Odd(6, 2)]), "Odd cannot be exported"),  # a subclass may compute something else
        (nn.Sequential([np.tanh]), "ufunc cannot be exported"),
        (nn.AdaptiveAvgPool2d(2), "ONNX has no operator"),
    ):
        with pytest.raises(ExportError, match=says):
            to_onnx(model, (6,))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'fwdad\[onnx\]'"):
        to_onnx(nn.MLP((6, 4)), (6,))
    assert nn.Linear in EXPORTS
