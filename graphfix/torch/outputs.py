"""What a detector computes for an image: `python outputs.py JOBS.json RESULTS.json`, in a Python
that has PyTorch.

Run by path, by exporting/torch/trial.py.  A job has

  directory  what `graphfix export torch` wrote
  image      an .npy: RGB pixels [height, width, 3]
  output     the .npz that is written: tensors by the names that a `raw_outputs` job has for
             TensorFlow 1 (stock_api/worker.py), those of a second and third stage
  given      an .npz of that job, whose proposals and detections these stages get; without it, their
             own

and its result how many tensors were `loaded`, and `versions`; whatever is raised is an `error`.
"""

import importlib.util
import json
import os
import sys
from typing import Any, Dict, Iterator, Mapping, Tuple

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _use_this_graphfix() -> None:
    """This very graphfix is imported, and nothing else of where it is installed."""
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    spec = importlib.util.spec_from_file_location(
        "graphfix", os.path.join(_PACKAGE, "__init__.py"), submodule_search_locations=[_PACKAGE]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["graphfix"] = module
    spec.loader.exec_module(module)


def run(job: Dict[str, Any], result: Dict[str, Any]) -> None:
    import numpy as np
    import torch

    from graphfix.torch.loading import load

    result["versions"] = {"torch": torch.__version__}
    detector = load(job["directory"]).eval()
    result["loaded"] = len(detector.state_dict())
    image = torch.from_numpy(np.load(job["image"])).permute(2, 0, 1)
    given: Dict[str, Any] = {}
    if job.get("given"):
        with np.load(job["given"]) as archive:
            given = dict(archive)
    with torch.no_grad():
        tensors = dict(tensors_of(detector, image, given))
    np.savez(job["output"], **{name: value.numpy() for name, value in tensors.items()})


def tensors_of(detector: Any, image: Any, given: Mapping[str, Any]) -> Iterator[Tuple[str, Any]]:
    """The tensors of an image, by their names in TensorFlow 1."""
    from graphfix.torch.faster_rcnn import FasterRcnn

    batch = detector.batch([image])
    if isinstance(detector, FasterRcnn):
        yield from _of_stages(detector, batch, given)
        return
    found = detector.predict(batch.images)
    yield "predict/preprocessed_inputs", _nhwc(batch.images)
    for number, one in enumerate(found.maps):
        yield f"predict/feature_maps/{number}", _nhwc(one)
    yield "predict/anchors", found.anchors
    yield "predict/box_encodings", found.encodings
    yield "predict/class_predictions_with_background", found.logits


def _of_stages(detector: Any, batch: Any, given: Mapping[str, Any]) -> Iterator[Tuple[str, Any]]:
    import torch

    from graphfix.torch.mask_rcnn import MaskRcnn

    def of_tensorflow(name: str, own: Any) -> Any:
        return torch.from_numpy(given[name]).to(own.dtype) if name in given else own

    first = detector.propose(batch.images)
    # The API of 2021 has a list of them, of one.
    for name in ("predict/rpn_features_to_crop", "predict/rpn_features_to_crop/0"):
        yield name, _nhwc(first.features)
    yield "predict/anchors", first.anchors
    yield "predict/rpn_box_encodings", first.encodings
    yield "predict/rpn_objectness_predictions_with_background", first.logits
    proposals, _, counts = detector.proposals(first, batch.after)
    yield "predict/proposal_boxes", proposals
    second = detector.classify(
        first.features,
        of_tensorflow("predict/proposal_boxes", proposals),
        of_tensorflow("predict/num_proposals", counts),
        batch.size,
    )
    yield "predict/refined_box_encodings", second.encodings
    yield "predict/class_predictions_with_background", second.logits
    if isinstance(detector, MaskRcnn):
        boxes = torch.stack([one.boxes for one in detector.found(batch)])
        boxes = of_tensorflow("predict/detection_boxes", boxes)
        yield "mask_head/masks", detector.mask_logits(detector.within(first.features, boxes))


def _nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1)


def main(arguments: Any) -> None:
    job_path, result_path = arguments[:2]
    with open(job_path, encoding="utf-8") as file:
        (job,) = json.load(file)
    result: Dict[str, Any] = {"verb": job["verb"]}
    try:
        run(job, result)
    except Exception as error:  # whatever PyTorch raises is the answer
        result["error"] = {"type": type(error).__name__, "message": str(error).strip()}
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump([result], file)


if __name__ == "__main__":
    _use_this_graphfix()
    main(sys.argv[1:])
