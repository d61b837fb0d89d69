"""Runs in folders: what is finished is kept, what is missing is run, and a folder holds one run."""

import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

from fwdad import data
from fwdad.experiments import EXPERIMENTS, Cell, Run, Settings
from fwdad.files import lock
from fwdad.train import RunError

EXPERIMENT = EXPERIMENTS["closed-form"]
SETTINGS = Settings(quick=True, seeds=(3,))


def make(folder, cells=3, settings=SETTINGS):
    run = Run(EXPERIMENT, settings, folder, jobs=1)
    run.cells = [cell for cell in run.cells if cell.parameters["n"] == 1][:cells]
    return run


def without_times(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows["rows"]]


def test_what_is_finished_is_not_run_again(tmp_path):
    folder = tmp_path / "run"
    parts = []
    assert make(folder).execute(parts.append)
    assert parts[-1] == pytest.approx(1)
    assert parts == sorted(parts)
    before = {file.name: file.read_bytes() for file in (folder / "cells").iterdir()}
    assert len(before) == 3
    table = make(folder).table()

    lost = next(iter(before))
    (folder / "cells" / lost).unlink()
    again = make(folder)
    assert [again._file(cell).name for cell in again.missing] == [lost]
    assert again.execute(lambda part: None)
    after = {file.name: file.read_bytes() for file in (folder / "cells").iterdir()}
    assert {name: content for name, content in after.items() if name != lost} == {
        name: content for name, content in before.items() if name != lost
    }
    assert without_times(json.loads(after[lost])["rows"]) == without_times(json.loads(before[lost])["rows"])

    lines = again.write_table(table).read_text().splitlines()
    assert lines[0].split(",")[:5] == ["function", "n", "method", "k", "seed"]
    assert len(lines) == len(table) + 1


def test_a_run_that_is_stopped_keeps_what_it_has(tmp_path):
    run = make(tmp_path / "run")
    run.stop()
    assert not run.execute(lambda part: None)
    assert len(run.missing) == 3
    assert make(tmp_path / "run").execute(lambda part: None)


def test_a_failing_cell_ends_the_run_and_leaves_no_file(tmp_path):
    run = make(tmp_path / "run", cells=1)
    run.cells.append(Cell("wrong", run.cells[0].parameters | {"function": "nothing"}, cost=0.0))
    with pytest.raises(KeyError, match="nothing"):
        run.execute(lambda part: None)
    assert [cell.name for cell in run.missing] == ["wrong"]


def test_a_run_without_data_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.delenv(data.VARIABLE, raising=False)
    run = Run(EXPERIMENTS["vit-cifar10"], Settings(quick=True), tmp_path / "run", jobs=1)
    with pytest.raises(data.DataError, match="fwdad download cifar10"):
        run.execute(lambda part: None)
    assert not run.folder.exists()


def test_a_process_that_is_killed_is_an_error_of_one_line(tmp_path, monkeypatch):
    def broken(self):
        raise BrokenProcessPool("a worker died")

    monkeypatch.setattr(Future, "result", broken)
    with pytest.raises(RunError, match="fewer --jobs"):
        make(tmp_path / "run", cells=1).execute(lambda part: None)


def test_a_folder_holds_one_run(tmp_path):
    run = make(tmp_path / "run", cells=0)
    assert run.execute(lambda part: None)
    with pytest.raises(RunError, match="other settings"):
        make(tmp_path / "run", settings=Settings(quick=True, seeds=(4,)))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(RunError, match="not empty"):
        make(tmp_path / "other")


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
@pytest.mark.parametrize("quick", [False, True])
def test_cells_have_names_and_parameters_of_their_own(experiment, quick, tmp_path):
    run = Run(experiment, Settings(quick=quick), tmp_path / "run")
    assert run.cells
    assert len({run._file(cell) for cell in run.cells}) == len(run.cells)
    assert len({json.dumps(cell.parameters) for cell in run.cells}) == len(run.cells)
    assert all(cell.cost > 0 for cell in run.cells)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-3], lambda text: text.replace("0.", "1.", 1), lambda text: "[]"]
)
def test_a_damaged_cell_is_named(tmp_path, change):
    run = make(tmp_path / "run", cells=1)
    assert run.execute(lambda part: None)
    file = run._file(run.cells[0])
    file.write_text(change(file.read_text()))
    with pytest.raises(RunError, match=rf"{file.name} is damaged .*; remove it and run the same command again"):
        run.table()


def test_a_folder_has_one_process_at_work(tmp_path):
    run = make(tmp_path / "run", cells=1)
    run.folder.mkdir()
    taken = lock(run.folder)
    with pytest.raises(RunError, match="another process is at work"):
        run.execute(lambda part: None)
    taken.release()
    assert run.execute(lambda part: None)
    assert make(tmp_path / "run", cells=1).execute(lambda part: None)
