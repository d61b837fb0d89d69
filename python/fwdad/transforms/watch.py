"""watching: sees each operation of the user's program on moving values, and none of those that rules make within."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fwdad.dual import RULES, Dual, Rule
from fwdad.transforms.carriers import Carrier
from fwdad.transforms.custom import custom_jvp

Observer = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any], Callable[[], Any]], Any]
"""``observer(function, args, kwargs, run)`` is called in place of an operation; it returns the answer of ``run()``."""

# Those of this thread. Empty within an operation: a rule's own steps are not the user's operations.
_observers: contextvars.ContextVar[tuple[Observer, ...]] = contextvars.ContextVar("fwdad_observers", default=())
_lock = threading.Lock()
_watching = 0
_rules: dict[Callable[..., Any], Rule] = {}
_methods: list[tuple[type, str, Any]] = []
"""The rules, and the methods of classes, as they were before somebody watched."""


@contextmanager
def watching(observer: Observer) -> Iterator[None]:
    """Call an observer for each operation on a Dual or a carrier, in this thread; outside of it nothing is slower."""
    global _watching
    with _lock:
        _watching += 1
        if _watching == 1:
            _replace()
    token = _observers.set((*_observers.get(), observer))
    try:
        yield
    finally:
        _observers.reset(token)
        with _lock:
            _watching -= 1
            if _watching == 0:
                _restore()


def _replace() -> None:
    """Let every operation ask for observers first."""
    _rules.update(RULES)
    RULES.update({function: _watched_rule(function, rule) for function, rule in _rules.items()})
    methods: list[tuple[type, str, Callable[[Any], Any]]] = [
        *((carrier, "operate", _watched_call) for carrier in Carrier.__subclasses__()),
        (Dual, "like", _watched_like),
        (custom_jvp, "rule", _watched_custom),
        (Dual, "copy", functools.partial(_watched_method, np.copy)),
        (Dual, "astype", functools.partial(_watched_method, np.astype)),
    ]
    for owner, name, watched in methods:
        _methods.append((owner, name, getattr(owner, name)))
        setattr(owner, name, watched(getattr(owner, name)))


def _restore() -> None:
    RULES.update(_rules)
    _rules.clear()
    for owner, name, method in _methods:
        setattr(owner, name, method)
    _methods.clear()


def _watched_rule(function: Callable[..., Any], rule: Rule) -> Rule:
    @functools.wraps(rule)
    def watched(*args: Any, **kwargs: Any) -> Any:
        return _observed(function, args, kwargs, lambda: rule(*args, **kwargs))

    return watched


def _watched_custom(rule: Rule) -> Rule:
    @functools.wraps(rule)
    def watched(self: custom_jvp, *args: Any) -> Any:
        return _observed(self, args, {}, lambda: rule(self, *args))

    return watched


def _watched_call(call: Callable[..., Any]) -> Callable[..., Any]:
    """Watch `Carrier.operate`, which is called with a function and its arguments."""

    @functools.wraps(call)
    def watched(self: Dual, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _observed(function, args, kwargs, lambda: call(self, function, args, kwargs))

    return watched


def _watched_like(like: Callable[..., Any]) -> Callable[..., Any]:
    """Watch what makes an array for ``like=self``."""

    @functools.wraps(like)
    def watched(self: Dual, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _observed(function, args, {**kwargs, "like": self}, lambda: like(self, function, args, kwargs))

    return watched


def _watched_method(function: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """Watch a method that makes a Dual by itself; it is an operation under the name of NumPy's function."""

    @functools.wraps(method)
    def watched(self: Dual, *args: Any, **kwargs: Any) -> Any:
        return _observed(function, (self, *args), kwargs, lambda: method(self, *args, **kwargs))

    return watched


def _observed(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[[], Any]
) -> Any:
    """Run an operation under the observers of this thread."""
    observers = _observers.get()
    if not observers:
        return run()
    token = _observers.set(())
    try:
        for observer in observers:
            run = functools.partial(observer, function, args, kwargs, run)
        return run()
    finally:
        _observers.reset(token)
