"""Tables in Parquet files and data frames; folders of images."""

import sys

import numpy as np
import pytest

from fwdad import data
from fwdad.data import DataError

N = 30
RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, (N, 2)).round(3)
COLUMNS = {
    "a": X[:, 0],
    "n": np.arange(N) % 7,
    "colour": np.where(np.arange(N) % 2, "red", "blue"),
    "b": X[:, 1],
    "kind": np.array(["x", "y", "z"])[np.arange(N) % 3],
}


def pandas_frame(columns):
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(columns)


def polars_frame(columns):
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(columns)


@pytest.fixture(autouse=True)
def _narwhals():
    pytest.importorskip("narwhals", reason="narwhals is not installed: pip install 'fwdad[tables]'")


def from_csv(tmp_path, columns):
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return data.load(str(tmp_path / "table.csv"))


@pytest.mark.parametrize("make", [pandas_frame, polars_frame])
@pytest.mark.parametrize("target", ["kind", "n"])
def test_a_frame_a_parquet_file_and_a_csv_file_are_one_data_set(tmp_path, make, target):
    columns = {name: column for name, column in COLUMNS.items() if name != target} | {target: COLUMNS[target]}
    frame = make(columns)
    expected = from_csv(tmp_path, columns)
    found = data.load(frame)
    assert (found.digest(), found.class_names) == (expected.digest(), expected.class_names)
    assert found.facts.origin == "frame"
    (frame.to_parquet if make is pandas_frame else frame.write_parquet)(tmp_path / "table.parquet")
    found = data.load(str(tmp_path / "table.parquet"))
    assert found.digest() == expected.digest()
    known = data.load_known(frame[list(columns)[::-1]], expected.facts)
    assert (known.inputs.shape, known.targets.shape) == (
        (N, sum(len(c.words) or 1 for c in expected.facts.columns)),
        (N,),
    )


def test_categories_and_booleans_are_words(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas_frame(COLUMNS | {"colour": pandas.Categorical(COLUMNS["colour"]), "n": COLUMNS["n"] > 3})
    assert [column.words for column in data.load(frame).facts.columns] == [(), ("False", "True"), ("blue", "red"), ()]


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("a", [1.0, None] * 15, "frame, row 1, column 'a': no value"),
        ("a", [1.0, 2.0, np.inf] * 10, "frame, row 2, column 'a': 'inf' is not a finite number"),
        ("colour", ["red", "blue", None] * 10, "frame, row 2, column 'colour': no value"),
        ("kind", ["x", None] * 15, "frame, row 1, column 'kind': no value"),
        ("kind", [1.0, float("nan")] * 15, "frame, row 1, column 'kind': no value"),
        (
            "a",
            np.full(N, "2020-01-01", "datetime64[ms]"),
            "frame: column 'a' holds Date.*; needed are numbers or words",
        ),
    ],
)
@pytest.mark.parametrize("make", [pandas_frame, polars_frame])
def test_what_a_frame_may_not_hold(make, column, values, says):
    with pytest.raises(DataError, match=says):
        data.load(make(COLUMNS | {column: values}))


def test_other_mistakes_with_tables(tmp_path, monkeypatch):
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"cannot read .*damaged\.parquet"):
        data.load(str(tmp_path / "damaged.parquet"))
    with pytest.raises(DataError, match="data is a path, a name or a data frame, not list"):
        data.load([1, 2])
    with pytest.raises(DataError, match="frame holds no examples"):
        data.load(polars_frame({"a": [], "b": []}))
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(DataError, match=r"need narwhals: pip install 'fwdad\[tables\]'"):
        data.load(str(tmp_path / "damaged.parquet"))


# ---- images


@pytest.fixture
def folder(tmp_path):
    """A function that writes images, by their paths in a folder, and returns the folder."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'fwdad[images]'")

    def write(pixels):
        for name, array in pixels.items():
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.fromarray(array).save(path)
        return tmp_path / "images"

    return write


def pixels(i, *channels):
    return np.random.default_rng(i).integers(0, 256, (6, 5, *channels), dtype=np.uint8)


@pytest.mark.parametrize(("channels", "shape"), [((), (1, 6, 5)), ((3,), (3, 6, 5))])
def test_a_folder_of_images_is_the_data_set_of_its_pixels(tmp_path, folder, channels, shape):
    names = [f"{'cat' if i < 12 else 'dog'}/{i:02}.png" for i in range(24)]
    path = folder({name: pixels(i, *channels) for i, name in enumerate(names)})
    x = np.stack([pixels(i, *channels) for i in range(24)])
    np.savez(tmp_path / "images.npz", x=x, y=[name[:3] for name in names])
    expected, found = data.load(str(tmp_path / "images.npz")), data.load(str(path))
    assert (found.digest(), found.class_names, found.shape) == (expected.digest(), ("cat", "dog"), shape)
    known = data.load_known(str(path), found.facts)
    assert list(known.files) == [f"images/{name}" for name in names]
    np.testing.assert_array_equal(known.targets, np.repeat([0, 1], 12))
    np.testing.assert_array_equal(known.inputs, found.facts.inputs(x))
    alone = data.load_known(str(path / "cat"), found.facts, targets=False)
    np.testing.assert_array_equal(alone.inputs, known.inputs[:12])
    one = data.load_known(str(path / names[7]), found.facts, targets=False)
    np.testing.assert_array_equal(one.inputs, known.inputs[7:8])


def test_a_folder_with_parts(folder):
    parts = {
        f"{part}/{kind}/{i}.png": pixels(i) for part in ("train", "val", "test") for kind in "ab" for i in range(10)
    }
    assert data.load(str(folder(parts))).facts.counts == (20, 20, 20)


def test_grey_images_beside_coloured_ones(folder):
    path = folder({f"{kind}/{i}.png": pixels(i, 3) for kind in "ab" for i in range(10)})
    facts = data.load(str(path)).facts
    folder({"grey.png": pixels(1)})
    known = data.load_known(str(path / "grey.png"), facts, targets=False)
    np.testing.assert_array_equal(known.inputs, facts.inputs(np.repeat(pixels(1)[None, ..., None], 3, 3)))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"a/x.png": np.zeros((5, 6), np.uint8)},
            r"a/x.png is 5 x 6 pixels, but .*a/0.png 6 x 5; give all images one size",
        ),
        ({"a/x.png": np.zeros((6, 5), np.uint16)}, "x.png has pixels of kind I.*8 bits a channel"),
        (
            {"x.png": np.zeros((6, 5), np.uint8)},
            "its images are not all in folders that have the names of their classes",
        ),
    ],
)
def test_images_that_do_not_fit(folder, more, says):
    path = folder({f"{kind}/{i}.png": pixels(i) for kind in "ab" for i in range(10)} | more)
    with pytest.raises(DataError, match=says):
        data.load(str(path))


def test_other_mistakes_with_images(folder, tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no images \(.png, .*\), and no arrays x.npy and y.npy"):
        data.load(str(tmp_path / "images"))
    (tmp_path / "images" / "a" / "x.png").write_bytes(b"\x89PNG nonsense")
    with pytest.raises(DataError, match=r"cannot read the image .*a/x.png"):
        data.load(str(tmp_path / "images"))
    with pytest.raises(DataError, match=r"cannot read .*none.png: there is no such file"):
        data.load(str(tmp_path / "none.png"))
