"""doctor --environment: whether a Python can train with the stock API, and what mends it.

`stock_api/stock_environment.py` looks, under that Python; SOFTWARE and MACHINE judge what it saw,
each row one thing: what was found, what is needed, and the command that mends it.
"""

import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from graphfix.doctor.environment_facts import Facts, Row, Rows, minor_of, numbers, version_of
from graphfix.doctor.machine import MACHINE
from graphfix.doctor.messages.explain import explain
from graphfix.findings import ERROR, WARNING
from graphfix.stock_api.runner import look_around


class Environment(NamedTuple):
    """What `check_environment` found: the Python asked, and a row for each thing."""

    python: str
    rows: Tuple[Row, ...]

    def __repr__(self) -> str:
        return f"<Environment {self.python}: {'can' if self.trains else 'cannot'} train>"

    @property
    def trains(self) -> bool:
        """Whether nothing keeps the stock API from training."""
        return all(row.severity != ERROR for row in self.rows)

    def to_json(self) -> str:
        rows = [row._asdict() for row in self.rows]
        data = dict(self._asdict(), trains=self.trains, rows=rows)
        return json.dumps(data, indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        width = max(len(row.thing) for row in self.rows)
        lines = [self.python]
        for row in self.rows:
            lines.append(f"  {row.severity or 'ok':7}  {row.thing:{width}}  {row.found}")
            more = ("needed: " + row.needed if row.needed else "", row.remedy)
            lines += [" " * (width + 13) + text for text in more if text]
        verdict = "This Python can train with the stock API."
        if not self.trains:
            verdict = (
                "This Python cannot train with the stock API. If another one will train, name it: "
                "--stock_python PYTHON"
            )
        return lines + ["", verdict]


def check_environment(python: Optional[str] = None) -> Environment:
    """Looks at a Python (this one) and says what it lacks.

    Raises:
      RequestError: it does not run.
    """
    facts = look_around(python)
    return Environment(facts["python"]["executable"], tuple(judge(facts)))


def judge(facts: Facts) -> Iterator[Row]:
    """The rows for what was seen, in the order in which a training run meets them; what a Python
    has that cannot run TensorFlow 1.15 at all is of no interest."""
    (python,) = _python(facts)
    yield python
    for rows in MACHINE if python.severity else SOFTWARE + MACHINE:
        yield from rows(facts)


# Tried on CPython 3.7 with its own pip: both trainers of 2019-07 start from a conversion.
_RECIPE = (
    'pip install tensorflow==1.15.5 "protobuf<3.21" "numpy<1.19"; '
    "pip install --no-deps tf-slim==1.1.0 tf-object-detection==0.0.3; "
    "pip install pycocotools==2.0.7 Pillow==8.4.0 matplotlib==3.3.4 lxml contextlib2"
)


def _python(facts: Facts) -> Iterator[Row]:
    python = facts["python"]
    version, minor = python["version"], minor_of(facts)
    found = f"{python['implementation']} {version}, {python['bits']} bits"
    needed = "64-bit CPython 3.7 or 3.6, or 3.8 with NVIDIA's build of TensorFlow 1.15"
    needed += "; graphfix's extra [tf] adds nothing here" if minor >= 8 else ""
    nvidia = minor == 8 and version_of(facts, "nvidia-tensorflow", "tensorflow").startswith("1.15")
    if python["bits"] != 64 or python["implementation"] != "CPython" or not (minor <= 7 or nvidia):
        remedy = f"conda create -n tf1 python=3.7; conda activate tf1; {_RECIPE}"
        yield Row("Python", found, needed, ERROR, remedy)
    else:
        yield Row("Python", found)


_NUMPY = "numpy<1.19"  # what TensorFlow 1.15.5 asks for
_TENSORFLOWS = ("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "nvidia-tensorflow")


def _tensorflow(facts: Facts) -> Iterator[Row]:
    here = {name: version_of(facts, name) for name in _TENSORFLOWS if version_of(facts, name)}
    found = ", ".join(f"{name} {version}" for name, version in here.items())
    install = f'pip install tensorflow==1.15.5 "{_protobuf_pin(facts)}" "{_NUMPY}"'
    if numbers(version_of(facts, "pip") or "99") < (19,):  # it does not see TensorFlow 1.15
        install = f'pip install --upgrade "pip<22"; {install}'
    if not here and facts["modules"]["tensorflow"]:
        yield Row("TensorFlow", f"in {facts['modules']['tensorflow'][0]}, not by pip")
    elif not here:
        yield Row("TensorFlow", "none", "1.15", ERROR, install)
    elif not all(version.startswith("1.") for version in here.values()):
        yield Row("TensorFlow", found, "1.15", ERROR, f"pip uninstall {' '.join(here)}; {install}")
    elif len(here) > 1:
        remedy = f"pip uninstall {' '.join(here)}; then install one of them again"
        yield Row("TensorFlow", found, "one of them: they share their files", WARNING, remedy)
    else:
        old = numbers(next(iter(here.values()))) < (1, 12)
        needed = "1.12 or newer for the API of 2019 and later"
        yield Row("TensorFlow", found, *((needed, WARNING, install) if old else ()))


def _protobuf_pin(facts: Facts) -> str:
    return "protobuf<3.20" if minor_of(facts) == 6 else "protobuf<3.21"


_DESCRIPTORS = "Descriptors cannot not be created directly"


def _too_new(protobuf: str) -> bool:
    return numbers(protobuf) >= (3, 21)


def _protobuf(facts: Facts) -> Iterator[Row]:
    version, pin = version_of(facts, "protobuf"), _protobuf_pin(facts)
    needed = f'{pin}, or importing TensorFlow ends in "{_DESCRIPTORS}"'
    if not version:
        yield Row("protobuf", "none", pin, ERROR, f'pip install "{pin}"')
    elif _too_new(version):
        yield Row("protobuf", version, needed, ERROR, f'pip install "{pin}"')
    else:
        yield Row("protobuf", version)


def _numpy(facts: Facts) -> Iterator[Row]:
    version = version_of(facts, "numpy")
    remedy = f'pip install "{_NUMPY}"'
    if not version:
        yield Row("NumPy", "none", _NUMPY, ERROR, remedy)
    elif numbers(version) >= (1, 24):
        needed = f"{_NUMPY}: from 1.24 on it has no np.object, which TensorFlow 1.15 uses"
        yield Row("NumPy", version, needed, ERROR, remedy)
    elif numbers(version) >= (1, 20):
        needed = f'{_NUMPY}, or some graphs fail with "Cannot convert a symbolic Tensor"'
        yield Row("NumPy", version, needed, WARNING, remedy)
    else:
        yield Row("NumPy", version)


_API = (
    "pip install --no-deps tf-slim==1.1.0 tf-object-detection==0.0.3 (the API of 2019-07), or put "
    "research and research/slim of tensorflow/models on PYTHONPATH"
)


def _api(facts: Facts) -> Iterator[Row]:
    where = facts["modules"]["object_detection"]
    if not where:
        yield Row("Object Detection API", "none", "object_detection", ERROR, _API)
        return
    api = facts["api"]
    found = f"of {api['revision']} in {where[0]}" if api else f"of unknown revision in {where[0]}"
    if facts["unbuilt"]:
        needed = f"{len(facts['unbuilt'])} of its .proto files are not compiled"
        remedy = "in the directory above it: protoc object_detection/protos/*.proto --python_out=."
        yield Row("Object Detection API", found, needed, ERROR, remedy)
    elif len(where) > 1:
        needed = "one: the first is imported, and hides " + ", ".join(where[1:])
        yield Row("Object Detection API", found, needed, WARNING, "remove the other")
    else:
        yield Row("Object Detection API", found)
    nets = facts["modules"]["nets"]
    if nets:
        yield Row("slim (nets)", nets[0])
    else:
        remedy = _API
        if "site-packages" not in where[0]:
            remedy = f"put {_beside(where[0])}/slim on PYTHONPATH, if it is there, else {_API}"
        yield Row("slim (nets)", "none", "TensorFlow-Slim's nets package", ERROR, remedy)


def _pycocotools(facts: Facts) -> Iterator[Row]:
    version, numpy = version_of(facts, "pycocotools"), version_of(facts, "numpy")
    old = version and numbers(version) < (2, 0, 2) and numbers(numpy) >= (1, 18)
    if old:
        needed = (
            "2.0.2 or newer, or evaluation ends in \"'numpy.float64' object cannot be interpreted "
            'as an integer"'
        )
        yield Row("pycocotools", version, needed, WARNING, _install_pycocotools(facts))
    elif version:
        yield Row("pycocotools", version)


def _install_pycocotools(facts: Facts) -> str:
    """Of 2.0.2, the last for CPython 3.6, there are no wheels, and Cython 3 does not compile it."""
    if minor_of(facts) == 6:
        return 'pip install "Cython<3"; pip install pycocotools==2.0.2'
    return "pip install pycocotools==2.0.7"


def _here(facts: Facts) -> Iterator[Row]:
    if facts["here"]:
        names = ", ".join(facts["here"])
        needed = "other names: a script run here imports them instead of the modules meant"
        yield Row("current directory", names, needed, WARNING, "rename them, or run elsewhere")


# What the API imports under a name that is not its distribution's.
_DISTRIBUTIONS = {
    "PIL": "Pillow==8.4.0",
    # It asks for opencv-python, which would lie beside opencv-python-headless.
    "lvis": "--no-deps lvis==0.5.3 opencv-python-headless==4.5.5.64",
    "cv2": "opencv-python-headless==4.5.5.64",
    "contextlib2": "contextlib2",
    "tf_slim": "--no-deps tf-slim==1.1.0",
    "yaml": "PyYAML",
    "official": "--no-deps tf-models-official==2.5.0",
    "absl": "absl-py",
    "Cython": '"Cython<3"',
}
# Those whose absence has a row of its own.
_TOLD = ("numpy", "google", "tensorflow", "object_detection", "nets")


def _imports(facts: Facts) -> Iterator[Row]:
    failed = set()
    protobuf = version_of(facts, "protobuf")
    for one in facts["imports"]:
        error = one["error"]
        if error is None or error in failed:
            continue
        failed.add(error)
        if _missing(error) in _TOLD or (_DESCRIPTORS in error and _too_new(protobuf)):
            continue
        yield Row(f"import {one['name']}", error, "", ERROR, _mend_import(facts, one))
    if not failed:
        yield Row("imports", ", ".join(one["name"] for one in facts["imports"]))


def _missing(error: str) -> str:
    """The package that an import did not find, "" for any other error."""
    match = re.match(r"(?:ModuleNotFound|Import)Error: No module named '(\w+)", error)
    return match.group(1) if match else ""


def _mend_import(facts: Facts, one: Dict[str, Any]) -> str:
    error = one["error"]
    if one.get("ended") == -4:
        return "the processor lacks an instruction that this TensorFlow uses; see processor"
    name = _missing(error)
    if name == "pycocotools":
        return _install_pycocotools(facts)
    if name:
        return f"pip install {_DISTRIBUTIONS.get(name, name)}"
    known = explain(error).messages
    if known:
        return known[0].remedy
    return f'see where it stops: {facts["python"]["executable"]} -c "import {one["name"]}"'


def _opencv(facts: Facts) -> Iterator[Row]:
    names = ("opencv-python", "opencv-python-headless", "opencv-contrib-python")
    here = [f"{name} {version_of(facts, name)}" for name in names if version_of(facts, name)]
    if len(here) > 1:
        remedy = f"pip uninstall {' '.join(names)}; pip install opencv-python-headless==4.5.5.64"
        yield Row("OpenCV", ", ".join(here), "one: they share their files", WARNING, remedy)


SOFTWARE: Rows = (_tensorflow, _protobuf, _numpy, _api, _pycocotools, _opencv, _here, _imports)


def _beside(path: str) -> str:
    return path.rsplit("/", 1)[0]
