"""Explorers: the same interactive picture in Jupyter, in Colab and on the built page."""

from convsim.explorers.explorers import CorrelationExplorer, ImageExplorer, SimilarityExplorer
from convsim.explorers.normalization import NormalizationExplorer
from convsim.explorers.spectrum import SpectrumExplorer

__all__ = [
    "CorrelationExplorer",
    "ImageExplorer",
    "NormalizationExplorer",
    "SimilarityExplorer",
    "SpectrumExplorer",
]
