"""The learner's folder: a file for each exercise that was begun, and progress.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from fwdad import schema
from fwdad.errors import RunError
from fwdad.files import read_json, write_atomic, write_json
from fwdad.learn.exercise import Exercise
from fwdad.schema import Count

PROGRESS = "progress.json"


class LearnError(ValueError):
    """What was asked for is not possible yet; the message says what to do."""


@dataclass
class Progress:
    """How far one exercise is: judged answers, hints shown, and whether one has passed."""

    attempts: Count = 0
    hints: Count = 0
    passed: bool = False


@dataclass
class _Kept:
    """What progress.json holds."""

    last: str = ""
    exercises: dict[str, dict[str, int | bool]] = field(default_factory=dict)


class Folder:
    """A learner's folder, which is made when the first file is written.

    Parameters
    ----------
    path : Path
        Where it is.

    Raises
    ------
    LearnError
        Its progress.json is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from fwdad.learn import EXERCISES
    >>> folder = Folder(Path(tempfile.mkdtemp()))
    >>> folder.begin(EXERCISES["dual"])
    True
    >>> folder.last, folder.progress(EXERCISES["dual"]).passed
    ('dual', False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._progress: dict[str, Progress] = {}
        self.last = ""
        if not (path / PROGRESS).exists():
            return
        try:
            kept = schema.read(_Kept, read_json(path / PROGRESS))
            self._progress = {name: schema.read(Progress, row, name) for name, row in kept.exercises.items()}
        except (RunError, ValueError) as error:
            raise LearnError(
                f"{path / PROGRESS} cannot be read ({error}); delete it to begin counting anew: your answers stay"
            ) from error
        self.last = kept.last

    def file(self, exercise: Exercise) -> Path:
        """Return where an exercise's answer is."""
        return self.path / f"{exercise.name.replace('-', '_')}.py"

    def progress(self, exercise: Exercise) -> Progress:
        """Return how far an exercise is."""
        return self._progress.setdefault(exercise.name, Progress())

    def begin(self, exercise: Exercise) -> bool:
        """Write the starter, unless there is a file of this name; return whether it was written."""
        self.path.mkdir(parents=True, exist_ok=True)
        fresh = not self.file(exercise).exists()
        if fresh:
            write_atomic(self.file(exercise), starter(exercise))
        self.last = exercise.name
        self.save()
        return fresh

    def is_begun(self, exercise: Exercise) -> bool:
        """Whether there is an answer, and it is not the starter."""
        try:
            return self.file(exercise).read_bytes() != starter(exercise)
        except FileNotFoundError:
            raise LearnError(f"{self.file(exercise)} does not exist; fwdad learn {exercise.name} writes it") from None

    def save(self) -> None:
        """Write progress.json."""
        rows = {name: dataclasses.asdict(row) for name, row in self._progress.items() if row != Progress()}
        write_json(self.path / PROGRESS, {"last": self.last, "exercises": rows})


def starter(exercise: Exercise) -> bytes:
    """Return what the learner's file begins with."""
    name = exercise.name
    head = f"# {exercise.title}\n# The task: fwdad learn {name}    To be judged: fwdad learn check {name}\n\n"
    return (head + exercise.starter).encode()
