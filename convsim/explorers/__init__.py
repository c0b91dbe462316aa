"""Explorers: the same interactive picture in Jupyter, in Colab and on the built page."""

from convsim.explorers.explorers import CorrelationExplorer, ImageExplorer, SimilarityExplorer
from convsim.explorers.nnk import NNKExplorer
from convsim.explorers.normalization import NormalizationExplorer
from convsim.explorers.spectrum import SpectrumExplorer

__all__ = [
    "CorrelationExplorer",
    "ImageExplorer",
    "NNKExplorer",
    "NormalizationExplorer",
    "SimilarityExplorer",
    "SpectrumExplorer",
]
