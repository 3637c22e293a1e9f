"""A detector for something other than TensorFlow 1, with its trained weights; exact or refused."""
