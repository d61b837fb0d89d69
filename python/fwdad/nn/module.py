"""Module: a model or layer is a dataclass whose array fields are leaves of a tree."""

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
        """Stand in for a decorator that only type checkers read."""
        return lambda cls: cls


LONGEST = 1000
"""Characters of fields that are shown as they are."""


@dataclass_transform(eq_default=False)
class Module:
    """Base class of layers and models.

    A subclass becomes a dataclass. Its fields are subtrees, except those made by `fwdad.tree.static`. A subclass may
    write its own ``__init__`` to draw initial values; its subclasses inherit it. Modules are values: an optimiser
    returns a new model and leaves the old one as it is.

    Examples
    --------
    >>> import numpy as np
    >>> class Scale(Module):
    ...     factor: np.ndarray
    ...     def __call__(self, x):
    ...         return self.factor * x
    >>> Scale(np.array([2.0]))(3.0), Scale(np.array([2.0])).parameters
    (array([6.]), 1)
    """

    torch_names: ClassVar[dict[str, str]] = {}
    """Fields that PyTorch names otherwise, and its names; see `fwdad.nn.torch_format`."""

    _has_own_init: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the subclass a dataclass."""
        super().__init_subclass__(**kwargs)
        cls._has_own_init = cls._has_own_init or "__init__" in cls.__dict__
        dataclasses.dataclass(eq=False, repr=False, init=not cls._has_own_init)(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; AttributeError for a name that the class does not annotate, which the next model would lack."""
        if name not in self.__dataclass_fields__:  # type: ignore[attr-defined]
            annotation = f"{name}: {type(value).__name__}"
            raise AttributeError(
                f"{type(self).__name__}.{name} is no field: annotate it in the class, as in `{annotation}`, or "
                f"`{annotation} = fwdad.tree.static()` if it holds no arrays"
            )
        object.__setattr__(self, name, value)

    @property
    def parameters(self) -> int:
        """The number of parameters P."""
        return sum(leaf.size for leaf in tree.flatten(self, tree.is_buffer)[0] if tree.is_parameter(leaf))

    def to(self, device: str) -> Self:
        """Return the model with its arrays on a device.

        Parameters
        ----------
        device : str
            "cpu", "cuda" or "cuda:N"; see `fwdad.kernels.to_device`.

        Raises
        ------
        ValueError
            For another name.
        fwdad.kernels.CudaError
            Where a CUDA device cannot be used.
        """
        return cast("Self", tree.map(lambda leaf: kernels.to_device(leaf, device), self))

    def __repr__(self) -> str:
        """Show the fields, of arrays only dtype and shape; of a large model's fields the types (see `nn.summary`)."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        whole = ", ".join(f"{name}={_brief(value)}" for name, value in values.items())
        if len(whole) > LONGEST:
            whole = ", ".join(f"{name}={type(value).__name__}" for name, value in values.items())
            whole += f"; {self.parameters:,} parameters"
        return f"{type(self).__name__}({whole})"


def _brief(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if hasattr(value, "shape") else repr(value)
