"""Writing of files, JSON, and the lock of a folder."""

import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from fwdad import files
from fwdad.errors import RunError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_link_stays_and_the_file_that_it_names_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")  # which is not there yet
    for content in (b"first", b"second"):
        files.write_atomic(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_bytes() == content
    assert (names(tmp_path), names(tmp_path / "there")) == (["link", "there"], ["file"])


def test_a_link_to_itself_and_a_folder_are_named(tmp_path):
    (tmp_path / "link").symlink_to("link")
    for name in ("link", "."):
        with pytest.raises(OSError, match=str(tmp_path)):
            files.write_atomic(tmp_path / name, b"x")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_is_kept(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    files.write_atomic(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_user_gives_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_file_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as it is for anybody but root
    with pytest.raises(PermissionError, match="file"):
        files.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_devices_and_pipes_are_written_into(tmp_path):
    files.write_atomic(type(tmp_path)("/dev/null"), b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_atomic(pipe, b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("target", ["pipe", "file"])
def test_standard_output_by_its_name(tmp_path, target):
    script = "import pathlib, sys; from fwdad.files import write_atomic; print('before', flush=True); "
    script += "write_atomic(pathlib.Path('/dev/stdout'), b'content')"
    with (tmp_path / "out").open("w") as file:
        where = subprocess.PIPE if target == "pipe" else file
        result = subprocess.run([sys.executable, "-c", script], stdout=where, check=True)
    assert (result.stdout or (tmp_path / "out").read_bytes()) == b"before\ncontent"


def test_nothing_that_lies_in_wait_is_followed(tmp_path, monkeypatch):
    """Not even under the name of the temporary file, were it known."""
    (tmp_path / "precious").write_bytes(b"precious")
    monkeypatch.setattr(files.os, "urandom", lambda n: b"known"[:n])
    trap = tmp_path / files.TEMPORARY.format(b"known".hex())
    trap.symlink_to("precious")
    with pytest.raises(FileExistsError):
        files.write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_two_writers_do_not_mix(tmp_path):
    path, seen = tmp_path / "file", set()
    contents = [bytes([i]) * 100_000 for i in range(3)]
    writers = [threading.Thread(target=lambda c=c: [files.write_atomic(path, c) for _ in range(10)]) for c in contents]
    files.write_atomic(path, contents[0])
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_bytes())
    for writer in writers:
        writer.join()
    assert seen <= set(contents)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("1" * 400, "an integer of 400 digits is too large"),
        ("-1e999", "-1e999 is not a finite number"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ('{"a": 1, "a": 2}', "the same name twice"),
        ("{", "Expecting property name"),
        (b"\xff", "utf-8"),
    ],
)
def test_json_that_is_refused(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        files.parse_json(text)
    path = tmp_path / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError, match=rf"cannot read .*file\.json: .*{says}"):
        files.read_json(path)


def test_json_that_is_read():
    value = {"a": [1, -(2**63), 2**64 - 1, 0.1, None, True, "\u00e9"]}
    assert files.parse_json(json.dumps(value)) == value
    assert files.parse_json("[Infinity]", nan=True) == [float("inf")]


@pytest.mark.parametrize("text", ["1_000", "١٢", "１", "", "one"])
def test_what_is_no_number(text):
    with pytest.raises(ValueError):  # noqa: PT011  (Python's own for some)
        files.parse_number(text)


def test_a_lock_has_one_holder(tmp_path):
    taken = files.lock(tmp_path)
    with pytest.raises(RunError, match="another process is at work"):
        files.lock(tmp_path)
    taken.release()
    files.lock(tmp_path).release()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot lock"):
        files.lock(tmp_path / "file")
