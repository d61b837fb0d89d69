"""Downloads, from a server on this machine."""

import functools
import gc
import gzip
import hashlib
import http.server
import io
import sys
import tarfile
import threading

import pytest

from fwdad import data
from fwdad.data import DataError
from fwdad.data.download import SOURCES, Source

pytest.importorskip("pooch", reason="pooch is not installed: pip install 'fwdad[download]'")
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _sockets_are_collected_here():
    """The socket of a connection that failed is left to the garbage collector, which must not warn in other tests."""
    yield
    gc.collect()


CONTENT = gzip.compress(b"some content")
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path):
    """A folder served over HTTP: (folder, URL, list of paths asked for)."""
    folder, asked = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{running.server_port}/", asked
    running.shutdown()
    thread.join()
    running.server_close()


def test_files_are_fetched_checked_and_not_fetched_twice(server, tmp_path, monkeypatch):
    folder, url, asked = server
    (folder / "part.gz").write_bytes(CONTENT)
    monkeypatch.setitem(SOURCES, "mnist", Source(url, {"part.gz": SHA256}))
    home = data.download("mnist", tmp_path / "data")
    assert home == tmp_path / "data" / "mnist"
    assert (home / "part.gz").read_bytes() == CONTENT
    data.download("mnist", tmp_path / "data")
    assert asked == ["/part.gz"]
    (home / "part.gz").write_bytes(CONTENT[:-1])  # damaged since
    data.download("mnist", tmp_path / "data")
    assert (home / "part.gz").read_bytes() == CONTENT


def test_an_archive_is_unpacked(server, tmp_path, monkeypatch):
    folder, url, _ = server
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    sha256 = hashlib.sha256((folder / "all.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, "cifar10", Source(url, {"all.tar.gz": sha256}))
    home = data.download("cifar10", tmp_path / "data")
    assert (home / "cifar-10-batches-bin" / "test_batch.bin").read_bytes() == b"abc"
    with pytest.raises(DataError, match=r"no data_batch_1\.bin in .*cifar-10-batches-bin"):
        data.load("cifar10", tmp_path / "data")  # looks where it was unpacked


@pytest.mark.parametrize("name", ["../outside", "link"])
def test_an_archive_that_reaches_out_of_its_folder_is_refused(server, tmp_path, monkeypatch, name):
    folder, url, _ = server
    with tarfile.open(folder / "all.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(name)
        if name == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../../outside"
        archive.addfile(member, io.BytesIO(b""))
    sha256 = hashlib.sha256((folder / "all.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, "cifar10", Source(url, {"all.tar.gz": sha256}))
    with pytest.raises(DataError, match=r"cannot get .*all\.tar\.gz: .*outside the destination"):
        data.download("cifar10", tmp_path / "data")
    assert [path.name for path in (tmp_path / "data" / "cifar10").iterdir()] == ["all.tar.gz"]
    assert not (tmp_path / "data" / "outside").exists()


def test_a_wrong_sum_and_a_missing_file_leave_nothing_and_say_what_to_do(server, tmp_path, monkeypatch):
    folder, url, _ = server
    (folder / "part.gz").write_bytes(CONTENT + b"!")
    for name in ("part.gz", "none.gz"):
        monkeypatch.setitem(SOURCES, "kmnist", Source(url, {name: SHA256}))
        with pytest.raises(DataError) as error:
            data.download("kmnist", tmp_path / "data")
        message = str(error.value)
        assert message.startswith(f"cannot get {url}{name}: ")
        assert message.endswith(f"by hand {name} from {url} and put them into {tmp_path / 'data' / 'kmnist'}")
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "mnist", Source("http://127.0.0.1:9/", {"part.gz": SHA256}))
    with pytest.raises(DataError, match=r"cannot get http://127\.0\.0\.1:9/part\.gz"):
        data.download("mnist", tmp_path)


def test_without_pooch_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"pip install 'fwdad\[download\]'; or get by hand cifar-10-binary\.tar\.gz"):
        data.download("cifar10", tmp_path)


def test_every_named_data_set_whose_digests_are_known_can_be_got():
    embedded, without_digests = {"digits"}, {"n-mnist", "shd"}
    assert set(SOURCES) == set(data.NAMES) - embedded - without_digests
    assert all(source.url.startswith("https://") for source in SOURCES.values())
    assert all(len(sha256) == 64 for source in SOURCES.values() for sha256 in source.files.values())
    with pytest.raises(DataError, match="nothing to download for 'digits'"):
        data.download("digits", "anywhere")
