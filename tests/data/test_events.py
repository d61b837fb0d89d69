"""N-MNIST and SHD: files of their formats with few events, and what is wrong with files."""

import sys

import numpy as np
import pytest

from fwdad import data
from fwdad.data import DataError
from fwdad.data.events import STEPS
from fwdad.data.facts import Facts

RNG = np.random.default_rng(6)


def event(x, y, polarity, time):
    """Five bytes, by the bits that the publisher names."""
    return (x << 32 | y << 24 | polarity << 23 | time).to_bytes(5, "big")


def tally(events, size):
    """How often each input fired in each tenth of the time from the first event to the last, from pairs."""
    counts, times = np.zeros((STEPS, size)), [time for time, _ in events]
    for time, i in events:
        step = (time - min(times)) * STEPS // (max(times) - min(times))
        counts[min(step, STEPS - 1), i] += 1
    return counts


# ---- N-MNIST


@pytest.fixture(scope="module")
def recordings():
    """part, number -> digit and events (x, y, polarity, time): 14 to train on, 5 to test; the files are numbered."""
    made = {}
    for part, n in (("Train", 14), ("Test", 5)):
        for number in range(1, n + 1):
            events = RNG.integers(0, [34, 34, 2, 300_000], (40, 4))
            made[part, number] = (number * 7 % 10, events[np.argsort(events[:, 3])].tolist())
    return made


@pytest.fixture
def nmnist(tmp_path, recordings):
    for part in ("Train", "Test"):
        for digit in range(10):
            (tmp_path / "n-mnist" / part / str(digit)).mkdir(parents=True)
    for (part, number), (digit, events) in recordings.items():
        file = tmp_path / "n-mnist" / part / str(digit) / f"{number:05}.bin"
        file.write_bytes(b"".join(event(*e) for e in events))
    return tmp_path / "n-mnist"


def test_nmnist_counts_events_by_pixel_and_time(nmnist, recordings):
    dataset = data.load("n-mnist", nmnist.parent)
    assert (dataset.shape, dataset.classes, dataset.outputs) == ((10, 2312), 10, 10)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part.targets) for part in parts] == [12, 2, 5]  # the last sixth, in the order of the numbers
    keys = [*recordings]
    for part, names in zip(parts, (keys[:12], keys[12:14], keys[14:]), strict=True):
        assert part.inputs.dtype == np.float32
        assert part.inputs.shape == (len(names), 10 * 2312)
        for found, label, name in zip(part.inputs, part.targets, names, strict=True):
            digit, events = recordings[name]
            assert label == digit
            pairs = [(t, p * 34 * 34 + y * 34 + x) for x, y, p, t in events]
            assert np.array_equal(found.reshape(10, 2312), tally(pairs, 2312))
    assert data.load("n-mnist", nmnist).digest() == dataset.digest()
    known = data.load_known("n-mnist", dataset.facts, nmnist)
    assert np.array_equal(known.inputs, dataset.test.inputs)
    assert np.array_equal(known.targets, dataset.test.targets)


def test_an_overflow_moves_the_times_that_follow(nmnist):
    file = nmnist / "Test" / "7" / "00001.bin"
    events = [event(1, 0, 0, 100), event(2, 0, 0, 5_000), event(9, 240, 1, 0), event(3, 0, 0, 10_092 - 8_192)]
    file.write_bytes(b"".join(events))
    counts = data.load("n-mnist", nmnist).test.inputs[0].reshape(10, 2312)
    assert np.argwhere(counts).tolist() == [[0, 1], [4, 2], [9, 3]]  # 0, 4,900 and 9,992 of 9,992 microseconds


def test_one_moment_is_the_first_bin(nmnist):
    (nmnist / "Test" / "7" / "00001.bin").write_bytes(2 * event(4, 0, 0, 77))
    counts = data.load("n-mnist", nmnist).test.inputs[0].reshape(10, 2312)
    assert counts[0, 4] == counts.sum() == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no events"),
        (event(0, 240, 0, 0), "holds no events"),
        (event(3, 3, 0, 1)[:4], "is cut short: 4 bytes are not whole events of 5"),
        (event(3, 3, 0, 1) + event(34, 3, 0, 1), r"event 1 is at \(34, 3\), outside of 34 x 34 pixels"),
        (event(3, 239, 0, 1), r"event 0 is at \(3, 239\), outside"),
    ],
)
def test_a_wrong_recording_is_named(nmnist, content, says):
    (nmnist / "Test" / "7" / "00001.bin").write_bytes(content)
    with pytest.raises(DataError, match=rf"^[^\n]*00001\.bin:? {says}[^\n]*$"):
        data.load("n-mnist", nmnist)


def test_a_folder_that_is_no_digit(nmnist):
    (nmnist / "Test" / "7").rename(nmnist / "Test" / "10")
    (nmnist / "Test" / "7").mkdir()
    with pytest.raises(DataError, match=r"Test has 1 \.bin files in folders other than 0 to 9"):
        data.load("n-mnist", nmnist)


def test_missing_folders_and_recordings(nmnist, monkeypatch):
    for file in nmnist.glob("Train/*/*.bin"):
        if file.name > "00005.bin":
            file.unlink()
    with pytest.raises(DataError, match="too few recordings to train on: 5"):
        data.load("n-mnist", nmnist)
    for file in nmnist.glob("Test/*/*.bin"):
        file.unlink()
    with pytest.raises(DataError, match=r"Test holds no \.bin files"):
        data.load("n-mnist", nmnist)
    (nmnist / "Test" / "3").rmdir()
    with pytest.raises(DataError, match=r"no folder .*3; N-MNIST is the folders Train and Test with \.bin files in 0"):
        data.load("n-mnist", nmnist)
    with pytest.raises(DataError, match="nowhere does not exist"):
        data.load("n-mnist", nmnist / "nowhere")
    monkeypatch.delenv("FWDAD_DATA", raising=False)
    with pytest.raises(DataError, match=r"by --data-dir or \$FWDAD_DATA$"):
        data.load("n-mnist")


# ---- SHD


def write_shd(path, times, units, labels):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'fwdad[events]'")
    with h5py.File(path, "w") as file:
        for name, rows, dtype in (("times", times, np.float16), ("units", units, np.uint16)):
            column = file.create_dataset(f"spikes/{name}", (len(rows),), h5py.vlen_dtype(dtype))
            for i, row in enumerate(rows):
                column[i] = row
        file["labels"] = np.asarray(labels, np.uint16)


def spikes(n):
    """Times in 1/1024 s, which float16 holds, units and labels of n recordings."""
    times = [np.sort(RNG.integers(0, 1024, 30 + i)) for i in range(n)]
    return times, [RNG.integers(0, 700, len(row)) for row in times], np.arange(n) * 3 % 20


@pytest.fixture(scope="module")
def spoken():
    return {"train": spikes(40), "test": spikes(9)}


@pytest.fixture
def shd(tmp_path, spoken):
    for part, (times, units, labels) in spoken.items():
        write_shd(tmp_path / f"shd_{part}.h5", [row / 1024 for row in times], units, labels)
    return tmp_path


def test_shd_counts_spikes_by_unit_and_time(shd, spoken):
    dataset = data.load("shd", shd)
    assert (dataset.shape, dataset.classes) == ((10, 700), 20)
    assert [len(part.targets) for part in (dataset.train, dataset.validation, dataset.test)] == [36, 4, 9]
    together = [np.concatenate(pair) for pair in zip(dataset.train, dataset.validation, strict=True)]
    for (inputs, targets), name in ((together, "train"), (dataset.test, "test")):
        expected = [tally(list(zip(*row, strict=True)), 700).ravel() for row in zip(*spoken[name][:2], strict=True)]
        order = np.lexsort(inputs.T), np.lexsort(np.array(expected).T)
        assert np.array_equal(inputs[order[0]], np.array(expected)[order[1]])
        assert np.array_equal(targets[order[0]], spoken[name][2][order[1]])
    known = data.load_known("shd", dataset.facts, shd)
    assert np.array_equal(known.inputs, dataset.test.inputs)
    with pytest.raises(DataError, match=r"shd holds examples \(10, 700\), but the run has learnt from \(8, 8\)"):
        data.load_known("shd", data.load("digits").facts, shd)


@pytest.mark.parametrize(
    ("times", "units", "labels", "says"),
    [
        ([[0.1], [0.2]], [[1], [700]], [0, 1], "recording 1 has units from 700 to 700; needed are 0 to 699"),
        ([[0.1], [0.2]], [[1], [2]], [0, 20], r"label 20 at index 1 is not in 0\.\.19"),
        ([[0.1], [0.2, 0.3]], [[1], [2]], [0, 1], r"recording 1 has times \(2,\), but units \(1,\)"),
        ([[0.1], [np.nan]], [[1], [2]], [0, 1], "recording 1 has a time that is not finite"),
        ([[0.1], []], [[1], []], [0, 1], "recording 1 holds no events"),
        ([[0.1], [0.2]], [[1], [2]], [0], "holds 2 recordings of times, 2 of units and 1 labels"),
        ([], [], [], "holds 0 recordings"),
    ],
)
def test_wrong_spikes_are_named(shd, times, units, labels, says):
    write_shd(shd / "shd_test.h5", times, units, labels)
    with pytest.raises(DataError, match=rf"^[^\n]*shd_test\.h5[:,]? {says}[^\n]*$"):
        data.load("shd", shd)


def test_other_files_and_none(shd, monkeypatch):
    import h5py

    file = shd / "shd_test.h5"
    whole = file.read_bytes()
    for content in (b"", b"no HDF5", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"^cannot read [^\n]*shd_test\.h5: [^\n]*; SHD is HDF5 with spikes/times"):
            data.load("shd", shd)
    for given, says in (
        ({}, "cannot read"),
        ({"spikes/times/more": 1}, "cannot read"),
        ({"spikes/times": np.zeros((3, 4))}, r"spikes/times is float64 \(3, 4\)"),
    ):
        with h5py.File(file, "w") as other:
            for key, value in given.items():
                other[key] = value
        with pytest.raises(DataError, match=rf"{says}[^\n]*; SHD is HDF5"):
            data.load("shd", shd)
    file.unlink()
    with pytest.raises(DataError, match=r"no shd_test\.h5 in .*unpack"):
        data.load("shd", shd)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"install h5py: pip install 'fwdad\[events\]'"):
        data.load("shd", shd)


# ---- what a run keeps


def test_facts_of_a_series():
    about = {"origin": "mine", "dtype": "uint8", "counts": (1, 1, 1), "classes": ("0", "1"), "series": True}
    facts = Facts(shape=(3, 2), mean=(0.0,) * 3, std=(2.0,) * 3, **about)
    x = np.arange(12).reshape(2, 3, 2)
    assert facts.input_shape == (3, 2)
    assert np.array_equal(facts.inputs(x), x.reshape(2, 6) / 2)
    assert np.array_equal(facts.originals(facts.inputs(x)), x)
    with pytest.raises(ValueError, match="cannot have the shape"):
        Facts(shape=(3,), mean=(0.0,) * 3, std=(2.0,) * 3, **about)
