"""Other libraries, imported when a task of theirs is made, and told where to compute."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

from fwdad.bench import target


@functools.cache
def torch() -> Any:
    """Return PyTorch; its work on a device goes to the stream that CuPy's events are recorded on."""
    module = import_module("torch")
    module.set_default_device(target.name())
    return module


@functools.cache
def jax() -> Any:
    """Return JAX; on devices it would round float32 factors to tf32 by itself."""
    module = import_module("jax")
    module.config.update("jax_platforms", "cpu" if target.name() == "cpu" else "cuda")
    module.config.update("jax_default_matmul_precision", "highest")
    return module
