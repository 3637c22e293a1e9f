"""What the variables of a TensorFlow 1 detector are called in TensorFlow 2: paths of objects.

A rule says where a convolution of TensorFlow 1 is; its batch normalization is the layer after it.
Lists of layers count those without weights, too: activations, dropout, padding.
"""

import re
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Pattern, Tuple

from graphfix.detectors.families import SSD
from graphfix.exporting.tf2 import networks
from graphfix.exporting.tf2.networks import CONVOLUTION, NORMALIZATION, Layer

_LEAVES = {
    "weights": "kernel",
    "depthwise_weights": "depthwise_kernel",
    "pointwise_weights": "pointwise_kernel",
    "biases": "bias",
}
_NORMALIZED = "/BatchNorm"
# Of a convolution, its normalization and its activation.
_STEP = 3
# A first stage of TensorFlow 1 has the last block, too, which nothing is computed with.
_UNUSED = re.compile(r"FirstStageFeatureExtractor/(resnet_v1_\d+/)+block4/")

# The box and class heads: attributes of the objects that have them.
_LISTS = {
    "Box": ("box_encodings", "box", "_box_encoder_layers"),
    "Class": ("class_predictions_with_background", "class", "_class_predictor_layers"),
}


class Base(NamedTuple):
    """A base network: the scope of its variables, the path of the layers, and their numbers."""

    scope: Pattern[str]
    path: str
    layers: Dict[Layer, int]


class Rule(NamedTuple):
    """Where the convolution of a scope is: `place` gives the path of the layers it is among, with
    "{}" for its number, and that number."""

    scope: Pattern[str]
    place: Callable[[Any], Tuple[str, int]]


class Names(NamedTuple):
    """The path of each variable; the variables that have none; the layers without any variable."""

    paths: Dict[str, str]
    unknown: List[str]
    missing: List[str]


class Naming(NamedTuple):
    """All that is needed to name a detector's variables."""

    bases: Tuple[Base, ...]
    rules: Tuple[Rule, ...]

    def names(self, variables: Iterable[str]) -> Names:
        found: Dict[str, str] = {}
        unknown: List[str] = []
        layers = {
            base.path.format(number) for base in self.bases for number in base.layers.values()
        }
        for name in variables:
            path = self._path(name)
            if path is None:
                unknown.append(name)
            else:
                found[name] = path
                layers.discard(path.rpartition("/")[0])
        return Names(found, unknown, sorted(layers))

    def _path(self, name: str) -> Optional[str]:
        scope, _, leaf = name.rpartition("/")
        kind = CONVOLUTION
        if scope.endswith(_NORMALIZED):
            scope, kind = scope[: -len(_NORMALIZED)], NORMALIZATION
        leaf = _LEAVES.get(leaf, leaf)
        for base in self.bases:
            match = base.scope.match(scope)
            number = base.layers.get((scope[match.end() :], kind)) if match else None
            if number is not None:
                return f"{base.path.format(number)}/{leaf}"
        for rule in self.rules:
            match = rule.scope.fullmatch(scope)
            if match:
                path, number = rule.place(match)
                return f"{path.format(number + (kind == NORMALIZATION))}/{leaf}"
        return None


def unused(name: str) -> bool:
    """Whether a variable of TensorFlow 1's checkpoints has no part in what they compute."""
    return _UNUSED.match(name) is not None


def naming(meta: str, network: str, body: Any) -> Naming:
    """The naming of a detector: of its meta-architecture, base network and message."""
    return _one_stage(network, body) if meta == SSD else _two_stage(network, body)


def _one_stage(network: str, body: Any) -> Naming:
    extractor = body.feature_extractor
    scope, layers, attribute = {
        "mobilenet_v1": ("MobilenetV1", networks.mobilenet_v1(), "_feature_map_generator"),
        "mobilenet_v2": ("MobilenetV2", networks.mobilenet_v2(), "feature_map_generator"),
    }[network]
    above = f"FeatureExtractor/(?:{scope}/){{1,2}}"
    maps = f"model/_feature_extractor/{attribute}/convolutions/%s/{{}}"
    second = _STEP + extractor.use_explicit_padding
    shared = body.box_predictor.WhichOneof("box_predictor_oneof").startswith("weight_shared")
    return Naming(
        (_base(above, "model/_feature_extractor/classification_backbone", layers),),
        (
            _rule(above + r"\w+_1_Conv2d_(\d+)_1x1_\d+", maps, 0),
            _rule(above + r"\w+_2_Conv2d_(\d+)_3x3_s2_\d+_depthwise", maps, second),
            _rule(
                above + r"\w+_2_Conv2d_(\d+)_3x3_s2_\d+",
                maps,
                second + _STEP * extractor.use_depthwise,
            ),
            *(_shared_heads if shared else _own_heads)(body.box_predictor),
        ),
    )


def _rule(pattern: str, path: str, number: int) -> Rule:
    """Where `path` has "%s" for the first group of the pattern."""
    return Rule(re.compile(pattern), lambda match: (path % match[1], number))


def _own_heads(given: Any) -> Tuple[Rule, ...]:
    """Each map has its own heads, and its own layers before them."""
    predictor = given.convolutional_box_predictor
    head = r"(?:BoxPredictor_(\d+)/)?(Box|Class)(?:Encoding)?Predictor"

    def heads(pattern: str, more: int) -> Rule:
        def place(match: Any) -> Tuple[str, int]:
            key, _, inner = _LISTS[match[2]]
            dropout = match[2] == "Class" and predictor.use_dropout
            path = f"model/_box_predictor/_prediction_heads/{key}/{match[1] or 0}/{inner}/{{}}"
            return path, dropout + more

        return Rule(re.compile(pattern), place)

    def between(match: Any) -> Tuple[str, int]:
        return f"model/_box_predictor/_shared_nets/{match[1] or 0}/{{}}", _STEP * int(match[2])

    return (
        heads(head + "_depthwise", 0),
        heads(head, _STEP * predictor.use_depthwise),
        Rule(re.compile(r"(?:BoxPredictor_(\d+)/)?Conv2d_(\d+)_1x1_\d+"), between),
    )


def _shared_heads(given: Any) -> Tuple[Rule, ...]:
    """All maps have the same heads and layers before them, whose batch normalization is each map's
    own; a projection brings each map to the same width."""
    predictor = given.weight_shared_convolutional_box_predictor
    scope, above = "WeightSharedConvolutionalBoxPredictor/", "model/_box_predictor/"

    def normalization(match: Any) -> Tuple[str, int]:
        key = _LISTS[match[1] or "Box"][0]
        return (
            f"{above}_base_tower_layers_for_heads/{key}/{match[3]}/{{}}",
            _STEP * int(match[2]) + 1,
        )

    def tower(match: Any) -> Tuple[str, int]:
        return f"{above}_head_scope_conv_layers/{match[1]}/{{}}", int(match[2])

    def head(match: Any) -> Tuple[str, int]:
        key, _, inner = _LISTS[match[1]]
        if match[1] == "Box":
            return f"{above}_box_prediction_head/{inner}/{{}}", 0
        return f"{above}_prediction_heads/{key}/{inner}/{{}}", int(predictor.use_dropout)

    return (
        _rule(
            scope + r"ProjectionLayer/conv2d_(\d+)",
            above + "_additional_projection_layers/%s/{}",
            0,
        ),
        Rule(re.compile(scope + r"(\w*PredictionTower)/conv2d_(\d+)"), tower),
        Rule(
            re.compile(scope + r"(Box|Class)?PredictionTower/conv2d_(\d+)/BatchNorm/feature_(\d+)"),
            normalization,
        ),
        Rule(re.compile(scope + "(Box|Class)Predictor"), head),
    )


def _two_stage(network: str, body: Any) -> Naming:
    predictor = body.second_stage_box_predictor.mask_rcnn_box_predictor
    inner = predictor.mask_prediction_num_conv_layers - 1
    second = "model/_mask_rcnn_box_predictor/"

    def first(match: Any) -> Tuple[str, int]:
        key, _, layers = _LISTS[match[1]]
        return f"model/_first_stage_box_predictor/_prediction_heads/{key}/0/{layers}/{{}}", 0

    def heads(match: Any) -> Tuple[str, int]:
        _, head, layers = _LISTS[match[1]]
        # The first flattens.
        return f"{second}_{head}_prediction_head/{layers}/{{}}", 1 + predictor.use_dropout

    def masks(match: Any) -> Tuple[str, int]:
        number = int(match[1] or 0)
        upsampled = number >= inner and predictor.convolve_then_upsample_masks
        return (
            f"{second}_third_stage_heads/mask_predictions/_mask_predictor_layers/{{}}",
            _STEP * number + upsampled,
        )

    def proposals(match: Any) -> Tuple[str, int]:
        return "model/_first_stage_box_predictor_first_conv/layer_with_weights-{}", 0

    head = "(Box|Class)(?:Encoding)?Predictor"
    above = f"StageFeatureExtractor/(?:{network}/){{1,2}}"
    extractor = "model/_feature_extractor_for_{}_features"
    return Naming(
        (
            _base("First" + above, extractor.format("proposal"), networks.resnet_trunk(network)),
            _base(
                "Second" + above,
                extractor.format("box_classifier"),
                networks.resnet_blocks(network, 4, 4),
            ),
        ),
        (
            Rule(re.compile("Conv"), proposals),
            Rule(re.compile("FirstStageBoxPredictor/" + head), first),
            Rule(re.compile("SecondStageBoxPredictor/" + head), heads),
            Rule(re.compile(r"SecondStageBoxPredictor/Conv(?:_(\d+))?"), masks),
        ),
    )


def _base(scope: str, path: str, layers: List[Layer]) -> Base:
    numbers = {layer: number for number, layer in enumerate(layers)}
    return Base(re.compile(scope), path + "/layer_with_weights-{}", numbers)
