"""How the command ends: exit status 0, 2 with one line for bad input, 130 when interrupted."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

import typer

from bitspike.cli import threads
from bitspike.cli.app import app
from bitspike.errors import UserError

__all__ = ["main"]

# typer may carry a click of its own; either way this is its base of all usage errors
CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException" and issubclass(kind, Exception)
)


def main() -> None:
    """Runs the command; exits 0, 2 with one line for bad input, 130 when interrupted."""
    threads.share_cores()
    try:
        status = app(args=words(sys.argv[1:]), standalone_mode=False)
    except UserError as wrong:
        _refuse(str(wrong))
    except CLICK_ERROR as wrong:
        told = wrong.format_message()  # type: ignore[attr-defined]
        edit = re.search(r"extra arguments?(?:\(s\))? \((\S+=.*)\)", told)
        _refuse(f"{told}; want --set before each: --set {edit[1]}" if edit else f"{told} (see bitspike --help)")
    except MemoryError as wrong:
        _refuse(f"memory: it does not hold this; {wrong or 'a smaller network or batch may do'}")
    except (KeyboardInterrupt, typer.Abort):
        print("bitspike: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def words(typed: Sequence[str]) -> list[str]:
    """The command's words with ``~`` as the user's home also in ``--option=~/place``, where no shell puts it."""
    return [re.sub(r"^(--[\w-]+=)(~.*)", lambda found: found[1] + os.path.expanduser(found[2]), word) for word in typed]


def _refuse(line: str) -> None:
    print(f"bitspike: {' '.join(line.split())}", file=sys.stderr)
    sys.exit(2)
