"""Getting the published data sets: where they are, and the MD5 sums that their publishers give."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fwdad.data.dataset import DataError


class Source(NamedTuple):
    """Files under a URL, each with its MD5 sum (hex); an archive is unpacked."""

    url: str
    files: dict[str, str]


def _idx_files(*sums: str) -> dict[str, str]:
    names = (f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    return dict(zip(names, sums, strict=True))


SOURCES = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        _idx_files(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion-mnist": Source(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        _idx_files(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": Source(
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        _idx_files(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    "cifar10": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    ),
    "cifar100": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8"},
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
    for file, md5 in source.files.items():
        unpack = pooch.Untar(extract_dir=".") if file.endswith(".tar.gz") else None
        try:
            pooch.retrieve(source.url + file, f"md5:{md5}", file, home, processor=unpack)
        except (OSError, ValueError) as error:  # the network; the sum
            raise DataError(f"cannot get {source.url + file}: {error}; {by_hand(name, home)}") from error
    return home


def by_hand(name: str, home: Path) -> str:
    """Say what to do where there is no network or no pooch."""
    source = SOURCES[name]
    unpacked = ", unpacked" if any(file.endswith(".tar.gz") for file in source.files) else ""
    return f"or get by hand {', '.join(source.files)} from {source.url} and put them{unpacked} into {home}"
