"""openvino: an OpenVINO model, made of the frozen graph for the new classes."""

from graphfix.exporting.tools.tool import Tool

TOOL = Tool(
    verb="openvino",
    converter="OpenVINO",
    converter_packages="openvino",
    runtime="OpenVINO",
    runtime_package="openvino",
    model="model.xml",
    usage="model = openvino.Core().compile_model({!r}, 'CPU')\n"
    "found = model([rgb[None]])  # uint8, of any size\n"
    "boxes, scores, labels = (found[f'detection_{{one}}:0'] for one in ('boxes', 'scores', "
    "'classes'))  # labels: ids of label_map.pbtxt",
    # 2025.2 to 2026.4 make the model, and do not compile it (tests/stock/test_tools.py).
    two_stages="2024.6 to 2025.1, as later ones do not compile detectors of two stages",
)
problems, write, tried = TOOL.problems, TOOL.write, TOOL.tried
