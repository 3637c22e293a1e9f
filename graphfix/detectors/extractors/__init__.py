"""Feature extractors: a data file for each base network, and what reads it (loader.py)."""
