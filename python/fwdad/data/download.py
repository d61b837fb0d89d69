"""Getting the published data sets: where they are, over https, and the SHA-256 sums of their files."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import NamedTuple

from fwdad.data.dataset import DataError


class Source(NamedTuple):
    """Files under a URL, each with its SHA-256 sum (hex); an archive is unpacked."""

    url: str
    files: dict[str, str]


def _idx_files(*sums: str) -> dict[str, str]:
    names = (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    return dict(zip(names, sums, strict=True))


SOURCES = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        _idx_files(
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "fashion-mnist": Source(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        _idx_files(
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    "kmnist": Source(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        _idx_files(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
    "cifar10": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    ),
    "cifar100": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-100-binary.tar.gz": "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
    ),
}


def download(name: str, data_dir: Path) -> Path:
    """Get the files of `name`, one of `SOURCES`, into ``data_dir/name``, where `fwdad.data.load` finds them.

    A file that is there and has the right sum is not fetched again.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        pooch, the extra ``download``, is missing, a file cannot be fetched, or its sum is wrong (then the file is not
        kept). The message says what to do by hand.
    """
    if name not in SOURCES:
        raise DataError(f"there is nothing to download for {name!r}; choose one of {', '.join(SOURCES)}")
    source, home = SOURCES[name], data_dir / name
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise DataError(f"downloads need pooch: pip install 'fwdad[download]'; {by_hand(name, home)}") from error
    for file, sha256 in source.files.items():
        try:
            pooch.retrieve(source.url + file, f"sha256:{sha256}", file, home)
            if file.endswith(".tar.gz"):
                unpack(home / file)
        except (OSError, ValueError, tarfile.TarError) as error:  # the network; the sum; the archive
            raise DataError(f"cannot get {source.url + file}: {error}; {by_hand(name, home)}") from error
    return home


def unpack(archive: Path) -> None:
    """Unpack into the archive's folder; tarfile.TarError for a member that would lie outside of it, or is no file."""
    with tarfile.open(archive) as opened:
        opened.extractall(archive.parent, filter="data")


def by_hand(name: str, home: Path) -> str:
    """Say what to do where there is no network or no pooch."""
    source = SOURCES[name]
    unpacked = ", unpacked" if any(file.endswith(".tar.gz") for file in source.files) else ""
    return f"or get by hand {', '.join(source.files)} from {source.url} and put them{unpacked} into {home}"
