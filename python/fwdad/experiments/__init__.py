"""Experiments of the papers: one file each, settings in, a tidy table and a figure out.

experiment              what an experiment is: cells of work, rows, a table, a summary, a figure
runner                  cells in processes; what is finished is kept
approximation_quality   arXiv 2410.17764, section 4.1
landscapes              functions to descend, and many descents as one pass
closed_form             arXiv 2410.17764, section 4.2
fc_mnist                arXiv 2410.17764, section 4.4
"""

from fwdad.experiments.approximation_quality import ApproximationQuality
from fwdad.experiments.closed_form import ClosedForm
from fwdad.experiments.experiment import Cell, Experiment, Row, Settings, Summary
from fwdad.experiments.fc_mnist import FcMnist
from fwdad.experiments.runner import Run

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        ApproximationQuality(),
        ClosedForm(),
        FcMnist(),
    )
}
"""All experiments by their names on the command line."""

__all__ = ["EXPERIMENTS", "Cell", "Experiment", "Row", "Run", "Settings", "Summary"]
