"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["processor"]


def processor() -> dict[str, Any]:
    """The model that Linux names, and of its features those that kernels ask for."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = ("avx2", "avx512", "avx_vnni", "amx", "asimd")
    features = [flag for flag in said.get("flags", said.get("Features", "")).split() if flag.startswith(wanted)]
    return {"model": said.get("model name", platform.processor()), "cores": os.cpu_count(), "features": features}
