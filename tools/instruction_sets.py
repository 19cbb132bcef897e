"""Runs the tests that compare floats as other machines would: at each instruction set that this processor has, with one
thread and with two, and with sums that round as no machine here does (tests/other_rounding.py).

    python tools/instruction_sets.py                    all settings
    python tools/instruction_sets.py avx2 -- -x -k lif  one of them, and what follows the dashes is handed to pytest
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

NUMERIC = (
    "tests/unit/layers",
    "tests/unit/neurons",
    "tests/unit/quant",
    "tests/unit/conversion",
    "tests/conformance/test_oracle_equals_model.py",
)
"""Tests whose floats go through convolutions, products and means."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How the libraries below torch are told to compute.

    Args:
        capability: of ATen's own loops, ``ATEN_CPU_CAPABILITY``.
        onednn, mkl: the newest instructions that these may use.
        needs: flags that a processor shows if it has the instructions; empty where every x86-64 has them.
        threads: of OpenMP.
        options: for pytest.
    """

    capability: str = ""
    onednn: str = ""
    mkl: str = ""
    needs: frozenset[str] = frozenset()
    threads: int = 1
    options: tuple[str, ...] = ()

    def environment(self) -> dict[str, str]:
        named = {
            "ATEN_CPU_CAPABILITY": self.capability,
            "ONEDNN_MAX_CPU_ISA": self.onednn,
            "MKL_ENABLE_INSTRUCTIONS": self.mkl,
            "OMP_NUM_THREADS": str(self.threads),
            "GOMP_SPINCOUNT": "1000",  # docs/adr/0015-threads.md
        }
        return {name: value for name, value in named.items() if value}


AVX512 = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})
AMX = frozenset({"amx_tile", "amx_int8", "amx_bf16"})
SETTINGS = {
    "default": Setting(capability="default", onednn="SSE41", mkl="SSE4_2", threads=2),
    "avx2": Setting(capability="avx2", onednn="AVX2", mkl="AVX2", needs=frozenset({"avx2", "fma"})),
    "avx512": Setting(capability="avx512", onednn="AVX512_CORE", mkl="AVX512", needs=AVX512, threads=2),
    "amx": Setting(capability="avx512", onednn="AVX512_CORE_AMX", mkl="AVX512", needs=AVX512 | AMX),
    "rounding": Setting(options=("--other-rounding",)),
}


def flags() -> frozenset[str]:
    """What the processor says it has; nothing where the system does not say."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return frozenset(word for line in lines if line.startswith("flags") for word in line.split(":")[1].split())


def main() -> int:
    names, _, rest = " ".join(sys.argv[1:]).partition("--")
    chosen = names.split() or list(SETTINGS)
    if unknown := set(chosen) - set(SETTINGS):
        sys.exit(f"settings: got {', '.join(sorted(unknown))}; there are {', '.join(SETTINGS)}")
    failed = []
    for name in chosen:
        setting = SETTINGS[name]
        if missing := setting.needs - flags():
            print(f"== {name}: left out, this processor has no {', '.join(sorted(missing))}", flush=True)
            continue
        said = " ".join(f"{key}={value}" for key, value in setting.environment().items())
        print(f"== {name}: {said}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", *NUMERIC, *setting.options, *rest.split()]
        if subprocess.run(command, env={**os.environ, **setting.environment()}, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main())
