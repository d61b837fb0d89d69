"""Data sets of one's own: .npz files, folders of .npy files, .csv files."""

import contextlib
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwdad import data
from fwdad.data import DataError

N = 40
RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (N, 4))
LABELS = np.arange(N) % 3
VALUES = X @ [1.0, -2.0, 0.5, 0.0] + 7


def parts(dataset):
    return dataset.train, dataset.validation, dataset.test


def pooled(dataset):
    """All examples of a data set in one split."""
    return data.Split(*(np.concatenate(arrays) for arrays in zip(*parts(dataset), strict=True)))


@pytest.fixture
def arrays(tmp_path):
    """A function that writes an .npz file, or with folder=True a folder of .npy files, and returns its path."""

    def write(folder=False, **named):
        if not folder:
            np.savez(tmp_path / "mine.npz", **named)
            return str(tmp_path / "mine.npz")
        (tmp_path / "mine").mkdir()
        for name, array in named.items():
            np.save(tmp_path / "mine" / f"{name}.npy", array)
        return str(tmp_path / "mine")

    return write


@pytest.fixture
def table(tmp_path):
    """A function that writes a .csv file from its text and returns its path."""

    def write(text):
        (tmp_path / "mine.csv").write_text(text)
        return str(tmp_path / "mine.csv")

    return write


# ---- arrays


@pytest.mark.parametrize("folder", [False, True])
def test_examples_in_one_heap_are_split_and_standardised(arrays, folder):
    dataset = data.load(arrays(folder, x=X, y=LABELS))
    assert (dataset.name, dataset.classes, dataset.outputs, dataset.shape) == ("mine", 3, 3, (4,))
    assert [len(split.targets) for split in parts(dataset)] == [32, 4, 4]
    assert sorted(np.bincount(dataset.train.targets)) == [10, 11, 11]
    for split in parts(dataset):
        assert (split.inputs.dtype, split.targets.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(dataset.train.inputs.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train.inputs.std(0), 1, atol=1e-6)
    # Every example is there once, with its own label: undo the standardisation by a fit.
    everything = pooled(dataset)
    order = np.argsort(everything.inputs[:, 0])
    np.testing.assert_array_equal(everything.targets[order], LABELS[np.argsort(X[:, 0])])


def test_the_test_part_has_no_say_in_the_standardisation(arrays):
    x, y = {}, {}
    for part, n in (("train", 20), ("validation", 5), ("test", 6)):
        x[part], y[part] = RNG.normal(2, 4, (n, 3)), np.arange(n) % 2
    named = {f"x_{p}": a for p, a in x.items()} | {f"y_{p}": a for p, a in y.items()}
    dataset = data.load(arrays(**named))
    mean, std = x["train"].mean(0), x["train"].std(0)
    for split, part in zip(parts(dataset), ("train", "validation", "test"), strict=True):
        np.testing.assert_allclose(split.inputs, (x[part] - mean) / std, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(split.targets, y[part])


def test_without_a_validation_part_a_tenth_of_the_training_part_is_one(arrays):
    dataset = data.load(arrays(x_train=X, y_train=LABELS, x_test=X[:5], y_test=LABELS[:5]))
    assert [len(split.targets) for split in parts(dataset)] == [36, 4, 5]


@pytest.mark.parametrize(("shape", "expected"), [((6, 5), (1, 6, 5)), ((3, 6, 5), (3, 6, 5))])
def test_images_are_standardised_by_channel(arrays, shape, expected):
    x = RNG.integers(0, 256, (N, *shape), dtype=np.uint8)
    dataset = data.load(arrays(x=x, y=LABELS))
    assert dataset.shape == expected
    assert dataset.train.inputs.shape == (32, np.prod(shape))
    planes = dataset.train.inputs.reshape(32, expected[0], -1)
    np.testing.assert_allclose(planes.mean((0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(planes.std((0, 2)), 1, atol=1e-5)


@pytest.mark.parametrize("columns", [0, 1, 2])
def test_a_regression_has_standardised_values(arrays, columns):
    y = VALUES if columns == 0 else np.stack([VALUES, -3 * VALUES], 1)[:, :columns]
    dataset = data.load(arrays(x=X, y=y), task="regression")
    assert (dataset.classes, dataset.outputs) == (None, max(columns, 1))
    assert dataset.train.targets.dtype == np.float32
    np.testing.assert_allclose(dataset.train.targets.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train.targets.std(0), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (LABELS + 1, ("1", "2", "3")),
        (5 * LABELS - 5, ("-5", "0", "5")),
        (np.array(["ox", "cat", "10"])[LABELS], ("10", "cat", "ox")),
        (LABELS > 0, ("False", "True")),
    ],
)
def test_classes_are_called_what_the_file_calls_them(arrays, y, names):
    dataset = data.load(arrays(x=X, y=y))
    assert (dataset.class_names, dataset.classes) == (names, len(names))
    everything = pooled(dataset)
    found = np.array(names)[everything.targets[np.argsort(everything.inputs[:, 0])]]
    np.testing.assert_array_equal(found, y[np.argsort(X[:, 0])].astype(str))


def test_names_of_arrays_in_capitals(arrays):
    assert data.load(arrays(X=X, Y=LABELS)).digest() == data.load(arrays(x=X, y=LABELS)).digest()


def test_channels_may_be_last(arrays):
    x = RNG.integers(0, 256, (N, 6, 5, 3), dtype=np.uint8)
    last = data.load(arrays(x=x, y=LABELS))
    first = data.load(arrays(x=np.moveaxis(x, -1, 1), y=LABELS))
    assert (last.shape, last.facts.channels_last, first.facts.channels_last) == ((3, 6, 5), True, False)
    assert last.digest() == first.digest()


def test_what_does_not_vary_becomes_zero(arrays):
    x = X.copy()
    x[:, 1] = 0.1 + 0.2  # its computed deviation is not quite 0
    dataset = data.load(arrays(x=x, y=LABELS))
    assert not pooled(dataset).inputs[:, 1].any()


def test_the_same_file_gives_the_same_data(arrays):
    path = arrays(x=X, y=LABELS)
    assert data.load(path).digest() == data.load(path).digest()


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "no array x; .* it has none of them"),
        ({"x": X}, "no array y; .* it has x"),
        ({"x": X, "labels": LABELS}, "no array y"),
        ({"x": X, "X": X, "y": LABELS}, "two of its arrays are called x, but for capitals"),
        ({"x_train": X, "y_train": LABELS}, "no array x_test"),
        ({"x_train": X, "y_train": LABELS, "x_test": X}, "no array y_test"),
        ({"x": X[:, 0], "y": LABELS}, r"x is float64 \(40,\); needed are numbers, \(N, D\)"),
        ({"x": X.astype(str), "y": LABELS}, r"x is <U\d+ \(40, 4\); needed are numbers"),
        ({"x": X[:-1], "y": LABELS}, "x holds 39 examples but y 40 targets"),
        ({"x": X[:0], "y": LABELS[:0]}, "x holds 0 examples"),
        ({"x": X[:9], "y": LABELS[:9]}, "holds 9 examples; at least 10"),
        ({"x": X, "y": VALUES}, r"y is float64 \(40,\); classes are integers .* --task regression"),
        ({"x": X, "y": LABELS[:, None]}, r"y is int64 \(40, 1\); classes are integers"),
        ({"x": X, "y": np.array([*["a", "b"] * 19, "a", " "])}, "y holds no class in example 39"),
        (
            {"x": X, "y": np.arange(N)},
            "40 different values in 40 examples, too many to be classes; .* --task regression",
        ),
        ({"x": X.astype(np.longdouble), "y": LABELS}, "x is float128"),
        ({"x": np.where(np.arange(N)[:, None] == 7, np.nan, X), "y": LABELS}, "x holds NaN, infinity .* example 7"),
        (
            {"x_train": X, "y_train": LABELS, "x_test": X[:, :2], "y_test": LABELS},
            r"different shapes: \[\(2,\), \(4,\)",
        ),
        ({"x": np.array([{}] * N), "y": LABELS}, "cannot read .*Object arrays"),
    ],
)
def test_arrays_that_do_not_fit(arrays, named, says):
    with pytest.raises(DataError, match=says):
        data.load(arrays(**named))


@pytest.mark.parametrize(
    ("y", "says"),
    [
        (np.where(np.arange(N) == 3, np.inf, VALUES), "y holds NaN, infinity .*, first in example 3"),
        (VALUES[:, None, None], "a regression needs numbers"),
        (VALUES.astype(str), "a regression needs numbers"),
    ],
)
def test_values_that_do_not_fit(arrays, y, says):
    with pytest.raises(DataError, match=says):
        data.load(arrays(x=X, y=y), task="regression")


@settings(max_examples=60)
@given(content=st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"PK\x03\x04" + tail))
def test_a_damaged_archive_is_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"fuzzed\.npz"):
        data.load(str(path))


@pytest.mark.parametrize("length", [0, 30, 200, -1])
def test_a_file_cut_short_is_a_data_error(arrays, length, tmp_path):
    path = arrays(x=X, y=LABELS)
    content = (tmp_path / "mine.npz").read_bytes()
    (tmp_path / "mine.npz").write_bytes(content[:length])
    with pytest.raises(DataError, match=r"mine\.npz"):
        data.load(path)


# ---- tables


def lines(rows, header="a,b,c,d,y"):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_a_table_of_classes(table):
    words = np.array(["cat", "dog", "ox"])[LABELS]
    text = lines((*x, word) for x, word in zip(X, words, strict=True))
    dataset = data.load(table("\ufeff" + text.replace("\n", "\r\n", 5) + "\n\n"))  # as spreadsheets write it
    assert (dataset.class_names, dataset.classes, dataset.shape) == (("cat", "dog", "ox"), 3, (4,))
    everything = pooled(dataset)
    order = np.argsort(everything.inputs[:, 0])
    np.testing.assert_array_equal(everything.targets[order], LABELS[np.argsort(X[:, 0])])
    np.testing.assert_allclose(dataset.train.inputs.std(0), 1, atol=1e-6)


def test_classes_that_are_numbers_stand_in_their_order(table):
    dataset = data.load(table(lines((*x, (10, 9, 2)[label]) for x, label in zip(X, LABELS, strict=True))))
    assert dataset.class_names == ("2", "9", "10")


def test_a_column_of_words_is_an_input_for_each(table):
    text = lines(
        (x[0], ("red", "blue", "blue")[label], *x[2:], "uv"[label % 2]) for x, label in zip(X, LABELS, strict=True)
    )
    dataset = data.load(table(text))
    assert (dataset.shape, dataset.facts.columns[1].words) == ((5,), ("blue", "red"))
    everything = pooled(dataset)
    blue = everything.inputs[:, 1] > 0
    np.testing.assert_array_equal(blue, everything.inputs[:, 2] < 0)
    assert blue.sum() == (LABELS > 0).sum()


def test_a_table_with_tabs(tmp_path, table):
    text = lines((*x, "abc"[label]) for x, label in zip(X, LABELS, strict=True))
    (tmp_path / "mine.tsv").write_text(text.replace(",", "\t"))
    assert data.load(str(tmp_path / "mine.tsv")).digest() == data.load(table(text)).digest()


def test_a_table_of_values_and_any_target_column(table):
    path = table(lines((value, *x) for x, value in zip(X, VALUES, strict=True)))
    dataset = data.load(path, task="regression", target="a")
    everything = pooled(dataset)
    assert (dataset.classes, dataset.outputs, everything.inputs.shape) == (None, 1, (N, 4))
    fit, *_ = np.linalg.lstsq(np.c_[everything.inputs, np.ones(N)], everything.targets[:, 0])
    np.testing.assert_allclose(
        np.c_[everything.inputs, np.ones(N)] @ fit, everything.targets[:, 0], atol=1e-5
    )  # each value stands by its own example


GOOD = ["1,2,3,4,cat", "1,2,3,5,dog"] * 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no examples"),
        ("a,b,y\n", "holds no examples"),
        ("y\n1\n2\n", "one column 'y'"),
        ("a;b;y\n1;2;cat\n", "one column 'a;b;y'.* separated by commas"),
        ("5.1,3.5,1.4,cat\n4.9,3,1.4,dog", "begins with the numbers of an example: 5.1,3.5,1.4,cat; .* names of its 4"),
        ("7,3,1,0\n4,3,1,1", "begins with the numbers of an example: 7,3,1,0"),
        (",a,y\n0,5,cat\n1,6,dog", r"column 1 has no name; if it numbers the rows, leave it out \(pandas: to_csv"),
        ("a,w,y\n" + "\n".join(f"{i},word {i},{'cd'[i % 2]}" for i in range(12)), "'w' holds 12 different words in 12"),
        ("a,w,y\n" + "\n".join(f"{i},{'u' if i % 2 else ''},c" for i in range(12)), "line 2, column 'w': no value"),
        ("a,a,y\n1,2,3\n", "two columns have the same name"),
        ("a,b,c,d,y\n1,2,3,4,cat\n\n1,2,3,cat", "line 4: 4 values, but the header names 5"),
        ("a,b,c,d,y\n" + "\n".join([*GOOD, "1,x,3,4,cat"]), "line 14, column 'b': 'x' is not a finite number"),
        ("a,b,c,d,y\n" + "\n".join([*GOOD, "1, ,3,4,cat"]), "line 14, column 'b': no value"),
        ("a,b,c,d,y\n" + "\n".join([*GOOD, "1,nan,3,4,cat"]), "'nan' is not a finite number"),
        ("a,b,c,d,y\n" + "\n".join([*GOOD, "1,2,3,4, "]), "line 14, column 'y': no value"),
        ("a,b,c,d,y\n" + "\n".join(GOOD[:8]), "holds 8 examples; at least 10"),
        (
            "a,y\n" + "\n".join(f"1,{i / 7}" for i in range(20)),
            "20 different values in 20 examples, .* --task regression",
        ),
        ('a,y\n1,"2\n', "cannot read .*mine.csv"),
    ],
)
def test_a_table_that_does_not_fit(table, text, says):
    with pytest.raises(DataError, match=says):
        data.load(table(text))


def test_other_mistakes(table, tmp_path, monkeypatch):
    path = table("a,b,c,d,y\n" + "\n".join(GOOD))
    with pytest.raises(DataError, match=r"no column 'z'; its columns are a, b, c, d, y"):
        data.load(path, target="z")
    with pytest.raises(DataError, match="line 2, column 'y': 'cat' is not a finite number"):
        data.load(path, task="regression")
    with pytest.raises(DataError, match="unknown task 'ranking'; choose one of classification, regression"):
        data.load(path, task="ranking")
    with pytest.raises(DataError, match="'y', is for tables; digits is none"):
        data.load("digits", target="y")
    with pytest.raises(DataError, match="digits is a classification data set"):
        data.load("digits", task="regression")
    for name in ("none.csv", "none.npz"):
        with pytest.raises(DataError, match=f"cannot read .*{name}"):
            data.load(str(tmp_path / name))


@settings(max_examples=60)
@given(content=st.binary(max_size=80) | st.text('a1,\n" .', max_size=80).map(str.encode))
def test_any_bytes_give_a_table_or_a_data_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError):  # and no other error
        data.load(str(path))


# ---- what lies about itself


def npy(shape, dtype="<f8", content=b"", version=b"\x01\x00"):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + content


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy((10**9, 10**3)), "its header promises 8000000000128"),
        (npy((10**15,) * 4), "its header promises"),
        (npy((2, 2), content=bytes(31)), "has 159 bytes, but its header promises 160"),
        (npy((2, 2), content=bytes(33)), "has 161 bytes, but its header promises 160"),
        (npy((2, 2), "nonsense", bytes(32)), ""),
        (npy("(" * 5000, content=bytes(32)), ""),
        (npy((2, 2), version=b"\x03\x00", content=bytes(32)), r"version \(3, 0\) of NumPy's format"),
        (npy((2, 2), "|O", bytes(32)), "Object arrays cannot be loaded"),
        (b"\x93NUMPY\x01\x00\x10\x00'''", ""),  # a string without end, for NumPy's tokenizer
        (b"", ""),
    ],
)
def test_a_header_that_promises_what_is_not_there(tmp_path, folder, content, says):
    if folder:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "x.npy").write_bytes(content)
        path = tmp_path / "mine"
    else:
        path = archive(tmp_path / "mine.npz", x=content)
    with pytest.raises(DataError, match=rf"^cannot read .*mine.*{says}"):
        data.load(str(path))


def test_an_archive_that_promises_more_than_it_holds(tmp_path):
    path = archive(tmp_path / "mine.npz", x=npy((2, 2), content=bytes(32)))
    content, size = path.read_bytes(), (160).to_bytes(4, "little")
    assert content.count(size) == 2  # before the member and in the directory
    path.write_bytes(content.replace(size, (2**31).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"has 2147483648 bytes by its header, more than the file can hold"):
        data.load(str(path))


def test_an_encrypted_archive(tmp_path):
    path = archive(tmp_path / "mine.npz", x=npy((2, 2), content=bytes(32)))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read .*password"):
        data.load(str(path))


@pytest.mark.parametrize("value", [1e39, -1e300])
def test_values_that_float32_cannot_hold(arrays, table, value):
    x = X.copy()
    x[7, 1] = value
    with pytest.raises(DataError, match="x holds NaN, infinity or what float32 cannot hold, first in example 7"):
        data.load(arrays(x=x, y=LABELS))
    text = "a,b,c,d,y\n" + "\n".join([*GOOD, f"1,{value},3,4,cat"])
    with pytest.raises(DataError, match=r"line 14, column 'b': '.*' is not a finite number in float32"):
        data.load(table(text))


def test_a_test_part_on_another_scale(arrays):
    with pytest.raises(DataError, match="inputs of the test part are too far from the training part"):
        data.load(arrays(x_train=X * 1e-30, y_train=LABELS, x_test=X * 1e30, y_test=LABELS))


@pytest.mark.parametrize("word", ["1_000", "١٢", "１", "0x10", "1e", "1,5"])
def test_what_is_no_number_in_a_table(table, word):
    with pytest.raises(DataError, match=f"line 14, column 'b': '{word}' is not a finite number"):
        data.load(table("a,b,c,d,y\n" + "\n".join([*GOOD, f'1,"{word}",3,4,cat'])))


def test_words_that_look_like_numbers_are_words(table):
    rows = [f"1,{word}" for word in ("2", "10", "1_0", "nan") for _ in range(5)]
    assert data.load(table("a,y\n" + "\n".join(rows))).class_names == ("2", "10", "1_0", "nan")
