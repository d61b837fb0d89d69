"""fwdad learn: shows exercises, judges answers, keeps count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fwdad.cli.options import F, printable, verbose
from fwdad.learn import EXERCISES, Exercise, Folder, LearnError, Verdict, judge

WIDTH = 100  # of a text for reading
VARIABLE, FOLDER = "FWDAD_LEARN", "fwdad-learn"


class Exercises(click.Group):
    """A group that takes an exercise's name for ``show NAME``, and nothing for ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        if not args or args[0] not in [*self.commands, *self.get_help_option_names(ctx)]:
            args = ["show" if args and not args[0].startswith("-") else "list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Exercises)
def learn() -> None:
    """Learn forward-mode differentiation by exercises, which are judged at once.

    \b
    fwdad learn             all exercises, and how far you are
    fwdad learn NAME        the task; writes a file to begin with, and never over yours
    fwdad learn check       judges the exercise that you looked at last
    """  # noqa: D301  \b is click's


def _known(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """Refuse a name that no exercise has. They are looked up here, since finding those of packages takes time."""
    return None if name is None else click.Choice([*EXERCISES]).convert(name, param, ctx)


def _default_folder() -> str:
    """Return the folder of the environment or the usual one, also from inside it."""
    return os.environ.get(VARIABLE) or ("." if Path.cwd().name == FOLDER else FOLDER)


def common(command: F) -> F:
    """Add the options that all commands share."""
    folder = click.option(
        "--folder",
        default=_default_folder,
        type=click.Path(path_type=Path),
        help=f"Where your answers are.  [default: ${VARIABLE}, or {FOLDER}]",
    )
    return verbose(folder(command))


def named(command: F) -> F:
    """Add the exercise's name, which may be left out."""
    return click.argument("name", required=False, callback=_known, metavar="[NAME]")(command)


@learn.command("list")
@common
def list_(folder: Path) -> None:
    """Show all exercises, and how far you are."""
    learner = Folder(folder)
    states = {name: learner.progress(exercise) for name, exercise in EXERCISES.items()}
    done = sum(progress.passed for progress in states.values())
    click.echo(f"{done} of {len(states)} exercises passed; answers are in {printable(str(folder))}\n")
    width = max(map(len, states))
    for name, progress in states.items():
        begun = learner.file(EXERCISES[name]).exists()
        state = "passed" if progress.passed else "tried" if progress.attempts else "begun" if begun else ""
        click.echo(f"  {state:<7} {name:<{width}}  {EXERCISES[name].title}")
    ahead = _next(learner)
    if ahead is not None:
        click.echo(f"\nNext: fwdad learn {ahead}")


@learn.command()
@click.argument("name", callback=_known, metavar="NAME")
@common
def show(name: str, folder: Path) -> None:
    """Show a task, and write the file to begin with."""
    exercise, learner = EXERCISES[name], Folder(folder)
    fresh = learner.begin(exercise)
    _read(f"# {exercise.title}\n{exercise.text}")
    file = printable(str(learner.file(exercise)))
    click.echo(f"\n{'Write your answer in' if fresh else 'Your answer is in'} {file}, then:")
    click.echo("  fwdad learn check    judges it\n  fwdad learn hint     helps a little")


@learn.command()
@named
@common
@click.pass_context
def check(ctx: click.Context, name: str | None, folder: Path) -> None:
    """Judge your answer.

    It shows what is right, and the first thing that is not; the exit code is 1 then.
    """
    learner = Folder(folder)
    exercise = _chosen(name, learner)
    progress = learner.progress(exercise)
    begun = learner.is_begun(exercise)
    verdict = judge(exercise, learner.file(exercise), progress.attempts)
    progress.attempts += begun
    progress.passed |= verdict.failure is None
    learner.last = exercise.name
    learner.save()
    _say(verdict, learner.file(exercise))
    if verdict.failure is not None:
        click.echo(
            "\nfwdad learn hint helps" + ("; fwdad learn solution shows one answer" if progress.attempts else "")
        )
        ctx.exit(1)
    ahead = _next(learner, exercise.name)
    click.echo(f"\nPassed. {'That was the last one.' if ahead is None else f'Next: fwdad learn {ahead}'}")


@learn.command()
@named
@common
def hint(name: str | None, folder: Path) -> None:
    """Show one hint more."""
    learner = Folder(folder)
    exercise = _chosen(name, learner)
    progress = learner.progress(exercise)
    learner.is_begun(exercise)
    progress.hints = min(progress.hints + 1, len(exercise.hints))
    learner.save()
    for number, text in enumerate(exercise.hints[: progress.hints], 1):
        _read(f"**{number} of {len(exercise.hints)}:** {text}")


@learn.command()
@named
@common
def solution(name: str | None, folder: Path) -> None:
    """Show an answer that passes, once you have tried."""
    learner = Folder(folder)
    exercise = _chosen(name, learner)
    if not learner.progress(exercise).attempts:
        raise LearnError(f"try first: write something in {learner.file(exercise)}, then fwdad learn check")
    click.echo(exercise.solution, nl=False)  # as it stands, to be copied or sent to a file


def _chosen(name: str | None, learner: Folder) -> Exercise:
    """Return the exercise that was named, or the last one."""
    name = name or learner.last
    if name not in EXERCISES:
        raise LearnError("which exercise? fwdad learn lists them; fwdad learn NAME begins one")
    return EXERCISES[name]


def _next(learner: Folder, after: str = "") -> str | None:
    """Return the next exercise that has not passed, from the beginning again if there is none; None if all have."""
    names = [*EXERCISES]
    start = names.index(after) if after else 0
    return next((name for name in names[start:] + names[:start] if not learner.progress(EXERCISES[name]).passed), None)


def _say(verdict: Verdict, file: Path) -> None:
    for what in verdict.right:
        click.echo(f"{click.style('right', fg='green')}  {what}")
    for what in verdict.remarks:
        click.echo(f"       {what}")
    if verdict.failure is None:
        return
    failure = verdict.failure
    rows: dict[str, Any] = {"expected": failure.expected, "given": failure.given}
    click.echo(f"{click.style('wrong', fg='red')}  {failure.check}")
    if failure.line:
        rows["in"] = f"{file}, line {failure.line}: {failure.code}"
    for word, text in rows.items():
        first, *more = text.splitlines() or [""]
        click.echo(
            "\n".join([f"       {word:<8}  {printable(first)}", *(f"{'':17}{printable(line)}" for line in more)])
        )


def _read(text: str) -> None:
    """Print Markdown."""
    from rich.console import Console  # here, since only texts need them
    from rich.markdown import Markdown
    from rich.theme import Theme

    console = Console(theme=Theme({"markdown.code": "bold cyan"}))  # rich's own has a background, black on any terminal
    console.print(Markdown(text, code_theme="ansi_dark"), width=min(WIDTH, console.width))
