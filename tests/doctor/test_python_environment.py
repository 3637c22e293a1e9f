"""doctor --environment judges what a Python has; each fault has a row with its remedy."""

import copy
import json

import pytest

from graphfix.doctor import python_environment as environment
from graphfix.findings import ERROR, WARNING

GOOD = {
    "python": {
        "version": "3.7.16",
        "implementation": "CPython",
        "executable": "/py",
        "bits": 64,
        "directory": "/site",
    },
    "api": {"revision": "2019-07"},
    "distributions": {"tensorflow": ["1.15.5"], "protobuf": ["3.20.3"], "numpy": ["1.18.5"]},
    "modules": {
        "tensorflow": ["/site/tensorflow"],
        "object_detection": ["/src/object_detection"],
        "nets": ["/site/nets"],
    },
    "unbuilt": [],
    "here": [],
    "imports": [{"name": "tensorflow", "error": None}],
    "processor": {"machine": "x86_64", "avx": True},
    "gpus": [{"name": "V100", "memory": 16160, "free": 15000, "driver": "450.80"}],
    "libraries": {"libcudart.so.10.0": True},
    "memory": {
        "machine": 16 << 30,
        "limit": None,
        "shared": 1 << 30,
        "temporary": 9 << 30,
        "here": 9 << 30,
    },
    "container": False,
}
# A change of the facts, the thing whose row it is, its severity, and what its remedy says.
FAULTS = [
    (("python", "version", "3.9.1"), "Python", ERROR, "python=3.7"),
    (("python", "implementation", "PyPy"), "Python", ERROR, "python=3.7"),
    (("python", "bits", 32), "Python", ERROR, "python=3.7"),
    (("processor", "avx", False), "processor", ERROR, "another machine"),
    (("processor", "machine", "aarch64"), "processor", ERROR, "x86-64"),
    (("distributions", "tensorflow", ["2.11.0"]), "TensorFlow", ERROR, "uninstall tensorflow"),
    (("distributions", "tensorflow-gpu", ["1.15.5"]), "TensorFlow", WARNING, "uninstall"),
    (("distributions", "tensorflow", ["1.9.0"]), "TensorFlow", WARNING, "1.15.5"),
    (("distributions", "protobuf", ["4.24.4"]), "protobuf", ERROR, "protobuf<3.21"),
    (("distributions", "numpy", ["1.24.3"]), "NumPy", ERROR, "numpy<1.19"),
    (("distributions", "numpy", ["1.21.6"]), "NumPy", WARNING, "numpy<1.19"),
    (("distributions", "opencv-python", ["4.5"]), None, None, ""),
    (("distributions", "pycocotools", ["2.0.0"]), "pycocotools", WARNING, "pycocotools==2.0.7"),
    (("modules", "object_detection", []), "Object Detection API", ERROR, "tf-object-detection"),
    (("modules", "object_detection", ["/a", "/b"]), "Object Detection API", WARNING, "remove"),
    (("unbuilt", None, ["ssd.proto"]), "Object Detection API", ERROR, "protoc"),
    (("modules", "nets", []), "slim (nets)", ERROR, "/src/slim"),
    (("here", None, ["random.py"]), "current directory", WARNING, "rename"),
    (("libraries", "libcudnn.so.7", False), "CUDA", WARNING, "cudnn=7"),
    (("memory", "limit", 2 << 30), "memory", WARNING, "container"),
    (("memory", "shared", 1 << 20), "/dev/shm", WARNING, "--shm-size"),
    (("memory", "here", 1 << 20), "disk here", WARNING, "room"),
]


def facts(*changes):
    found = copy.deepcopy(GOOD)
    for part, key, value in changes:
        if key is None:
            found[part] = value
        else:
            found[part][key] = value
    return found


def wrong(found):
    return [row for row in environment.judge(found) if row.severity in (ERROR, WARNING)]


def test_a_good_environment_has_nothing_wrong():
    assert wrong(GOOD) == []


@pytest.mark.parametrize("change, thing, severity, remedy", FAULTS)
def test_each_fault_has_one_row(change, thing, severity, remedy):
    rows = wrong(facts(change))
    assert [(row.thing, row.severity) for row in rows] == ([(thing, severity)] if thing else [])
    assert all(remedy in row.remedy for row in rows)


def test_nvidias_build_serves_3_8_and_brings_its_own_cuda():
    found = facts(
        ("python", "version", "3.8.10"),
        ("distributions", "nvidia-tensorflow", ["1.15.5+nv22.12"]),
        ("libraries", "libcudart.so.10.0", False),
    )
    del found["distributions"]["tensorflow"]
    assert wrong(found) == []


@pytest.mark.parametrize(
    "error, remedy",
    [
        ("ModuleNotFoundError: No module named 'pycocotools'", "pip install pycocotools==2.0.7"),
        ("ModuleNotFoundError: No module named 'PIL.Image'", "pip install Pillow==8.4.0"),
        ("ModuleNotFoundError: No module named 'lvis'", "--no-deps lvis"),
        ("ImportError: libGL.so.1: cannot open shared object file", "headless"),
        ("ImportError: libcublas.so.10.0: cannot open shared object file", "TensorFlow 1.15.5"),
        ("TypeError: something else", '-c "import a"'),
    ],
)
def test_an_import_that_fails_names_what_to_install(error, remedy):
    rows = wrong(facts(("imports", None, [{"name": "a", "error": error}] * 2)))
    assert [row.thing for row in rows] == ["import a"] and remedy in rows[0].remedy


def test_what_has_a_row_of_its_own_is_not_told_twice():
    missing = [{"name": "nets.x", "error": "ModuleNotFoundError: No module named 'nets'"}]
    rows = wrong(facts(("modules", "nets", []), ("imports", None, missing)))
    assert [row.thing for row in rows] == ["slim (nets)"]


def test_tensorflow_that_protobuf_stops_is_not_told_twice():
    stopped = [{"name": "tensorflow", "error": "TypeError: " + environment._DESCRIPTORS}]
    old, new = (("distributions", "protobuf", [one]) for one in ("3.20.3", "4.24.4"))
    assert [row.thing for row in wrong(facts(new, ("imports", None, stopped)))] == ["protobuf"]
    assert [row.thing for row in wrong(facts(old, ("imports", None, stopped)))] != []


def test_3_6_compiles_pycocotools_and_its_own_pip_sees_no_tensorflow():
    found = facts(
        ("python", "version", "3.6.15"),
        ("distributions", "pip", ["18.1"]),
        ("distributions", "protobuf", ["3.19.6"]),
        ("imports", None, [{"name": "a", "error": "ImportError: No module named 'pycocotools'"}]),
    )
    del found["distributions"]["tensorflow"]
    found["modules"]["tensorflow"] = []
    tensorflow, pycocotools = wrong(found)
    assert tensorflow.remedy.startswith('pip install --upgrade "pip<22"; pip install tensorflow==')
    assert '"Cython<3"' in pycocotools.remedy and "pycocotools==2.0.2" in pycocotools.remedy


def test_the_command_prints_rows_and_its_status_says_whether_it_trains(monkeypatch, graphfix):
    monkeypatch.setattr(environment, "look_around", lambda python: GOOD)
    done = graphfix("doctor", "--environment")
    assert done.code == 0 and "ok       TensorFlow" in done.out
    bad = facts(("distributions", "protobuf", ["4.24.4"]))
    monkeypatch.setattr(environment, "look_around", lambda python: bad)
    done = graphfix("doctor", "--environment", "--json")
    assert done.code == 1 and json.loads(done.out)["trains"] is False


@pytest.mark.parametrize("more", [["x.config"], ["--sample", "3"], ["--explain", "x"]])
def test_it_needs_no_config(more, graphfix):
    done = graphfix("doctor", "--environment", *more)
    assert done.code == 2 and "--environment" in done.err
