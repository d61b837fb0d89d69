"""Registries: what is chosen by name, and what programs and installed packages add to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NewType, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Name = NewType("Name", str)
"""The name of a row that a program or a package has added, for type checkers, which know the others by heart."""

Row = TypeVar("Row")
Given = TypeVar("Given")


class PluginError(ImportError):
    """What an installed package adds to a registry cannot be loaded; the message names the package."""


class Registry(MutableMapping[str, Row]):
    """Rows by name. A program adds one by `register`, an installed package by an entry point of the group.

    An entry point is imported when its row is asked for. Where it has the name of a row that is there, that row stays.

    Parameters
    ----------
    group : str
        The group of the entry points, as in ``fwdad.samplers``.
    rows : Mapping
        What is there from the start.
    as_row : callable, optional
        Makes a row of what is entered.

    Examples
    --------
    >>> squares = Registry("fwdad.squares", {"two": 4})
    >>> squares.register("three", 9)
    9
    >>> [*squares], squares["three"]
    (['two', 'three'], 9)
    """

    def __init__(self, group: str, rows: Mapping[str, Row], as_row: Callable[[Any], Row] | None = None) -> None:
        self.group, self._rows, self._as_row = group, dict(rows), as_row

    def register(self, name: str, given: Given | None = None) -> Any:
        """Enter a row, or what is made into one, under a new name, and return it; without it, return a decorator.

        Raises
        ------
        ValueError
            The name is taken. To replace its row, assign to ``registry[name]``.
        """
        if given is None:
            return functools.partial(self.register, name)
        if name in self:
            raise ValueError(f"{self.group} has {name!r} already; choose another name")
        self[name] = given  # type: ignore[assignment]  # as_row makes a row of it
        return given

    @functools.cached_property
    def _points(self) -> dict[str, EntryPoint]:
        from importlib.metadata import entry_points  # slow, and seldom asked for

        return {point.name: point for point in entry_points(group=self.group)}

    def __getitem__(self, name: str) -> Row:
        """Return a row, imported where it is a package's."""
        if name not in self._rows and name in self._points:
            point = self._points[name]
            try:
                self[name] = point.load()
            except Exception as error:
                package = point.dist.name if point.dist else "an unknown package"
                raise PluginError(
                    f"{package} adds {name!r} to {self.group}, but {point.value} cannot be imported "
                    f"({type(error).__name__}: {error}); mend or uninstall {package}"
                ) from error
        return self._rows[name]

    def __setitem__(self, name: str, given: Row) -> None:
        """Enter a row, in place of one of the same name."""
        self._rows[name] = self._as_row(given) if self._as_row else given

    def __delitem__(self, name: str) -> None:
        """Take a row out."""
        del self._rows[name]

    def __iter__(self) -> Iterator[str]:
        """Go over the names; nothing is imported."""
        return iter(dict.fromkeys((*self._rows, *self._points)))

    def __contains__(self, name: object) -> bool:
        """Whether there is a row of this name; nothing is imported."""
        return name in self._rows or name in self._points

    def __len__(self) -> int:
        """Count the names."""
        return sum(1 for _ in self)
