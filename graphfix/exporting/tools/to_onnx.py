"""onnx: an ONNX model that tf2onnx makes of the frozen graph for the new classes."""

from graphfix.exporting.tools.tool import Tool

TOOL = Tool(
    verb="onnx",
    converter="tf2onnx",
    converter_packages="TensorFlow and tf2onnx",
    runtime="ONNX Runtime",
    runtime_package="onnxruntime",
    model="model.onnx",
    usage="session = onnxruntime.InferenceSession({!r})\n"
    "boxes, scores, labels = session.run(['detection_boxes:0', 'detection_scores:0', "
    "'detection_classes:0'],\n"
    "    {{'image_tensor:0': rgb[None]}})  # uint8, of any size; labels: ids of label_map.pbtxt",
)
problems, write, tried = TOOL.problems, TOOL.write, TOOL.tried
