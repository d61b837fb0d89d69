"""ADBench: bundle adjustment, hand tracking, Gaussian mixtures and an LSTM, from its files and by its rules.

objectives   the four functions, one program for every library
problems     a file's problem: the function, what moves, in which directions
files        its input and output files
competitors  who computes the derivatives, and how
by_hand      a Jacobian of bundle adjustment in C++, written by hand, built here
campaign     answers checked, then times by its rule

Source: F. Srajer, Z. Kukelova, A. Fitzgibbon, Optimization Methods and Software 33, 2018; github.com/microsoft/ADBench.
"""

from fwdad.bench.adbench.campaign import one_core, run
from fwdad.bench.adbench.competitors import chosen_peers

__all__ = ["chosen_peers", "one_core", "run"]
