"""Judges what was written: one set of questions (`judge`), right after writing and whenever
`verify` asks; and what only the run that writes can ask (`copies`, `models`).  No TensorFlow.
"""
