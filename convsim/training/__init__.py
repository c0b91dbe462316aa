"""Convolutional Similarity before and in training: Algorithms 1 and 2, and other beginnings."""

from convsim.training.evaluation import evaluate
from convsim.training.initialization import minimize_similarity
from convsim.training.loop import LOOP, fit

__all__ = ["LOOP", "evaluate", "fit", "minimize_similarity"]
