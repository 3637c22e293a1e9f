"""Tries to break graphfix, counts what happens, and writes docs/robustness.md: see __main__."""
