#!/usr/bin/env python3
"""Compiles protos/*.proto into graphfix/formats/schema/, which needs no compiler then.

    pip install grpcio-tools        any version that runs; 1.62.3 wrote what is checked in
    python protos/build.py

Each NAME.proto becomes NAME.binpb, a serialized FileDescriptorSet of it and of what it imports.
SOURCES beside them has a digest of every source, by which `stale` (and so a test) sees, without
a compiler, that a source has changed since.
"""

import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCHEMA = os.path.join(os.path.dirname(HERE), "graphfix", "formats", "schema")
DIGESTS = os.path.join(SCHEMA, "SOURCES")


def names():
    """The sources, sorted."""
    return sorted(name for name in os.listdir(HERE) if name.endswith(".proto"))


def digests():
    """The text of SOURCES as it should be; line ends of a checkout do not count."""
    lines = []
    for name in names():
        with open(os.path.join(HERE, name), "rb") as file:
            digest = hashlib.sha256(file.read().replace(b"\r\n", b"\n")).hexdigest()
        lines.append(f"{digest}  {name}\n")
    return "".join(lines)


def stale():
    """Whether a source has changed since the descriptors were built."""
    with open(DIGESTS, encoding="ascii") as file:
        return file.read() != digests()


def main():
    from grpc_tools import protoc

    for name in names():
        compiled = os.path.join(SCHEMA, name[: -len(".proto")] + ".binpb")
        arguments = ["-I" + HERE, "--include_imports", "--descriptor_set_out=" + compiled, name]
        if protoc.main(["protoc"] + arguments) != 0:
            return f"protoc refused {name}"
    with open(DIGESTS, "w", encoding="ascii", newline="\n") as file:
        file.write(digests())
    return 0


if __name__ == "__main__":
    sys.exit(main())
