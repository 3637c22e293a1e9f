"""Changes of label map, config, state file, plan and reports.

A change takes (output, choose), as `changes` says.
"""

import json
import re

from graphfix.pipeline_config.label_map import Label, LabelMap, format_label_map, parse_label_map


def labels(change):
    def changed(output, choose):
        name = "label_map.pbtxt"
        if not output.has(name):
            return None
        rows = list(parse_label_map(output.read(name), name).labels)
        if change(rows, choose) is False:
            return None
        output.write(name, format_label_map(LabelMap(tuple(rows))))
        return [name]

    return changed


def two_labels(rows, choose):
    if len(rows) < 2:
        return False
    one, two = choose.sample(range(len(rows)), 2)
    rows[one], rows[two] = (
        Label(rows[one].id, rows[two].name, rows[two].display_name),
        Label(rows[two].id, rows[one].name, rows[one].display_name),
    )
    return None


def other_name(rows, choose):
    at = choose.randrange(len(rows))
    rows[at] = Label(rows[at].id, rows[at].name + choose.choice("sx "), rows[at].display_name)


def other_display(rows, choose):
    at = choose.randrange(len(rows))
    rows[at] = Label(rows[at].id, rows[at].name, rows[at].display_name + "!")


def no_label(rows, choose):
    rows.pop(choose.randrange(len(rows)))


def new_label(rows, choose):
    rows.append(Label(max(row.id for row in rows) + 1, "new thing", "new thing"))


def config(change):
    def changed(output, choose):
        text = output.read("pipeline.config").decode() if output.has("pipeline.config") else ""
        new = text and change(text, choose)
        if not new or new == text:
            return None
        output.write("pipeline.config", new)
        return ["pipeline.config"]

    return changed


SCALAR = re.compile(r"(?m)^(\s*)([a-z_0-9]+): *([^\s#]+)")


def field(text, choose):
    """Another value of a field."""
    found = choose.choice(list(SCALAR.finditer(text)))
    value = found.group(3)
    new = {"true": "false", "false": "true"}.get(value)
    if not new and re.match(r"-?[\d.]+(e-?\d+)?$", value):
        new = value + "1" if re.search("[.e]", value) else str(int(value) + 1)
    elif not new:
        new = value[0] + "x" + value[1:] if value[0] in "\"'" else value + "X"
    return text[: found.start(3)] + new + text[found.end(3) :]


def no_field(text, choose):
    found = choose.choice(list(SCALAR.finditer(text)))
    return text[: found.start(2)] + text[found.end(3) :]


def field_again(text, choose):
    found = choose.choice(list(SCALAR.finditer(text)))
    return text[: found.end()] + found.group() + text[found.end() :]


def block_again(text, choose):
    found = choose.choice(list(re.finditer(r"(?ms)^([a-z_]+) \{.*?^\}\n", text)))
    return text + found.group()


def one_field(name):
    def changed(text, choose):
        found = list(re.finditer(rf"\b{name}: *([^\s}}]+)", text))
        if not found:
            return None
        one = choose.choice(found)
        value = one.group(1)
        new = (
            value[:-1] + '2"'
            if value[0] == '"'
            else f"{float(value) * choose.choice((0.5, 2, 10)):g}"
        )
        return text[: one.start(1)] + new + text[one.end(1) :]

    return config(changed)


def state(output, choose):
    if not output.has("checkpoint"):
        return None
    text = output.read("checkpoint").decode()
    output.write(
        "checkpoint",
        choose.choice(
            (
                text.replace('"model.ckpt', '"/tmp/model.ckpt'),
                text.replace('ckpt"', 'ckpt-7"').replace('ckpt-0"', 'ckpt-7"'),
                text + text.splitlines()[-1] + "\n",
                text.splitlines()[0] + "\n",
                text.replace('"', "'"),
            )
        ),
    )
    return ["checkpoint"]


def json_of(name, change=None):
    """Another value somewhere in a file of JSON."""

    def changed(output, choose):
        if not output.has(name):
            return None
        data = json.loads(output.read(name).decode())
        if (change or leaf)(data, choose) is False:
            return None
        output.write(name, json.dumps(data, sort_keys=True) + "\n")
        return [name]

    return changed


def leaf(data, choose):
    while True:
        keys = sorted(data) if isinstance(data, dict) else list(range(len(data)))
        keys = [key for key in keys if key != "checksum"]
        if not keys:
            return False
        key = choose.choice(keys)
        value = data[key]
        if isinstance(value, (dict, list)) and value and choose.random() < 0.9:
            data = value
            continue
        if choose.random() < 0.2:
            del data[key]
        elif isinstance(value, bool) or value is None:
            data[key] = not value
        elif isinstance(value, (int, float)):
            data[key] = value + choose.choice((1, -1, 100))
        elif isinstance(value, str):
            data[key] = (
                value[:-1] + ("1" if value[-1] != "1" else "2")
                if value and choose.random() < 0.5
                else value + "x"
            )
        elif isinstance(value, list):
            value.append(value[0] if value else "x")
        else:
            value["x"] = 1
        return None


def class_sources(data, choose):
    row = choose.choice(data["classes"])
    row["sources"] = [1] if row["sources"] != [1] else [2]


def finding(data, choose):
    if not data["findings"]:
        return False
    choose.choice(data["findings"])["message"] = "is as it should be"
    return None


def gathered(data, choose):
    rows = [
        row
        for row in data["edits"]
        if row["edit"] == "gather" and any(one > 0 for one in row["index"])
    ]
    if not rows:
        return False
    row = choose.choice(rows)
    at = choose.choice([at for at, one in enumerate(row["index"]) if one > 0])
    row["index"][at] -= 1
    return None


def page(output, choose):
    if not output.has("report.html"):
        return None
    text = output.read("report.html").decode()
    found = choose.choice(list(re.finditer(r">[^<\n]*(\d)[^<\n]*<", text)))
    output.write(
        "report.html", text[: found.start(1)] + str(9 - int(found.group(1))) + text[found.end(1) :]
    )
    return ["report.html"]
