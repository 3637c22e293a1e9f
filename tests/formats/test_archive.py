"""Archives of strangers: what leads out of them, what is no file, what is too much, what is cut."""

import gzip
import io
import os
import tarfile
import zipfile

import builders
import pytest
import repository
import thorough

import graphfix
from graphfix.errors import RequestError, SourceError
from graphfix.formats import archive
from graphfix.formats.archive import Unpacked


def write(path, *members, mode="w:gz"):
    """An archive of (TarInfo or name, content) pairs."""
    with tarfile.open(str(path), mode) as made:
        for info, content in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
            if info.isreg():
                info.size = len(content)
            made.addfile(info, io.BytesIO(content))
    return str(path)


def special(kind, name, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


GOOD = ("model/pipeline.config", b"model {}")


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_what_is_wanted_is_unpacked(tmp_path, mode, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = write(
        tmp_path / "it.tar.gz", GOOD, ("model/README", b"x"), ("./model/a.index", b"y"), mode=mode
    )
    with pytest.raises(RequestError):
        Unpacked(path)  # ./model and model are two names
    path = write(
        tmp_path / "it.tar.gz", GOOD, ("model/README", b"x"), ("model/a.index", b"y"), mode=mode
    )
    unpacked = Unpacked(path)
    assert sorted(os.listdir(unpacked.directory)) == ["a.index", "pipeline.config"]
    unpacked.close()
    assert os.listdir(str(tmp_path)) == ["it.tar.gz"]


@pytest.mark.parametrize(
    "member",
    [
        "../pipeline.config",
        "/tmp/pipeline.config",
        "model/../../pipeline.config",
        "model\\..\\pipeline.config",
        "..",
        special(tarfile.SYMTYPE, "model/pipeline.config", "/etc/passwd"),
        special(tarfile.LNKTYPE, "model/label_map.pbtxt", "model/pipeline.config"),
        special(tarfile.CHRTYPE, "model/pipeline.config"),
        special(tarfile.BLKTYPE, "model/pipeline.config"),
        special(tarfile.FIFOTYPE, "model/pipeline.config"),
        special(tarfile.SYMTYPE, "model/README", ".."),
    ],
    ids=lambda one: one if isinstance(one, str) else f"{one.type.decode()} {one.name}",
)
def test_what_leads_out_or_is_no_file(tmp_path, member, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(inside))
    path = write(tmp_path / "it.tar.gz", GOOD, (member, b"x"))
    with pytest.raises(SourceError) as caught:
        Unpacked(path)
    assert caught.value.problems[0].subject == path
    assert sorted(os.listdir(str(tmp_path))) == ["inside", "it.tar.gz"]
    assert os.listdir(str(inside)) == []


def test_truncated_at_any_place(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    path = write(tmp_path / "it.tar.gz", GOOD, ("model/a.data-00000-of-00001", os.urandom(5000)))
    with open(path, "rb") as file:
        whole = file.read()
    for size in list(range(40)) + list(range(40, len(whole) - 600, 97)):
        cut = builders.write(tmp_path, "cut.tar.gz", whole[:size])
        with pytest.raises(SourceError) as caught:
            Unpacked(cut)
        assert caught.value.problems[0].subject == cut
    assert os.listdir(str(tmp_path / "work")) == []


def test_a_bomb(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "work"))
    monkeypatch.setattr(archive, "_SMALL", 1 << 16)
    path = write(tmp_path / "it.tar.gz", GOOD, ("model/a.data-00000-of-00001", bytes(1 << 20)))
    assert os.path.getsize(path) < 1 << 13
    with pytest.raises(SourceError, match="unpacks to more"):
        Unpacked(path)
    assert os.listdir(str(tmp_path / "work")) == []
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 1)
    with pytest.raises(SourceError, match="unpacks to more"):
        Unpacked(write(tmp_path / "it.tar.gz", GOOD, ("model/a", b""), ("model/b", b"")))


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_is_a_bomb(tmp_path, kind):
    """tarfile reads such headers whole; this one is 1 GiB of zeros in a megabyte."""
    info = special(kind, "x")
    info.size = 1 << 30
    path = str(tmp_path / "it.tar.gz")
    with gzip.open(path, "wb", 1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(4):
            file.write(bytes(1 << 20))
    with pytest.raises(SourceError, match="a header of 1073741824 bytes"):
        Unpacked(path)


def test_a_sparse_file(tmp_path):
    """Of a few bytes that claim to be gigabytes."""
    info = special(tarfile.GNUTYPE_SPARSE, "model/a.data-00000-of-00001")
    buffer = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    buffer[386:398], buffer[398:410] = b"00000000000\0", b"00000000000\0"
    buffer[483:495] = b"00010000000\0"  # the real size
    buffer[148:156] = b" " * 8
    buffer[148:156] = b"%06o\0 " % sum(buffer)
    path = builders.write(tmp_path, "it.tar", bytes(buffer) + bytes(1024))
    with pytest.raises(SourceError, match="not a plain file"):
        Unpacked(path)


def packed(model, path, mode="w:gz"):
    with tarfile.open(str(path), mode) as made:
        made.add(str(model), "model")
    return str(path)


@pytest.mark.parametrize(
    "words",
    thorough.sampled(
        [
            ["convert", "BAD", "--num_classes", "2", "--output_directory", "OUT"],
            ["plan", "BAD", "--num_classes", "2"],
            ["inspect", "BAD"],
            ["diff", "GOOD", "BAD"],
            ["diff", "BAD", "GOOD"],
        ],
        3,
    ),
    ids=" ".join,
)
def test_damage_that_only_a_checksum_shows(tmp_path, graphfix, model, words):
    """One bit of the sum itself: all that it stands for is still as it was."""
    good = packed(model, tmp_path / "good.tar.gz")
    with open(good, "rb") as file:
        data = bytearray(file.read())
    data[-7] ^= 1
    bad = builders.write(tmp_path, "bad.tar.gz", bytes(data))
    places = {"GOOD": good, "BAD": bad, "OUT": str(tmp_path / "out")}
    done = graphfix(*[places.get(word, word) for word in words])
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"graphfix: {bad}: is not a valid tar archive: its gzip data is damaged: Error -3 while "
        "decompressing data: incorrect data check; download the archive again, from where the "
        "model is published\n"
    )
    assert sorted(os.listdir(str(tmp_path))) == ["bad.tar.gz", "good.tar.gz"]
    places["BAD"] = good
    assert graphfix(*[places.get(word, word) for word in words]).code == 0


def test_a_plain_archive_says_that_it_has_no_checksums(tmp_path, graphfix, model):
    plain, gzipped = (
        packed(model, tmp_path / name, mode) for name, mode in (("m.tar", "w"), ("m.tgz", "w:gz"))
    )
    for verb in (["plan", "--num_classes", "2", "-v"], ["inspect"]):
        for path in (plain, gzipped):
            done = graphfix(verb[0], path, *verb[1:])
            assert done.code == 0
            assert ("NO_CHECKSUMS" in done.out + done.err) == (path == plain)


def test_one_name_twice(tmp_path):
    path = write(tmp_path / "it.tar.gz", GOOD, GOOD)
    with pytest.raises(RequestError, match=r"holds 'model/pipeline.config' twice"):
        Unpacked(path)


def test_a_full_disk_is_not_the_archives_fault(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    def opened(place, mode):
        return open(place, mode) if mode == "rb" else Full()

    monkeypatch.setattr(archive, "open", opened, raising=False)
    path = write(tmp_path / "it.tar.gz", GOOD)
    with pytest.raises(RequestError, match=r"cannot hold .*: No space left on device"):
        Unpacked(path)


@pytest.mark.parametrize("mode", ["w:gz", "zip"])
def test_label_maps_beside_the_model_are_read_whatever_their_names(tmp_path, mode):
    names = (
        "m/pipeline.config",
        "m/parts_Label_Map.pbtxt",
        "m/._label.pbtxt",
        "m/notes.txt",
        "data/other_label_map.pbtxt",
        "m/huge_labels.txt",
    )
    content = {name: name.encode() for name in names}
    content["m/huge_labels.txt"] = bytes((4 << 20) + 1)
    path = tmp_path / ("x.zip" if mode == "zip" else "x.tar.gz")
    if mode == "zip":
        with zipfile.ZipFile(str(path), "w") as file:
            for name in reversed(names):
                file.writestr(name, content[name])
    else:
        write(path, *reversed(list(content.items())))
    unpacked = archive.Unpacked(str(path))
    found = {
        name: open(os.path.join(unpacked.directory, name), "rb").read()
        for name in os.listdir(unpacked.directory)
    }
    assert found == {
        "pipeline.config": b"m/pipeline.config",
        "parts_Label_Map.pbtxt": b"m/parts_Label_Map.pbtxt",
    }


def test_an_archive_names_the_classes_that_its_directory_does(tmp_path):
    path = str(tmp_path / "shapes.tar.gz")
    with tarfile.open(path, "w:gz") as file:
        file.add(repository.DETECTOR, "shapes")
    names = graphfix.inspect(repository.DETECTOR).data["class_names"]
    assert graphfix.inspect(path).data["class_names"] == names and "circle" in str(names)
