"""The names of files in a model's directory.  A path in it has slashes, on every system."""

from graphfix.formats.graphdef.kinds import SAVED_MODEL_PB

# What the stock exporter writes.
CONFIG = "pipeline.config"
CHECKPOINT = "model.ckpt"  # a prefix
CHECKPOINT_STATE = "checkpoint"
META = ".meta"  # follows a prefix
FROZEN = "frozen_inference_graph.pb"
TFLITE = "tflite_graph.pb"  # of export_tflite_ssd_graph.py
SAVED_MODEL_DIRECTORY = "saved_model"
SAVED_MODEL = f"{SAVED_MODEL_DIRECTORY}/{SAVED_MODEL_PB}"
SAVED_MODEL_VARIABLES = f"{SAVED_MODEL_DIRECTORY}/variables"

# What graphfix adds.
LABEL_MAP = "label_map.pbtxt"
PLAN_JSON = "plan.json"
REPORT_JSON, REPORT_HTML = "report.json", "report.html"
EXPORT_JSON = "export.json"
PICTURES = "pictures"
MANIFEST = "manifest.json"
# In a directory for --model_dir, a trainer's own name of what it saves at step 0.
TRAINING_CHECKPOINT = "model.ckpt-0"

# A directory has it until it is published (`ownership`).
MARKER = ".graphfix-unfinished"
# A file's next content while it is written, in the same directory.
PART = ".%s.graphfix-part"
