"""COCO's 80 object classes: the ids the published detectors give them, Knowledge Graph id, name.

The ids run from 1 to 90; ten of them were never given to a class.
"""

import re
from typing import Iterable

from graphfix.options import OPTIONS
from graphfix.pipeline_config.label_map import Label, LabelMap
from graphfix.pipeline_config.paths import base_name, label_map_paths

_ROWS = (
    (1, "/m/01g317", "person"),
    (2, "/m/0199g", "bicycle"),
    (3, "/m/0k4j", "car"),
    (4, "/m/04_sv", "motorcycle"),
    (5, "/m/05czz6l", "airplane"),
    (6, "/m/01bjv", "bus"),
    (7, "/m/07jdr", "train"),
    (8, "/m/07r04", "truck"),
    (9, "/m/019jd", "boat"),
    (10, "/m/015qff", "traffic light"),
    (11, "/m/01pns0", "fire hydrant"),
    (13, "/m/02pv19", "stop sign"),
    (14, "/m/015qbp", "parking meter"),
    (15, "/m/0cvnqh", "bench"),
    (16, "/m/015p6", "bird"),
    (17, "/m/01yrx", "cat"),
    (18, "/m/0bt9lr", "dog"),
    (19, "/m/03k3r", "horse"),
    (20, "/m/07bgp", "sheep"),
    (21, "/m/01xq0k1", "cow"),
    (22, "/m/0bwd_0j", "elephant"),
    (23, "/m/01dws", "bear"),
    (24, "/m/0898b", "zebra"),
    (25, "/m/03bk1", "giraffe"),
    (27, "/m/01940j", "backpack"),
    (28, "/m/0hnnb", "umbrella"),
    (31, "/m/080hkjn", "handbag"),
    (32, "/m/01rkbr", "tie"),
    (33, "/m/01s55n", "suitcase"),
    (34, "/m/02wmf", "frisbee"),
    (35, "/m/071p9", "skis"),
    (36, "/m/06__v", "snowboard"),
    (37, "/m/018xm", "sports ball"),
    (38, "/m/02zt3", "kite"),
    (39, "/m/03g8mr", "baseball bat"),
    (40, "/m/03grzl", "baseball glove"),
    (41, "/m/06_fw", "skateboard"),
    (42, "/m/019w40", "surfboard"),
    (43, "/m/0dv9c", "tennis racket"),
    (44, "/m/04dr76w", "bottle"),
    (46, "/m/09tvcd", "wine glass"),
    (47, "/m/08gqpm", "cup"),
    (48, "/m/0dt3t", "fork"),
    (49, "/m/04ctx", "knife"),
    (50, "/m/0cmx8", "spoon"),
    (51, "/m/04kkgm", "bowl"),
    (52, "/m/09qck", "banana"),
    (53, "/m/014j1m", "apple"),
    (54, "/m/0l515", "sandwich"),
    (55, "/m/0cyhj_", "orange"),
    (56, "/m/0hkxq", "broccoli"),
    (57, "/m/0fj52s", "carrot"),
    (58, "/m/01b9xk", "hot dog"),
    (59, "/m/0663v", "pizza"),
    (60, "/m/0jy4k", "donut"),
    (61, "/m/0fszt", "cake"),
    (62, "/m/01mzpv", "chair"),
    (63, "/m/02crq1", "couch"),
    (64, "/m/03fp41", "potted plant"),
    (65, "/m/03ssj5", "bed"),
    (67, "/m/04bcr3", "dining table"),
    (70, "/m/09g1w", "toilet"),
    (72, "/m/07c52", "tv"),
    (73, "/m/01c648", "laptop"),
    (74, "/m/020lf", "mouse"),
    (75, "/m/0qjjc", "remote"),
    (76, "/m/01m2v", "keyboard"),
    (77, "/m/050k8", "cell phone"),
    (78, "/m/0fx9l", "microwave"),
    (79, "/m/029bxz", "oven"),
    (80, "/m/01k6s3", "toaster"),
    (81, "/m/0130jx", "sink"),
    (82, "/m/040b_t", "refrigerator"),
    (84, "/m/0bt_c3", "book"),
    (85, "/m/01x3z", "clock"),
    (86, "/m/02s195", "vase"),
    (87, "/m/01lsmm", "scissors"),
    (88, "/m/0kmg4", "teddy bear"),
    (89, "/m/03wvsk", "hair drier"),
    (90, "/m/012xff", "toothbrush"),
)

NUM_CLASSES = 90
# What stands for them where a label map's path is given.
WORD = OPTIONS["source_label_map_path"].builtin
LABEL_MAP = LabelMap(tuple(Label(*row) for row in _ROWS))
# Every model trained on COCO has classes for these, too.
GAPS = frozenset(range(1, NUM_CLASSES + 1)) - frozenset(LABEL_MAP.by_id())

# An archive of the model zoo: ..._coco14_sync_2018_07_18, ..._coco_11_06_2017.
_PUBLISHED = r"_coco.*_(20\d\d_\d\d_\d\d|\d\d_\d\d_20\d\d)(?!\d)"


def said_by(message, names: Iterable[str]) -> str:
    """What says that a model of 90 classes was trained on COCO: its config's label map, or one of
    the `names` of its archive or directory; "" where nothing does."""
    for path in map(base_name, label_map_paths(message)):
        if "coco" in path.lower():
            return f"its config's label map is {path}"
    for name in names:
        if re.search(_PUBLISHED, name):
            return f"it is the published {name}"
    return ""
