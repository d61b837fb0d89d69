"""Forward-mode automatic differentiation with k tangents in one pass, and training by forward gradients."""

__version__ = "0.1.0"
