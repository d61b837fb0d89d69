"""Normalisation: BatchNorm, LayerNorm, GroupNorm, which differ in what they take the mean over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fwdad.dual import Array, plain
from fwdad.functions import standardise
from fwdad.nn.mode import current
from fwdad.nn.module import Module
from fwdad.perturbation import site, unperturbed
from fwdad.tree import Buffer, static


class Scaled(Module):
    """What normalisations end with: ``z = x^ w + b``, entry by entry of the trailing axes."""

    weight: Array
    bias: Array

    def scaled(self, normal: Array) -> Array:
        """x^ (B, ..., *shape) to z of that shape."""
        here = site(self, normal, normal.shape, self.weight.dtype)
        return here.settled(normal * self.weight + here.moved(self.bias))

    def local_gradient(self, x: Array, g: Array) -> Any:
        """``dL/dw = sum x^ g`` and ``dL/db = sum g`` over all axes in front of the weight's: x is x^, g = dL/dz."""
        gradient = object.__new__(type(self))
        gradient.__dict__.update(self.__dict__)
        axes = tuple(range(g.ndim - self.weight.ndim))
        gradient.weight, gradient.bias = np.sum(x * g, axis=axes), np.sum(g, axis=axes)
        return gradient


class LayerNorm(Scaled):
    """``y = (x - mean) / sqrt(var + epsilon) w + b`` over the trailing axes of each example: x (B, ..., *shape).

    Raises ValueError for a size below 1 or an epsilon that is not positive. Source: arXiv 1607.06450, section 3.

    >>> LayerNorm(2)(np.array([[1.0, 3.0]])).round(3).tolist()
    [[-1.0, 1.0]]
    """

    epsilon: float = static(1e-5)

    def __init__(self, shape: int | tuple[int, ...], *, epsilon: float = 1e-5, dtype: Any = np.float32) -> None:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        _check(epsilon, *shape)
        self.weight, self.bias, self.epsilon = np.ones(shape, dtype), np.zeros(shape, dtype), epsilon

    def __call__(self, x: Array) -> Array:
        shape = self.weight.shape
        if x.ndim <= len(shape) or x.shape[-len(shape) :] != shape:
            raise ValueError(f"LayerNorm takes (B, ..., {', '.join(map(str, shape))}); got an input of shape {x.shape}")
        return self.scaled(standardise(x, tuple(range(-len(shape), 0)), self.epsilon))


class GroupNorm(Scaled):
    """`LayerNorm` over groups of channels and all positions of each example: x (B, C, ...), weight (C,).

    Raises ValueError unless channels is a multiple of groups. Source: arXiv 1803.08494, eqs. 1, 2, 7.

    >>> GroupNorm(1, 2)(np.array([[[1.0], [3.0]]])).round(3).tolist()
    [[[-1.0], [1.0]]]
    """

    groups: int = static(1)
    epsilon: float = static(1e-5)

    def __init__(self, groups: int, channels: int, *, epsilon: float = 1e-5, dtype: Any = np.float32) -> None:
        _check(epsilon, groups, channels)
        if channels % groups:
            raise ValueError(f"channels must be a multiple of groups; got {channels} and {groups}")
        self.weight, self.bias = np.ones(channels, dtype), np.zeros(channels, dtype)
        self.groups, self.epsilon = groups, epsilon

    def __call__(self, x: Array) -> Array:
        _check_channels(self, x)
        grouped = np.reshape(x, (x.shape[0], self.groups, -1, *x.shape[2:]))
        normal = standardise(grouped, tuple(range(1 - x.ndim, 0)), self.epsilon)
        return np.moveaxis(self.scaled(np.moveaxis(np.reshape(normal, x.shape), 1, -1)), -1, 1)


class BatchNorm(Scaled):
    """``y = (x - mean) / sqrt(var + epsilon) w + b``, a mean and a variance a channel: x (B, C, ...), weight (C,).

    In training (`fwdad.nn.training`) they are those of the batch and all positions, and move with x; the running ones
    become ``(1 - momentum) running + momentum batch``, with the unbiased variance, as in PyTorch. In evaluation they
    are the running ones.

    In activity perturbation the batch's statistics do not move: the derivatives of an example are by its own units,
    and through the statistics it would depend on the noise of all others. The gradient estimated is that of the loss
    with the statistics held fixed; weight perturbation has the full one.

    Raises ValueError for channels below 1, a momentum outside (0, 1], an epsilon that is not positive, or, in training,
    a batch with one value a channel. Source: arXiv 1502.03167, algorithms 1 and 2.
    """

    running_mean: Buffer
    running_var: Buffer
    num_batches_tracked: Buffer
    momentum: float = static(0.1)
    epsilon: float = static(1e-5)

    def __init__(self, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5, dtype: Any = np.float32) -> None:
        _check(epsilon, channels)
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1]; got {momentum}")
        self.weight, self.bias = np.ones(channels, dtype), np.zeros(channels, dtype)
        self.running_mean, self.running_var = Buffer(np.zeros(channels, dtype)), Buffer(np.ones(channels, dtype))
        self.num_batches_tracked = Buffer(np.zeros((), np.int64))
        self.momentum, self.epsilon = momentum, epsilon

    def __call__(self, x: Array) -> Array:
        _check_channels(self, x)
        x = np.moveaxis(x, 1, -1)
        run = current()
        if run is None:
            mean, var = self.running_mean.value, self.running_var.value
            normal = (x - mean) * (1 / np.sqrt(var + self.epsilon))
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
            return standardise(x, axes, self.epsilon)
        mean, var = np.mean(still, axis=axes), np.var(still, axis=axes)
        return (x - mean) * (1 / np.sqrt(var + self.epsilon))

    def local_gradient(self, x: Array, g: Array) -> BatchNorm:
        gradient: BatchNorm = super().local_gradient(x, g)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(gradient, name, Buffer(np.zeros_like(getattr(self, name).value)))
        return gradient


def _check(epsilon: float, *sizes: int) -> None:
    if min(sizes, default=0) < 1 or not epsilon > 0:
        raise ValueError(f"sizes must be at least 1 and epsilon positive; got {sizes} and {epsilon}")


def _check_channels(layer: Scaled, x: Array) -> None:
    if x.ndim < 2 or x.shape[1] != layer.weight.shape[0]:
        raise ValueError(
            f"{type(layer).__name__} takes (B, {layer.weight.shape[0]}, ...); got an input of shape {x.shape}"
        )
