"""Finding and reading the files of a data set."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from fwdad.data.dataset import DataError

GZIP_MAGIC = b"\x1f\x8b"


def find_home(folder: Path, *names: str) -> Path:
    """Return the first of ``folder/name`` that is a folder, else `folder` itself; `DataError` if there is none."""
    if not folder.is_dir():
        raise DataError(f"data folder {folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    return next((folder / name for name in names if (folder / name).is_dir()), folder)


def read_bytes(path: Path) -> bytes:
    """Read a file, and unpack it if it is gzipped; `DataError` if it cannot be read or is damaged."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); get it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
