"""What tflite-support makes of a detector's .tflite, in a Python that has it; judged_metadata.py
runs it:

    task_library.py JOB.json RESULT.json

A job: `model`; `bare`, the same model without metadata, `labels`, `mean` and `std`, for which the
package's own writer makes metadata; `images`, paths of pictures, whose pixels go to `arrays`.
"""

import json
import sys

import numpy as np
from tflite_support import metadata
from tflite_support.metadata_writers import object_detector
from tflite_support.task import core, processor, vision


def displayed(shown):
    return {
        "metadata": json.loads(shown.get_metadata_json()),
        "files": {
            name: shown.get_associated_file_buffer(name).decode()
            for name in shown.get_packed_associated_file_list()
        },
    }


def written(job):
    """The metadata of the package's own writer."""
    with open(job["bare"], "rb") as file:
        made = object_detector.MetadataWriter.create_for_inference(
            bytearray(file.read()), job["mean"], job["std"], [job["labels"]]
        )
    return displayed(metadata.MetadataDisplayer.with_model_buffer(made.populate()))


def detections(job):
    detector = vision.ObjectDetector.create_from_options(
        vision.ObjectDetectorOptions(
            base_options=core.BaseOptions(file_name=job["model"]),
            detection_options=processor.DetectionOptions(score_threshold=job["least"]),
        )
    )
    for image, array in zip(job["images"], job["arrays"]):
        picture = vision.TensorImage.create_from_file(image)
        np.save(array, picture.buffer)
        yield [
            {
                "name": one.categories[0].category_name,
                "class_id": one.categories[0].index + 1,
                "score": one.categories[0].score,
                "pixels": [
                    one.bounding_box.origin_y,
                    one.bounding_box.origin_x,
                    one.bounding_box.origin_y + one.bounding_box.height,
                    one.bounding_box.origin_x + one.bounding_box.width,
                ],
            }
            for one in detector.detect(picture).detections
        ]


def main(job, result):
    with open(job) as file:
        job = json.load(file)
    found = displayed(metadata.MetadataDisplayer.with_model_file(job["model"]))
    if "bare" in job:
        found["written"] = written(job)
    if "images" in job:
        found["detections"] = list(detections(job))
    with open(result, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
