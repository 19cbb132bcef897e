"""Times the reader of each format of event files beside the libraries that read it too, in turns.

Real recordings are those of a folder with ``ground_truth.json``; of AEDAT 3.1 and ``.bin``, of which it has none or a
short one, files of random events are written. A reading goes from the path to all events in memory; ours checks them.
Time is the process's own on the processor, so that other work on the machine counts less; every reader has one thread.
Peers are installed in an environment of their own, without what they ask for beside NumPy::

    pip install --no-deps --constraint constraints.txt --target PEERS faery aedat expelliarmus tonic
    PYTHONPATH=src:PEERS python benchmarks/event_readers.py RECORDINGS
"""

from __future__ import annotations

import importlib.util
import statistics
import struct
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from machine import command, commit, processor

from bitspike import __version__
from bitspike.datasets.events import read_events
from bitspike.files import write_json

HERE = Path(__file__).parent.parent
RESULTS = HERE / "results" / "benchmarks" / "event_readers.json"
RANDOM = 2_000_000
PACKET = 4096
Reader = Callable[[Path], int]
"""Reads a file and says how many events were in it."""


def ours(path: Path) -> int:
    size = {"random.bin": (240, 180)}.get(path.name)
    return len(read_events(path, sensor_size=size))


def by_faery(path: Path) -> int:
    import faery

    return len(faery.events_stream_from_file(path).to_array())


def by_aedat(path: Path) -> int:
    import aedat

    return len(np.concatenate([packet["events"] for packet in aedat.Decoder(path) if "events" in packet]))


def by_expelliarmus(encoding: str) -> Reader:
    from expelliarmus import Wizard

    return lambda path: len(Wizard(encoding=encoding).read(path))


def by_tonic() -> Reader:
    """Its file of readers alone: the package asks for much that no reader needs."""
    place = importlib.util.find_spec("tonic")
    found = importlib.util.spec_from_file_location("tonic_io", Path(place.origin).with_name("io.py"))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return lambda path: len(module.read_mnist_file(path, module.events_struct))


def readers() -> list[tuple[str, str, dict[str, Reader]]]:
    """Format, file, and who reads it beside us."""
    return [
        ("AEDAT 2.0, DVS128", "aedat2/DVS128-2017-03-21T16-00-20.aedat", {}),
        ("AEDAT 2.0, DAVIS240C", "aedat2/IMU_rotDisk.aedat", {}),
        ("AEDAT 3.1, DVS128", "random.aedat", {}),
        ("AEDAT 4", "aedat4/dvxplorer_class2.aedat4", {"faery": by_faery, "aedat": by_aedat}),
        ("bin of N-Caltech101", "random.bin", {"tonic": by_tonic()}),
        ("bin of N-MNIST", "misc/nmnist_sample.bin", {"tonic": by_tonic()}),
        ("DAT", "prophesee/gen4.dat", {"faery": by_faery, "expelliarmus": by_expelliarmus("dat")}),
        ("EVT 2", "prophesee/evt2.raw", {"faery": by_faery, "expelliarmus": by_expelliarmus("evt2")}),
        ("EVT 3", "prophesee/evt3.raw", {"faery": by_faery, "expelliarmus": by_expelliarmus("evt3")}),
        ("Event Stream", "es/dvs.es", {"faery": by_faery}),
    ]


def write_random(folder: Path) -> None:
    """A file of AEDAT 3.1 and a ``.bin`` of random events."""
    rng = np.random.default_rng(0)
    x, y, p = (rng.integers(0, most, RANDOM) for most in (128, 128, 2))
    t = np.sort(rng.integers(0, 1 << 23, RANDOM))
    words = np.stack([x << 17 | y << 2 | p << 1 | 1, t], 1).astype("<u4")
    with (folder / "random.aedat").open("wb") as file:
        file.write(b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n")
        for at in range(0, RANDOM, PACKET):
            part = words[at : at + PACKET]
            file.write(struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, len(part), len(part), len(part)) + part.tobytes())
    columns = (x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255)
    (folder / "random.bin").write_bytes(np.stack(columns, 1).astype(np.uint8).tobytes())


def timed(path: Path, known: dict[str, Reader], rounds: int) -> dict[str, Any]:
    """Every reader in turns. The first reading of each, which fills the disk's cache, does not count."""
    counts = {name: read(path) for name, read in known.items()}
    speeds: dict[str, list[float]] = {name: [] for name in known}
    for _ in range(rounds):
        for name, read in known.items():
            start = time.process_time()
            read(path)
            speeds[name].append(counts[name] / (time.process_time() - start))
    ratios = {
        name: [mine / theirs for mine, theirs in zip(speeds["bitspike"], speeds[name], strict=True)]
        for name in known
        if name != "bitspike"
    }
    return {
        "bytes": path.stat().st_size,
        "events": counts,
        "events_per_second": {name: summary(values, 0) for name, values in speeds.items()},
        "times_as_fast_as": {name: summary(values, 3) for name, values in ratios.items()},
    }


def summary(values: list[float], digits: int) -> dict[str, float]:
    first, middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return {name: round(value, digits) for name, value in (("median", middle), ("q1", first), ("q3", third))}


def main(
    recordings: Annotated[Path, typer.Argument(help="The folder with ground_truth.json.")],
    rounds: Annotated[int, typer.Option(min=2, help="Readings of every file by every reader.")] = 15,
    out: Annotated[Path, typer.Option(help="File to write.")] = RESULTS,
) -> None:
    """Times every reader and writes events a second, and how many times as fast ours is."""
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        write_random(Path(folder))
        for format_name, name, peers in readers():
            path = Path(folder if name.startswith("random") else recordings, name)
            found = timed(path, {"bitspike": ours, **peers}, rounds)
            files[format_name] = {"file": name, **found}
            medians = {who: f"{each['median'] / 1e6:.1f} M/s" for who, each in found["events_per_second"].items()}
            print(f"{format_name:24}", medians)
    peers = ("numpy", "faery", "aedat", "expelliarmus", "tonic")
    record = {
        "command": command(__file__, RECORDINGS=recordings),
        "machine": processor(),
        "commit": commit(HERE),
        "versions": {"bitspike": __version__, **{name: metadata.version(name) for name in peers}},
        "rounds": rounds,
        "files": files,
    }
    write_json(out, record)


if __name__ == "__main__":
    typer.run(main)
