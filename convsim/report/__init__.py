"""How redundant a model is, layer by layer: readings, exports, comparisons."""

from convsim.report.comparison import compare
from convsim.report.measuring import redundancy_report, weights_report
from convsim.report.pairs import pairs_of_layer

__all__ = ["compare", "pairs_of_layer", "redundancy_report", "weights_report"]
