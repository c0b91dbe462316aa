"""Convolutional Similarity and feature-map redundancy in convolutional networks."""

from convsim.correlation import autocorrelate, cross_correlate
from convsim.similarity import (
    convolutional_similarity,
    feature_map_similarity,
    kernel_similarity,
    model_similarity,
    similarity_matrix,
)

__all__ = [
    "autocorrelate",
    "convolutional_similarity",
    "cross_correlate",
    "feature_map_similarity",
    "kernel_similarity",
    "model_similarity",
    "similarity_matrix",
]
