"""The command: parse, call, print. Bad input is one line on stderr and exit status 2."""

import os
import sys

from bitspike.stopping import handled

__all__ = ["main"]


def main() -> None:
    """Runs the command, and ends with its status; a signal that comes while it is loaded is answered too."""
    with handled(_end):  # and before and behind what `ending` does with them
        from bitspike.cli import ending

        ending.main()


def _end(number: int, frame: object) -> None:
    """At once, by one line: there is nothing to keep yet, and imports make other errors of an exception."""
    os.write(sys.stderr.fileno(), b"bitspike: interrupted\n")
    os._exit(128 + number)
