"""Convolution and pooling against loops, finite differences and each other."""

import itertools

import numpy as np
import pytest

import fwdad
from fwdad import nn, testing, tree
from fwdad.testing import check_jvp, expect_close

GEOMETRIES = {
    "plain": {"kernel_size": 3},
    "point": {"kernel_size": 1},
    "padded": {"kernel_size": 3, "padding": 1},
    "strided": {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    "dilated": {"kernel_size": 2, "dilation": (2, 3), "padding": 2},
    "wide": {"kernel_size": (1, 5), "padding": (0, 2), "stride": 3},
    "no bias": {"kernel_size": 3, "bias": False},
    "groups": {"kernel_size": 3, "groups": 2, "padding": 1},
    "tanh": {"kernel_size": 3, "padding": 1, "activation": "tanh"},
    "gelu groups": {"kernel_size": 2, "groups": 2, "activation": "gelu", "stride": 2},
}


def layer_of(options):
    rng = np.random.default_rng(0)
    layer = nn.Conv2d(4, 6, dtype=np.float64, **options)
    return tree.map(lambda p: rng.standard_normal(p.shape), layer)


def images(*shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape)


def by_loops(layer, x):
    """The definition, one output at a time, without activation."""
    window, groups = layer.window, layer.groups
    rows, columns = window.output(*x.shape[2:])
    y = np.zeros((len(x), layer.weight.shape[3], rows, columns))
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in window.padding)])
    inputs, outputs = layer.weight.shape[2], layer.weight.shape[3] // groups
    for o, r, s in np.ndindex(*y.shape[1:]):
        first = o // outputs * inputs
        for i, j, c in np.ndindex(*window.kernel, inputs):
            row = r * window.stride[0] + i * window.dilation[0]
            column = s * window.stride[1] + j * window.dilation[1]
            y[:, o, r, s] += padded[:, first + c, row, column] * layer.weight[i, j, c, o]
        y[:, o, r, s] += 0 if layer.bias is None else layer.bias[o]
    return y


@pytest.mark.parametrize("name", GEOMETRIES)
def test_conv(name):
    layer, x = layer_of(GEOMETRIES[name]), images(10, 4, 6, 7)
    expected = fwdad.functions.ACTIVATIONS[layer.activation].value(by_loops(layer, x))
    for some in (3, 10):  # a kernel of its own has enough of ten images
        expect_close(layer(x[:some]), expected[:some], 1e-12, "conv")
    testing.check_layer(layer, x[:2, :, :5, :4])
    testing.check_layer(layer, x[:9, :, :3, :4], local=False)


def test_second_derivatives_of_conv():
    layer, x, v = layer_of({"kernel_size": 2, "activation": "tanh"}), images(2, 4, 3, 3), images(2, 4, 3, 3, seed=4)
    check_jvp(lambda x: fwdad.jvp(lambda x: layer(x), (x,), (v,))[1], [x])


def test_layouts_change_nothing():
    layer, x = layer_of(GEOMETRIES["padded"]), images(2, 4, 6, 6)
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for other in (channels_last, x[:, :, ::-1][:, :, ::-1], np.repeat(x, 2, axis=3)[..., ::2]):
        expect_close(layer(other), layer(x), 1e-14, "layout")
    assert layer(x).transpose(0, 2, 3, 1).flags.c_contiguous


POOLS = {
    "max": nn.MaxPool2d(2),
    "max overlapping": nn.MaxPool2d(3, stride=2, padding=1),
    "max dilated": nn.MaxPool2d((2, 1), stride=1, dilation=(2, 1)),
    "mean": nn.AvgPool2d((2, 3)),
    "mean padded": nn.AvgPool2d(3, stride=2, padding=1),
    "adaptive": nn.AdaptiveAvgPool2d((3, 2)),
    "global": nn.AdaptiveAvgPool2d(1),
    "flatten": nn.Flatten(),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools(name):
    x = np.random.default_rng(6).permutation(2 * 3 * 7 * 6).reshape(2, 3, 7, 6) / 10  # no two entries are close
    check_jvp(POOLS[name], [x])


def test_pools_by_their_definitions():
    x = images(2, 3, 7, 6)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-np.inf)
    for r, s in itertools.product(range(4), range(3)):
        seen = padded[:, :, 2 * r : 2 * r + 3, 2 * s : 2 * s + 3]
        expect_close(POOLS["max overlapping"](x)[:, :, r, s], seen.max((2, 3)), 0, "max")
        seen = np.where(np.isinf(seen), 0, seen)
        expect_close(POOLS["mean padded"](x)[:, :, r, s], seen.mean((2, 3)), 1e-15, "mean")
    expect_close(POOLS["adaptive"](x)[:, :, 1, 1], x[:, :, 2:5, 3:6].mean((2, 3)), 1e-15, "adaptive")


def test_the_first_of_equal_entries_wins_and_nan_is_kept():
    x, v = np.zeros((1, 1, 2, 2)), np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert fwdad.jvp(nn.MaxPool2d(2), (x,), (v,))[1].item() == 1.0
    for i in range(4):
        y = np.zeros(4)
        y[i] = np.nan
        assert np.isnan(nn.MaxPool2d(2)(y.reshape(1, 1, 2, 2)).item())


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("multiples of groups", lambda: nn.Conv2d(3, 4, 3, groups=2)),
        ("stride and dilation", lambda: nn.Conv2d(3, 4, 3, stride=0)),
        ("padding at least 0", lambda: nn.Conv2d(3, 4, 3, padding=-1)),
        ("one of identity", lambda: nn.Conv2d(3, 4, 3, activation="rleu")),
        (r"\(B, 3, H, W\)", lambda: nn.Conv2d(3, 4, 3)(np.ones((2, 4, 5, 5), np.float32))),
        ("smaller than a window of 5 x 5", lambda: nn.Conv2d(1, 4, 5)(np.ones((2, 1, 4, 5), np.float32))),
        ("half the kernel_size", lambda: nn.MaxPool2d(2, padding=2)),
        ("at least 1", lambda: nn.AdaptiveAvgPool2d(0)),
    ],
)
def test_mistakes_in_windows_are_named(words, call):
    with pytest.raises(ValueError, match=words):
        call()
