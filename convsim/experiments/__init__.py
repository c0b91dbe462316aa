"""Experiments of the papers and of the book, each run recorded as one JSON file."""
