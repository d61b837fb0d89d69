"""Finding and reading the files of a data set."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from fwdad.data.dataset import DataError

GZIP_MAGIC = b"\x1f\x8b"
DEFLATED = 1032  # the most bytes that one byte of zip and gzip files stands for


def find_home(folder: Path, *names: str) -> Path:
    """Return the first of ``folder/name`` that is a folder, else `folder` itself; `DataError` if there is none."""
    if not folder.is_dir():
        raise DataError(f"data folder {folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a file, unpacked if it is gzipped; yield it with the most bytes that it can have.

    Raises
    ------
    DataError
        It cannot be read or is damaged, now or within the block.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield cast("IO[bytes]", unpacked), DEFLATED * size
            else:
                yield file, size
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); get it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
