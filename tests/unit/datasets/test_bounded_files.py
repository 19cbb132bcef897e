"""Reading files of unknown origin: never more than allowed, never a crash."""

import gzip
import io
import lzma
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bitspike.datasets.files import data_directory, read_bytes, read_members
from bitspike.errors import UserError

CONTENT = bytes(range(200))
COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}
hostile = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("suffix", COMPRESS)
def test_the_limit_is_exact(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(COMPRESS[suffix](CONTENT))
    assert read_bytes(path, len(CONTENT)) == CONTENT
    with pytest.raises(UserError, match="more than 199 bytes"):
        read_bytes(path, len(CONTENT) - 1)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(COMPRESS[suffix](bytes(1 << 24)))
    with pytest.raises(UserError, match="more than 1000 bytes"):
        read_bytes(path, 1000)


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_every_truncation_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = COMPRESS[suffix](CONTENT)
    path = tmp_path / f"f{suffix}"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="get it again"):
            read_bytes(path, 1000)


@hostile
@given(st.binary(max_size=200), st.sampled_from([".gz", ".xz"]), st.booleans())
def test_any_bytes_are_one_line(tmp_path: Path, content: bytes, suffix: str, with_head: bool) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(COMPRESS[suffix](CONTENT)[:20] * with_head + content)
    with pytest.raises(UserError):
        read_bytes(path, 1000)


def test_an_xz_file_that_wants_half_a_gigabyte_of_memory_is_refused(tmp_path: Path) -> None:
    content = bytearray(lzma.compress(CONTENT, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    start, end = 12, 12 + content[12] * 4  # the header of the first block, without its checksum
    content[content.index(b"\x21\x01", start) + 2] = 34  # LZMA2 with a dictionary of 512 MiB
    content[end : end + 4] = zlib.crc32(content[start:end]).to_bytes(4, "little")
    path = tmp_path / "f.xz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"[Mm]emory"):
        read_bytes(path, 1000)


def tar(members: dict[str, bytes], **changes: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_members_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar({"./d/b": b"2", "d/other": b"x", "d/a": b"1"}))
    assert read_members(path, ["d/a", "d/b"], 10, 1 << 16) == [b"1", b"2"]
    with pytest.raises(UserError, match="no member d/c"):
        read_members(path, ["d/a", "d/c"], 10, 1 << 16)


def test_large_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar({"zeros": bytes(1 << 20), "a": b"1"}))
    with pytest.raises(UserError, match="too much content"):
        read_members(path, ["a"], 10, 1 << 16)
    with pytest.raises(UserError, match="longer members"):
        read_members(path, ["zeros"], 10, 1 << 24)
    path.write_bytes(tar({f"{i}": b"" for i in range(200)}))
    with pytest.raises(UserError, match="more or longer members"):
        read_members(path, ["a"], 10, 1 << 24)


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar({"a": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"))
    with pytest.raises(UserError, match="no member a"):
        read_members(path, ["a"], 1 << 16, 1 << 16)


@hostile
@given(st.binary(max_size=2000), st.booleans())
@example(b"", True)
def test_any_archive_is_one_line(tmp_path: Path, content: bytes, packed: bool) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(UserError):
        read_members(path, ["a"], 1000, 10_000)


@hostile
@given(st.integers(0, 511), st.integers(0, 255))
def test_a_damaged_tar_header_is_survived(tmp_path: Path, place: int, value: int) -> None:
    raw = bytearray(gzip.decompress(tar({"a": b"1", "b": b"2"})))
    raw[place] = value
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))  # the header's own checksum
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(raw), 1))
    try:
        read_members(path, ["a"], 10, 1 << 16)
    except UserError as wrong:
        assert "\n" not in str(wrong)


def test_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BITSPIKE_DATA", raising=False)
    assert data_directory(None) == Path("data")
    monkeypatch.setenv("BITSPIKE_DATA", str(tmp_path))
    assert data_directory(None) == tmp_path
    (tmp_path / "x").mkdir()
    assert data_directory(tmp_path / "x") == tmp_path / "x"
    with pytest.raises(UserError, match="no such directory"):
        data_directory(tmp_path / "y")
    monkeypatch.setenv("BITSPIKE_DATA", "/nowhere/at/all")
    with pytest.raises(UserError, match="/nowhere/at/all"):
        data_directory(None)


def test_unreadable_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_bytes(tmp_path, 10)
    with pytest.raises(UserError, match="damaged"):
        read_members(tmp_path, ["a"], 10, 10)
