"""Benchmarks that prove themselves: answers are verified, then timed, beside peers and the machine's measured peak.

task       something to time, and the check of its answer that comes first
target     main memory or a CUDA device, and the clock of either
machine    what the machine is, and what it can do at most
benchmark  what is computed at which sizes, what it costs, and how each competitor computes it
peers      other libraries, imported when they are needed
suites/    the benchmarks, one file each
adbench/   a public benchmark of differentiation tools, by its own rules
worker     a competitor's process
racers     who trains a network to an accuracy, and how
races      searches for their settings, and races between them
frontier   what a step along each kind of direction costs, and how near it comes to the gradient
processes  competitors in processes of their own, asked in turn
plans      which benchmarks and competitors; from times to records
records    figures, their ratios, files of them, and two files compared
tables     records as text
plots      records as pictures

How to read the figures: docs/benchmarks.md.
"""

from fwdad.bench import adbench
from fwdad.bench.machine import Peaks, as_json, describe, measure_device_peaks, measure_peaks
from fwdad.bench.records import Record
from fwdad.bench.task import BenchError, Task, WrongAnswer, verified

__all__ = [
    "BenchError",
    "Peaks",
    "Record",
    "Task",
    "WrongAnswer",
    "adbench",
    "as_json",
    "describe",
    "measure_device_peaks",
    "measure_peaks",
    "verified",
]
