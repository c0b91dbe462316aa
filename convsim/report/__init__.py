"""How redundant a model is, layer by layer: readings, exports, comparisons."""

from convsim.report.comparison import compare
from convsim.report.measuring import redundancy_report, weights_report

__all__ = ["compare", "redundancy_report", "weights_report"]
