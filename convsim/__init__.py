"""Convolutional Similarity and feature-map redundancy in convolutional networks."""

from convsim.correlation import autocorrelate, cross_correlate
from convsim.report import redundancy_report
from convsim.similarity import (
    convolutional_similarity,
    feature_map_similarity,
    kernel_similarity,
    model_similarity,
    similarity_matrix,
)
from convsim.spectrum import power_spectrum

__all__ = [
    "autocorrelate",
    "convolutional_similarity",
    "cross_correlate",
    "feature_map_similarity",
    "kernel_similarity",
    "model_similarity",
    "power_spectrum",
    "redundancy_report",
    "similarity_matrix",
]
