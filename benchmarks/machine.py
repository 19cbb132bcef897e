"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["command", "commit", "processor"]


LEVELS = ("BITSPIKE_CPU", "ONEDNN_MAX_CPU_ISA")
"""What of the environment holds an instruction set back, ours and oneDNN's."""


def command(file: str, **places: Path) -> str:
    """What was typed, with a word for each place of this machine: ``SRC``, ``DATA``."""
    levels = (f"{name}={os.environ[name]}" for name in LEVELS if name in os.environ)
    said = shlex.join([*levels, "python", f"benchmarks/{Path(file).name}", *sys.argv[1:]])
    for word, place in places.items():
        said = said.replace(str(place), word)
    return said


def commit(source: Path) -> str:
    """The commit of the checkout that a folder is in."""
    asked = ["git", "-C", str(source), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def processor() -> dict[str, Any]:
    """The model that Linux names, and of its features those that kernels ask for."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = ("avx2", "avx512", "avx_vnni", "amx", "asimd")
    features = [flag for flag in said.get("flags", said.get("Features", "")).split() if flag.startswith(wanted)]
    return {"model": said.get("model name", platform.processor()), "cores": os.cpu_count(), "features": features}
