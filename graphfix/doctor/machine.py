"""doctor --environment: what of a machine keeps the stock API from training, or slows it down."""

from typing import Iterator

from graphfix.doctor.environment_facts import Facts, Row, Rows, version_of
from graphfix.findings import ERROR, INFO, WARNING

GIB = 1 << 30


def _processor(facts: Facts) -> Iterator[Row]:
    processor = facts["processor"]
    if processor["machine"] not in ("x86_64", "AMD64"):
        yield Row(
            "processor",
            processor["machine"],
            "x86-64: TensorFlow 1.15 has no wheels for others",
            ERROR,
            "train on another machine, or in an x86-64 image",
        )
    elif processor["avx"] is False:
        yield Row(
            "processor",
            "without AVX",
            'AVX, or importing TensorFlow ends in "Illegal instruction"',
            ERROR,
            "train on another machine, or build TensorFlow 1.15 without AVX",
        )


def _gpu(facts: Facts) -> Iterator[Row]:
    if not facts["gpus"]:
        yield Row("GPU", "none (no nvidia-smi): training runs on the processor", "", INFO, "")
        return
    missing = [name for name, loads in facts["libraries"].items() if not loads]
    for gpu in facts["gpus"]:
        words = (
            f"{gpu['name']}, {gpu['memory']} MiB, {gpu['free']} MiB free, driver {gpu['driver']}"
        )
        if gpu["free"] < 4096:
            needed = "about 4 GiB free for an SSD at batch 24"
            yield Row("GPU", words, needed, WARNING, "end what uses it, or lower batch_size")
        else:
            yield Row("GPU", words)
    if version_of(facts, "nvidia-tensorflow") or "+nv" in version_of(facts, "tensorflow"):
        return  # NVIDIA's builds bring their own CUDA
    if missing:
        yield Row(
            "CUDA",
            "missing: " + ", ".join(missing),
            "CUDA 10.0 and cuDNN 7, or TensorFlow 1.15 runs on the processor without an error",
            WARNING,
            "conda install cudatoolkit=10.0 cudnn=7, or use tensorflow/tensorflow:1.15.5-gpu-py3",
        )
    else:
        yield Row("CUDA", "10.0, with cuDNN 7")


def _memory(facts: Facts) -> Iterator[Row]:
    memory = facts["memory"]
    may = min([size for size in (memory["machine"], memory["limit"]) if size] or [0])
    if may:
        words = f"{may / GIB:.1f} GiB" + (
            " (the container's limit)" if may == memory["limit"] else ""
        )
        if may < 4 * GIB:
            remedy = "raise the container's limit, or lower batch_size and the queues' capacities"
            yield Row("memory", words, "about 4 GiB", WARNING, remedy)
        else:
            yield Row("memory", words)
    for thing, size, least in (
        ("disk here", memory["here"], 2 * GIB),
        ("disk for temporary files", memory["temporary"], GIB),
        ("/dev/shm", memory["shared"], 64 << 20),
    ):
        if size is not None:
            words = f"{_shown(size)} free"
            if size < least:
                remedy = "make room" if thing != "/dev/shm" else "docker run --shm-size=1g"
                yield Row(thing, words, _shown(least), WARNING, remedy)
            else:
                yield Row(thing, words)


def _shown(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size >> 20} MiB"


MACHINE: Rows = (_processor, _gpu, _memory)
