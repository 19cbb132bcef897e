"""Writes docs/commands.md: every command with its arguments and options, as typer knows them.

Run it after a change of the command line; a test runs the check.

    python tools/commands_page.py            rewrites the page
    python tools/commands_page.py --check    exits 1 if the page is not current
"""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape

from written import ROOT, main

PAGE = ROOT / "docs" / "commands.md"
BY = "tools/commands_page.py"


def commands() -> str:
    """What typer writes of the whole command, without its title, and with usages as text and not to be typed."""
    typer = [sys.executable, "-m", "typer", "bitspike.cli.app", "utils", "docs", "--name", "bitspike"]
    text = subprocess.run(typer, capture_output=True, text=True, check=True).stdout
    _, _, body = text.partition("**Commands**:")
    listing, _, verbs = body.partition("\n## ")
    names = re.findall(r"^\* `([\w-]+)`", listing, re.MULTILINE)
    shown = re.sub(r"```console\n\$ (.*)\n```", r"```text\n\1\n```", f"## {verbs}")
    shown = re.sub(r"\n\* `--help`: .*", "", shown)
    shown = re.sub(r"\n\*\*Options\*\*:\n+(?=#|\*\*|\Z)", "\n", shown)
    links = " · ".join(f"[{name}](#bitspike-{name})" for name in names)
    return links + "\n\n" + re.sub(r"\*\*Usage\*\*:\n\n", "", unescape(shown)).strip()


if __name__ == "__main__":
    main([PAGE], {"commands": commands}, BY, __doc__)
