"""Exercises that are judged at once: ``fwdad learn``.

exercise    what an exercise is, and what its checks say
exercises/  one file each: task, starter, hints, checks, solution, wrong answers
verdict     runs a learner's file in a process of its own, with a time limit
child       ... that process
folder      the learner's folder: answers and progress
"""

from fwdad.learn.exercise import Answer, Exercise, Remark, Wrong, expect
from fwdad.learn.exercises import EXERCISES
from fwdad.learn.folder import Folder, LearnError, Progress
from fwdad.learn.verdict import Failure, Verdict, judge

__all__ = [
    "EXERCISES",
    "Answer",
    "Exercise",
    "Failure",
    "Folder",
    "LearnError",
    "Progress",
    "Remark",
    "Verdict",
    "Wrong",
    "expect",
    "judge",
]
