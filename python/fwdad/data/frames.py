"""Tables in Parquet files and data frames, by narwhals over polars, pyarrow or pandas. Needs the extra `tables`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fwdad.data.dataset import DataError
from fwdad.data.table import Table

BACKENDS = ("polars", "pyarrow", "pandas")  # that read Parquet, in the order of preference


def read_parquet(path: Path) -> Table:
    """Read a table in a Parquet file; `DataError` if it is damaged, or if no library is there to read it."""
    backend = next((name for name in BACKENDS if importlib.util.find_spec(name)), None)
    if backend is None:
        raise DataError(f"to read {path}, install polars: pip install 'fwdad[tables]'")
    try:
        frame = _narwhals().read_parquet(str(path), backend=backend)
    except DataError:
        raise
    except Exception as error:  # what the libraries say of a damaged file has no common name
        raise DataError(f"cannot read {path}: {error or type(error).__name__}") from error
    return _table(path, frame)


def read_frame(frame: Any) -> Table:
    """Return the table in a data frame of pandas, polars, pyarrow or another library that narwhals knows."""
    try:
        known = _narwhals().from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(f"data is a path, a name or a data frame, not {type(frame).__name__}") from error
    return _table(Path("frame"), known)


def _narwhals() -> Any:
    try:
        import narwhals
    except ModuleNotFoundError as error:
        raise DataError("Parquet files and data frames need narwhals: pip install 'fwdad[tables]'") from error
    return narwhals


def _table(path: Path, frame: Any) -> Table:
    if not len(frame):
        raise DataError(f"{path} holds no examples")
    return Table(path, {str(column.name): _column(path, column) for column in frame.iter_columns()}, "row {}".format)


def _column(path: Path, column: Any) -> NDArray[Any] | list[str]:
    """Return a column's numbers, NaN for a gap, or its words, "" for a gap."""
    narwhals = _narwhals()
    dtype = column.dtype
    if dtype.is_numeric():
        exact = dtype.is_integer() and not column.is_null().any()
        numbers: NDArray[Any] = (column if exact else column.cast(narwhals.Float64)).to_numpy()
        return numbers if exact else np.asarray(numbers, np.float64)
    if dtype in (narwhals.String, narwhals.Categorical, narwhals.Enum, narwhals.Boolean):
        gaps = column.is_null().to_list()
        return ["" if gap else str(cell) for cell, gap in zip(column.to_list(), gaps, strict=True)]
    raise DataError(
        f"{path}: column {column.name!r} holds {dtype}; needed are numbers or words; convert the column or leave it out"
    )
