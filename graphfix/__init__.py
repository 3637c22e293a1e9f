"""graphfix: carry a TensorFlow 1 Object Detection API detector over to new classes."""

__version__ = "0.1.0"
