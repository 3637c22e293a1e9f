"""From the stock exporter's graph to TensorRT: commands for a shell, which graphfix does not run.

tf2onnx makes a model of what comes before suppression, for pictures of one size; TensorRT's plugin
EfficientNMS_TRT takes the place of suppression; boxes are clipped to the picture after it, as the
API does.  The names are those of the stock exporters since FIRST; the plugin's fields those of its
README (NVIDIA/TensorRT, plugin/efficientNMSPlugin).
"""

import dataclasses

from graphfix.process.console import quoted
from graphfix.report.exports import Suppression

FIRST = "2019-04"
BOXES = "raw_detection_boxes:0"
SCORES = "Postprocessor/convert_scores:0"
OPSET = 13

_COMMANDS = """\
python -m tf2onnx.convert --opset {opset} --graphdef {graph} \\
    --inputs 'image_tensor:0[1,{height},{width},3]' \\
    --outputs {boxes},{scores} --output {onnx} &&
python - {onnx} <<'END' &&
import sys
import onnx
from onnx import TensorProto, helper
model = onnx.load(sys.argv[1])
graph, most = model.graph, {most}
limits = [helper.make_tensor(str(one), TensorProto.FLOAT, [], [one]) for one in (0, 1)]
graph.initializer.extend(limits)
outputs = {{
    "num_detections": (TensorProto.INT32, [1, 1]),
    "detection_boxes": (TensorProto.FLOAT, [1, most, 4]),
    "detection_scores": (TensorProto.FLOAT, [1, most]),
    "detection_classes": (TensorProto.INT32, [1, most]),
}}
settings = dict(
{settings}
)
names = [name.replace("_boxes", "_uncut") for name in outputs]
graph.node.append(helper.make_node(
    "EfficientNMS_TRT", ["{boxes}", "{scores}"], names, **settings))
graph.node.append(helper.make_node("Clip", [names[1], "0", "1"], ["detection_boxes"]))
del graph.output[:]
graph.output.extend(helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items())
onnx.save(model, sys.argv[1])
END
trtexec --onnx={onnx} --saveEngine={engine}"""


def commands(suppression: Suppression, graph: str, out: str) -> str:
    """What makes `out`.onnx and `out`.engine of a frozen graph."""
    settings = dataclasses.asdict(suppression)
    height, width = settings.pop("height"), settings.pop("width")
    # Boxes are corners, and scores are no logits any more.
    settings.update(
        plugin_version="1",
        class_agnostic=int(suppression.class_agnostic),
        score_activation=0,
        box_coding=0,
    )
    return _COMMANDS.format(
        opset=OPSET,
        graph=quoted(graph),
        onnx=quoted(f"{out}.onnx"),
        engine=quoted(f"{out}.engine"),
        height=height,
        width=width,
        boxes=BOXES,
        scores=SCORES,
        most=suppression.max_output_boxes,
        settings="\n".join(f"    {name}={value!r}," for name, value in settings.items()),
    )
