"""Normalisation: BatchNorm, LayerNorm, GroupNorm, which differ in what they take the mean over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad.dual import Array, plain
from fwdad.functions import standardise
from fwdad.nn.dtypes import check_input, floating
from fwdad.nn.mode import current
from fwdad.nn.module import Module
from fwdad.perturbation import site, unperturbed
from fwdad.tree import Buffer, static


class Scaled(Module):
    """How every normalisation ends: ``z = x^ w + b``, entry by entry of the trailing axes."""

    weight: Array
    bias: Array

    def scaled(self, normal: Array) -> Array:
        """Return z for x^ (B, ..., *shape), of the same shape."""
        here = site(self, normal, normal.shape, self.weight.dtype)
        return here.settled(normal * self.weight + here.moved(self.bias))

    def local_gradient(self, x: Array, g: Array) -> Any:
        """Return ``dL/dw = sum x^ g`` and ``dL/db = sum g`` over the leading axes: x is x^, g = dL/dz."""
        gradient = object.__new__(type(self))
        gradient.__dict__.update(self.__dict__)
        axes = tuple(range(g.ndim - self.weight.ndim))
        gradient.weight, gradient.bias = np.sum(x * g, axis=axes), np.sum(g, axis=axes)
        return gradient


class LayerNorm(Scaled):
    """``y = (x - mean) / sqrt(var + eps) w + b`` over the trailing axes of each example.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The trailing axes of x that share a mean and a variance; ``weight`` and ``bias`` have this shape.
    eps : float
        What is added to the variance.
    dtype : dtype
        The floating dtype of the parameters.

    Raises
    ------
    TypeError
        For a dtype that is neither float32 nor float64, and for an input of another dtype.
    ValueError
        For a size below 1 or an eps that is not positive.

    References
    ----------
    arXiv 1607.06450, section 3.

    Examples
    --------
    >>> LayerNorm(2)(np.array([[1, 3]], np.float32)).round(3).tolist()
    [[-1.0, 1.0]]
    """

    eps: float = static(1e-5)

    def __init__(self, normalized_shape: int | tuple[int, ...], *, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        _check(eps, *shape)
        dtype = floating(dtype)
        self.weight, self.bias, self.eps = np.ones(shape, dtype), np.zeros(shape, dtype), eps

    def __call__(self, x: Array) -> Array:
        """Return y for x (B, ..., *normalized_shape), of the same shape."""
        check_input(self, x, self.weight.dtype)
        shape = self.weight.shape
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ValueError(f"LayerNorm takes (B, ..., {', '.join(map(str, shape))}); got an input of shape {x.shape}")
        return self.scaled(standardise(x, tuple(range(-len(shape), 0)), self.eps))


class GroupNorm(Scaled):
    """`LayerNorm` over groups of channels and all positions of each example.

    Parameters
    ----------
    num_groups : int
        Into how many groups the channels are divided; each has a mean and a variance.
    num_channels : int
        Channels of x; ``weight`` and ``bias`` are (num_channels,).
    eps, dtype
        As in `LayerNorm`.

    Raises
    ------
    TypeError
        As `LayerNorm`.
    ValueError
        For a size below 1, an eps that is not positive, or a num_channels that is no multiple of num_groups.

    References
    ----------
    arXiv 1803.08494, eqs. 1, 2, 7.

    Examples
    --------
    >>> GroupNorm(1, 2)(np.array([[[1], [3]]], np.float32)).round(3).tolist()
    [[[-1.0], [1.0]]]
    """

    num_groups: int = static(1)
    eps: float = static(1e-5)

    def __init__(self, num_groups: int, num_channels: int, *, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        _check(eps, num_groups, num_channels)
        if num_channels % num_groups:
            raise ValueError(f"num_channels must be a multiple of num_groups; got {num_channels} and {num_groups}")
        dtype = floating(dtype)
        self.weight, self.bias = np.ones(num_channels, dtype), np.zeros(num_channels, dtype)
        self.num_groups, self.eps = num_groups, eps

    def __call__(self, x: Array) -> Array:
        """Return y for x (B, num_channels, ...), of the same shape."""
        _check_channels(self, x)
        grouped = np.reshape(x, (x.shape[0], self.num_groups, -1, *x.shape[2:]))
        normal = standardise(grouped, tuple(range(1 - x.ndim, 0)), self.eps)
        return np.moveaxis(self.scaled(np.moveaxis(np.reshape(normal, x.shape), 1, -1)), -1, 1)


class BatchNorm(Scaled):
    """``y = (x - mean) / sqrt(var + eps) w + b``, with a mean and a variance for each channel.

    In training (`fwdad.nn.training`) mean and variance are those of the batch and all positions, and move with x; the
    running ones become ``(1 - momentum) running + momentum batch``, with the unbiased variance, as in PyTorch. In
    evaluation the layer uses the running ones.

    Parameters
    ----------
    num_features : int
        Channels of x; ``weight`` and ``bias`` are (num_features,).
    momentum : float
        The share of this batch in the new running statistics.
    eps, dtype
        As in `LayerNorm`.

    Raises
    ------
    TypeError
        As `LayerNorm`.
    ValueError
        For a num_features below 1, a momentum outside (0, 1], or an eps that is not positive.

    Notes
    -----
    In activity perturbation the statistics of the batch do not move: an example's derivatives are by its own units, but
    through the statistics its loss depends on the units of all others. The gradient estimated is that of the loss with
    the statistics held fixed; weight perturbation has the full one.

    References
    ----------
    arXiv 1502.03167, algorithms 1 and 2.
    """

    running_mean: Buffer
    running_var: Buffer
    num_batches_tracked: Buffer
    momentum: float = static(0.1)
    eps: float = static(1e-5)

    def __init__(self, num_features: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        _check(eps, num_features)
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1]; got {momentum}")
        dtype = floating(dtype)
        self.weight, self.bias = np.ones(num_features, dtype), np.zeros(num_features, dtype)
        self.running_mean = Buffer(np.zeros(num_features, dtype))
        self.running_var = Buffer(np.ones(num_features, dtype))
        self.num_batches_tracked = Buffer(np.zeros((), np.int64))
        self.momentum, self.eps = momentum, eps

    def __call__(self, x: Array) -> Array:
        """Return y for x (B, num_features, ...), of the same shape.

        Raises
        ------
        ValueError
            In training, for a batch with only one value a channel.
        """
        _check_channels(self, x)
        x = np.moveaxis(x, 1, -1)
        run = current()
        if run is None:
            mean, var = self.running_mean.value, self.running_var.value
            normal = (x - mean) * (1 / np.sqrt(var + self.eps))
        else:
            normal = self._by_batch(x, run)
        return np.moveaxis(self.scaled(normal), -1, 1)

    def _by_batch(self, x: Array, run: Any) -> Array:
        axes = tuple(range(-x.ndim, -1))
        still = unperturbed(x)
        values = plain(still)
        count = math.prod(values.shape[:-1])
        if count < 2:
            raise ValueError(f"BatchNorm needs more than one value per channel to train; got an input of {x.shape}")
        mean, var = np.mean(values, axis=axes), np.var(values, axis=axes)
        for buffer, new in ((self.running_mean, mean), (self.running_var, var * (count / (count - 1)))):
            old = buffer.value
            run.keep(buffer, ((1 - self.momentum) * old + self.momentum * new).astype(old.dtype))
        run.keep(self.num_batches_tracked, self.num_batches_tracked.value + np.int64(1))
        if still is x:
            return standardise(x, axes, self.eps)
        mean, var = np.mean(still, axis=axes), np.var(still, axis=axes)
        return (x - mean) * (1 / np.sqrt(var + self.eps))

    def local_gradient(self, x: Array, g: Array) -> BatchNorm:
        """Return the gradients of weight and bias as every normalisation's, and zeros for the running statistics."""
        gradient: BatchNorm = super().local_gradient(x, g)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(gradient, name, Buffer(np.zeros_like(getattr(self, name).value)))
        return gradient


def _check(eps: float, *sizes: int) -> None:
    if min(sizes, default=0) < 1 or not eps > 0:
        raise ValueError(f"sizes must be at least 1 and eps positive; got {sizes} and {eps}")


def _check_channels(layer: Scaled, x: Array) -> None:
    check_input(layer, x, layer.weight.dtype)
    if x.ndim < 2 or x.shape[1] != layer.weight.shape[0]:
        raise ValueError(
            f"{type(layer).__name__} takes (B, {layer.weight.shape[0]}, ...); got an input of shape {x.shape}"
        )
