"""Zip archives of strangers, and every damage to one: what is wanted, or one clear error."""

import io
import os
import stat
import zipfile

import pytest
import thorough

from graphfix.errors import RequestError, SourceError
from graphfix.formats import archive, zipball
from graphfix.formats.archive import Unpacked

GOOD = {"model/pipeline.config": b"model {}", "model/a.index": b"index" * 50, "model/README": b"x"}


def made(members, method=zipfile.ZIP_DEFLATED, **attributes):
    """The bytes of a zip."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as made_:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for key, value in attributes.items():
                setattr(info, key, value)
            made_.writestr(info, content)
    return data.getvalue()


def unpack(tmp_path, data, name="a.zip"):
    """What is unpacked, by name."""
    path = tmp_path / name
    path.write_bytes(data)
    unpacked = Unpacked(str(path))
    try:
        assert unpacked.checked
        return {
            one: open(os.path.join(unpacked.directory, one), "rb").read()
            for one in os.listdir(unpacked.directory)
        }
    finally:
        unpacked.close()


WANTED = {"pipeline.config": GOOD["model/pipeline.config"], "a.index": GOOD["model/a.index"]}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_is_wanted_is_unpacked(tmp_path, method):
    assert unpack(tmp_path, made(GOOD, method)) == WANTED
    assert unpack(tmp_path, made(GOOD, method), "nameless") == WANTED


def test_names_of_windows_and_what_macos_adds(tmp_path):
    names = {name.replace("/", "\\"): content for name, content in GOOD.items()}
    assert unpack(tmp_path, made(names, create_system=0)) == WANTED
    extra = {"__MACOSX/model/._a.index": b"x", "model/._pipeline.config": b"y"}
    assert unpack(tmp_path, made(dict(GOOD, **extra))) == WANTED


@pytest.mark.parametrize(
    "name", ["../pipeline.config", "/x/pipeline.config", "a/../../a.index", "..\\..\\a.index"]
)
def test_names_that_lead_out(tmp_path, name):
    with pytest.raises(SourceError, match="leads out"):
        unpack(tmp_path, made({name: b"x"}))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_what_is_no_file(tmp_path, kind):
    with pytest.raises(SourceError, match="not a plain file"):
        unpack(tmp_path, made({"m/a.index": b"/x"}, external_attr=(kind | 0o777) << 16))


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_SMALL", 1 << 20)
    with pytest.raises(SourceError, match="more than any detector"):
        unpack(tmp_path, made({"m/README": bytes(1 << 22)}))
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 2)
    with pytest.raises(SourceError, match="more than 2 members"):
        unpack(tmp_path, made(GOOD))
    monkeypatch.setattr(zipball, "_MOST_DIRECTORY", 99)
    with pytest.raises(SourceError, match="enormous directory"):
        unpack(tmp_path, made(GOOD))


def test_a_size_that_is_a_lie(tmp_path):
    """The directory tells of less than there is."""
    data = bytearray(made({"m/a.index": bytes(1 << 16)}))
    for field in (data.index(b"PK\x01\x02") + 24, 22):
        data[field : field + 4] = (9).to_bytes(4, "little")
    with pytest.raises(SourceError):
        unpack(tmp_path, bytes(data))


def test_encrypted(tmp_path):
    data = bytearray(made(GOOD))
    for at in range(len(data) - 4):
        if data[at : at + 4] == b"PK\x01\x02":
            data[at + 8] |= 1
        if data[at : at + 4] == b"PK\x03\x04":
            data[at + 6] |= 1
    with pytest.raises(SourceError, match="encrypted"):
        unpack(tmp_path, bytes(data))


def outcome(tmp_path, data):
    try:
        return unpack(tmp_path, data)
    except (SourceError, RequestError) as error:
        assert str(tmp_path / "a.zip") in str(error)
        return None


def test_every_prefix_is_refused(tmp_path):
    data = made(GOOD)
    for end in range(0, len(data), thorough.rounds(5, 1)):
        assert outcome(tmp_path, data[:end]) is None


@pytest.mark.slow
def test_every_damaged_byte_is_noticed_or_harms_nothing(tmp_path):
    data = made(GOOD)
    for at in range(0, len(data), thorough.rounds(3, 1)):
        for flip in (0x01, 0x80, 0xFF):
            spoiled = bytearray(data)
            spoiled[at] ^= flip
            found = outcome(tmp_path, bytes(spoiled))
            # Of what is unpacked no content is another: at most a name is.
            assert found is None or set(found.values()) <= set(GOOD.values())
