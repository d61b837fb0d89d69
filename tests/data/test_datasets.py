import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwdad import data
from fwdad.data import DataError
from fwdad.data.idx import DTYPES, read_idx

NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def idx(array, code=0x08):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(DTYPES[code]).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A small MNIST: 60 training images, whose every pixel is their label, and 12 test images."""
    for part, n in (("train", 60), ("t10k", 12)):
        labels = np.arange(n) % 10
        images = np.broadcast_to(labels[:, None, None], (n, 28, 28))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path


# ---- digits


def test_digits_is_the_published_set():
    digits = data.load("digits")
    splits = (digits.train, digits.validation, digits.test)
    assert [len(split.targets) for split in splits] == [1197, 300, 300]
    assert (digits.name, digits.classes, digits.shape) == ("digits", 10, (1, 8, 8))
    counts = sum(np.bincount(split.targets) for split in splits)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as the UCI page gives them
    for split in splits:
        assert split.inputs.dtype == np.float32
        assert split.targets.dtype == np.int64
        shares = np.bincount(split.targets) / len(split.targets)
        assert np.abs(shares - counts / 1797).max() < 2 / 300  # each class within two examples of its share
    assert len(np.unique(np.concatenate([s.inputs for s in splits]), axis=0)) == 1797  # no example in two splits
    assert abs(digits.train.inputs.mean(dtype=float)) < 1e-3
    assert abs(digits.train.inputs.std(dtype=float) - 1) < 1e-3


def test_digits_is_the_same_every_time():
    assert data.load("digits").digest() == data.load("digits").digest()


def test_the_digest_tells_data_apart():
    digits = data.load("digits")
    before = digits.digest()
    digits.test.targets[0] += 1
    assert digits.digest() != before


# ---- IDX files


@settings(max_examples=50)
@given(code=st.sampled_from(sorted(DTYPES)), shape=st.lists(st.integers(0, 4), max_size=4), zipped=st.booleans())
def test_every_type_and_shape_is_read_back(tmp_path_factory, code, shape, zipped):
    array = np.arange(np.prod(shape, dtype=int)).astype(DTYPES[code]).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array, code)) if zipped else idx(array, code))
    read = read_idx(path)
    assert read.dtype == np.dtype(DTYPES[code]).newbyteorder("=")
    np.testing.assert_array_equal(read, array, strict=False)


@settings(max_examples=200)
@given(content=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\0\0\x08" + tail))
def test_any_bytes_give_an_array_or_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(content)
    with contextlib.suppress(DataError):  # and no other error
        read_idx(path)


WHOLE = idx(np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an IDX file"),
        (b"PNG, perhaps", "not an IDX file"),
        (b"\0\0\x07\x01" + WHOLE[4:], "not an IDX file"),
        (b"\0\0\x08\xff" + bytes(4 * 255), "not an IDX file"),
        (WHOLE[:9], "cut short"),
        (WHOLE[:-1], "cut short"),
        (WHOLE + b"\0", "bytes after its values"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(WHOLE, mtime=0)[:-6] + b"junk42", "damaged gzip"),
        (gzip.compress(WHOLE, mtime=0) + b"junk", "damaged gzip"),
        (gzip.compress(WHOLE[:-1], mtime=0), "cut short"),
    ],
)
def test_a_malformed_file_is_named_with_its_fault(tmp_path, content, says):
    path = tmp_path / "some-file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"some-file.*{says}"):
        read_idx(path)


def test_no_more_is_unpacked_than_the_header_promises(tmp_path, monkeypatch):
    """A gzip file of 64 MiB of zeros, whose header promises 12 bytes; and one that promises what it cannot hold."""
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(idx(np.zeros(12)) + bytes(2**26)))
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: (asked.append(size), read(self, size))[1])
    with pytest.raises(DataError, match=r"bomb has bytes after its values: its header promises 12 bytes"):
        read_idx(path)
    assert asked == [4, 4, 13]
    path.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**20, 2**20, 2**10)))
    with pytest.raises(DataError, match=r"bomb is cut short: its header promises 1125899906842624 bytes"):
        read_idx(path)
    assert asked[3:] == [4, 12]


def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        read_idx(tmp_path)


# ---- mnist, fashion-mnist


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("mnist", 0.1307, 0.3081), ("fashion-mnist", 0.2860, 0.3530), ("kmnist", 0.1918, 0.3483)]
)
def test_splits_and_normalisation(folder, name, mean, std):
    mnist = data.load(name, folder)
    assert [len(split.targets) for split in (mnist.train, mnist.validation, mnist.test)] == [50, 10, 12]
    assert mnist.validation.targets.tolist() == list(range(10))  # the end of the training file
    for split in (mnist.train, mnist.validation, mnist.test):
        expected = (split.targets[:, None] / 255 - mean) / std
        np.testing.assert_allclose(split.inputs, np.broadcast_to(expected, (len(expected), 784)), rtol=1e-6)
        assert split.inputs.dtype == np.float32


def test_the_folder_comes_from_the_argument_then_the_environment(folder, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FWDAD_DATA", str(folder))
    assert len(data.load("mnist").test.targets) == 12
    with pytest.raises(DataError, match="looked for"):
        data.load("mnist", tmp_path_factory.mktemp("empty"))


def test_a_folder_of_the_data_sets_name_comes_first(folder, tmp_path_factory):
    parent = tmp_path_factory.mktemp("all")
    (parent / "fashion-mnist").symlink_to(folder)
    assert len(data.load("fashion-mnist", parent).test.targets) == 12


def test_the_other_spelling_of_the_names_is_found(folder):
    for file in folder.iterdir():
        file.rename(folder / file.name.replace("-idx", ".idx"))
    assert len(data.load("mnist", folder).test.targets) == 12


def test_no_folder_at_all(monkeypatch):
    monkeypatch.delenv("FWDAD_DATA", raising=False)
    with pytest.raises(DataError, match=r"mnist.*--data-dir or \$FWDAD_DATA"):
        data.load("mnist")


def test_a_missing_folder_and_a_file_in_its_place(tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist"):
        data.load("mnist", tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is not a folder"):
        data.load("mnist", tmp_path / "file")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_says_what_was_looked_for_and_where(folder, name):
    for file in folder.glob(f"{name}*"):
        file.unlink()
    with pytest.raises(DataError) as error:
        data.load("mnist", folder)
    assert all(word in str(error.value) for word in (str(folder), name, f"{name}.gz", name.replace("-idx", ".idx")))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("train-images-idx3-ubyte", np.zeros((59, 28, 28)), r"59 images but .*train-labels.* 60 labels"),
        ("train-images-idx3-ubyte", np.zeros((60, 8, 8)), r"holds uint8 \(60, 8, 8\)"),
        ("t10k-images-idx3-ubyte", np.zeros((12, 784)), r"holds uint8 \(12, 784\)"),
        ("t10k-labels-idx1-ubyte", np.zeros((12, 1)), r"holds uint8 \(12, 1\)"),
        ("t10k-labels-idx1-ubyte", np.array([0] * 7 + [10] + [0] * 4), r"label 10 at index 7 is not in 0..9"),
    ],
)
def test_contents_that_do_not_fit(folder, file, content, says):
    (folder / file).write_bytes(idx(content))
    with pytest.raises(DataError, match=rf"{file}.*{says}"):
        data.load("mnist", folder)


def test_values_of_another_type(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((60, 28, 28)), 0x0D))
    with pytest.raises(DataError, match="holds float32"):
        data.load("mnist", folder)


def test_too_few_examples(folder):
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((5, 28, 28))))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5)))
    with pytest.raises(DataError, match="too few"):
        data.load("mnist", folder)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        DataError,
        match=r"'cifar'.*digits, mnist, fashion-mnist, kmnist, cifar10, cifar100, n-mnist, shd, or name a \.csv",
    ):
        data.load("cifar")
