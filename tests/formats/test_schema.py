"""The schemas: what is compiled is what protos/ says, and nothing of it is in anybody's way."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest
import repository
from google.protobuf import descriptor_pb2

from graphfix.formats import schema

TOP = repository.TOP
PROTOS = os.path.join(TOP, "protos")
SOURCES = sorted(name for name in os.listdir(PROTOS) if name.endswith(".proto"))
REMEDY = "run: python protos/build.py (it needs grpcio-tools)"


def script(name):
    """A script of protos/ as a module."""
    path = os.path.join(PROTOS, name + ".py")
    spec = importlib.util.spec_from_file_location("protos_" + name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiled(source):
    """The FileDescriptorProto of a source, from the compiled file of its name."""
    path = os.path.join(TOP, "graphfix", "formats", "schema", source.replace(".proto", ".binpb"))
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    return files.file[-1]


def text(source):
    with open(os.path.join(PROTOS, source), encoding="utf-8") as file:
        return file.read()


def test_compiled_from_these_sources():
    assert not script("build").stale(), REMEDY


def test_generated_from_this_history():
    for name, expected in script("generate_pipeline").sources().items():
        assert text(name) == expected, "run: python protos/generate_pipeline.py"


@pytest.mark.parametrize("source", SOURCES)
def test_compiled_again(source, tmp_path):
    """What the compiler says today, where there is one."""
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed here")
    out = str(tmp_path / "out")
    assert protoc.main(["protoc", "-I" + PROTOS, "--descriptor_set_out=" + out, source]) == 0
    with open(out, "rb") as file:
        made = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    assert made.file[0] == compiled(source), REMEDY


@pytest.mark.parametrize("source", SOURCES)
def test_fields_are_those_of_the_source(source):
    """Every name with its number, read from the source by a scanner that knows no more."""
    expected, scopes = set(), []
    for line in re.sub(r"//.*", "", text(source)).splitlines():
        opened = re.match(r"\s*(message|enum|oneof)\s+(\w+)\s*\{", line)
        if opened:
            scopes.append(opened.groups())
        numbered = re.match(r"\s*(?:[\w.<>, ]+\s)?(\w+)\s*=\s*(-?\d+)\s*(?:\[.*\])?;", line)
        if numbered and scopes:
            path = ".".join(name for kind, name in scopes if kind != "oneof")
            expected.add((path, numbered.group(1), int(numbered.group(2))))
        if "}" in line:
            scopes.pop()
    assert not scopes
    found = set()

    def visit(above, messages, enums):
        for enum in enums:
            found.update((above + enum.name, value.name, value.number) for value in enum.value)
        for message in messages:
            if not message.options.map_entry:
                path = above + message.name
                found.update((path, field.name, field.number) for field in message.field)
                visit(path + ".", message.nested_type, message.enum_type)

    visit("", compiled(source).message_type, compiled(source).enum_type)
    assert found == expected, REMEDY


def test_every_package_is_its_own():
    """Each source has a package under graphfix, and can be had by it."""
    packages = {compiled(source).package: source.replace(".proto", ".binpb") for source in SOURCES}
    assert packages == schema.FILES
    assert all(package.startswith("graphfix.") for package in packages)
    for source in SOURCES:
        for message in compiled(source).message_type:
            name = f"{compiled(source).package}.{message.name}"
            made = schema.message_class(name)
            assert made is schema.message_class(name)
            assert made.DESCRIPTOR.full_name == name
            assert made.FromString(made().SerializeToString()) == made()
    with pytest.raises(KeyError):
        schema.message_class("graphfix.pipeline.NoSuchMessage")


_BESIDE = """
import os, sys
sys.path.insert(0, %(top)r)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from graphfix.formats import schema

def ours():
    for package, name in schema.FILES.items():
        path = os.path.join(os.path.dirname(schema.__file__), name)
        with open(path, "rb") as file:
            files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
        schema.message_class("%%s.%%s" %% (package, files.file[-1].message_type[0].name))
        yield files.file[-1]

def theirs():
    # Other files under the same file names and, but for the package, the same messages.
    for file in list(ours()) if %(first)r == "ours" else SOURCES:
        other = descriptor_pb2.FileDescriptorProto(name=file.name, package=%(package)r)
        for message in file.message_type:
            other.message_type.add(name=message.name).field.add(
                name="theirs", number=1, type=9, label=1)
        descriptor_pool.Default().AddSerializedFile(other.SerializeToString())

SOURCES = [descriptor_pb2.FileDescriptorProto(name="tensorflow.proto"),
           descriptor_pb2.FileDescriptorProto(name="pipeline.proto")]
SOURCES[0].message_type.add(name="BundleEntryProto")
SOURCES[1].message_type.add(name="TrainEvalPipelineConfig")
theirs()
list(ours())
assert not [name for name in sys.modules if name.startswith("tensorflow")]
entry = schema.message_class("graphfix.tensorflow.BundleEntryProto")
assert [field.name for field in entry.DESCRIPTOR.fields][0] == "dtype"
found = descriptor_pool.Default().FindMessageTypeByName(%(package)r + ".BundleEntryProto")
assert [field.name for field in found.fields][:1] in ([], ["theirs"])
try:
    descriptor_pool.Default().FindMessageTypeByName("graphfix.tensorflow.BundleEntryProto")
except KeyError:
    print("done")
"""


@pytest.mark.parametrize("package", ["tensorflow", "object_detection.protos"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_lives_beside_others(first, package):
    """Everything in a process shares the default pool: ours must not be in it, whoever is first."""
    program = _BESIDE % {"top": TOP, "first": first, "package": package}
    assert subprocess.check_output([sys.executable, "-c", program]).strip() == b"done"
