"""Functions that leave TensorFlow 1: detectors for something else, and published ones of it."""

from typing import TYPE_CHECKING, Optional, Sequence, Union

from graphfix.api.arguments import options_of, source_of
from graphfix.choices import Target
from graphfix.options import ConvertOptions
from graphfix.values import Path, choice_of, flag_of, optional_path, path_of, paths_of

if TYPE_CHECKING:
    from graphfix.exporting.workflow import Exported
    from graphfix.modeldir.destinations import Destination
    from graphfix.modeldir.openers import Model


def convert_lite(
    source: Path,
    output_directory: Union[Path, "Destination"],
    options: Optional[ConvertOptions] = None,
    *,
    overwrite: bool = False,
) -> "Exported":
    """Takes a published .tflite detector to fewer of its classes, or to another order of them.

    Kept classes have the very scores that they had.

    Args:
      source: a .tflite with TFLite_Detection_PostProcess, not compiled for the Edge TPU.
      output_directory: the directory to write, or `graphfix.Memory()`.
      options: the classes: `classes`, `label_map_path` or `num_classes`, `map`, and
        `source_label_map_path`, unless the file has a list of them.
      overwrite: replace what graphfix wrote there before.

    Raises:
      RequestError, SourceError: a class is none of the source's, or the file is damaged, or not
        understood; nothing was published.
    """
    from graphfix.exporting.tflite.published import convert_lite as work
    from graphfix.modeldir.destinations import destination

    where = destination(output_directory, overwrite=overwrite)
    return work(path_of("source", source), where, options_of(options))


def export(
    target: Union[str, Target],
    source: Union[Path, "Model"],
    output_directory: Union[Path, "Destination"],
    options: Optional[ConvertOptions] = None,
    *,
    overwrite: bool = False,
    drop_quantization: bool = False,
    runtime_python: Optional[Path] = None,
    tf1_python: Optional[Path] = None,
    images: Sequence[Path] = (),
    compare: bool = True,
) -> "Exported":
    """Writes a detector for something other than TensorFlow 1, with new classes or anchors where
    they are asked for, and publishes it whole.

    What the target would not compute as TensorFlow 1 does is refused.  Where a device's runtime is
    installed, and TensorFlow, it has to detect what the frozen graph does: the same count and
    classes, scores and edges within 1e-3.

    Args:
      target: "tf2": a checkpoint and a config that the API of TensorFlow 2 trains on from;
        "opencv": the text graph with which OpenCV's dnn module runs an SSD or a Faster R-CNN;
        "onnx" and "openvino": models of ONNX and OpenVINO; "tflite": one of TensorFlow Lite;
        "torch": what `graphfix.torch.load` makes a torch.nn.Module of.
      source: as `open_model` takes it, or an open model.
      output_directory: the directory to write, or `graphfix.Memory()`.
      options: the classes and anchors, as for `convert`; not the options about trainers.
      overwrite: replace what graphfix wrote there before.
      drop_quantization: leave out the ranges of a model that was trained with quantization, where
        the target has no place for them.
      runtime_python: the Python that has the target's own tools; "onnx" needs TensorFlow and
        tf2onnx there, "openvino" openvino, "tflite" TensorFlow 1.15 and the stock API.  By default
        this one, if it has them.
      tf1_python: the Python that has TensorFlow, to run the frozen graph; by default one of those.
      images: JPEG files to compare detections in; by default, pictures that are made up.
      compare: False leaves the comparison out.

    Raises:
      RequestError, SourceError: the target is not exact for this detector, or a file is damaged;
        nothing was published.
      VerificationError: the target's runtime does not detect the same; nothing was published.
    """
    from graphfix.exporting.comparing import Asked
    from graphfix.exporting.workflow import export as work
    from graphfix.modeldir.destinations import destination

    return work(
        choice_of("target", target, Target),
        source_of(source),
        destination(output_directory, overwrite=overwrite),
        options_of(options),
        drop_quantization=flag_of("drop_quantization", drop_quantization),
        comparison=Asked(
            optional_path("runtime_python", runtime_python),
            optional_path("tf1_python", tf1_python),
            paths_of("images", images),
            flag_of("compare", compare),
        ),
    )
