"""Runs the code blocks of a page, in order, in a copy of the checkout (the folder that it is called in), with this
interpreter's bin on PATH.

Blocks fenced as python, bash, sh, shell or console (there: the lines after ``$``) are run. One that is not
says why in the line above: ``<!-- not run: needs a GPU -->``. Fails if a block fails, or if none was run.

    python tools/readme_blocks.py README.md
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHELLS = {"bash", "sh", "shell", "console"}
FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\w*)")
NOT_RUN = re.compile(r"\s*<!--\s*not run:\s*(\S.*?)\s*-->\s*")


@dataclass
class Block:
    line: int
    language: str
    code: str
    reason: str  # why it is not run; empty if it is


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that are code in a language known here."""
    lines = enumerate(text.splitlines(), 1)
    reason = ""
    for number, line in lines:
        if opening := FENCE.match(line):
            fence, language = opening.groups()
            body = []
            for _, inner in lines:
                if inner.strip().startswith(fence) and not inner.strip().strip(fence[0]):
                    break
                body.append(inner)
            else:
                sys.exit(f"line {number}: this block is never closed")
            code = "\n".join(commands(body) if language == "console" else body)
            if language in {"python", *SHELLS}:
                yield Block(number, language, code, reason)
        if line.strip():
            said = NOT_RUN.fullmatch(line)
            reason = said[1] if said else ""


def commands(lines: list[str]) -> Iterator[str]:
    """What was typed in a console session: lines after ``$``, and what continues them after a backslash."""
    typed = False
    for line in lines:
        if typed or line.startswith("$ "):
            yield line if typed else line[2:]
            typed = line.endswith("\\")


def without(code: str, done: list[str]) -> str:
    """The code without the commands that ran elsewhere; empty if only comments are left."""
    kept = [line for line in code.splitlines() if line.partition(" #")[0].strip() not in done]
    return "\n".join(kept) if any(line.strip() and not line.startswith("#") for line in kept) else ""


def copy_checkout(root: Path, copy: Path) -> None:
    """Copies what a clone would hold: what git knows or does not ignore; without git, all but ``.*``."""
    listing = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(root, copy, ignore=shutil.ignore_patterns(".*"))
        return
    for name in filter(None, names):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, copy / name)


def environment() -> dict[str, str]:
    """What a reader's shell would have: nothing of a surrounding ``make``, and our ``bin`` first."""
    env = {k: v for k, v in os.environ.items() if k not in {"MFLAGS", "VENV", "PEERS"} and "MAKE" not in k}
    return env | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}


def run(block: Block, where: Path, scratch: Path, timeout: float) -> bool:
    script = scratch / f"line_{block.line}"
    script.write_text(block.code + "\n")
    by, env = ["bash", "-eo", "pipefail"], environment()
    if block.language == "python":  # a reader's interpreter imports from the folder that it was started in
        by = [sys.executable]
        env["PYTHONPATH"] = os.pathsep.join([str(where), *filter(None, [env.get("PYTHONPATH")])])
    with subprocess.Popen(
        [*by, script], cwd=where, env=env, stdin=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            return process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever it left behind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--done", action="append", default=[], metavar="COMMAND", help="runs elsewhere: leave it out")
    parser.add_argument("--timeout", type=float, default=1800, metavar="SECONDS", help="for one block (1800)")
    asked = parser.parse_args()
    count = {"ran": 0, "not run": 0, "FAILED": 0}
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "checkout")
        copy_checkout(Path.cwd(), copy)
        for block in blocks(asked.page.read_text(encoding="utf-8")):
            title = f"{asked.page}:{block.line} {block.language}"
            if not block.reason and block.language in SHELLS:
                block.code = without(block.code, asked.done)
                block.reason = "" if block.code else "its commands run elsewhere"
            if block.reason:
                outcome = "not run"
                print(f"== {title}: not run: {block.reason}", flush=True)
            else:
                print(f"== {title}", flush=True)
                start = time.monotonic()
                outcome = "ran" if run(block, copy, Path(scratch), asked.timeout) else "FAILED"
                print(f"== {title}: {outcome} in {time.monotonic() - start:.1f} s", flush=True)
            count[outcome] += 1
    print(f"{asked.page}: " + ", ".join(f"{number} {outcome}" for outcome, number in count.items()))
    return int(count["FAILED"] > 0 or count["ran"] == 0)


if __name__ == "__main__":
    sys.exit(main())
