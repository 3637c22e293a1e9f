"""What a Python has of the things that the stock API needs: `python stock_environment.py`, as JSON.

Run by path, under the interpreter that is to train; needs nothing of graphfix.  Its arguments are
the directories that PYTHONPATH names.  It imports nothing of what it looks for: files say which
version of what is there.  What imports is then tried in a process of its own (`--import NAME...`),
since TensorFlow may not only raise but end the process, on a processor without AVX for one.

Prints an object:
  python         version, implementation, executable, bits, directory (that of its packages)
  distributions  name -> versions installed, each of which a .dist-info or .egg-info names
  modules        name -> the places that have it, in the order in which they are looked in
  unbuilt        the API's .proto files without a _pb2.py beside them
  here           the current directory's files and folders that hide a module of that name
  imports        name, error (null, or the exception's last line), in the order tried
  processor      machine; whether it has AVX (null where that is not known)
  gpus           name, memory and free memory in MiB, driver
  libraries      name -> whether it loads: what TensorFlow 1.15 of PyPI loads for a GPU
  memory         bytes: of the machine, what a container may use, free in /dev/shm and on two disks
  container      whether this is one
"""

import contextlib
import ctypes
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from typing import Dict, List

import api_revision

MODULES = (
    "tensorflow",
    "tensorflow_core",
    "google.protobuf",
    "numpy",
    "object_detection",
    "nets",
    "tf_slim",
    "pycocotools",
    "cv2",
)
IMPORTS = (
    "numpy",
    "google.protobuf",
    "tensorflow",
    "object_detection.protos.pipeline_pb2",
    "nets.mobilenet_v1",
    "pycocotools.mask",
    "object_detection.model_lib",
)
# As TensorFlow 1.15's wheels name them (tensorflow/stream_executor/platform/default/dso_loader.cc).
LIBRARIES = ("libcuda.so.1", "libcudnn.so.7") + tuple(
    f"lib{name}.so.10.0" for name in ("cudart", "cublas", "cufft", "curand", "cusolver", "cusparse")
)
IMPORT_SECONDS = 300


def look():
    """All of it, as the module docstring lists it."""
    return {
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "bits": struct.calcsize("P") * 8,
            "directory": next((one for one in sys.path if _is_site(one)), ""),
        },
        "api": api_revision.importable(),
        "distributions": distributions(sys.path),
        "modules": {name: places(name) for name in MODULES},
        "unbuilt": unbuilt(places("object_detection")[:1]),
        "here": hiding(os.getcwd()),
        "imports": tried(IMPORTS),
        "processor": {"machine": platform.machine(), "avx": _avx()},
        "gpus": _gpus(),
        "libraries": {name: _loads(name) for name in LIBRARIES},
        "memory": _memory(),
        "container": os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"),
    }


def distributions(path):
    """Name -> versions, of every distribution in the directories of a search path."""
    found: Dict[str, List[str]] = {}
    for place in path:
        for entry in _listed(place):
            match = re.match(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info\Z", entry)
            if match:
                name = re.sub(r"[-_.]+", "-", match.group(1)).lower()
                versions = found.setdefault(name, [])
                if match.group(2) not in versions:
                    versions.append(match.group(2))
    return found


def places(name):
    """Where the search path has a module or package: the first one is what is imported."""
    parts = name.split(".")
    found = []
    for place in sys.path:
        base = os.path.join(place or os.getcwd(), *parts)
        for path in (base, base + ".py"):
            if os.path.exists(path) and path not in found:
                found.append(path)
    return found


def unbuilt(packages):
    """Names of .proto files that protoc was not run for."""
    missing = []
    for package in packages:
        directory = os.path.join(package, "protos")
        names = set(_listed(directory))
        missing += [
            name
            for name in sorted(names)
            if name.endswith(".proto") and name[: -len(".proto")] + "_pb2.py" not in names
        ]
    return missing


def hiding(directory):
    """What a directory has that a script run in it would import instead of the module meant."""
    known = set(MODULES) | set(sys.builtin_module_names)
    standard = os.path.dirname(os.__file__)
    known.update(name[:-3] if name.endswith(".py") else name for name in _listed(standard))
    known -= {"site-packages", "__pycache__", "test", "object_detection", "nets"}
    if os.path.realpath(directory) == os.path.realpath(standard):
        return []
    found = []
    for entry in sorted(_listed(directory)):
        name = entry[:-3] if entry.endswith(".py") else entry
        package = os.path.exists(os.path.join(directory, entry, "__init__.py"))
        if name in known and (entry.endswith(".py") or package):
            found.append(entry)
    return found


def tried(names):
    """Imports each, in one other process; one that ends it is the last."""
    command = [sys.executable, os.path.abspath(__file__), "--import"] + list(names)
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    try:
        done = subprocess.run(
            command + ["--"] + sys.argv[1:],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=IMPORT_SECONDS,
            env=environment,
        )
        text, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        text, status = error.stdout or b"", None
    found = []
    for line in text.decode("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and row.get("name") in names:
                found.append(row)
    if len(found) < len(names):
        how = f"took longer than {IMPORT_SECONDS} seconds"
        if status is not None:
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
        found.append({"name": names[len(found)], "error": how, "ended": status})
    return found


def import_all(names):
    """Imports modules, and prints a line of JSON for each."""
    import importlib

    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in names:
        error = None
        try:
            importlib.import_module(name)
        except BaseException as raised:  # whatever it is, it is the answer
            lines = str(raised).strip().splitlines()
            error = f"{type(raised).__name__}: {lines[0] if lines else ''}"
        out.write(json.dumps({"name": name, "error": error}) + "\n")
        out.flush()
    os._exit(0)


def _is_site(path):
    return os.path.basename(path) in ("site-packages", "dist-packages")


def _listed(directory):
    try:
        return os.listdir(directory or os.curdir)
    except OSError:
        return []


def _avx():
    text = api_revision.read_text("/proc/cpuinfo")
    flags = re.search(r"^flags\s*:(.*)$", text, re.M)
    return " avx " in flags.group(1) + " " if flags else None


def _loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _gpus():
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    query = "--query-gpu=name,memory.total,memory.free,driver_version"
    try:
        text = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=30,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [
        {"name": row[0], "memory": int(row[1]), "free": int(row[2]), "driver": row[3]}
        for row in rows
        if len(row) == 4 and row[1].isdigit() and row[2].isdigit()
    ]


def _memory():
    match = re.search(r"^MemTotal:\s+(\d+) kB", api_revision.read_text("/proc/meminfo"), re.M)
    limit = api_revision.read_text("/sys/fs/cgroup/memory.max") or api_revision.read_text(
        "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    )
    limit = limit.strip()
    return {
        "machine": int(match.group(1)) * 1024 if match else None,
        "limit": int(limit) if limit.isdigit() and int(limit) < 1 << 60 else None,
        "shared": _free("/dev/shm"),
        "temporary": _free(os.environ.get("TMPDIR", "/tmp")),
        "here": _free(os.getcwd()),
    }


def _free(path):
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def main(arguments):
    if arguments[:1] == ["--import"]:
        end = arguments.index("--")
        api_revision.extend_path(arguments[end + 1 :])
        import_all(arguments[1:end])
    api_revision.extend_path(arguments)
    json.dump(look(), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
