"""OpenCV's side: `python detect.py JOB.json RESULT.json`, under the interpreter that has cv2.

Run by path; needs nothing of graphfix.  JOB.json has a list of one job: `graph`, `text`, `height`
and `width`, or `min_dimension` and `max_dimension`, `mean`, `scale`, `images` (files that OpenCV
reads) and `arrays`, the .npy files of RGB pixels to write, one for each; without images those are
read, and have the right size.  The result has OpenCV's version and, for each image, rows of box
(ymin, xmin, ymax, xmax in 0..1), score and class id.
"""

import json
import sys
from typing import Any, Dict


def detect(job, result):
    import cv2
    import numpy as np

    result["opencv"] = cv2.__version__
    net = cv2.dnn.readNetFromTensorflow(job["graph"], job["text"])
    result["detections"] = []
    for number, array in enumerate(job["arrays"]):
        if job["images"]:
            image = cv2.imread(job["images"][number])
            if image is None:
                raise ValueError(f"OpenCV cannot read {job['images'][number]}")
            size = _size(job, *image.shape[:2])
            image = cv2.resize(image, size)
            np.save(array, image[..., ::-1])
        else:
            image = np.ascontiguousarray(np.load(array)[..., ::-1])
        size = image.shape[1::-1]
        mean = job["mean"] if isinstance(job["mean"], list) else (job["mean"],) * 3
        net.setInput(cv2.dnn.blobFromImage(image, job["scale"], size, mean, swapRB=True))
        result["detections"].append(
            [
                {
                    "box": np.clip(row[[4, 3, 6, 5]], 0, 1).tolist(),
                    "score": float(row[2]),
                    "class_id": int(row[1]),
                }
                for row in net.forward().reshape(-1, 7)
                if row[2] > 0
            ]
        )


def _size(job, height, width):
    """(width, height) to which a picture is resized, as the API's resizers do."""
    if "width" in job:
        return job["width"], job["height"]
    scale = min(
        job["min_dimension"] / min(height, width), job["max_dimension"] / max(height, width)
    )
    return round(width * scale), round(height * scale)


def main(arguments):
    job_path, result_path = arguments[:2]
    with open(job_path, encoding="utf-8") as file:
        (job,) = json.load(file)
    result: Dict[str, Any] = {"verb": "detect"}
    try:
        detect(job, result)
    except Exception as error:  # whatever OpenCV raises is the answer
        result["error"] = {"type": type(error).__name__, "message": str(error).strip()}
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump([result], file)


if __name__ == "__main__":
    main(sys.argv[1:])
