import pytest

from fwdad import kernels
from fwdad.cli import main


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """In an empty folder, and with the thread count as it was afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FWDAD_DATA", raising=False)
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.fixture
def fwdad_(capfd):
    """Run a command; returns (exit code, standard output, standard error)."""

    def call(*args):
        with pytest.raises(SystemExit) as exit_:
            main([str(arg) for arg in args])
        return exit_.value.code or 0, *capfd.readouterr()

    return call
