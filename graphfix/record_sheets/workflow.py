"""records show: contact sheets, and a page that has them."""

import dataclasses
import json
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from graphfix.datasets.sources import READERS, find_files
from graphfix.doctor.diagnosis import CHECKS
from graphfix.doctor.scan import Scan
from graphfix.doctor.shards import make_shards
from graphfix.errors import RequestError, SourceError
from graphfix.findings import ERROR, INFO, WARNING, count
from graphfix.formats import wildcards
from graphfix.formats.regular_files import read_file
from graphfix.formats.tfrecord import read_at
from graphfix.modeldir import manifest, publishing
from graphfix.pipeline_config.label_map import LabelMap, parse_label_map
from graphfix.record_sheets import drawing
from graphfix.record_sheets.choice import Chosen, choose, severity
from graphfix.record_sheets.content import Content, Namer, read_content

INDEX, SHEET = "index.html", "sheet-%03d.jpg"
_RANKS = (ERROR, WARNING, INFO)
_CAUSES = {check.code: check.cause for check in CHECKS}


@dataclasses.dataclass(frozen=True, repr=False)
class RecordSheets:
    """What was shown, as lines of text and as data: `page` and `sheets` are the files' names,
    `findings` counts the records of each of doctor's codes."""

    lines: Tuple[str, ...]
    data: Dict[str, Any]

    def __repr__(self) -> str:
        return f"<RecordSheets: {self.lines[0]}>"

    def to_lines(self) -> List[str]:
        return list(self.lines)

    def to_json(self) -> str:
        return json.dumps(self.data, indent=2, sort_keys=True)


def show_records(
    records: Sequence[str],
    *,
    output_directory: str,
    label_map_path: Optional[str] = None,
    most: int,
    overwrite: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> RecordSheets:
    """Draws up to `most` pictures of records, those with findings first.

    Raises:
      GraphfixError: nothing was written.
    """
    drawing.require()
    inputs = [*records] + [one for one in (label_map_path,) if one]
    publishing.check_destinations([output_directory], overwrite=overwrite, inputs=inputs)
    labels: Optional[LabelMap] = None
    if label_map_path:
        labels = parse_label_map(read_file(label_map_path, pipes=True), label_map_path)
    paths = _files(records)
    scan, counts, chosen = choose(make_shards(paths, labels, masks=False), most, progress)
    if not scan.records:
        raise SourceError(", ".join(records), "has no record", "give records with pictures")
    with publishing.staged(output_directory, overwrite=overwrite, inputs=inputs + paths) as stages:
        sheets = _draw(stages[0], chosen, Namer(labels), progress)
        page = _page(", ".join(records), scan, counts, sheets, labels)
        with open(os.path.join(stages[0], INDEX), "w", encoding="utf-8") as file:
            file.write(page)
        manifest.write(stages[0])
    faulty = sum(bool(one.faults) for one in chosen)
    lines = [
        f"{os.path.join(output_directory, INDEX)}: {count(len(chosen), 'picture')} of "
        f"{count(scan.records, 'record')} on {count(len(sheets), 'sheet')}, {faulty} with findings"
    ]
    lines += [f"{code}: {count(counts[code], 'record')}" for code in _kinds(counts)]
    lines += [f"damaged: {scan.damage[number]}" for number in sorted(scan.damage)]
    data = {
        "output_directory": output_directory,
        "page": INDEX,
        "sheets": [one["file"] for one in sheets],
        "records": scan.records,
        "boxes": scan.boxes,
        "findings": counts,
        "damaged": [str(scan.damage[number]) for number in sorted(scan.damage)],
        "pictures": [
            {
                "record": f"{one.path}: record {one.number}",
                "findings": [[fault.code, fault.detail] for fault in one.faults],
            }
            for one in chosen
        ],
    }
    return RecordSheets(tuple(lines), data)


def _files(records: Sequence[str]) -> List[str]:
    if not records:
        raise RequestError("RECORDS", "are not given", "name TFRecords, or a pattern of them")
    budget = wildcards.Budget()
    paths = [path for name in records for path in find_files(name, budget)]
    for path in paths:
        if os.path.splitext(path)[1].lower() in READERS:
            raise SourceError(
                path, "is a file of annotations, which has no pictures", "give TFRecords"
            )
    return paths


def _draw(
    directory: str, chosen: Sequence[Chosen], namer: Namer, progress: Callable[[str], None]
) -> List[Dict[str, Any]]:
    """Writes the sheets; gives what the page says of each."""
    sheets: List[Dict[str, Any]] = []
    for start in range(0, len(chosen), drawing.TILE):
        part = chosen[start : start + drawing.TILE]
        name = SHEET % (len(sheets) + 1)
        progress(f"drawing {name}: {start} of {len(chosen)} pictures")
        tiles, rows = [], []
        for number, one in enumerate(part, start + 1):
            (data,) = read_at(one.path, [one.offset])
            content: Content = read_content(data, namer)
            title = f"record {one.number} of {os.path.basename(one.path)}"
            codes = tuple(fault.code for fault in one.faults)
            worst = one.faults[0].severity if one.faults else ""
            tiles.append(drawing.Tile(number, title, content, codes, worst))
            where = f"{one.path}: record {one.number}"
            rows.append({"number": number, "where": where, "faults": one.faults})
        width, height = drawing.sheet(tiles, os.path.join(directory, name))
        sheets.append(
            {
                "file": name,
                "first": start + 1,
                "last": start + len(part),
                "rows": rows,
                "faulty": any(one.faults for one in part),
                "width": width,
                "height": height,
            }
        )
    return sheets


def _kinds(counts: Dict[str, int]) -> List[str]:
    return sorted(counts, key=lambda code: (_RANKS.index(severity(code)), code))


def _page(
    records: str,
    scan: Scan,
    counts: Dict[str, int],
    sheets: Sequence[Dict[str, Any]],
    labels: Optional[LabelMap],
) -> str:
    from graphfix.report.environment import make_environment

    worst = severity(_kinds(counts)[0]) if counts else ""
    worst = ERROR if scan.damage else worst
    shown = sheets[-1]["last"]
    summary = f"{count(shown, 'picture')} of {count(scan.records, 'record')}"
    if counts:
        summary += ", those with findings first"
    summary += "".join(f"; damaged: {scan.damage[number]}" for number in sorted(scan.damage))
    kinds = [
        {
            "code": code,
            "severity": severity(code),
            "count": count(counts[code], "record"),
            "cause": _CAUSES.get(code, ""),
        }
        for code in _kinds(counts)
    ]
    return (
        make_environment()
        .get_template("records.html")
        .render(
            records=records,
            severity=worst if worst in (ERROR, WARNING) else "",
            summary=summary,
            tiles=[
                (scan.records, "records"),
                (scan.boxes, "boxes"),
                (scan.empty, "pictures without boxes"),
            ],
            kinds=kinds,
            classes=_classes(scan, labels),
            sheets=sheets,
        )
    )


def _classes(scan: Scan, labels: Optional[LabelMap]) -> List[Dict[str, str]]:
    names = {label.id: label.display_name for label in labels.labels} if labels else {}
    rows = []
    for label in sorted({*names, *scan.ids}):
        known = label in names or labels is None
        boxes = scan.ids[label].count if label in scan.ids else 0
        rows.append(
            {
                "name": names.get(label, f"id {label}"),
                "told": f"id {label}, {count(boxes, 'box', 'boxes')}",
                "colour": drawing.colour(label if known else None),
            }
        )
    for text, note in scan.unknown_texts():
        told = f"not in the label map, {count(note.count, 'box', 'boxes')}"
        rows.append({"name": text, "told": told, "colour": drawing.colour(None)})
    return rows
