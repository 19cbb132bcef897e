"""Event files, read: write then read, and what is refused, by file and byte."""

import re
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from event_files import (
    AEDAT3_HEADER,
    DAT_HEADER,
    aedat2,
    aedat2_header,
    aedat3,
    atis,
    dat,
    evt2,
    made,
    packet,
    polarity_packets,
    polarity_words,
    random_events,
)
from hypothesis import given
from hypothesis import strategies as st

from bitspike.datasets.events import EVENT, FORMATS, Events, read_events
from bitspike.datasets.events.read import format_of
from bitspike.datasets.events.source import EventFile
from bitspike.errors import UserError

needs_faery = pytest.mark.skipif(find_spec("faery") is None, reason="needs faery: pip install 'bitspike[events]'")
ROWS = [(5, 1, 2, 1), (9, 3, 4, 0), (9, 0, 0, 1), (700, 127, 127, 0)]
SMALL = Events((128, 128), made(ROWS))


def read(content: bytes, name: str = "a.aedat", **told) -> Events:
    """What the reader of a content's format makes of it, without a file."""
    file = EventFile(Path(name), content, **told)
    return FORMATS[format_of(file)](file)


def same(found: Events, wanted: Events) -> bool:
    return found.sensor_size == wanted.sensor_size and np.array_equal(found.events, wanted.events)


# ---- write, then read


@given(random_events((128, 128), 1 << 32), st.booleans())
def test_aedat2_of_a_dvs128(events: Events, end: bool) -> None:
    assert same(read(aedat2(events, end)), events)
    assert same(read(aedat2(events, end, named=False), sensor_size=(128, 128)), events)


@given(random_events((240, 180), 1 << 32))
def test_aedat2_of_a_davis(events: Events) -> None:
    assert same(read(aedat2(events, end=True)), events)


@given(random_events((128, 128), 1 << 40))
def test_aedat3(events: Events) -> None:
    assert same(read(aedat3(events)), events)


@given(st.sampled_from([(34, 34), (240, 180)]).flatmap(lambda size: random_events(size, 1 << 23, 1)))
def test_bin(events: Events) -> None:
    assert same(read(atis(events), "a.bin", sensor_size=events.sensor_size), events)


@given(random_events((1280, 720), 1 << 32))
def test_dat(events: Events) -> None:
    assert same(read(dat(events)), events)


def test_the_comparison_can_fail() -> None:
    other = Events((128, 128), made([*ROWS[:-1], (701, 127, 127, 0)]))
    assert not same(read(aedat3(other)), SMALL)
    assert not same(Events((240, 180), made(ROWS)), SMALL)


def test_an_event_may_begin_as_a_header_does() -> None:
    """Column 37 is the letter that DAT and EVT begin with; a ``.bin`` of N-Caltech101 has it."""
    for rows in ([(0, 37, 0, 0)], [(0, 37, 32, 0), (0x0A0A0A, 37, 32, 0)], [(t, 37, 37, 0) for t in range(5)]):
        events = Events((240, 180), made(rows))
        assert same(read(atis(events), "a.bin", sensor_size=(240, 180)), events)
    assert same(read(dat(Events((1280, 720), made(ROWS))), "a.bin"), Events((1280, 720), made(ROWS)))


def test_a_davis_event_may_begin_as_a_header_line_does() -> None:
    events = Events((240, 180), made([(1, 40, 0x23 << 2, 1), (2, 41, 0x23 << 2, 1)]))
    assert same(read(aedat2(events)), events)


def test_what_is_no_event_of_the_pixels_is_left_out() -> None:
    dvs = aedat2(SMALL) + struct.pack(">II", 0x8000, 800)  # an external event
    assert same(read(dvs), SMALL)
    davis = Events((240, 180), made(ROWS))
    more = struct.pack(">IIIIII", 0x80000000, 701, 0xFFFFFC00, 0, 0x400, 702)  # image, IMU, external event
    assert same(read(aedat2(davis) + more), davis)


# ---- AEDAT 3.1: other packets, invalid events, room that is not used


def test_aedat3_passes_over_other_packets() -> None:
    special = packet(bytes(16), 0, 2, 2)
    frame = packet(bytes(36 + 10), 2, 1, 1, size=46)
    imu = packet(bytes(72), 3, 2, 0, size=36)
    first, second = polarity_packets(SMALL.events, 2)
    content = AEDAT3_HEADER + special + first + frame + imu + packet(b"", 1, 0, 0) + second + special
    assert same(read(content), SMALL)


def test_aedat3_drops_invalid_events_and_room_that_is_not_used() -> None:
    rows = made([(5, 1, 2, 1), (6, 500, 9, 1), (9, 3, 4, 0), (3, 0, 0, 0), (9, 0, 0, 1), (700, 127, 127, 0)])
    valid = [True, False, True, False, True, True]  # the invalid ones are outside the sensor and out of order
    one = packet(polarity_words(rows, valid), 1, 6, 4)
    assert same(read(AEDAT3_HEADER + one), SMALL)
    roomy = packet(polarity_words(rows, valid) + bytes([255] * 24), 1, 6, 4, room=9)
    assert same(read(AEDAT3_HEADER + roomy), SMALL)
    late = Events((128, 128), made([(t + (3 << 31), x, y, p) for t, x, y, p in ROWS]))
    untimed = struct.pack("<II", 0, 1 << 31)  # of an invalid event nothing is looked at
    third = packet(polarity_words(rows, valid) + untimed, 1, 7, 4, overflow=3)
    assert same(read(AEDAT3_HEADER + third), late)
    gone = packet(polarity_words(rows, [False] * 6), 1, 6, 0)
    assert len(read(AEDAT3_HEADER + gone)) == 0
    with pytest.raises(UserError, match=rf"byte {len(AEDAT3_HEADER) + 2 * 28 + 6 * 8 + 8}: got 'x=500'; want x from 0"):
        read(AEDAT3_HEADER + gone + packet(polarity_words(rows[:2]), 1, 2, 2))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (packet(b"", 1, 1_000_000_000, 1), "1000000000 events of 8 bytes'; 0 bytes are left"),
        (packet(bytes(8), 1, 1, 2), "2 valid, 0 overflows'; a packet's header cannot say that"),
        (packet(bytes(8), 1, 1, 1, room=0), "a packet's header cannot say that"),
        (packet(bytes(8), 1, -1, -1, room=1), "a packet's header cannot say that"),
        (packet(bytes(8), 1, 1, 1, overflow=-1), "-1 overflows"),
        (packet(bytes(16), 1, 1, 1, size=16), "polarity events of 16 bytes"),
        (packet(bytes(16), 0, 1, 1, size=0), "a packet's header cannot say that"),
        (packet(bytes(8), -32767, 1, 1), "a compressed packet, or damaged"),
        (packet(struct.pack("<II", 1, 1 << 31), 1, 1, 1), "time 0x80000000"),
        (packet(polarity_words(SMALL.events[:1]), 1, 1, 1, overflow=0)[:-1], "1 events of 8 bytes"),
    ],
)
def test_aedat3_holds_claims_against_the_bytes_that_are_there(bad: bytes, says: str) -> None:
    at = len(AEDAT3_HEADER)
    with pytest.raises(UserError, match=re.escape(says)) as refused:
        read(AEDAT3_HEADER + bad)
    assert f"byte {at}" in str(refused.value) or f"byte {at + 28}" in str(refused.value)


def test_aedat3_headers() -> None:
    first = next(polarity_packets(SMALL.events))
    for change, says in [
        ((b"RAW", b"SerializedTS"), "got 'format SerializedTS'; only RAW is read"),
        ((b"#!END-HEADER\r\n", b""), "want the line b'#!END-HEADER'"),
        ((b"DVS128", b"MyEye"), "got 'MyEye'; the size of that sensor is not known here"),
    ]:
        with pytest.raises(UserError, match=re.escape(says)):
            read(AEDAT3_HEADER.replace(*change) + first)
    told = read(AEDAT3_HEADER.replace(b"DVS128", b"MyEye") + first, sensor_size=(200, 200))
    assert told.sensor_size == (200, 200)
    with pytest.raises(UserError, match=r"sensor_size: got \(34, 34\); a.aedat says \(128, 128\)"):
        read(AEDAT3_HEADER + first, sensor_size=(34, 34))
    other = first[:2] + b"\7\0" + first[4:]
    with pytest.raises(UserError, match=r"sources \[1, 7\]'; want those of one sensor"):
        read(AEDAT3_HEADER + first + other)


# ---- the marks of time in .bin files


def test_marks_of_time_in_bin_files() -> None:
    """A mark (row 240) adds 2^13 us to what follows and is no event itself."""
    rows = made([(10, 1, 2, 1), (20, 0, 240, 0), (30, 3, 4, 0), (40, 0, 240, 1), (41, 9, 240, 1), (50, 33, 33, 1)])
    events = Events((256, 256), rows)
    wanted = [(10, 1, 2, 1), (30 + 8192, 3, 4, 0), (50 + 3 * 8192, 33, 33, 1)]
    assert same(read(atis(events), "a.bin"), Events((34, 34), made(wanted)))
    rows[5]["x"] = 34
    with pytest.raises(UserError, match=r"a.bin, byte 25: got 'x=34'"):
        read(atis(events), "a.bin")


# ---- refused, by file and byte


def test_events_off_the_sensor_and_times_that_run_backwards() -> None:
    rows = made([*ROWS, (699, 1, 1, 1), (800, 2, 2, 0)])
    start = len(aedat2_header((128, 128)))
    for content, at in [
        (aedat2(SMALL) + aedat2(Events((128, 128), rows[4:]))[start:], start + 32),
        (AEDAT3_HEADER + packet(polarity_words(rows), 1, 6, 6), len(AEDAT3_HEADER) + 28 + 32),
        (dat(SMALL) + dat(Events((128, 128), rows[4:]), b"")[2:], len(DAT_HEADER) + 2 + 32),
    ]:
        with pytest.raises(UserError, match=rf"a.aedat, byte {at}: got 't=699 after 700'; times never decrease"):
            read(content)
        found = read(content, sort=True)
        assert np.array_equal(found.events, rows[[0, 1, 2, 4, 3, 5]])
    off = Events((1 << 14, 1 << 14), made([(1, 0, 0, 0), (2, 1279, 720, 1)]))
    with pytest.raises(UserError, match=rf"byte {len(DAT_HEADER) + 10}: got 'y=720'; want y from 0 to 719"):
        read(dat(off))
    with pytest.raises(UserError, match=r"byte 0: got 'x=40'; want x from 0 to 33"):
        read(atis(Events((50, 50), made([(1, 40, 2, 0)]))), "a.bin")


def test_a_refusal_of_a_sorted_recording_names_the_byte_in_the_file() -> None:
    content = atis(Events((256, 256), made([(5, 1, 1, 1)]))) + atis(Events((256, 256), made([(3, 77, 1, 1)])))
    with pytest.raises(UserError, match=r"byte 5: got 'x=77'"):
        read(content, "a.bin", sort=True)


def test_polarity_and_addresses_that_cannot_be() -> None:
    words = struct.pack("<II", 3, 2 << 28)
    with pytest.raises(UserError, match=rf"byte {len(DAT_HEADER) + 10}: got 'p=2'; want a polarity of 0 or 1"):
        read(dat(Events((1280, 720), made([(1, 0, 0, 1)]))) + words)
    with pytest.raises(UserError, match=rf"byte {len(aedat2_header((128, 128)))}: got 'address 0x10000'"):
        read(aedat2_header((128, 128)) + struct.pack(">II", 1 << 16, 1))


@pytest.mark.parametrize("name", ["aedat2", "aedat3", "dat"])
def test_a_first_line_that_is_no_text_is_no_header(name: str) -> None:
    content, path = FILES[name]
    damaged = content[:12] + b"\0" + content[13:]
    with pytest.raises(UserError, match=r"byte 0: .* want a line of text"):
        FORMATS[name](EventFile(Path(path), damaged))


def test_dat_headers() -> None:
    events = Events((304, 240), made([(1, 303, 239, 1)]))
    cars = b"% Data file containing Event2d events.\n% Version 2\n"
    assert same(read(dat(events, cars, 0)), events)
    for content, says in [
        (dat(events, cars.replace(b"2\n", b"1\n"), 0), "got 'version 1'; only version 2"),
        (dat(events, cars, 14), "got 'events of kind 14, 8 bytes'"),
        (b"% Version 2\n\x0c", "want the kind and the size"),
        (b"% Version", "cut short within its header"),
        (b"", "the beginning of no event file"),
    ]:
        with pytest.raises(UserError, match=re.escape(says)):
            read(content)


def test_aedat2_needs_a_sensor_that_it_knows() -> None:
    with pytest.raises(UserError, match=r"no sensor in its header'; the size of that sensor is not known here"):
        read(aedat2(SMALL, named=False))
    with pytest.raises(UserError, match=r"a sensor of 34x34'; AEDAT 2.0 is read of sensors of \(128, 128\)"):
        read(aedat2(SMALL, named=False), sensor_size=(34, 34))
    with pytest.raises(UserError, match=r"a.aedat says \(128, 128\)"):
        read(aedat2(SMALL), sensor_size=(240, 180))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        read_events(tmp_path / "a.bin")
    with pytest.raises(UserError, match="there is no such file"):
        read_events(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"")
    with pytest.raises(UserError, match="an empty file"):
        read_events(tmp_path / "a.bin")
    (tmp_path / "a.bin").write_bytes(aedat3(SMALL))
    assert same(read_events(tmp_path / "a.bin"), SMALL)  # the content tells, not the name
    with pytest.raises(UserError, match="format: got 'aedat'; did you mean"):
        read_events(tmp_path / "a.bin", "aedat")
    with pytest.raises(UserError, match=r"want b'#!AER-DAT2\.0'"):
        read_events(tmp_path / "a.bin", "aedat2")
    with pytest.raises(UserError, match=r"sensor_size: got \(0, 5\)"):
        read_events(tmp_path / "a.bin", sensor_size=(0, 5))
    for version in ("1.0", "3.0", "9.9"):
        (tmp_path / "a.bin").write_bytes(f"#!AER-DAT{version}\r\n".encode())
        with pytest.raises(UserError, match="the beginning of no event file"):
            read_events(tmp_path / "a.bin")


def test_the_type_checks_what_it_holds() -> None:
    with pytest.raises(UserError, match=r"events: got .* want one axis"):
        Events((4, 4), np.zeros(3))
    with pytest.raises(UserError, match="event 1: got 'p=2'"):
        Events((4, 4), made([(0, 0, 0, 1), (0, 0, 0, 2)]))
    with pytest.raises(UserError, match="event 0: got 't=-1'"):
        Events((4, 4), made([(-1, 0, 0, 1)]))
    assert len(Events((4, 4), np.empty(0, EVENT))) == 0
    cut = SMALL.between(9, 700)
    assert cut.events["t"].tolist() == [9, 9]
    assert len(SMALL.between(None, None)) == 4
    assert len(SMALL.between(701, None)) == 0


# ---- truncation and noise

FILES = {
    "aedat2": (aedat2(SMALL, end=True), "a.aedat"),
    "aedat3": (aedat3(SMALL) + b"".join(polarity_packets(made([(900, 1, 1, 1)]))), "a.aedat"),
    "bin": (atis(Events((34, 34), made(ROWS[:3]))), "a.bin"),
    "dat": (dat(SMALL), "a.dat"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_refused_or_a_prefix(name: str) -> None:
    """A prefix only where the format has no count: between two records, or two packets."""
    content, path = FILES[name]
    whole, prefixes = read(content, path), 0
    for length in range(len(content)):
        try:
            found = read(content[:length], path)
        except UserError as refused:
            assert str(refused).count("\n") == 0
            assert path in str(refused)
            continue
        assert np.array_equal(found.events, whole.events[: len(found)])
        prefixes += 1
    # aedat2: also the header without its last line, which older files lack
    assert prefixes == {"aedat2": 5, "aedat3": 2, "bin": 2, "dat": 4}[name]


@given(st.binary(max_size=300), st.sampled_from([*FILES, "none"]), st.integers(0, 400))
def test_noise_is_refused_in_one_line_or_read(noise: bytes, name: str, at: int) -> None:
    content, path = FILES.get(name, (b"", "a.bin"))
    try:
        found = read(content[:at] + noise + content[at + len(noise) :], path)
    except UserError as refused:
        assert "\n" not in str(refused)
    else:
        assert found.events.dtype == EVENT


# ---- what faery reads


@needs_faery
def test_dat_as_faery_reads_it(tmp_path: Path) -> None:
    import faery

    rng = np.random.default_rng(0)
    rows = zip(np.sort(rng.integers(0, 1 << 30, 500)), *(rng.integers(0, n, 500) for n in (1280, 720, 2)), strict=True)
    events = Events((1280, 720), made([tuple(int(v) for v in row) for row in rows]))
    (tmp_path / "a.dat").write_bytes(dat(events))
    theirs = faery.events_stream_from_file(tmp_path / "a.dat").to_array()
    assert np.array_equal(read_events(tmp_path / "a.dat").events, theirs.view(EVENT))
    assert same(read_events(tmp_path / "a.dat"), events)


@needs_faery
@given(events=random_events((640, 480), 1 << 30, 1))
def test_evt2_through_faery(tmp_path_factory, events: Events) -> None:
    path = tmp_path_factory.mktemp("evt") / "a.raw"
    path.write_bytes(evt2(events))
    assert same(read_events(path), events)
    path.write_bytes(evt2(events)[:-1])
    with pytest.raises(UserError, match=r"byte \d+: got '3 bytes'; want 4: cut short"):
        read_events(path)


@needs_faery
@given(
    noise=st.binary(max_size=200), magic=st.sampled_from([b"#!AER-DAT4.0\r\n", b"Event Stream\2\0\0\1", b"% evt 3.0\n"])
)
def test_noise_in_what_faery_reads(tmp_path_factory, noise: bytes, magic: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "a"
    path.write_bytes(magic + noise)
    try:
        read_events(path, sensor_size=None)
    except UserError as refused:
        assert "\n" not in str(refused)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faery", None)
    path = tmp_path / "a.es"
    path.write_bytes(b"Event Stream")
    with pytest.raises(UserError, match=r"got 'faery'; install it with: pip install 'bitspike\[events\]'"):
        read_events(path)


def aedat4_shell(table: int, *packets: bytes) -> bytes:
    """The outermost layer of AEDAT 4: a header whose table lies at ``table``, then packets."""
    fields = struct.pack("<HHHHH", 10, 24, 4, 12, 8) + bytes(2)
    root = struct.pack("<iiIqI", 12, 0, 12, table, 4) + b"<dv>"
    header = struct.pack("<I", 4 + len(fields)) + fields + root
    return b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + b"".join(packets)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"#!AER-DAT4.0\r\n", "cut short, or damaged"),
        (aedat4_shell(-1).replace(b"<dv>", b"<d\xc6>"), "can't decode byte 0xc6"),
        (aedat4_shell(-1, struct.pack("<iI", 0, 4_000_000_000)), "a packet of 4000000000 bytes'; 0 are left"),
        (aedat4_shell(-1, struct.pack("<iI", 0, 2) + b"ab", b"cde"), "want a packet's header of 8"),
        (aedat4_shell(10_000), "a table at byte 10000 of"),
        (aedat4_shell(3), "a table at byte 3 of"),
    ],
)
def test_packets_of_aedat4_are_followed_before_faery_sees_them(content: bytes, says: str) -> None:
    with pytest.raises(UserError, match=re.escape(says)) as refused:
        read(content)
    assert re.search(r"a.aedat, byte \d+", str(refused.value))
