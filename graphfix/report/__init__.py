"""Leaving: what a conversion writes, staged beside its place and published whole."""
