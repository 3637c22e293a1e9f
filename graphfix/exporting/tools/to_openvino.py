"""openvino: an OpenVINO model, made of the frozen graph for the new classes."""

from graphfix.exporting.tools.tool import Tool

TOOL = Tool(
    verb="openvino",
    converter="OpenVINO",
    converter_packages="openvino (2024.6 for detectors of two stages)",
    runtime="OpenVINO",
    runtime_package="openvino",
    model="model.xml",
    usage="model = openvino.Core().compile_model({!r}, 'CPU')\n"
    "found = model([rgb[None]])  # uint8, of any size\n"
    "boxes, scores, labels = (found[f'detection_{{one}}:0'] for one in ('boxes', 'scores', "
    "'classes'))  # labels: ids of label_map.pbtxt",
)
problems, write, tried = TOOL.problems, TOOL.write, TOOL.tried
