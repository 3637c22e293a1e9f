"""What is told of a message that the table does not know: what to look at, and the nearest ones."""

import functools
import math
import re
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from graphfix.doctor.messages.message_table import Message, message_table
from graphfix.doctor.messages.pasted import Line, Pasted, Raised

_MOST_TEXT = 160
# A message is near another that shares so much of its words, and so many are named.
_NEAR, _MOST_NEAR = 0.2, 3
_WORD = re.compile(r"[a-z_][a-z_0-9]{3,}")
_COMMON = frozenset(
    "error errors_impl exception framework from have invalid invalidargumenterror keyerror line "
    "message none python runtimeerror tensorflow tensor that this traceback type typeerror value "
    "valueerror with object_detection notfounderror true false file name node".split()
)
ENVIRONMENT = "graphfix doctor --environment --stock_python PY checks all that is installed"
# What to look at, by words of the traceback and of TensorFlow's nodes around an unknown message.
_PLACES = (
    (
        "dataset_tools/|create_\\w*tf_record|generate_tfrecord|create_tf_example|dict_to_tf_example",
        "the script that writes the records, and the annotation it was reading: the traceback's "
        "last line of that script says what it wanted",
    ),
    (
        "label_map_util",
        "the label map: one item { id: 1 name: 'class' } for each class, as UTF-8 without a BOM",
    ),
    (
        "save/Restore|saver\\.py|init_from_checkpoint|variables_helper|checkpoint_reader",
        "the checkpoint, and whether model_dir has one of another model: graphfix doctor "
        "PIPELINE_CONFIG --model_dir DIR",
    ),
    (
        "IteratorGetNext|ParseSingleExample|DecodeJpeg|decode_image|padding_fifo_queue|"
        "tf_example_decoder|dataset_builder|input_reader_builder",
        "the records: graphfix doctor PIPELINE_CONFIG reads all of them",
    ),
    (
        "export_inference_graph|exporter\\.py|export_tflite|toco|tflite_convert|lite\\.py",
        "whether the exporter was given the config of the training run, and a checkpoint of it",
    ),
    (
        "coco_evaluation|coco_tools|object_detection_evaluation|eval_util|evaluator\\.py|pycocotools",
        "eval_config, eval_input_reader and its records",
    ),
    (
        "builders/|meta_arch|anchor_generator|feature_extractor|box_predictor|config_util",
        "the config: graphfix doctor PIPELINE_CONFIG",
    ),
    ("Loss/|losses\\.py|target_assigner", "boxes and classes of the records, and num_classes"),
    (
        "ImportError|ModuleNotFoundError|AttributeError: module|_pb2|DLL load failed|\\.so\\b",
        f"what is installed: {ENVIRONMENT}",
    ),
)
_ANYTHING = "the config and all that it names: graphfix doctor PIPELINE_CONFIG"


class Unknown(NamedTuple):
    """What the table does not know, or knows to have several causes (`row`): its line and text, the
    nearest messages that it knows, and what to look at."""

    line: int
    text: str
    nearest: Tuple[str, ...]
    look_at: Tuple[str, ...]
    row: Optional[Message] = None

    def to_data(self) -> Dict[str, object]:
        return {
            "known": False,
            "line": self.line,
            "text": self.text,
            "nearest": list(self.nearest),
            "look_at": list(self.look_at),
            "causes": self.row.cause if self.row else None,
        }

    def to_lines(self) -> List[str]:
        if self.row:
            return [
                self.row.wording,
                f"  Line {self.line}: {self.text}",
                "  This message has several causes, so graphfix names none.",
                "  May be: " + self.row.cause,
                "  Look:   " + self.row.remedy,
            ]
        out = [f"graphfix does not know this message: {self.text}"]
        out += ["  Look at " + one for one in self.look_at]
        if self.nearest:
            out.append(
                "  The nearest messages that it knows (docs/troubleshooting.md), of another cause:"
            )
            out += ["    " + one for one in self.nearest]
        return out


def unknown(
    pasted: Pasted, last: Optional[Raised], several: Optional[Tuple[Line, Message]]
) -> Unknown:
    """What there is to say of the error that ended a text, or of its last line; of `several` causes
    the row and line that name them."""
    shown = [line for line in pasted.lines if line.kind in ("exception", "plain", "log")]
    filled = [line for line in shown if line.text.strip()]
    number = last.line if last else (filled[-1].number if filled else 1)
    text = pasted.lines[number - 1].text
    if several:
        line, row = several
        return Unknown(line.number, shortened(line.text), (), (row.remedy,), row)
    around = "\n".join(line.text for line in pasted.lines[max(0, number - 80) : number + 40])
    places = [advice for pattern, advice in _PLACES if re.search(pattern, around)]
    frames = [frame for frame in pasted.traceback(number) if "object_detection" in frame]
    look_at = [f"where the API stopped: {shortened(frames[-1])}"] if frames else []
    look_at += places[:2] or [_ANYTHING]
    return Unknown(number, shortened(text), _nearest(text), tuple(look_at))


def _nearest(text: str) -> Tuple[str, ...]:
    """The wordings of the messages that share the most of their words with a text."""
    words, weights, usual = _vocabulary()

    def weight(some: Set[str]) -> float:
        return sum(weights.get(word, usual) for word in some)

    wanted = _words(text)
    whole = weight(wanted) or 1.0
    scored = sorted(
        (-weight(wanted & one) / math.sqrt(whole * (weight(one) or 1.0)), number)
        for number, one in enumerate(words)
        if wanted & one
    )
    table = message_table()
    return tuple(table[number].wording for score, number in scored[:_MOST_NEAR] if -score >= _NEAR)


@functools.lru_cache(maxsize=None)
def _vocabulary() -> Tuple[Tuple[Set[str], ...], Dict[str, float], float]:
    """The words of every row, the weight of each (the rarer, the more), and a strange word's."""
    table = message_table()
    words = tuple(_words(" ".join((row.wording,) + row.yes[:1])) for row in table)
    seen: Dict[str, int] = {}
    for one in words:
        for word in one:
            seen[word] = seen.get(word, 0) + 1
    weights = {word: math.log(1 + len(table) / count) for word, count in seen.items()}
    return words, weights, math.log(1 + len(table))


def _words(text: str) -> Set[str]:
    return set(_WORD.findall(text.lower())) - _COMMON


def shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."
