"""Redundancy seen from the data: which images a channel takes for neighbours."""
