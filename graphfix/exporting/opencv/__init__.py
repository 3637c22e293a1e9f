"""A text graph with which OpenCV's dnn module runs a frozen graph."""
