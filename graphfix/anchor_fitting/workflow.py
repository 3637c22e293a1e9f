"""anchors: fits a generator's settings to a data set, draws anchors, puts them into a config."""

import dataclasses
import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

from graphfix.anchor_fitting.coverage import best_overlaps
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.figures import figures, held_out_table, summary, table, unmatched
from graphfix.anchor_fitting.fit import Fitted, fit
from graphfix.anchor_fitting.objective import described
from graphfix.anchor_fitting.reading import read
from graphfix.anchor_fitting.search import same_anchors
from graphfix.anchor_fitting.setting import Setting, read_setting
from graphfix.detectors.feature_maps import check_maps
from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING, Finding, by_severity, count
from graphfix.formats.regular_files import read_file
from graphfix.modeldir import manifest, publishing, single_files
from graphfix.modeldir.search import find_config
from graphfix.pipeline_config.anchor_generators import anchor_edits, format_anchors, parse_anchors
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.label_map import parse_classes
from graphfix.process.parallel import cores


@dataclasses.dataclass(frozen=True, repr=False)
class AnchorFit:
    """What an anchors command did, as lines of text and as data, and the findings."""

    lines: Tuple[str, ...]
    data: Dict[str, Any]
    findings: Tuple[Finding, ...]

    def __repr__(self) -> str:
        return f"<AnchorFit: {self.lines[0]}>"

    def to_lines(self) -> List[str]:
        return list(self.lines)

    def to_json(self) -> str:
        return json.dumps(self.data, indent=2, sort_keys=True)


def fit_anchors(
    path: str,
    records: Sequence[str],
    *,
    output: str,
    overwrite: bool = False,
    seed: int = 0,
    num_anchors: Optional[int] = None,
    label_map_path: Optional[str] = None,
    jobs: Optional[int] = None,
) -> AnchorFit:
    """Fits the anchor generator of a config (`path`, or its directory) to the boxes of `records`,
    and writes it as the anchors file `output`; where that is not shown to be better on boxes held
    out, the present one.

    seed: of the search and of the split, 0 to 2**32 - 1.
    num_anchors: anchors at a location, by default as many as there are.
    label_map_path: names of the classes, where records have only ids.
    jobs: processes that read records at once, by default one for each processor.

    Raises:
      GraphfixError: nothing was written.
    """
    inputs = [path, *records] + [one for one in (label_map_path,) if one]
    single_files.check_file(output, overwrite=overwrite, inputs=inputs)
    path, _, setting = _open(path)
    boxes, findings = _boxes(setting, records, label_map_path, jobs)
    fitted = fit(
        setting.message,
        boxes,
        setting.maps,
        matching=setting.matching,
        seed=seed,
        subject=path,
        image=setting.image,
        count=num_anchors,
    )
    findings += setting.findings + _judged(fitted, path)
    after = fitted.after if fitted.varied else fitted.before
    pair = {
        name: figures(boxes, spec, best, setting.matching, setting.image)
        for name, spec, best in (
            ("before", setting.spec, fitted.before),
            ("after", fitted.spec, after),
        )
    }
    threshold = setting.matching.threshold
    comment = (
        f"# {'Fitted' if fitted.varied else 'As they were'}, "
        f"for {count(len(boxes), 'box', 'boxes')}, by graphfix anchors fit --seed {seed}: "
        f"recall at IoU {threshold:g} {100 * pair['after']['recall']:.1f}%.\n"
    )
    single_files.write_file(
        output,
        (comment + format_anchors(fitted.message)).encode(),
        overwrite=overwrite,
        inputs=inputs + [path],
    )
    counts = {"before": setting.spec.per_map, "after": fitted.spec.per_map}
    was = "" if counts["after"] == counts["before"] else f", {_counts(counts['before'])} before"
    judged = _held_out(fitted, threshold)
    same = [
        str(level)
        for level, (old, new) in enumerate(zip(setting.spec.maps, fitted.spec.maps))
        if same_anchors(old, new)
    ]
    lines = [
        f"{output}: {fitted.spec.generator}, {_counts(counts['after'])} anchors at a location{was}",
        f"{_VERDICTS[judged['verdict']]}: {fitted.verdict.reason}",
    ]
    if fitted.varied:
        lines.append(f"varied: {fitted.varied}")
        lines += [f"as they were: maps {', '.join(same)}"] if same else []
    lines += _about(setting, boxes) + held_out_table(judged) + ["all boxes"]
    lines += table(pair["before"], pair["after"], threshold)
    for name in ("before", "after")[fitted.varied is None :]:
        lines += [
            f"{name}, {line}" if not number else line
            for number, line in enumerate(unmatched(pair[name]["unmatched_anchors"]))
        ]
    data = dict(
        pair,
        output=output,
        generator=fitted.spec.generator,
        varied=fitted.varied,
        seed=seed,
        anchors_per_map={name: list(one) for name, one in counts.items()},
        unchanged_maps=[int(level) for level in same],
        **judged,
        **_data(setting, boxes, findings),
    )
    return AnchorFit(tuple(lines), data, by_severity(findings))


_VERDICTS = {
    "take": "take these",
    "keep": "keep yours, which are in the file",
    "asked": "as many as asked for, no better than yours",
}


def _judged(fitted: Fitted, path: str) -> Tuple[Finding, ...]:
    """The finding of a verdict."""
    if fitted.verdict.take:
        return ()
    if fitted.varied:
        return (
            Finding(
                "ANCHORS_WORSE",
                WARNING,
                "--num_anchors",
                f"is a number of anchors that are not shown to be better: {fitted.verdict.reason}",
                "ask for more, or leave it out",
            ),
        )
    return (
        Finding(
            "ANCHORS_KEPT",
            INFO,
            path,
            f"has anchors to keep: {fitted.verdict.reason}; they are written as they are",
            "train with them, or fit to more images",
        ),
    )


def _held_out(fitted: Fitted, threshold: float) -> Dict[str, Any]:
    """The verdict and the figures it rests on."""
    verdict = fitted.verdict
    data: Dict[str, Any] = {
        "verdict": "take" if verdict.take else "asked" if fitted.varied else "keep",
        "reason": verdict.reason,
        "gain": verdict.gain,
        "gain_error": verdict.error,
    }
    for name, which in (("fitted_boxes", fitted.fitted), ("held_out_boxes", fitted.held_out)):
        data[name] = {"boxes": len(which)}
        if len(which):
            data[name].update(
                present=summary(fitted.before, threshold, which),
                found=summary(fitted.after, threshold, which),
            )
    return data


def show_anchors(
    path: str,
    records: Sequence[str],
    *,
    output_directory: str,
    overwrite: bool = False,
    anchors: Optional[str] = None,
    label_map_path: Optional[str] = None,
    jobs: Optional[int] = None,
) -> AnchorFit:
    """Draws a config's anchors, those of a file `anchors` if given, and the boxes of records,
    which are read in up to `jobs` processes (None: one for each processor).

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
        boxes, findings = _boxes(setting, records, label_map_path, jobs)
        series = [
            dataclasses.replace(
                one, best=best_overlaps(boxes, one.spec, setting.maps, setting.matching.threshold)
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
            one.name: figures(boxes, one.spec, one.best, setting.matching, setting.image)
            for one in series
        }
        lines += [
            f"{name}: mean best IoU {one['mean_best_iou']:.3f}, recall {100 * one['recall']:.1f}%"
            for name, one in found.items()
        ]
        data.update(found, **_data(setting, boxes, findings))
    return AnchorFit(tuple(lines), data, by_severity(findings))


def apply_anchors(path: str, anchors: str, *, output: str, overwrite: bool = False) -> AnchorFit:
    """Puts the generator of an anchors file into a config, and changes nothing else of it.

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
                    "the box and class heads of a checkpoint no longer fit this config"
                ),
                "carry them over with graphfix convert --anchors",
            ),
        )
    edits = anchor_edits(setting.path, config.document, document)
    edited = apply_edits(config.document, edits)
    single_files.write_file(output, edited.encode(), overwrite=overwrite, inputs=inputs + [path])
    line = (
        f"{output}: {spec.generator} with {_counts(spec.per_map)} anchors at a location; "
        f"{count(len(edits), 'setting')} changed"
    )
    data = {
        "output": output,
        "changed": [".".join(edit.path) for edit in edits],
        "findings": [dataclasses.asdict(one) for one in findings],
    }
    return AnchorFit((line,), data, by_severity(findings))


def _open(path: str) -> Tuple[str, PipelineConfig, Setting]:
    path = find_config(path)
    config = parse_config(read_file(path, pipes=True), path)
    return path, config, read_setting(config, path)


def _boxes(
    setting: Setting, records: Sequence[str], label_map_path: Optional[str], jobs: Optional[int]
) -> Tuple[BoxSet, Tuple[Finding, ...]]:
    names: Dict[int, str] = {}
    if label_map_path:
        label_map = parse_classes(read_file(label_map_path), label_map_path).labels
        names = {label.id: label.display_name for label in label_map.labels}
    return read(records, setting.resizer, names=names, jobs=cores() if jobs is None else jobs)


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
    check_maps(len(spec.maps), setting.maps.body, setting.maps.meta, anchors)
    return document, message


def _counts(per_map: Sequence[int]) -> str:
    return "/".join(map(str, per_map))


def _about(setting: Setting, boxes: BoxSet) -> List[str]:
    image = "x".join(f"{side:g}" for side in setting.image) if setting.image else "resized"
    left_out = f" (and {boxes.skipped} left out)" if boxes.skipped else ""
    classes = count(len(boxes.names), "class", "classes")
    return [f"boxes: {len(boxes)} of {classes}{left_out}, on {image} images"]


def _data(setting: Setting, boxes: BoxSet, findings: Sequence[Finding]) -> Dict[str, Any]:
    return {
        "boxes": len(boxes),
        "boxes_left_out": boxes.skipped,
        "threshold": setting.matching.threshold,
        "image": list(setting.image) if setting.image else None,
        "findings": [dataclasses.asdict(one) for one in findings],
    }
