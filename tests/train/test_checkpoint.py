import json
import os

import numpy as np
import pytest
import safetensors.numpy

from fwdad import files
from fwdad.train import CheckpointError, checkpoint

TREES = {
    "model": [
        {"weight": np.arange(12, dtype=np.float32).reshape(3, 4), "bias": None},
        {"weight": np.arange(12.0).reshape(3, 4).T, "bias": np.zeros((0, 2))},  # not contiguous; empty
    ],
    "optimizer": {"step": np.array(7, np.int64)},
}
STATE = {"progress": {"loss": 0.1 + 0.2, "rows": [[1, 2.5]]}, "text": "héllo\n"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save(path, TREES, STATE)
    return path


def test_what_is_saved_is_what_is_loaded(path):
    arrays, state = checkpoint.load(path)
    assert {name: state[name] for name in STATE} == STATE
    blank = {name: _zeros(value) for name, value in TREES.items()}
    restored = checkpoint.restore(blank, arrays, path)
    for layer, expected in zip(restored["model"], TREES["model"], strict=True):
        np.testing.assert_array_equal(layer["weight"], expected["weight"], strict=True)
    assert restored["model"][0]["bias"] is None
    assert restored["model"][1]["bias"].shape == (0, 2)
    np.testing.assert_array_equal(restored["optimizer"]["step"], TREES["optimizer"]["step"], strict=True)


def _zeros(value):
    if isinstance(value, dict):
        return {name: _zeros(child) for name, child in value.items()}
    return [_zeros(child) for child in value] if isinstance(value, list) else None if value is None else value * 0


def test_any_truncation_is_detected(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
            checkpoint.load(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100])
def test_another_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        checkpoint.load(path)


@pytest.mark.parametrize("header", [None, {}, {"fwdad": "no json"}, {"fwdad": "[]"}, {"fwdad": "{}"}])
def test_safetensors_of_another_program_are_refused(path, header):
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}, header))
    with pytest.raises(CheckpointError, match="not a checkpoint of fwdad"):
        checkpoint.load(path)


def test_another_format_is_refused(path):
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(3)}, {"fwdad": json.dumps({"format": 99})}))
    with pytest.raises(CheckpointError, match="format 99"):
        checkpoint.load(path)


def test_a_missing_file_and_a_folder_in_its_place(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"cannot read .*: Is a directory"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"w": np.zeros((2, 3), np.float32)}, r"t\.w is float32 \(2, 2\) in it, but float32 \(2, 3\) here"),
        ({"w": np.zeros((2, 2))}, r"t\.w is float32 \(2, 2\) in it, but float64 \(2, 2\) here"),
        ({"v": np.zeros((2, 2), np.float32)}, r"t\.v is absent in it, but float32 \(2, 2\) here"),
        ({}, r"t\.w is float32 \(2, 2\) in it, but absent here"),
    ],
)
def test_the_difference_to_another_model_is_named(path, other, says):
    checkpoint.save(path, {"t": {"w": np.zeros((2, 2), np.float32)}}, {})
    with pytest.raises(CheckpointError, match=f"another model: {says}"):
        checkpoint.restore({"t": other}, checkpoint.load(path)[0], path)


def test_nan_cannot_hide_in_the_state(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        checkpoint.save(path, TREES, {"loss": float("nan")})
    assert path.read_bytes() == before


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(path, monkeypatch, step):
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, TREES, STATE)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_file_is_on_the_disk_before_it_takes_the_place_of_the_old(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    files.write_atomic(path, b"new")
    assert calls == ["fsync", "replace", "fsync"]
    assert path.read_bytes() == b"new"
