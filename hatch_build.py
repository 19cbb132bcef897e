"""Builds the C library, where there is a compiler; without one the package is pure Python and as exact.

Run as a script it builds the library into this checkout. ``csrc/NAME_LEVEL.c`` is compiled for that instruction set,
every other file for any processor of the machine's kind: which of them runs is decided when it runs.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent
SOURCES, PLACE = ROOT / "csrc", Path("src/bitspike/native/lib")
LIBRARY = "libbitspike.so"
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-fwrapv",
    "-ffp-contract=off",
]
X86_64 = {
    "avx2": ["-mavx2", "-mfma", "-mpopcnt", "-mbmi2"],
    "avx512": [
        *(
            "-mavx2",
            "-mfma",
            "-mpopcnt",
            "-mbmi2",
            "-mavx512f",
            "-mavx512dq",
            "-mavx512bw",
            "-mavx512vl",
        ),
        *(
            "-mavx512vbmi",
            "-mavx512vnni",
            "-mavx512bitalg",
            "-mavx512vpopcntdq",
            "-mprefer-vector-width=512",
        ),
    ],
}
X86_64["amx"] = [*X86_64["avx512"], "-mamx-tile", "-mamx-int8"]
ARM64 = {"neon": [], "dotprod": ["-march=armv8.2-a+dotprod"]}
LEVELS = {
    "x86_64": X86_64,
    "AMD64": X86_64,
    "aarch64": ARM64,
    "arm64": ARM64,
}


def digest() -> str:
    """What changes when a source does (`bitspike.native` computes the same)."""
    files = sorted(file for file in SOURCES.iterdir() if file.suffix in (".c", ".h"))
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()


def build(folder: Path, *flags_too: str, machine: str | None = None) -> Path | None:
    """The library in ``folder``; ``None``, and a line that says why, where it cannot be built.

    Args:
        folder: where it goes.
        flags_too: what the compiler is told beside `FLAGS`.
        machine: that it is for, where ``$CC`` compiles for another than this one.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or next(
        ([c] for c in ("cc", "gcc", "clang") if shutil.which(c)), []
    )
    if not compiler:
        return _told("no C compiler: networks run by NumPy and torch, slower and as exact")
    flags, all_levels = (
        dict(LEVELS.get(machine or platform.machine(), {})),
        {level for kind in LEVELS.values() for level in kind},
    )
    if "amx" in flags and not _takes(compiler, flags["amx"]):
        flags["amx"] = flags["avx512"]  # csrc/tiles.h: a library without tiles

    with tempfile.TemporaryDirectory() as objects:

        def compiled(source: Path) -> Path:
            level = source.stem.rpartition("_")[2]
            made = Path(objects, f"{source.stem}.o")
            _run(
                [
                    *compiler,
                    *FLAGS,
                    f'-DBS_SOURCES="{digest()}"',
                    *flags_too,
                    *flags.get(level, []),
                    "-c",
                    str(source),
                    "-o",
                    str(made),
                ]
            )
            return made

        mine = [
            source
            for source in sorted(SOURCES.glob("*.c"))
            if (level := source.stem.rpartition("_")[2]) in flags or level not in all_levels
        ]
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(objects, LIBRARY)
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                parts = list(pool.map(compiled, mine))
            _run(
                [
                    *compiler,
                    "-shared",
                    "-o",
                    str(made),
                    *map(str, parts),
                    "-lm",
                    "-lpthread",
                ]
            )
        except (OSError, subprocess.CalledProcessError) as wrong:
            said = [*(getattr(wrong, "stderr", None) or "").strip().splitlines(), f"{compiler[0]} failed"]
            said = said if isinstance(wrong, subprocess.CalledProcessError) else [str(wrong)]
            return _told(
                f"the C library was not built ({said[0]}): networks run by NumPy and torch, slower and as exact"
            )
        shutil.copy(made, folder / f".{LIBRARY}")
        os.replace(folder / f".{LIBRARY}", folder / LIBRARY)  # a process that has the old one keeps it
    return folder / LIBRARY


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _takes(compiler: list[str], flags: list[str]) -> bool:
    """Whether the compiler knows these flags: AMX is younger than some that build all the rest."""
    command = [*compiler, *flags, "-E", "-x", "c", os.devnull]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _told(line: str) -> None:
    print(f"bitspike: {line}", file=sys.stderr)


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, where hatchling need not be
    pass
else:

    class NativeLibrary(BuildHookInterface):
        """Puts the library into the wheel; one wheel serves every Python of the machine's kind."""

        def initialize(self, version: str, build_data: dict[str, object]) -> None:
            if build(ROOT / PLACE) is not None:
                from packaging.tags import platform_tags

                build_data["pure_python"] = False
                build_data["tag"] = f"py3-none-{next(iter(platform_tags()))}"
                build_data["artifacts"].append(f"{PLACE}/{LIBRARY}")  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(0 if build(ROOT / PLACE, "-Wall", "-Wextra", "-Werror") else 1)
