"""Weights and settings of a detector for graphfix.torch."""
