"""The stock Object Detection API as a judge, asked in a process of its own.

The only package whose code may import TensorFlow or the stock API, and even here only the files
that `worker.py` loads do: `runner` starts that file by its path, under whichever interpreter has
the stock API, so that the API under test needs nothing of graphfix and graphfix nothing of it.
"""
