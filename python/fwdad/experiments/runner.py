"""Runs an experiment's cells in processes, and keeps what is finished: an interrupted run goes on where it stopped.

    OUT/settings.json     what was asked for: a folder holds one run
    OUT/cells/NAME.json   the rows of a finished cell
    OUT/results.csv       the tidy table, when all cells are finished
    OUT/figure.png        the paper's figure

Every file is written whole or not at all. Each process has its share of the cores and no more.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import multiprocessing
import multiprocessing.util
import os
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import fwdad
from fwdad import schema
from fwdad.errors import RunError
from fwdad.experiments.experiment import Cell, Experiment, Row, Settings
from fwdad.files import LOCK, clear_leftovers, is_leftover, lock, parse_json, read_json, write_atomic, write_json

THREAD_VARIABLES = ("FWDAD_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Large arrays come and go in every pass. By default glibc hands their memory back to the system and gets it again, page
# by page; a process that keeps it is up to three times as fast. Other C libraries ignore these.
MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**32)}
POLL_SECONDS = 0.2

Progress = Callable[[float], None]
"""Hears the part of all work that is done, 0 to 1, weighted by the cells' costs."""


class Stopped(Exception):
    """A cell was asked to stop."""


class Run:
    """A run of an experiment in a folder; nothing is written before `execute`.

    Parameters
    ----------
    jobs
        Processes; by default one a core.

    Raises
    ------
    RunError
        The folder holds a run with other settings, or something else.
    """

    def __init__(self, experiment: Experiment, settings: Settings, folder: Path, jobs: int | None = None) -> None:
        self.experiment = experiment
        self.settings = settings
        self.folder = folder
        self.cells = experiment.cells(settings)
        self.jobs = jobs or cores()
        self._stop = False
        self._about = {"experiment": experiment.name, "fwdad": fwdad.__version__, **_shown(experiment, settings)}
        self._check_folder()

    def _check_folder(self) -> None:
        file = self.folder / "settings.json"
        if file.is_file():
            if read_json(file) != self._about:
                raise RunError(f"{self.folder} holds a run with other settings ({file}); choose another --out")
        elif self.folder.exists() and (not self.folder.is_dir() or not all(map(is_leftover, self.folder.iterdir()))):
            raise RunError(f"{self.folder} is not empty and holds no run of an experiment; choose another --out")

    @property
    def missing(self) -> list[Cell]:
        """The cells without result."""
        return [cell for cell in self.cells if not self._file(cell).is_file()]

    def stop(self) -> None:
        """Ask `execute` to end; may be called from a signal handler."""
        self._stop = True

    def execute(self, progress: Progress) -> bool:
        """Run the missing cells; False if `stop` came first. An exception of a cell ends the run and is raised here.

        Raises
        ------
        RunError
            Another process is at work in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        taken = lock(self.folder)
        try:
            self._check_folder()  # somebody may have been faster
            return self._execute(progress)
        finally:
            taken.release()

    def _execute(self, progress: Progress) -> bool:
        clear_leftovers(self.folder)
        clear_leftovers(self.folder / "cells")
        (self.folder / "cells").mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "settings.json", self._about)
        missing = sorted(self.missing, key=lambda cell: -cell.cost)
        if not missing:
            return True
        total = sum(cell.cost for cell in self.cells)
        done = total - sum(cell.cost for cell in missing)
        jobs = min(self.jobs, len(missing))
        context = multiprocessing.get_context("spawn")  # a forked child would share the parent's threads and locks
        running: dict[str, float] = {}
        with contextlib.ExitStack() as stack:
            stack.enter_context(_environment(MEMORY | dict.fromkeys(THREAD_VARIABLES, str(max(1, cores() // jobs)))))
            stack.enter_context(_safe_path())
            stop, reports = context.Event(), context.Queue()
            pool = stack.enter_context(ProcessPoolExecutor(jobs, context, _begin, (stop, reports)))
            pending = {pool.submit(_run_cell, self.experiment, cell): cell for cell in missing}
            try:
                while pending and not self._stop:
                    finished = wait(pending, POLL_SECONDS, FIRST_COMPLETED).done
                    for name, part in _received(reports):
                        running[name] = part
                    for future in sorted(finished, key=_failed):  # what is done is kept before an error ends the run
                        cell = pending.pop(future)
                        self._keep(cell, future)
                        running.pop(cell.name, None)
                        done += cell.cost
                    cost = {cell.name: cell.cost for cell in pending.values()}
                    progress((done + sum(cost.get(name, 0) * part for name, part in running.items())) / total)
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)
                for future, cell in pending.items():
                    if not future.cancelled() and not _failed(future):
                        self._keep(cell, future)
                if len(self.missing) == len(self.cells):
                    self._leave_nothing()
        return not self.missing

    def _leave_nothing(self) -> None:
        """Remove the folder of a run that failed before a cell was finished, say because data is missing."""
        with contextlib.suppress(OSError):  # something else is in the folder
            (self.folder / "cells").rmdir()
            (self.folder / "settings.json").unlink()
            (self.folder / LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _keep(self, cell: Cell, future: Future[list[Row]]) -> None:
        try:
            rows = future.result()
        except BrokenProcessPool as error:
            raise RunError(
                "a process was killed, perhaps because memory ran out; finished parts are kept: "
                "run the same command again, with fewer --jobs"
            ) from error
        # NaN is a result here, so this is JSON as Python writes it.
        write_atomic(self._file(cell), json.dumps({"rows": rows, "digest": digest(cell, rows)}).encode())

    def table(self) -> list[Row]:
        """Return the tidy table of all cells."""
        return self.experiment.table([row for cell in self.cells for row in self._rows(cell)])

    def _rows(self, cell: Cell) -> list[Row]:
        path = self._file(cell)
        try:
            kept = schema.read(Kept, parse_json(path.read_bytes(), nan=True))
            if kept.digest != digest(cell, kept.rows):
                raise ValueError("its rows are not as they were written")
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise RunError(f"{path} is damaged ({error}); remove it and run the same command again") from error
        return kept.rows

    def write_table(self, table: list[Row]) -> Path:
        """Write results.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        path = self.folder / "results.csv"
        write_atomic(path, text.getvalue().encode())
        return path

    def write_figure(self, table: list[Row]) -> Path:
        """Write figure.png; ModuleNotFoundError without matplotlib."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 6), layout="constrained")
        self.experiment.draw(table, figure)
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=150)
        path = self.folder / "figure.png"
        write_atomic(path, image.getvalue())
        return path

    def _file(self, cell: Cell) -> Path:
        return self.folder / "cells" / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', cell.name)}.json"


class Kept(NamedTuple):
    """What the file of a finished cell holds."""

    rows: list[dict[str, Any]]
    digest: str


def digest(cell: Cell, rows: list[Row]) -> str:
    """Return the SHA-256, in hex, of a cell's parameters and its rows."""
    return hashlib.sha256(json.dumps([cell.parameters, rows]).encode()).hexdigest()


def cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shown(experiment: Experiment, settings: Settings) -> dict[str, Any]:
    """Return the settings that make a run what it is."""
    values = dataclasses.asdict(settings)
    names = ["quick", "seeds", *(name for name in experiment.takes if name != "data_dir")]
    return json.loads(json.dumps({name: values[name] for name in names}))  # type: ignore[no-any-return]


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables within the block; those that the user has set stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Within the block, new processes import nothing from the current folder, where Python looks first."""
    if sys.version_info >= (3, 11):
        with _environment({"PYTHONSAFEPATH": "1"}):
            yield
        return
    flags = multiprocessing.util._args_from_interpreter_flags
    multiprocessing.util._args_from_interpreter_flags = lambda: ["-I", *flags()]
    try:
        yield
    finally:
        multiprocessing.util._args_from_interpreter_flags = flags


def _received(reports: Any) -> Iterator[tuple[str, float]]:
    with contextlib.suppress(queue.Empty):
        while True:
            yield reports.get_nowait()


def _failed(future: Future[list[Row]]) -> bool:
    return future.exception() is not None


# In the processes.
_stop: Any = None
_reports: Any = None


def _begin(stop: Any, reports: Any) -> None:
    global _stop, _reports
    _stop, _reports = stop, reports
    # A terminal sends its signal to all processes of the group; the first one alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run_cell(experiment: Experiment, cell: Cell) -> list[Row]:
    last = 0.0

    def report(part: float) -> None:
        nonlocal last
        if _stop.is_set():
            raise Stopped
        if time.monotonic() - last > POLL_SECONDS:
            last = time.monotonic()
            _reports.put((cell.name, part))

    return experiment.run(cell.parameters, report)
