"""Module: a model or layer as a dataclass whose array fields are leaves."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, ClassVar, cast

from fwdad import kernels, tree

if TYPE_CHECKING:
    from typing import Self

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        """Only a type checker reads it."""
        return lambda cls: cls


@dataclass_transform(eq_default=False)
class Module:
    """Base class of layers and models: subclasses become dataclasses whose fields are subtrees unless `static`.

    Modules are values: an optimiser returns a new model, it does not change the old one. A subclass may write its
    own ``__init__`` to draw initial values, which its subclasses inherit.

    >>> import numpy as np
    >>> class Scale(Module):
    ...     factor: np.ndarray
    ...     def __call__(self, x):
    ...         return self.factor * x
    >>> Scale(np.array([2.0]))(3.0), Scale(np.array([2.0])).parameters
    (array([6.]), 1)
    """

    torch_names: ClassVar[dict[str, str]] = {}  # field -> PyTorch's name, see torch_format
    _has_own_init: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._has_own_init = cls._has_own_init or "__init__" in cls.__dict__
        dataclasses.dataclass(eq=False, repr=False, init=not cls._has_own_init)(cls)

    @property
    def parameters(self) -> int:
        """The number of parameters P."""
        return sum(leaf.size for leaf in tree.flatten(self, tree.is_buffer)[0] if tree.is_parameter(leaf))

    def to(self, device: str) -> Self:
        """The model with its arrays on a device, "cpu", "cuda" or "cuda:N"; see `fwdad.kernels.to_device`.

        Raises ValueError for another name, `fwdad.kernels.CudaError` where a CUDA device cannot be used.
        """
        return cast("Self", tree.map(lambda leaf: kernels.to_device(leaf, device), self))

    def __repr__(self) -> str:
        fields = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in dataclasses.fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({fields})"


def _brief(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else repr(value)
