"""anchors: a generator's settings fitted to a data set, shown, and put into a config."""

import dataclasses
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from graphfix.anchor_fitting.coverage import best_overlaps
from graphfix.anchor_fitting.data import BoxSet, collect
from graphfix.anchor_fitting.figures import figures, table, unmatched
from graphfix.anchor_fitting.fit import described, fit, not_worse
from graphfix.anchor_fitting.setting import Setting, read_setting
from graphfix.datasets.sources import read_boxes
from graphfix.detectors.feature_maps import check_maps
from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING, Finding, by_severity
from graphfix.formats.regular_files import read_file
from graphfix.modeldir import manifest, publishing, single_files
from graphfix.modeldir.names import CONFIG
from graphfix.pipeline_config.anchor_generators import anchor_edits, format_anchors, parse_anchors
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.label_map import parse_label_map


@dataclasses.dataclass(frozen=True)
class Answer:
    """What to print: lines of text, the same as data, and the findings."""

    lines: Tuple[str, ...]
    data: Dict[str, Any]
    findings: Tuple[Finding, ...]


def fit_anchors(
    path: str,
    records: Sequence[str],
    *,
    output: str,
    overwrite: bool,
    seed: int,
    count: Optional[int],
    label_map_path: Optional[str],
) -> Answer:
    """Fits a config's anchor generator to the boxes of records, and writes it as an anchors file.

    Raises:
      GraphfixError: nothing was written.
    """
    inputs = [path, *records] + [one for one in (label_map_path,) if one]
    single_files.check_file(output, overwrite=overwrite, inputs=inputs)
    path, _, setting = _open(path)
    boxes, findings = _boxes(setting, records, label_map_path)
    fitted = fit(
        setting.message,
        boxes,
        setting.model,
        threshold=setting.threshold,
        seed=seed,
        subject=path,
        image=setting.image,
        count=count,
    )
    findings += setting.findings
    if fitted.form is None:
        findings += (
            Finding(
                "ANCHORS_KEPT",
                INFO,
                path,
                "has anchors that its generator cannot beat "
                "on these boxes, as far as was searched; they are written as they are",
                "try another --seed, or --num_anchors",
            ),
        )
    elif not not_worse(fitted.before, fitted.after, setting.threshold):
        findings += (
            Finding(
                "ANCHORS_WORSE",
                WARNING,
                "--num_anchors",
                "asks for a number with "
                "which no anchors were found to be as good as the present ones",
                "ask for more, or leave it out",
            ),
        )
    pair = {
        name: figures(boxes, spec, best, setting.threshold, setting.image)
        for name, spec, best in (
            ("before", setting.spec, fitted.before),
            ("after", fitted.spec, fitted.after),
        )
    }
    comment = (
        f"# {'Fitted' if fitted.form else 'As they were'}, for {len(boxes)} boxes, "
        f"by graphfix anchors fit --seed {seed}: "
        f"recall at IoU {setting.threshold:g} {pair['after']['recall']:.1%}.\n"
    )
    single_files.write_file(
        output,
        (comment + format_anchors(fitted.message)).encode(),
        overwrite=overwrite,
        inputs=inputs + [path],
    )
    counts = {"before": setting.spec.per_map, "after": fitted.spec.per_map}
    old, new = _counts(counts["before"]), _counts(counts["after"])
    before = f", {old} before" if old != new else ""
    lines = [
        f"{output}: {fitted.spec.generator}, {new} anchors at a location{before}",
        f"varied: {fitted.form}" if fitted.form else "nothing was changed",
    ]
    lines += _about(setting, boxes) + table(pair["before"], pair["after"], setting.threshold)
    for name in ("before", "after")[fitted.form is None :]:
        lines += [
            f"{name}, {line}" if not number else line
            for number, line in enumerate(unmatched(pair[name]["unmatched_anchors"]))
        ]
    data = dict(
        pair,
        output=output,
        generator=fitted.spec.generator,
        varied=fitted.form,
        seed=seed,
        anchors_per_map={name: list(one) for name, one in counts.items()},
        **_data(setting, boxes, findings),
    )
    return Answer(tuple(lines), data, by_severity(findings))


def show_anchors(
    path: str,
    records: Sequence[str],
    *,
    output_directory: str,
    overwrite: bool,
    anchors: Optional[str],
    label_map_path: Optional[str],
) -> Answer:
    """Draws a config's anchors (and those of a file beside them), with the boxes of records.

    Raises:
      GraphfixError: nothing was written.
    """
    from graphfix.anchor_fitting import plots

    plots.require()
    inputs = [path, *records] + [one for one in (anchors, label_map_path) if one]
    publishing.check_destinations([output_directory], overwrite=overwrite, inputs=inputs)
    path, _, setting = _open(path)
    series = [plots.Series("present" if anchors else "anchors", setting.spec, None)]
    if anchors:
        message = _other(anchors, setting, path)[1]
        series.append(plots.Series("new", described(message, anchors, setting.image), None))
    boxes: Optional[BoxSet] = None
    findings: Tuple[Finding, ...] = ()
    if records:
        boxes, findings = _boxes(setting, records, label_map_path)
        series = [
            dataclasses.replace(
                one, best=best_overlaps(boxes, one.spec, setting.model, setting.threshold)
            )
            for one in series
        ]
    with publishing.staged(output_directory, overwrite=overwrite, inputs=inputs + [path]) as stages:
        names = plots.draw(stages[0], setting, series, boxes)
        manifest.write(stages[0])
    findings += setting.findings
    lines = [f"{output_directory}: {', '.join(names)}"]
    data: Dict[str, Any] = {"output_directory": output_directory, "pictures": list(names)}
    if boxes is not None:
        lines += _about(setting, boxes)
        found = {
            one.name: figures(boxes, one.spec, one.best, setting.threshold, setting.image)
            for one in series
        }
        lines += [
            f"{name}: mean best IoU {one['mean_best_iou']:.3f}, recall {100 * one['recall']:.1f}%"
            for name, one in found.items()
        ]
        data.update(found, **_data(setting, boxes, findings))
    return Answer(tuple(lines), data, by_severity(findings))


def apply_anchors(path: str, anchors: str, *, output: str, overwrite: bool) -> Answer:
    """Puts the generator of an anchors file into a config; nothing else of it is touched.

    Raises:
      GraphfixError: nothing was written.
    """
    inputs = [path, anchors]
    single_files.check_file(output, overwrite=overwrite, inputs=inputs)
    path, config, setting = _open(path)
    document, message = _other(anchors, setting, path)
    spec = described(message, anchors, setting.image)
    findings = setting.findings
    if spec.per_map != setting.spec.per_map:
        findings += (
            Finding(
                "HEADS",
                WARNING,
                anchors,
                (
                    f"places {_counts(spec.per_map)} anchors at a location, "
                    f"{_counts(setting.spec.per_map)} before: "
                    "the box and class heads of a checkpoint do not fit this config any "
                    "more"
                ),
                "carry them over with graphfix convert --anchors",
            ),
        )
    edits = anchor_edits(setting.path, config.document, document)
    edited = apply_edits(config.document, edits)
    single_files.write_file(output, edited.encode(), overwrite=overwrite, inputs=inputs + [path])
    line = (
        f"{output}: {spec.generator} with {_counts(spec.per_map)} anchors at a location; "
        f"{len(edits)} settings changed"
    )
    data = {
        "output": output,
        "changed": [".".join(edit.path) for edit in edits],
        "findings": [dataclasses.asdict(one) for one in findings],
    }
    return Answer((line,), data, by_severity(findings))


def _open(path: str) -> Tuple[str, PipelineConfig, Setting]:
    path = os.path.join(path, CONFIG) if os.path.isdir(path) else path
    config = parse_config(read_file(path, pipes=True), path)
    return path, config, read_setting(config, path)


def _boxes(
    setting: Setting, records: Sequence[str], label_map_path: Optional[str]
) -> Tuple[BoxSet, Tuple[Finding, ...]]:
    names: Dict[int, str] = {}
    if label_map_path:
        label_map = parse_label_map(read_file(label_map_path), label_map_path)
        names = {label.id: label.display_name for label in label_map.labels}
    return collect(read_boxes(records), setting.resizer, subject=", ".join(records), names=names)


def _other(anchors: str, setting: Setting, path: str):
    """The document and message of an anchors file for the generator of a config."""
    document, message = parse_anchors(read_file(anchors, pipes=True), anchors)
    generator = message.WhichOneof("anchor_generator_oneof")
    if generator != setting.spec.generator:
        raise RequestError(
            anchors,
            f"is a {generator}, but {path} has a {setting.spec.generator}",
            "give anchors of the config's generator",
        )
    spec = described(message, anchors, setting.image)
    check_maps(len(spec.maps), setting.model.body, setting.model.meta, anchors)
    return document, message


def _counts(per_map: Sequence[int]) -> str:
    return "/".join(map(str, per_map))


def _about(setting: Setting, boxes: BoxSet) -> List[str]:
    image = f"{setting.image[0]:g}x{setting.image[1]:g}" if setting.image else "resized"
    skipped = f" (and {boxes.skipped} left out)" if boxes.skipped else ""
    return [f"boxes: {len(boxes)} of {len(boxes.names)} classes{skipped}, on {image} images"]


def _data(setting: Setting, boxes: BoxSet, findings: Sequence[Finding]) -> Dict[str, Any]:
    return {
        "boxes": len(boxes),
        "boxes_left_out": boxes.skipped,
        "threshold": setting.threshold,
        "image": list(setting.image) if setting.image else None,
        "findings": [dataclasses.asdict(one) for one in findings],
    }
