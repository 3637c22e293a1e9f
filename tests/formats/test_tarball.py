"""Archives against tarfile and gzip, which did not have a part in reading them; and every bit of
one flipped."""

import gzip
import io
import random
import struct
import tarfile
import zlib

import pytest

from graphfix.formats import tarball
from graphfix.formats.tarball import Damaged, Member, TooLarge

PLENTY = {"most_bytes": 1 << 26, "most_headers": 1000}
LETTERS = "ab/.é漢 "


def read(data, **limits):
    """[(name, type, content)] of an archive's bytes."""
    return [
        (one.name, one.type, b"".join(one.content))
        for one in tarball.members(io.BytesIO(data), **dict(PLENTY, **limits))
    ]


def made(members, **options):
    """A tar archive of (TarInfo or name, content) pairs, by tarfile."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", **options) as archive:
        for info, content in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def by_tarfile(data):
    found = []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:*", errorlevel=2) as archive:
        for one in archive:
            kind = (
                tarball.DIRECTORY
                if one.isdir()
                else tarball.FILE
                if one.isreg()
                else one.type.decode()
            )
            found.append(
                (
                    one.name.rstrip("/"),
                    kind,  # CPython 3.7 leaves one there
                    archive.extractfile(one).read() if one.isreg() else b"",
                )
            )
    return found


def random_members(choose):
    for _ in range(choose.randint(1, 6)):
        name = "".join(choose.choice(LETTERS) for _ in range(choose.choice([5, 40, 90, 130, 300])))
        info = tarfile.TarInfo("m" + name.rstrip("/") + "e")
        kind = choose.randrange(8)
        info.mtime, info.uid = choose.choice([0, 7.5, 1e9]), choose.choice([0, 1000, 1 << 22])
        if kind == 0:
            info.type = tarfile.DIRTYPE
            yield info, b""
        elif kind == 1:
            info.type, info.linkname = tarfile.SYMTYPE, name * choose.randrange(2)
            yield info, b""
        else:
            yield (
                info,
                bytes(choose.getrandbits(8) for _ in range(choose.choice([0, 3, 512, 1300]))),
            )


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_as_tarfile_reads_it(style):
    choose = random.Random(style)
    tried = 0
    while tried < 60:
        members = list(random_members(choose))
        try:
            data = made(members, format=style, pax_headers={"comment": "é"} if tried % 2 else {})
        except ValueError:
            continue  # a name too long for ustar
        tried += 1
        assert read(data) == by_tarfile(data)
        # In one gzip member, and in several of any length, with zeros behind.
        assert read(gzip.compress(data)) == by_tarfile(data)
        cut = choose.randrange(len(data))
        assert read(
            gzip.compress(data[:cut], 1)
            + gzip.compress(b"")
            + gzip.compress(data[cut:])
            + bytes(tried)
        ) == by_tarfile(data)


def test_a_size_in_an_extended_header_and_a_global_one():
    info = tarfile.TarInfo("it")
    info.pax_headers = {"size": "5", "path": "model/other"}
    data = made([(info, b"12345"), ("more", b"6")], format=tarfile.PAX_FORMAT)
    assert read(data) == by_tarfile(data) == [("model/other", "0", b"12345"), ("more", "0", b"6")]


@pytest.fixture(scope="module")
def small():
    members = [("model/" + "a" * 120, b"model {}" * 20), ("README", b"it")]
    return [
        made(members, format=style)[: 7 * 512 + 1024]
        for style in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
    ]


def flipped(data, bit):
    out = bytearray(data)
    out[bit >> 3] ^= 1 << (bit & 7)
    return bytes(out)


def test_every_bit_of_a_gzipped_archive(small):
    """Refused, or what was archived: some bits of gzip's header mean nothing."""
    for plain in small:
        data = gzip.compress(plain)
        whole = read(data)
        refused = 0
        for bit in range(8 * len(data)):
            try:
                assert read(flipped(data, bit)) == whole, bit
            except Damaged:
                refused += 1
        # A date, a flag for text, a level, a system mean nothing; nor do codes that are not used.
        assert refused >= 8 * len(data) - 100


@pytest.mark.slow
def test_every_bit_of_a_plain_archive(small):
    """tar has no checksum for content, an extended header's included; all else is noticed."""
    for plain in small:
        whole = read(plain)
        covered = set()
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            for one in archive:
                covered.update(range(one.offset_data - 512, one.offset_data))
                covered.update(range(one.offset, one.offset + 512))
        content = b"".join(one[2] for one in whole)
        for bit in range(8 * len(plain)):
            if bit >> 3 not in covered and bit % 11:
                continue
            try:
                found = read(flipped(plain, bit))
            except Damaged:
                continue
            if bit >> 3 in covered:
                assert found == whole, bit
            elif [one[:2] for one in found] == [one[:2] for one in whole]:
                others = [
                    (a, b) for a, b in zip(content, b"".join(one[2] for one in found)) if a != b
                ]
                assert len(others) <= 1, bit
            else:
                assert b"a" * 118 in plain[(bit >> 3) - 150 : (bit >> 3) + 150], bit  # a long name


def test_cut_off_anywhere(small):
    """But for the zeros at the end."""
    for plain in small:
        data = gzip.compress(plain)
        end = len(plain.rstrip(b"\0"))
        last = end + -end % 512  # where the archive's end begins
        for whole, must in ((data, len(data)), (plain, last + 512)):
            for size in list(range(0, must, 7)) + [must - 1]:
                with pytest.raises(Damaged):
                    read(whole[:size])
        assert read(plain[: last + 512]) == read(plain)


@pytest.mark.parametrize(
    "behind, message",
    [(b"x", "something follows its end"), (b"\0" * 600 + b"x", "something follows its end")],
)
def test_something_behind_the_end(small, behind, message):
    with pytest.raises(Damaged, match=message):
        read(small[0] + behind)
    with pytest.raises(Damaged, match=message):
        read(gzip.compress(small[0] + behind))


@pytest.mark.parametrize("behind", [b"x", b"\0x", bytes(1 << 16) + b"x", b"\x1f"])
def test_something_behind_gzip(small, behind):
    with pytest.raises(Damaged, match="gzip data"):
        read(gzip.compress(small[0]) + behind)


def test_wrong_sums_of_gzip(small):
    data = gzip.compress(small[0])
    for field in (-8, -4):
        bad = bytearray(data)
        bad[field] ^= 1
        with pytest.raises(Damaged, match=r"incorrect (data|length) check"):
            read(bytes(bad))
    # A header with a checksum of its own (FHCRC), right and wrong.
    plain = bytearray(data)
    plain[3] |= 2
    right = struct.pack("<H", zlib.crc32(bytes(plain[:10])) & 0xFFFF)
    assert read(bytes(plain[:10]) + right + data[10:]) == read(data)
    with pytest.raises(Damaged, match="header crc"):
        read(bytes(plain[:10]) + b"\0\0" + data[10:])


def test_bounds():
    bomb = gzip.compress(made([("it", bytes(1 << 20))]))
    with pytest.raises(TooLarge):
        read(bomb, most_bytes=1 << 19)
    with pytest.raises(TooLarge, match="a member of 1048576 bytes"):
        read(made([("it", bytes(1 << 20))])[:1024], most_bytes=1 << 19)
    with pytest.raises(TooLarge, match="more bytes"):
        read(gzip.compress(made([("it", b"")]) + bytes(1 << 22)), most_bytes=1 << 20)
    many = made([(f"it{number}", b"") for number in range(20)])
    assert len(read(many, most_headers=20)) == 20
    with pytest.raises(TooLarge, match="more than 19 headers"):
        read(many, most_headers=19)
    with pytest.raises(TooLarge, match="gzip members"):
        read(gzip.compress(b"") * 100001)


def test_memory_stays_small():
    """A piece is at most a megabyte, however much one byte unpacks to."""
    data = gzip.compress(made([("it", bytes(1 << 25))]))
    for one in tarball.members(io.BytesIO(data), most_bytes=1 << 26, most_headers=9):
        assert isinstance(one, Member) and max(map(len, one.content)) <= 1 << 20


@pytest.mark.parametrize(
    "records",
    [
        b"0 path=x\n",
        b"9 path=xy",
        b"99999999 path=x\n",
        b"path=x\n",
        b"-1 a=b\n",
        b"99 a=b\n",
        b"10 size=-1\n",
        b"10 size=0x\n",
        b"12 size=1e9\n\n",
    ],
)
def test_extended_headers_that_are_none(records):
    """One whose length is 0 had tarfile loop for ever, until CPython 3.7.9."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    data = info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    with pytest.raises(Damaged, match="extended header"):
        read(data + made([("it", b"1")]))
