"""graphfix export"""

import argparse

import graphfix
from graphfix.choices import Target
from graphfix.cli import exported, flags
from graphfix.exporting.workflow import NOT_TAKEN
from graphfix.process.console import ticking

EXAMPLES = (
    "graphfix export tf2 ssd.tar.gz --label_map_path classes.pbtxt -o for_tf2",
    "graphfix export torch ssd.tar.gz --classes star,ring -o for_pytorch",
    "graphfix export onnx converted --runtime_python onnx/bin/python -o model --overwrite",
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="TARGET",
        choices=[one.value for one in Target],
        help="what to export to: " + ", ".join(one.value for one in Target),
    )
    flags.add_source(parser)
    flags.add_options(parser, but=("pipeline_config_path", *NOT_TAKEN))
    target = flags.group(parser, "target")
    target.add_argument(
        "--drop_quantization",
        action="store_true",
        help="leave out the ranges of a model trained with quantization, if the target has no "
        "place for them",
    )
    target.add_argument(
        "--runtime_python",
        metavar="PYTHON",
        help="the Python that has the target's own tools (onnx: TensorFlow and tf2onnx; openvino: "
        "openvino; tflite: TensorFlow 1.15 and the stock API; opencv: cv2, to compare detections)",
    )
    parser.add_argument(
        "--tf1_python",
        metavar="PYTHON",
        help="a Python that has TensorFlow, to compare detections with the frozen graph (default: "
        "that of --runtime_python, or this one)",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="JPEG",
        help="images on which to compare them (default: made-up ones)",
    )
    parser.add_argument(
        "--no_comparison",
        action="store_true",
        help="do not compare what the target's runtime detects with the frozen graph",
    )
    flags.add_output_directory(parser)
    flags.add_overwrite(parser)
    flags.add_json(parser, "what export.json has")


def run(args: argparse.Namespace) -> int:
    with ticking(f"exporting to {args.target}"):
        found = graphfix.export(
            args.target,
            args.source,
            args.output_directory,
            flags.options(args),
            overwrite=args.overwrite,
            drop_quantization=args.drop_quantization,
            runtime_python=args.runtime_python,
            tf1_python=args.tf1_python,
            images=args.images or (),
            compare=not args.no_comparison,
        )
    return exported.told(found, args.output_directory, as_json=args.json)
