"""Experiments of the papers: one file each, settings in, a tidy table and a figure out.

experiment              what an experiment is: cells of work, rows, a table, a summary, a figure
runner                  cells in processes; what is finished is kept
approximation_quality   arXiv 2410.17764, section 4.1
landscapes              functions to descend, and many descents as one pass
closed_form             arXiv 2410.17764, section 4.2
custom_tangents         arXiv 2410.17764, section 4.3
networks                what the next two share: networks trained with the paper's learning rates
fc_mnist                arXiv 2410.17764, section 4.4
image_networks          arXiv 2410.17764, section 4.5
fgd_functions           arXiv 2202.08587, section 5: Beale and Rosenbrock functions
fgd_mnist               arXiv 2202.08587, section 5: logistic regression and an MLP
guesses                 arXiv 2306.06968: gradient guess by gradient target
ff_snn                  arXiv 2502.20411: spiking networks by the Forward-Forward algorithm
"""

from fwdad.experiments.approximation_quality import ApproximationQuality
from fwdad.experiments.closed_form import ClosedForm
from fwdad.experiments.custom_tangents import CustomTangents
from fwdad.experiments.experiment import Cell, Experiment, Row, Settings, Summary
from fwdad.experiments.fc_mnist import FcMnist
from fwdad.experiments.ff_snn import FfSnn, FfSnnGradients
from fwdad.experiments.fgd_functions import FgdBeale, FgdRosenbrock
from fwdad.experiments.fgd_mnist import FgdMnist
from fwdad.experiments.guesses import Guesses
from fwdad.experiments.image_networks import DAYS, ImageNetwork
from fwdad.experiments.runner import Run

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        ApproximationQuality(),
        ClosedForm(),
        CustomTangents(),
        FcMnist(),
        *(ImageNetwork(network, data) for network, data in DAYS),
        FgdBeale(),
        FgdRosenbrock(),
        FgdMnist(),
        Guesses(),
        FfSnn(),
        FfSnnGradients(),
    )
}
"""All experiments by their names on the command line."""

__all__ = ["EXPERIMENTS", "Cell", "Experiment", "Row", "Run", "Settings", "Summary"]
