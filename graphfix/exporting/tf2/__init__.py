"""A checkpoint and a config for the Object Detection API of TensorFlow 2."""
