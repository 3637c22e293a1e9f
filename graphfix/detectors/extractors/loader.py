r"""Reads the files of feature extractors: all that graphfix knows of one stands in its file.

A file NAME.txt of this folder describes one base network and the config's types
(`feature_extractor.type`) that are made of it.  One record a line, blank-separated; `#` starts a
comment line.  First facts, written by hand, then layers, written by tests/stock/write_layers.py:

    defaults                            facts of all types below, unless a type has its own
      FACT VALUE...
    type NAME META FIRST GONE           a type of the meta-architecture META (ssd, faster_rcnn)
      FACT VALUE...
    layers TYPE OPTIONS WIDTH...        the layers of a type; the format is in layers.py
      LAYER...

FIRST is the first API revision (YYYY-MM) that has the type, GONE the first one after that builds it
no more with TensorFlow 1, or `-`.  The facts:

    scopes SCOPE...             The scopes of its variables, the first stage's first.  Without it
                                the type is known by name only, and has no layers.
    naming slim|keras           Who names its variables (slim).
    feature_maps GENERATOR      How an SSD makes its feature maps, as in the API: multi_resolution
                                (convolutions beyond the base network), fpn, mnasfpn,
                                pooling_pyramid.
    first_stride N              The stride of its first feature map (16); the others' are its
                                doubles.
    map_count N                 It has N feature maps, whatever num_layers is.
    unpadded W/S... [, W/S...]  The windows and strides, none of them padded, between the image and
                                its first feature map, and from each map to the next.
    least_side N, only_side N   The least side of an image that it takes (33), or the only one.
    stage_strides N...          The first_stage_features_stride that it takes (8 16).
    levels LOW HIGH             The only levels that the API builds its FPN for.
    batch_norm_decay D          The decay of the base network's BatchNorm,
    epsilon E [always]          its epsilon, `always`: even where the config overrides its settings,
    activation OP               and its activation, if there is only one; as in Hyperparams.
    override_required           The API builds it only with
                                override_base_feature_extractor_hyperparams.
    depthwise_regularizer WHEN  Whether a regularizer acts on depthwise kernels: always (the
                                default), overridden (where conv_hyperparams govern the layer),
                                never.
    classifier_averages         Its classification checkpoints hold moving averages only.
    classifier_name OWN NAME    Variables beginning with OWN begin with NAME in a classifier.
    unread_copies SCOPE         The first stage has the second's layers of this scope, too, and
                                never reads them.
    whole_stages                Each stage has all layers, and reads some; those without a name of
                                their own are numbered through both stages.
    recognized_by PATTERN...    A frozen graph is of this type if each pattern matches the beginning
                                of a variable's name.  The types of a file are tried in its order:
                                put the special ones first.  Without it the type is never inferred.
    width_layers PATTERN        Kernels, without the scope, whose widths show the depth_multiplier,
                                besides the first convolution and the first added layer.
    explicit_padding            Pad nodes within its scopes show use_explicit_padding.
    samples NAME[=PATTERN]...   The API's sample configs of such models; the first one counts whose
                                pattern matches the beginning of a variable's name.

The first convolution, by which a checkpoint is told to be of a type, is the first of its layers.

All files' facts are read when the first is asked for (a millisecond), layers of a type then.
"""

import functools
import os
import re
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors.extractors import layers
from graphfix.detectors.extractors.facts import ALWAYS, FACTS, FPN, MNASFPN, SLIM, Steps
from graphfix.detectors.extractors.layers import BadExtractorFile, RecordedLayers
from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.errors import SourceError

# Where files are looked for.
DIRECTORIES: Tuple[str, ...] = (os.path.dirname(os.path.abspath(__file__)),)
SUFFIX = ".txt"
# Compiled when first used, as most runs need few of them.
_MONTH = r"20\d\d-(0[1-9]|1[0-2])\Z"


class Extractor(NamedTuple):
    """A type of feature extractor; what the fields are is in the module's docstring.

    `gone` is None where the type is still built.  `path` is the file it is in.
    """

    type: str
    meta: str
    since: str
    gone: Optional[str]
    path: str
    scopes: Tuple[str, ...] = ()
    naming: str = SLIM
    feature_maps: str = ""
    first_stride: int = 16
    map_count: Optional[int] = None
    unpadded: Tuple[Steps, ...] = ()
    least_side: int = 33
    only_side: Optional[int] = None
    stage_strides: Tuple[int, ...] = (8, 16)
    levels: Optional[Tuple[int, int]] = None
    batch_norm_decay: Optional[float] = None
    epsilon: float = 0.001
    epsilon_stays: bool = False
    activation: Optional[str] = None
    override_required: bool = False
    depthwise_regularizer: str = ALWAYS
    classifier_averages: bool = False
    classifier_name: Optional[Tuple[str, str]] = None
    unread_copies: str = ""
    whole_stages: bool = False
    recognized_by: Tuple[str, ...] = ()
    width_layers: str = ""
    explicit_padding: bool = False
    samples: Tuple[Tuple[str, str], ...] = ()

    @property
    def is_described(self) -> bool:
        """Whether its variables are known, and not just its name."""
        return bool(self.scopes)

    @property
    def has_pyramid(self) -> bool:
        """Whether its feature maps are the levels of an FPN."""
        return self.feature_maps in (FPN, MNASFPN)

    @property
    def first(self) -> layers.Kernel:
        """The kernel of the first convolution, scope and all, and the width it gives."""
        return _first_kernel(self.path, self.type)

    @property
    def network(self) -> str:
        """The scope of the base network within the extractor's, which is a classifier's own."""
        return self.first.name[len(self.scopes[0]) :].partition("/")[0]

    def layers(self) -> RecordedLayers:
        """Its recorded layers.

        Raises:
          BadExtractorFile: a line is wrong, or there are none.
        """
        return _layers(self.path, self.type)


def find_extractor(kind: str) -> Optional[Extractor]:
    """The extractor of a config's `feature_extractor.type`, None where there is none."""
    return extractors().get(kind)


def described_extractor(kind: str, config: str) -> Extractor:
    """The extractor of a type whose variables are known.

    Raises:
      SourceError: naming `config`, for any other type.
    """
    found = find_extractor(kind)
    if found is None or not found.is_described:
        raise SourceError(
            config,
            f"the feature extractor '{kind}' is not one graphfix knows",
            "known are: " + ", ".join(row.type for row in described_extractors()),
        )
    return found


def described_extractors() -> Iterator[Extractor]:
    """All extractors whose variables are known."""
    return (one for one in extractors().values() if one.is_described)


def extractors() -> Mapping[str, Extractor]:
    """All extractors by their types, in the order of the files' names and of the types in a file.

    Raises:
      BadExtractorFile: naming the file and its line.
    """
    return _read_all(DIRECTORIES)


@functools.lru_cache(maxsize=None)
def _read_all(directories: Tuple[str, ...]) -> Mapping[str, Extractor]:
    found: Dict[str, Extractor] = {}
    for directory in directories:
        for name in sorted(os.listdir(directory)):
            if name.endswith(SUFFIX):
                path = os.path.join(directory, name)
                for line, one in _read_facts(path):
                    if one.type in found:
                        other = os.path.basename(found[one.type].path)
                        raise BadExtractorFile(path, line, f"{one.type} is in {other} already")
                    found[one.type] = one
    return found


# Facts


def _read_facts(path: str) -> Iterator[Tuple[int, Extractor]]:
    """The types of a file, each with the line it begins at."""
    defaults: Dict[str, object] = {}
    types: List[Tuple[int, Dict[str, object]]] = []
    facts: Optional[Dict[str, object]] = None
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == layers.HEADER:
                break
            try:
                if line[0] == " ":
                    if facts is None:
                        raise ValueError("is a fact of nothing: write 'defaults' or 'type' above")
                    _add_fact(facts, words)
                elif words == ["defaults"] and facts is None:
                    facts = defaults
                elif words[0] == "type":
                    facts = _head(words)
                    types.append((number, facts))
                else:
                    raise ValueError(
                        "does not begin with 'defaults' (once, at the top), 'type', 'layers' or a "
                        "blank"
                    )
            except ValueError as error:
                raise BadExtractorFile(path, number, f"'{line.strip()}' {error}") from None
    for number, facts in types:
        yield number, Extractor(path=path, **dict(defaults, **facts))  # type: ignore[arg-type]


def _head(words: List[str]) -> Dict[str, object]:
    if len(words) != 5:
        raise ValueError("is not 'type NAME META FIRST GONE'")
    _, kind, meta, since, gone = words
    if meta not in (SSD, FASTER_RCNN):
        raise ValueError(f"has a meta-architecture that is none of {SSD}, {FASTER_RCNN}")
    if not re.match(_MONTH, since) or (gone != "-" and not re.match(_MONTH, gone)):
        raise ValueError("has a revision that is not YYYY-MM")
    return {"type": kind, "meta": meta, "since": since, "gone": None if gone == "-" else gone}


def _add_fact(facts: Dict[str, object], words: List[str]) -> None:
    name, values = words[0], words[1:]
    fact = FACTS.get(name)
    if fact is None:
        raise ValueError(f"is no fact graphfix knows; known are: {', '.join(FACTS)}")
    if not fact.least <= len(values) <= fact.most:
        raise ValueError(f"has {len(values)} values; see the list of facts in loader.py")
    if name in facts:
        raise ValueError("is a fact that stands here already")
    facts.update(fact.parse(values))


# Layers


def _section(path: str, kind: str) -> Tuple[int, Iterable[str]]:
    """The number of the line at which a type's layers begin, and the lines."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    start = text.find(f"\n{layers.HEADER} {kind} ") + 1
    if not start:
        raise BadExtractorFile(path, text.count("\n"), f"there is no '{layers.HEADER} {kind}'")
    end = text.find(f"\n{layers.HEADER} ", start)
    return text.count("\n", 0, start) + 1, text[start : end if end >= 0 else None].splitlines()


@functools.lru_cache(maxsize=None)
def _layers(path: str, kind: str) -> RecordedLayers:
    number, lines = _section(path, kind)
    return layers.parse(lines, path, number)


@functools.lru_cache(maxsize=None)
def _first_kernel(path: str, kind: str) -> layers.Kernel:
    number, lines = _section(path, kind)
    return layers.parse(list(lines)[:2], path, number).layers[0].last_kernel
