"""The command line as a process: signals, a killed run, a terminal, what an import costs."""

import fcntl
import os
import pty
import re
import shlex
import signal
import subprocess
import sys

import pytest

import fwdad
from fwdad import kernels

FWDAD = [sys.executable, "-m", "fwdad"]
RUN = [*FWDAD, "train", "--hidden", "16", "--tangents", "2", "--epochs", "60", "--batch-size", "600", "--seed", "3"]


def finish(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def start(*words, **options):
    process = subprocess.Popen([*words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    # A pipe too small for the lines of a whole run: no run can end before the test has read some, and sent its signal.
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    return process


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """metrics.csv of the uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, _, err = finish(start(*RUN, "--out", str(folder)))
    assert (code, err) == (0, "")
    return (folder / "metrics.csv").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_cleanly_and_says_how_to_resume(tmp_path, whole, number):
    process = start(*RUN, "--out", "a run", cwd=tmp_path)
    assert process.stdout.readline().startswith("data: digits")
    assert process.stdout.readline().startswith("directions: 2 rademacher")
    assert process.stdout.readline().startswith("epoch 1/60")
    process.send_signal(number)
    code, out, err = finish(process)
    assert (code, err) == (128 + number, "")
    *_, said, how = out.splitlines()
    assert said.startswith(f"Stopped by {number.name} after step ")
    assert how == "  fwdad train --resume --out 'a run'"
    code, _, err = finish(start(*FWDAD, "train", "--resume", "--out", "a run", cwd=tmp_path))
    assert (code, err) == (0, "")
    assert (tmp_path / "a run" / "metrics.csv").read_bytes() == whole


def test_kill_9_and_resume(tmp_path, whole):
    process = start(*RUN, "--out", "run", cwd=tmp_path)
    for _ in range(3):
        process.stdout.readline()
    process.kill()
    assert finish(process)[0] == -signal.SIGKILL
    assert not (tmp_path / "run" / "result.json").exists()
    code, out, err = finish(start(*FWDAD, "train", "--resume", "--out", "run", cwd=tmp_path))
    assert (code, err) == (0, "")
    assert "test accuracy" in out
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == whole


def test_threads_do_not_change_the_metrics(tmp_path, whole):
    for threads in ("1", "2"):
        assert finish(start(*RUN, "--threads", threads, "--out", threads, cwd=tmp_path))[0] == 0
        assert (tmp_path / threads / "metrics.csv").read_bytes() == whole


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_terminal_gets_a_progress_bar(tmp_path, whole, width):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(width)}
    process = subprocess.Popen([*RUN, "--out", "run"], cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    text = shown.decode()
    assert process.wait(timeout=60) == 0
    bar = next(
        line for line in reversed(re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))) if "left" in line
    )
    assert re.match(r"epoch 60/60  loss \d\.\d{4}  (accuracy \d\.\d{4}  )?validation \d\.\d{4}  0:00:00 left", bar)
    assert len(bar) <= width
    assert ("accuracy" in bar, "ms/step" in bar) == (width >= 80, width >= 160)
    assert "test accuracy" in text
    assert "epoch 1/60  step 2 " not in text  # no plain lines beside it
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == whole


def test_importing_fwdad_imports_nothing_of_the_command_line():
    script = "import sys, fwdad; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "fwdad" in modules
    assert not {"click", "rich", "safetensors", "fwdad.cli", "fwdad.train"} & set(modules)


@pytest.mark.parametrize("module", ["fwdad", "fwdad.cli"])
def test_the_package_runs_as_the_command(module):
    code, out, err = finish(start(sys.executable, "-m", module, "--version"))
    assert (code, out, err) == (0, f"fwdad, version {fwdad.__version__}\n", "")
    assert finish(start(sys.executable, "-m", module, "nothing"))[0] == 2


def test_the_data_folder_comes_from_the_environment(tmp_path):
    environment = {**os.environ, "FWDAD_DATA": str(tmp_path / "there")}
    code, _, err = finish(start(*FWDAD, "train", "--data", "mnist", cwd=tmp_path, env=environment))
    assert code == 2
    assert err == f"fwdad: error: data folder {tmp_path / 'there'} does not exist\n"


@pytest.mark.parametrize(("variable", "value"), [("FWDAD_NUM_THREADS", "many"), ("FWDAD_ISA", "v9")])
def test_a_bad_variable_is_one_line(tmp_path, variable, value):
    code, out, err = finish(start(*RUN, "--out", str(tmp_path / "run"), env=os.environ | {variable: value}))
    assert (code, out) == (2, "")
    assert err.startswith(f"fwdad: error: {variable}: expected ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


# ---- where nobody listens


def test_a_reader_that_goes_ends_the_run_quietly(tmp_path, whole):
    """As `| head -1` does: without a word, as by SIGPIPE, and with a folder that resumes."""
    process = start(*RUN, "--out", "run", cwd=tmp_path)
    assert process.stdout.readline().startswith("data: ")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert not (tmp_path / "run" / "result.json").exists()
    code, _, err = finish(start(*FWDAD, "train", "--resume", "--out", "run", cwd=tmp_path))
    assert (code, err) == (0, "")
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == whole


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_without_streams_is_a_run(tmp_path, whole, closed):
    command = f"{shlex.join([*RUN, '--out', 'run'])} {closed}"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == whole
    assert (tmp_path / "run" / "result.json").is_file()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_output_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        result = subprocess.run([*RUN, "--out", "run"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert result.stderr == "fwdad: error: [Errno 28] No space left on device\n"


def test_another_instruction_set_is_a_warning_of_one_line(tmp_path):
    isas = kernels.info()["isas"]
    if kernels.info()["isa"] in (None, isas[0]):
        pytest.skip("this machine runs kernels of one instruction set")
    short = [*RUN[: RUN.index("--epochs")], "--epochs", "2", "--batch-size", "600"]
    code, _, err = finish(start(*short, "--out", "run", cwd=tmp_path, env=os.environ | {"FWDAD_ISA": isas[0]}))
    assert (code, err) == (0, "")
    command = [*FWDAD, "train", "--resume", "--out", "run"]
    code, out, err = finish(start(*command, cwd=tmp_path, env=os.environ | {"FWDAD_ISA": isas[1]}))
    assert (code, out) == (0, "The run in run is finished: 4 steps. Nothing to do.\n")
    said = f"fwdad: warning: the run in run was on the instruction set {isas[0]} and goes on with {isas[1]}"
    assert err == f"{said}: its last bits may differ\n"
