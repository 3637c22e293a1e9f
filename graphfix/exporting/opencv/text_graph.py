"""The text graph for cv2.dnn.readNetFromTensorflow: the network of a frozen graph as far as its
heads, and OpenCV's own layers behind it.

OpenCV takes the structure from the text and the weights from the frozen graph, by the names of its
constants.  It knows no loops, and its own detection layers take the place of the API's: PriorBox
places anchors in the middle of each cell of a map, DetectionOutput decodes and suppresses boxes.
What depends on constants alone, as in batch normalizations of 2017, is `folded`: constants to add.
What the network is fed is what the API's preprocessing makes of pixels: `scale` and `mean` say how.
"""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from graphfix.detectors.families import BOX, CLASS
from graphfix.errors import RequestError
from graphfix.exporting.opencv.map_sizes import MapSizes, Size
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import Evaluator
from graphfix.formats.graphdef.graph import Graph, source_name
from graphfix.formats.schema import message_class

IMAGE = "image_tensor"
DETECTIONS = "detection_out"
# Operations of a network that OpenCV computes alike, with the attributes that it reads.
_ATTRIBUTES = {
    "Add": (),
    "AddV2": (),
    "AvgPool": ("data_format", "ksize", "padding", "strides"),
    "BiasAdd": ("data_format",),
    "ConcatV2": (),
    "Conv2D": ("data_format", "dilations", "padding", "strides"),
    "DepthwiseConv2dNative": ("data_format", "dilations", "padding", "strides"),
    "FusedBatchNorm": ("data_format", "epsilon"),
    "FusedBatchNormV2": ("data_format", "epsilon"),
    "FusedBatchNormV3": ("data_format", "epsilon"),
    "MatMul": (),
    "MaxPool": ("data_format", "ksize", "padding", "strides"),
    "Mean": ("keep_dims",),
    "Pad": (),
    "Relu": (),
    "Relu6": (),
}
_STAY = "run the frozen graph with TensorFlow"

# Of all channels, or of each: red, green, blue.
Mean = Union[float, Tuple[float, ...]]
_CHANNELS = 3
Value = Union[bool, int, float, str, Sequence[int], Sequence[float]]


class Node(NamedTuple):
    """A node of the text graph; the values of `attributes` are protobuf text."""

    name: str
    op: str
    inputs: Sequence[str] = ()
    attributes: Dict[str, str] = {}  # noqa: RUF012 - never changed

    def to_text(self) -> str:
        lines = [f'  name: "{self.name}"', f'  op: "{self.op}"']
        lines += [f'  input: "{one}"' for one in self.inputs]
        for key, value in sorted(self.attributes.items()):
            lines.append(f'  attr {{ key: "{key}" value {{ {value} }} }}')
        return "node {\n" + "\n".join(lines) + "\n}\n"


class Network(NamedTuple):
    """The nodes from the image to the heads, the names of the heads' outputs by role, how an image
    is fed, (pixel - mean) * scale, and the constants to add to the frozen graph."""

    nodes: List[Node]
    heads: Dict[str, List[str]]
    mean: Mean
    scale: float
    folded: Mapping[str, np.ndarray]


class Suppression(NamedTuple):
    """What DetectionOutput is told; `clips`: boxes are clipped to the picture, then suppressed."""

    classes: int
    softmax: bool
    variance: Tuple[float, float]
    iou: float
    score: float
    most: int
    clips: bool

    def attributes(self, *, shared: bool = True) -> Dict[str, str]:
        """Those of DetectionOutput; `shared`: whether all classes have the same boxes."""
        return {
            "num_classes": value(self.classes + 1),
            "share_location": value(shared),
            "background_label_id": value(0),
            "nms_threshold": value(self.iou),
            "confidence_threshold": value(self.score),
            "top_k": value(-1),  # of candidates, before suppression: all of them
            "keep_top_k": value(self.most),
            "clip": value(self.clips),
            "code_type": value("CENTER_SIZE"),
            "loc_pred_transposed": value(True),
        }


def value(content: Value) -> str:
    """A value of an attribute, as protobuf text."""
    if isinstance(content, bool):
        return f"b: {str(content).lower()}"
    if isinstance(content, int):
        return f"i: {content}"
    if isinstance(content, float):
        return f"f: {content!r}"
    if isinstance(content, str):
        return f's: "{content}"'
    floats = any(isinstance(one, float) for one in content)
    dtype, field = ("DT_FLOAT", "float_val") if floats else ("DT_INT32", "int_val")
    numbers = " ".join(f"{field}: {one!r}" for one in content)
    shape = f"tensor_shape {{ dim {{ size: {len(content)} }} }}"
    return f"tensor {{ dtype: {dtype} {shape} {numbers} }}"


def network(
    graph: Graph, heads: Iterable[Any], subject: str, image: Optional[Size] = None
) -> Network:
    """The network of a graph, as far as the heads of a model; `image` is (height, width).

    Raises:
      RequestError: naming what OpenCV would not compute.
    """
    walk = Walk(graph, subject, image)
    consumers = graph.consumers()
    found: Dict[str, List[str]] = {CLASS: [], BOX: []}
    for head in heads:
        found[head.role].append(walk.node(output_of(graph, consumers, head, subject)))
    mean, scale = walk.preprocessing()
    return Network(walk.nodes, found, mean, scale, walk.folded)


def output_of(graph: Graph, consumers: Any, head: Any, subject: str) -> str:
    """The name of the node that adds a head's biases."""
    names = [name for name in head.tensors if name.endswith("/biases")]
    pending = [name for name in names if name in graph.nodes]
    while pending:
        for node, _ in consumers[pending.pop()]:
            if node.op == "BiasAdd":
                return node.name
            if node.op == "Identity":
                pending.append(node.name)
    raise RequestError(subject, f"has no BiasAdd of the head {head.scope}", _STAY)


class Walk:
    """Collects the nodes that outputs need, each after its inputs."""

    def __init__(self, graph: Graph, subject: str, image: Optional[Size] = None):
        self.graph, self.subject = graph, subject
        self._sizes = MapSizes(IMAGE, image)
        self.nodes: List[Node] = []
        self.known: Dict[str, str] = {}
        self.folded: Dict[str, np.ndarray] = {}
        self.image: Optional[str] = None
        self._values = Evaluator(graph)

    def node(self, output: str) -> str:
        """The name of a node in the text, which is there afterwards; as deep as the network is."""
        pending = [output]
        while pending:
            name = pending[-1]
            node = self.graph.nodes[name]
            if name in self.known:
                pending.pop()
                continue
            if node.op == "Identity" or constants.is_constant(node) or self._is_image(node):
                target = source_name(node.input[0]) if node.op == "Identity" else None
                if target and target not in self.known:
                    pending.append(target)
                    continue
                self.known[name] = self.known[target] if target else self._leaf(node)
                continue
            value = self._values.value(name)
            if value is not None:
                self.known[name] = self._fold(name, value)
                continue
            sources = self.sources(node)
            missing = [one for one in sources if one not in self.known]
            if missing:
                pending += missing
                continue
            self.add(node, [self.known[one] for one in sources])
        return self.known[output]

    def sources(self, node: Any) -> List[str]:
        """The names of the nodes that a node takes values from."""
        return [source_name(text) for text in node.input if text[:1] != "^"]

    def _is_image(self, node: Any) -> bool:
        return node.op == "Sub" and node.name.startswith("Preprocessor/")

    def _fold(self, name: str, value: np.ndarray) -> str:
        """The name of a constant of this value, which is made once."""
        made = f"{name}/folded"
        while made in self.graph.nodes:
            made += "_"
        self.folded[made] = value
        return made

    def _leaf(self, node: Any) -> str:
        if constants.is_constant(node):
            return node.name
        if self.image not in (None, node.name):
            raise RequestError(self.subject, "is fed in two ways", _STAY)
        self.image = node.name
        return IMAGE

    def add(self, node: Any, inputs: List[str]) -> None:
        attributes = _ATTRIBUTES.get(node.op)
        layer = self._by_channel(node, inputs)
        if layer:
            self.append(layer)
            return
        if attributes is None:
            raise RequestError(
                self.subject,
                f"has a node {node.name} of type {node.op}, which OpenCV is not known to compute "
                "alike",
                _STAY,
            )
        copied = {key: _copied(node.attr[key]) for key in attributes if key in node.attr}
        weights = self._constant(inputs[1]) if "Conv" in node.op else None
        trimmed = self._sizes.trimmed(node, inputs, weights)
        self._sizes.add(node, inputs, weights.shape[:2] if weights is not None else None)
        if trimmed is not None:
            inputs = [inputs[0], self._fold(inputs[1], trimmed)]
        self.append(Node(node.name, node.op, inputs, copied))

    def _by_channel(self, node: Any, inputs: Sequence[str]) -> Optional[Node]:
        """The layer for an operation on a tensor and a constant, a number of each channel; None
        where it is another operation.

        It is a batch normalization: OpenCV 5 fails at a Mul or an Add in a second stage.
        """
        constant = [name for name in inputs if self._constant(name) is not None]
        if node.op not in ("Add", "AddV2", "Mul") or len(inputs) != 2 or len(constant) != 1:
            return None
        numbers = self._constant(constant[0])
        if numbers is None or numbers.ndim == 0 or numbers.size != numbers.shape[-1]:
            return None
        ones, zeros = (self._fill(one, numbers.size) for one in (1, 0))
        factors, offsets = (constant[0], zeros) if node.op == "Mul" else (ones, constant[0])
        (data,) = [name for name in inputs if name not in constant]
        attributes = {"epsilon": value(0.0), "data_format": value("NHWC")}
        return Node(node.name, "FusedBatchNorm", [data, factors, offsets, zeros, ones], attributes)

    def _fill(self, number: int, size: int) -> str:
        return self._fold(f"{number}_of_{size}_channels", np.full(size, number, "<f4"))

    def _constant(self, name: str) -> Optional[np.ndarray]:
        if name in self.folded or name not in self.graph.nodes:
            return self.folded.get(name)
        return self._values.value(name)

    def append(self, node: Node) -> None:
        self.nodes.append(node)
        self.known[node.name] = node.name

    def preprocessing(self) -> Tuple[Mean, float]:
        """The mean and the scale of (factor * pixel - offset), or of (pixel - means)."""
        sub = self.graph.nodes.get(self.image or "")
        try:
            multiplied, offset = self.graph.inputs(sub)[:2]
            means = constants.value_of(offset)
            if means.size == _CHANNELS and multiplied.op != "Mul":
                return tuple(float(one) for one in means.ravel()), 1.0
            factor, _ = self.graph.inputs(multiplied)[:2]
            if multiplied.op == "Mul":
                scale = float(constants.value_of(factor))
                return float(constants.value_of(offset)) / scale, scale
        except (AttributeError, TypeError, ValueError, ZeroDivisionError):
            pass
        raise RequestError(
            self.subject, "is not preprocessed by one factor and one offset for all pixels", _STAY
        )


def _copied(attribute: Any) -> str:
    kind = attribute.WhichOneof("value")
    if kind == "list":
        return "list { " + " ".join(f"i: {one}" for one in attribute.list.i) + " }"
    content = getattr(attribute, kind)
    return value(content.decode("ascii") if kind == "s" else content)


def constants_of(values: Mapping[str, np.ndarray]) -> bytes:
    """The nodes of constants, to be added to a GraphDef behind its bytes."""
    message = message_class("graphfix.graph.GraphDef")()
    for name, array in values.items():
        node = message.node.add(name=name, op="Const")
        constants.set_value(node, array, dtypes.BY_NAME[array.dtype.name])
    return message.SerializeToString()


def with_detections(
    found: Network, image: Tuple[int, int], maps: Sequence[Any], chosen: Suppression
) -> str:
    """The whole text graph; `image` is (height, width), `maps` have the anchors' sizes in it."""
    dims = " ".join(f"dim {{ size: {size} }}" for size in (-1, *image, 3))
    given = {"dtype": "type: DT_FLOAT", "shape": f"shape {{ {dims} }}"}
    nodes = [
        Node(IMAGE, "Placeholder", (), given),
        *found.nodes,
        constant("concat/axis_flatten", [-1]),
        constant("PriorBox/concat/axis", [-2]),
        constant("PriorBox/shape", [1, 2, -1, 1]),
    ]
    for role, outputs in found.heads.items():
        flat = [f"{one}/Flatten" for one in outputs]
        nodes += [Node(name, "Flatten", [one]) for name, one in zip(flat, outputs)]
        nodes.append(Node(f"{role}/concat", "ConcatV2", [*flat, "concat/axis_flatten"]))
    priors = []
    for number, (sizes, box) in enumerate(zip(maps, found.heads[BOX])):
        name = f"PriorBox_{number}"
        attributes = {
            "width": value([float(one[1] * image[1]) for one in sizes]),
            "height": value([float(one[0] * image[0]) for one in sizes]),
            "variance": value([chosen.variance[0]] * 2 + [chosen.variance[1]] * 2),
            "flip": value(False),
            "clip": value(False),
        }
        nodes.append(Node(name, "PriorBox", [box, IMAGE], attributes))
        nodes.append(Node(f"{name}/4d", "Reshape", [name, "PriorBox/shape"]))
        priors.append(f"{name}/4d")
    nodes.append(Node("PriorBox/concat", "ConcatV2", [*priors, "PriorBox/concat/axis"]))
    scores = f"{CLASS}/scores"
    if chosen.softmax:
        nodes.append(constant(f"{CLASS}/shape", [0, -1, chosen.classes + 1]))
        nodes.append(Node(f"{CLASS}/3d", "Reshape", [f"{CLASS}/concat", f"{CLASS}/shape"]))
        nodes.append(Node(f"{CLASS}/softmax", "Softmax", [f"{CLASS}/3d"], {"axis": value(-1)}))
        nodes.append(Node(scores, "Flatten", [f"{CLASS}/softmax"]))
    else:
        nodes.append(Node(scores, "Sigmoid", [f"{CLASS}/concat"]))
    inputs = [f"{BOX}/concat", scores, "PriorBox/concat"]
    nodes.append(Node(DETECTIONS, "DetectionOutput", inputs, chosen.attributes()))
    return "".join(node.to_text() for node in nodes)


def constant(name: str, numbers: Union[Sequence[int], Sequence[float]]) -> Node:
    """A node with a row of numbers."""
    return Node(name, "Const", (), {"value": value(numbers)})
