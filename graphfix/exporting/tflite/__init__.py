"""TensorFlow Lite: detectors exported to it, and published ones for fewer classes."""
