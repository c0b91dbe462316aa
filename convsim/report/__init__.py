"""How redundant a model is, layer by layer: readings, exports, comparisons."""

from convsim.report.comparison import compare
from convsim.report.measuring import redundancy_report, weights_report
from convsim.report.pairs import pairs_of_layer
from convsim.report.removal import what_if_removed

__all__ = ["compare", "pairs_of_layer", "redundancy_report", "weights_report", "what_if_removed"]
