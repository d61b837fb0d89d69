import numpy as np
import pytest

from fwdad import data
from fwdad.data import DataError, cifar

RECORDS = 20  # a file here, instead of 10,000


def records(n, label_bytes, classes):
    """n records whose pixels are 1 + label in the red plane, twice and three times that in the green and the blue."""
    labels = np.arange(n) % classes
    planes = (labels[:, None] + 1) * np.array([1, 2, 3])
    rows = [np.full((n, 1), 255)] * (label_bytes - 1) + [labels[:, None], np.repeat(planes, 1024, axis=1)]
    return np.concatenate(rows, axis=1).astype(np.uint8).tobytes()


@pytest.fixture(params=["cifar10", "cifar100"])
def folder(request, tmp_path, monkeypatch):
    """The folder of a small CIFAR, as its archive unpacks: its path has the data set's name."""
    layout = cifar.LAYOUTS[request.param]._replace(train_records=RECORDS, test_records=RECORDS // 2)
    monkeypatch.setitem(cifar.LAYOUTS, request.param, layout)
    home = tmp_path / request.param / layout.folder
    home.mkdir(parents=True)
    for file, n in (*((file, RECORDS) for file in layout.train), (layout.test, RECORDS // 2)):
        (home / file).write_bytes(records(n, layout.label_bytes, layout.classes))
    return home


def test_splits_planes_and_normalisation(folder):
    name = folder.parent.name
    layout = cifar.LAYOUTS[name]
    dataset = data.load(name, folder.parent.parent)
    total = RECORDS * len(layout.train)
    sizes = [len(split.targets) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [total - total // 5, total // 5, RECORDS // 2]
    assert (dataset.classes, dataset.outputs, dataset.shape) == (layout.classes, layout.classes, (3, 32, 32))
    labels = np.concatenate([dataset.train.targets, dataset.validation.targets])
    assert labels.tolist() == [i % RECORDS % layout.classes for i in range(total)]
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.inputs.dtype == np.float32
        images = split.inputs.reshape(-1, 3, 32, 32)
        pixels = (split.targets[:, None] + 1) * np.array([1, 2, 3])
        expected = (pixels - np.array(layout.mean)) / np.array(layout.std)
        np.testing.assert_allclose(images, np.broadcast_to(expected[:, :, None, None], images.shape), rtol=1e-6)


def test_the_files_are_found_in_each_of_the_usual_places(folder):
    name = folder.parent.name
    for place in (folder.parent.parent, folder.parent, folder):
        assert len(data.load(name, place).test.targets) == RECORDS // 2


def test_class_names_come_from_the_archive(folder):
    name = folder.parent.name
    file = {"cifar10": "batches.meta.txt", "cifar100": "fine_label_names.txt"}[name]
    assert data.load(name, folder).class_names == ()
    names = tuple(f"name{i}" for i in range(cifar.LAYOUTS[name].classes))
    (folder / file).write_text("\n".join(names) + "\n\n")
    assert data.load(name, folder).class_names == names


def test_any_other_length_is_refused(folder):
    name = folder.parent.name
    file = folder / cifar.LAYOUTS[name].test
    whole = file.read_bytes()
    size = len(whole) // (RECORDS // 2)
    for content, says in (
        (b"", "cut short"),
        (whole[:-1], "cut short"),
        (whole[:-size], "cut short"),  # by a whole record
        (whole + b"\0", "too long"),
        (whole + whole[:size], "too long"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"{file.name} is {says}"):
            data.load(name, folder)


def test_a_label_out_of_range_and_a_missing_file(folder):
    name = folder.parent.name
    layout = cifar.LAYOUTS[name]
    file = folder / layout.train[-1]
    content = bytearray(file.read_bytes())
    content[7 * (layout.label_bytes + 3072) + layout.label_bytes - 1] = layout.classes
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"{file.name}: label {layout.classes} at index 7 is not in 0.."):
        data.load(name, folder)
    file.unlink()
    with pytest.raises(DataError, match=f"no {file.name} in .*binary version, {layout.folder}"):
        data.load(name, folder)
