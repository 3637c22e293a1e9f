"""Models of a frozen graph that other projects' converters make: ONNX, OpenVINO."""
