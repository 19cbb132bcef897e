"""Looks for files on which `bitspike.ir.load` does anything but load or say no, by coverage. Not a part of the tests.

    python -m venv /tmp/fuzz
    /tmp/fuzz/bin/pip install -c constraints.txt atheris numpy pydantic safetensors
    mkdir /tmp/corpus
    PYTHONPATH=src /tmp/fuzz/bin/python tools/fuzz_netfile.py /tmp/corpus -max_total_time=180 -max_len=8192 -timeout=9

The header is what changes; its length is put right, and the tensors are those of the golden file. What libFuzzer finds
it writes to the folder it runs in. The tests have loops of their own: tests/unit/ir/test_netfile_fuzz.py.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "frozen_network.bitspike"

atheris = import_module("atheris")  # has no types, and is not among the requirements
with atheris.instrument_imports():
    from bitspike.errors import UserError
    from bitspike.ir import load


def main() -> None:
    content = GOLDEN.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    file = Path(tempfile.mkdtemp()) / "net.bitspike"
    for corpus in filter(Path.is_dir, map(Path, sys.argv[1:])):
        (corpus / "golden").write_bytes(content[8:end])

    def one(header: bytes) -> None:
        file.write_bytes(len(header).to_bytes(8, "little") + header + content[end:])
        try:
            load(file)
        except UserError as refused:
            assert len(str(refused).splitlines()) == 1

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
